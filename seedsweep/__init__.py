"""Tell a better configuration from a luckier seed.

What a user's own file imports, and what a notebook calls; everything else is internal.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seedsweep.core.component import Choice, Chosen, Metric, Named, Range
    from seedsweep.core.errors import SeedsweepError
    from seedsweep.core.task import Task, dropout
    from seedsweep.core.training.optimisers import Optimizer
    from seedsweep.core.training.schedules import Schedule
    from seedsweep.shards.data_set import DataSet
    from seedsweep.sweeps.notebook import read_evaluations, read_members, report, run_study

#: Name -> module. Imported when they are asked for: a look at a run needs no torch.
_HOMES = {
    **dict.fromkeys(("Choice", "Chosen", "Metric", "Named", "Range"), "core.component"),
    "SeedsweepError": "core.errors",
    **dict.fromkeys(("Task", "dropout"), "core.task"),
    "Optimizer": "core.training.optimisers",
    "Schedule": "core.training.schedules",
    "DataSet": "shards.data_set",
    **dict.fromkeys(("read_evaluations", "read_members", "report", "run_study"), "sweeps.notebook"),
}

__all__ = [
    "Choice",
    "Chosen",
    "DataSet",
    "Metric",
    "Named",
    "Optimizer",
    "Range",
    "Schedule",
    "SeedsweepError",
    "Task",
    "dropout",
    "read_evaluations",
    "read_members",
    "report",
    "run_study",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
