"""The training state of a trial's cohorts: one file, which lies in the folder of each of them.

So it is never of different steps in two folders, whenever the worker is killed, and a cohort can go on without the
others.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.training import checkpoint


class ApartError(SeedsweepError):
    """Cohorts of one trial that did not come equally far: each goes on alone."""


def members_of(specs: Sequence[CohortSpec]) -> list[str]:
    """A name for each member of some cohorts."""
    return [f"{spec.configuration}/{spec.block}/{seed}" for spec in specs for seed in spec.seeds]


def save(paths: Sequence[Path], state: dict[str, Any]) -> None:
    """Write a state under every one of these names. Errors: OSError."""
    checkpoint.save(paths[0], state)
    for path in paths[1:]:
        try:
            link(paths[0], path)
        except OSError:
            # A file system without links, or a cohort that another worker has just finished.
            checkpoint.save(path, state)


def link(source: Path, path: Path) -> None:
    """Give a file a second name, in place of the file that had it. Errors: OSError."""
    partial = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    os.link(source, partial)
    partial.rename(path)


def latest(records: Sequence[CohortRecord], specs: Sequence[CohortSpec], device: str) -> dict[str, Any] | None:
    """The newest state that holds all members of these cohorts, whose names are its `members`; None where they have
    none. Errors: ApartError where one of them is further than that; OSError."""
    wanted, found, steps = set(members_of(specs)), None, [0]
    for record, spec in zip(records, specs, strict=True):
        state = checkpoint.latest(record.checkpoints(), device)
        if state is None:
            continue
        # One of a version that did not name them holds this cohort's.
        state.setdefault("members", members_of([spec]))
        steps.append(state.get("step", 0))
        if wanted <= set(state["members"]) and (found is None or steps[-1] > found["step"]):
            found = state
    if len(records) > 1 and max(steps) > (found["step"] if found else 0):
        raise ApartError("its cohorts are at different steps: each goes on alone")
    return found
