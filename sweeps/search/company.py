"""Which configurations can train together: those whose members are one program, with other numbers in it."""

from __future__ import annotations

import json

from seedsweep.core.records.study import Study
from seedsweep.sweeps.study.components import numbers_of


def program(study: Study) -> str:
    """Of a study of a Task as one configuration has it: all but the values of hyperparameters that are tensors, and the
    schedules. It is the same of two configurations that can train together.

    Which hyperparameters have a schedule counts, as each has a column of its own in the curves; and whether there is
    any weight decay, without which an optimiser computes none.
    """
    values = study.hyperparameters
    said = study.model_dump(mode="json", include={"task", "settings", "data", "training", "optimizer", "init_from"})
    parts = {
        **said,
        "names": sorted(values),
        "numbers": numbers_of(study),
        "scheduled": sorted(study.schedules),
        "decays": bool(values.get("weight_decay")),
    }
    return json.dumps(parts, sort_keys=True)
