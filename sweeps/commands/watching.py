"""`--watch`: the same again, every few seconds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from rich.console import Console

PAUSE_SECONDS = 2.0


def watch(show: Callable[[], bool], console: Console) -> None:
    """Show something again every PAUSE_SECONDS, until `show` says that nothing goes on, or Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            console.clear()
            if not show():
                return
            time.sleep(PAUSE_SECONDS)
