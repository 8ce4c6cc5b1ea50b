"""A cohort that runs out of memory goes on in smaller groups, and loses nothing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Training
from seedsweep.core.training import memory
from seedsweep.core.training.engine import choose_engine
from seedsweep.core.training.memory import OutOfMemoryError, peak, ran_out
from seedsweep.core.training.optimisers import Adam

ROOT = Path(__file__).parents[3]

#: As many members as fit are trained, of 64, in so much more address space than one takes.
LIMITED = """
import re, resource, sys
from pathlib import Path
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from seedsweep.core.records.study import Training
from seedsweep.core.task import Task
from seedsweep.core.training.batch import on_device
from seedsweep.core.training.cohort import Cohort
from seedsweep.core.training.evaluation import prepared
from seedsweep.core.training.optimisers import SGD
from seedsweep.core.training.seeds import Member

class Wide(Task):
    def model(self):
        return nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 3000), nn.Tanh(), nn.Linear(3000, 1))
    def loss(self, model, batch, hp):
        return model(batch["x"]).square().mean()
    def measure(self, model, batch, hp):
        return {"error": model(batch["x"]).square().squeeze(-1)}

torch.set_num_threads(1)
split = {"x": np.ones((64, 4), np.float32)}
task = prepared(Wide(data=on_device({"train": split, "validation": split}, batch=64)))
values = {"lr": 0.01, "momentum": 0.0, "weight_decay": 0.0}
members = [Member(seed, values) for seed in range(64)]
training = Training(steps=2, batch=64, evaluate_every=1)
Cohort(task, members[:1], training, SGD(), 1).advance()
cohort = Cohort(task, members, training, SGD(), 64)
taken = int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (taken + int(sys.argv[1]) * 2**20,) * 2)
while not cohort.done:
    cohort.advance()
print(cohort.at_once, np.isfinite(np.array(cohort.evaluations)).all())
"""


def test_what_says_that_memory_ran_out():
    with pytest.raises(RuntimeError) as refused:
        torch.empty(2**60)
    assert ran_out(refused.value)
    assert ran_out(torch.OutOfMemoryError("CUDA out of memory."))
    assert not ran_out(RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"))
    assert not ran_out(ValueError("out of memory"))


@pytest.mark.slow
def test_a_cohort_too_large_for_real_memory_is_split():
    done = subprocess.run([sys.executable, "-c", LIMITED, "90"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    at_once, finite = done.stdout.split()
    assert 1 <= int(at_once) <= 32
    assert finite == "True"


@pytest.fixture
def limited(make, classifier):
    """A task for which memory ends, late in a pass, with more than some members at once: in training, or in
    measuring."""

    class Limited(classifier):
        most = {"loss": 99, "measure": 99}

        def _take(self, what: str, of: torch.Tensor) -> torch.Tensor:
            # Below vmap the members are an axis.
            whole = torch._C._functorch.get_unwrapped(of) if torch._C._functorch.is_batchedtensor(of) else of[None]
            if len(whole) > self.most[what]:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return of

        def model(self):
            return torch.nn.Sequential(
                torch.nn.Linear(20, 24, bias=False), torch.nn.BatchNorm1d(24), torch.nn.Linear(24, 3)
            )

        def loss(self, model, batch, hp):
            return self._take("loss", F.cross_entropy(model(batch["x"]), batch["label"]))

        def measure(self, model, batch, hp):
            logits = model(batch["x"])
            right = logits.argmax(-1) == batch["label"]
            return {"accuracy": self._take("measure", right.float())}

    def made(**most: int):
        task = make(Limited)
        task.most = {**Limited.most, **most}
        return task

    return made


def test_split_in_training_is_small_from_the_beginning_to_the_bit(limited, members, trained, values):
    who = members(limited(), 0, 1, 2, 3)
    large, small = trained(limited(loss=2), who, 4), trained(limited(), who, 2)
    assert large.at_once == small.at_once == 2
    assert values(large).tobytes() == values(small).tobytes()
    for name, buffer in small.state()["buffers"].items():
        assert torch.equal(large.state()["buffers"][name], buffer)


def test_split_in_evaluation_goes_on_with_smaller_groups(limited, members, trained, values):
    who = members(limited(), 0, 1, 2, 3, 4)
    large, undisturbed = trained(limited(measure=2), who, 5), trained(limited(), who, 5)
    np.testing.assert_allclose(values(large), values(undisturbed), atol=0.05, rtol=1e-3)
    assert large.at_once == 2


def test_one_member_that_does_not_fit_is_one_line(limited, members, cohort):
    task = limited(loss=0)
    with pytest.raises(OutOfMemoryError, match="one member alone needs more memory than there is"):
        cohort(task, members(task, 0, 1, 2)).train_step()


def test_where_one_member_does_not_fit_none_are_compared_and_training_says_so(limited, members, trained):
    task = limited(loss=0)
    who = members(task, 0)
    engine = choose_engine(task, who[0], Training(steps=2, batch=8, evaluate_every=2), Adam())
    assert (engine.name, engine.reason.endswith("do not fit into memory for a comparison")) == ("loop", True)
    with pytest.raises(UserError, match="one member alone needs more memory than there is"):
        trained(task, who)


def test_a_model_that_does_not_fit_is_one_line(make, classifier, members, trained):
    task = make(type("Large", (classifier,), {"model": lambda self: torch.nn.Linear(2**30, 2**20)}))
    words = r"^test_memory\.py: Large\.model: one model alone needs more memory than there is"
    with pytest.raises(UserError, match=words):
        trained(task, members(task, 0))


def test_the_peak_is_this_processs():
    device = torch.device("cpu")
    memory.begin_peak(device)
    before = peak(device)
    taken = torch.ones(32 * 2**20)
    assert peak(device) - before > 0.9 * taken.nbytes
    del taken
    memory.begin_peak(device)
    assert peak(device) - before < 0.5 * 128 * 2**20
