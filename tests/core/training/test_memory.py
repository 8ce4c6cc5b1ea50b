"""A cohort that runs out of memory goes on in smaller groups, and loses nothing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from seedsweep.core.training.cohort import Cohort, TrainingSettings
from seedsweep.core.training.memory import OutOfMemoryError, peak, ran_out
from seedsweep.core.training.schedules import Hyperparameters, Member

ROOT = Path(__file__).parents[3]
TRAINING = TrainingSettings(steps=6, batch=8, evaluate_every=3)
MEMBERS = [Member(seed, Hyperparameters()) for seed in range(5)]

#: As many members as fit are trained, of 64, in so much more address space than one takes.
LIMITED = """
import re, resource, sys
from pathlib import Path
import numpy as np
from seedsweep.core.training.cohort import Cohort, TrainingSettings
from seedsweep.core.training.schedules import Hyperparameters, Member
from seedsweep.core.task import TaskSettings, make_task
from seedsweep.shards.samples import DataSettings
from tests.conftest import MODELS, make_split

data = DataSettings("pattern1", size=32, train=64, validation=64, field=12, anywhere=True)
task = make_task(TaskSettings(MODELS["recurrent_attention"]), make_split(data, "train"), make_split(data, "validation"))
members = [Member(seed, Hyperparameters()) for seed in range(64)]
Cohort(task, members[:1], TrainingSettings(2, 64, 1), 1).advance()
taken = int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (taken + int(sys.argv[1]) * 2**20,) * 2)
cohort = Cohort(task, members, TrainingSettings(2, 64, 1), 64)
while not cohort.done:
    cohort.advance()
print(cohort.at_once, np.isfinite(np.array(cohort.evaluations)[:, :, cohort.columns.index("loss")]).all())
"""


def test_what_says_that_memory_ran_out():
    with pytest.raises(RuntimeError) as refused:
        torch.empty(2**60)
    assert ran_out(refused.value)
    assert ran_out(torch.OutOfMemoryError("CUDA out of memory."))
    assert not ran_out(RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"))
    assert not ran_out(ValueError("out of memory"))


def test_a_cohort_too_large_for_real_memory_is_split():
    done = subprocess.run([sys.executable, "-c", LIMITED, "120"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    at_once, finite = done.stdout.split()
    assert 1 <= int(at_once) <= 32
    assert finite == "True"


def running_out(monkeypatch, cohort: Cohort, training: bool) -> None:
    """Memory ends for more than two members at once, late: a model has noted running statistics already."""
    forward = Cohort._forward

    def refusing(self, group, *rest):
        result = forward(self, group, *rest)
        if self is cohort and torch.is_grad_enabled() == training and group.stop - group.start > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return result

    monkeypatch.setattr(Cohort, "_forward", refusing)


def trained(cohort: Cohort) -> np.ndarray:
    while not cohort.done:
        cohort.advance()
    return np.array(cohort.evaluations)


def test_split_in_training_is_small_from_the_beginning_to_the_bit(any_task, monkeypatch):
    large, small = Cohort(any_task, MEMBERS, TRAINING, 5), Cohort(any_task, MEMBERS, TRAINING, 2)
    small._groups = [slice(0, 2), slice(2, 3), slice(3, 5)]
    running_out(monkeypatch, large, training=True)
    assert trained(large).tobytes() == trained(small).tobytes()
    assert large._groups == small._groups


def test_split_in_evaluation_goes_on_with_smaller_groups(task, monkeypatch):
    large, undisturbed = Cohort(task, MEMBERS, TRAINING, 5), Cohort(task, MEMBERS, TRAINING, 5)
    running_out(monkeypatch, large, training=False)
    np.testing.assert_allclose(trained(large), trained(undisturbed), atol=2e-3)
    assert large.at_once == 2


def test_one_member_that_does_not_fit_is_one_line(task, monkeypatch):
    def refusing(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(Cohort, "_forward", refusing)
    with pytest.raises(OutOfMemoryError, match="one member alone needs more memory than there is"):
        Cohort(task, MEMBERS, TRAINING, 5).train_step()


def test_the_peak_is_this_processs():
    from seedsweep.core.training.memory import begin_peak

    device = torch.device("cpu")
    begin_peak(device)
    before = peak(device)
    taken = torch.ones(32 * 2**20)
    assert peak(device) - before > 0.9 * taken.nbytes
    del taken
    begin_peak(device)
    assert peak(device) - before < 0.5 * 128 * 2**20
