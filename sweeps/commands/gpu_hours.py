"""What a study takes on a GPU that is not here: from its operations, counted; nothing is timed."""

from __future__ import annotations

from torch.utils.flop_counter import FlopCounterMode

from seedsweep.core.records.study import Training
from seedsweep.core.task import Task
from seedsweep.core.training.cohort import Cohort
from seedsweep.core.training.optimisers import Optimizer
from seedsweep.core.training.seeds import Member

#: Floating-point operations a second that a data centre's GPU is taken to keep up with float32 networks: an assumption,
#: about a tenth of what an A100 does at best with TF32.
SUSTAINED = 15e12


def operations(task: Task, member: Member, training: Training, optimizer: Optimizer) -> float:
    """Floating-point operations of one member's training step: of its matrix products and convolutions, forwards and
    backwards, counted on one sample."""
    one = training.model_copy(update={"batch": 1, "microbatch": 0, "steps": 1, "evaluate_every": 1})
    cohort = Cohort(task, [member], one, optimizer, 1)
    with FlopCounterMode(display=False) as counted:
        cohort.train_step()
    return float(counted.get_total_flops() * training.batch)
