"""Anything of ours as JSON that every program reads: dataclasses as objects, what is no number as null."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json


def as_json(value: Any) -> str:
    """Dataclasses, paths, NumPy's numbers, and what JSON has. NaN and infinity are null."""
    text = to_json(value, indent=1, inf_nan_mode="null", fallback=_plain).decode()
    return f"{text}\n"


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's. Errors: TypeError of anything else."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in JSON")
