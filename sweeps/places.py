"""Where a launch may run: a place by name, or the address of a Ray cluster."""

from __future__ import annotations

from seedsweep.core.errors import UserError

HERE, INLINE, SLURM = PLACES = "here", "inline", "slurm"
#: How an address of Ray Client begins.
CLIENT = "ray://"


def check_place(on: str) -> None:
    """Errors: UserError for what is neither the name of a place nor an address."""
    if on not in PLACES and ":" not in on:
        raise UserError(f"--on {on}: write here, inline, slurm, or the address of a Ray cluster as host:port")
