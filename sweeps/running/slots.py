"""How many trials run at once, and how much of a device each has."""

from __future__ import annotations

import torch

from seedsweep.core.records.study import Study
from seedsweep.slurm.settings import asked
from seedsweep.sweeps.running.ray_session import cores


def device_share(study: Study) -> float:
    """Of a device's memory that one trial counts on."""
    if study.resources.gpus:
        return min(study.resources.gpus, 1.0)
    return 1 / slots_of_machine(study)


def slots_of_machine(study: Study) -> int:
    """Trials that this machine, or this node of an allocation, holds at once."""
    return _slots(study, cores(), torch.cuda.device_count())


def slots_of_allocation(study: Study) -> int:
    """Trials that all nodes of the allocation that the study asks for hold at once."""
    wanted = asked(study.resources)
    return wanted.nodes * _slots(study, wanted.cpus or 1, wanted.gpus or 0)


def _slots(study: Study, cpus: int, gpus: float) -> int:
    needs = study.resources
    return max(1, min(cpus // needs.cpus, int(gpus / needs.gpus) if needs.gpus else cpus))
