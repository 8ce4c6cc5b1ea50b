"""What a worker is told of a cohort."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Assignment:
    """Strings and numbers alone, so that it may travel.

    folder: of the cohort.  run: of the run directory.  launch: number of the run's lease.  code: name of the copy of
    the user's files, or empty.  data: folder of the packed data set, or empty.  start: file of the weights that members
    start from, or empty.
    """

    folder: str
    run: str
    launch: int
    code: str
    data: str
    start: str
