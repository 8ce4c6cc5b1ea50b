"""Processes beside a launch that wait for its word, and take the processor only where nothing else needs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import IO

from seedsweep.core.source import ROOT


def start(
    module: str, arguments: Sequence[str], output: IO[bytes] | int = subprocess.DEVNULL, *, own_group: bool = False
) -> subprocess.Popen[bytes]:
    """Start a module of this package as a process of low priority, with a pipe as its standard input.

    output: where it prints and complains.  own_group: Ctrl-C is for the launch alone.
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        ["nice", "-n", "19", sys.executable, "-m", module, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        bufsize=0,
        start_new_session=own_group,
    )
