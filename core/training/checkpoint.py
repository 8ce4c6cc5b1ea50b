"""Training state on disk: whole or absent, and read without unpickling code."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from seedsweep.core.records.files import replace


def save(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, lists, strings and numbers atomically."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    replace(path, buffer.getvalue())


def load(path: Path, device: str = "cpu") -> dict[str, Any] | None:
    """The state, or None where there is none or it is damaged. Errors: OSError if it cannot be read."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
        return state
    except Exception:
        # What the restricted unpickler raises on torn or foreign bytes is not one kind of error.
        return None


def latest(paths: Iterable[Path], device: str = "cpu") -> dict[str, Any] | None:
    """The first state that can be read, or None: training then starts from the beginning."""
    return next((state for path in paths if (state := load(path, device)) is not None), None)
