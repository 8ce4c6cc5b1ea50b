"""Waiting for what happens on the cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def wait_for(condition: Callable[[], Any], seconds: float, launched: Any) -> Any:
    """What the condition gives as soon as it holds. launched: has a queue and an output to show if it never does."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited in vain\n{launched.queue()}\n{launched.output()}"
        time.sleep(0.1)
    return result
