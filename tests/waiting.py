"""Waiting for what another process does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

#: Seconds. However slow a machine is, only what hangs takes so long.
PATIENCE = 1200.0


def wait_for(condition: Callable[[], Any], state: Callable[[], str] = str, every: float = 0.02) -> Any:
    """What the condition gives as soon as it holds. state: what to show if it never does.  every: seconds."""
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited in vain {state()}"
        time.sleep(every)
    return result
