"""A step that a GPU could launch whole: nothing in it asks the device for a value or brings one from the host."""

from typing import NamedTuple

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from seedsweep.core.task import TaskSettings, make_task
from seedsweep.core.training.cohort import Cohort, TrainingSettings
from seedsweep.core.training.cuda_graph import WARM_UP, Recorded
from seedsweep.core.training.schedules import Hyperparameters, Member
from seedsweep.shards.samples import DataSettings
from tests.conftest import MODELS, make_split

#: A value that the host reads, a shape that depends on values, a number or a list that becomes a tensor.
ASKING = {
    "index by a mask",
    "index_put_ by a mask",
    "_local_scalar_dense",
    "nonzero",
    "lift_fresh",
    "lift_fresh_copy",
    "unique2",
    "masked_select",
}


class Operations(TorchDispatchMode):
    """Notes the names of all that is called."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.__name__.split(".")[0]
        chosen = args[1] if name in ("index", "index_put_") else ()
        by_mask = any(index is not None and index.dtype == torch.bool for index in chosen)
        self.names.add(f"{name} by a mask" if by_mask else name)
        return function(*args, **(kwargs or {}))


def test_what_asks_the_device_is_noticed():
    for asking in (
        lambda: torch.ones(1).item(),
        lambda: torch.ones(2)[torch.ones(2) > 0],
        lambda: torch.tensor([1.0, 2.0]),
        lambda: torch.ones(2).new_tensor([1.0]),
        lambda: torch.zeros(6)[[0, 4]],
    ):
        with Operations() as operations:
            asking()
        assert operations.names & ASKING, operations.names


@pytest.mark.parametrize("at_once", [1, 2])
@pytest.mark.parametrize("clip", [0.0, 10.0])
def test_a_step_asks_the_device_for_nothing(any_task, at_once, clip):
    members = [Member(seed, Hyperparameters()) for seed in range(2)]
    cohort = Cohort(any_task, members, TrainingSettings(8, 8, 4, clip), at_once)
    cohort.train_step()
    inputs = cohort._stretch[1]
    with Operations() as operations:
        cohort._train_all(type(inputs)(*(part[1] for part in inputs)))
    assert {"addcdiv_", "index_select"} <= operations.names
    assert operations.names & ASKING == set()


class Tape(TorchDispatchMode):
    """What a GPU's graph is, on a CPU: the operations of one step, done again on the same tensors, whatever Python
    would do now."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        # All are kept, so that no two have the same identity.
        self.calls.append((function, args, kwargs or {}, result))
        return result

    def replay(self):
        made = {}

        def now(value):
            return made.get(id(value), value) if isinstance(value, torch.Tensor) else value

        for function, args, kwargs, before in self.calls:
            after = function(*tree_map(now, args), **tree_map(now, kwargs))
            for old, new in zip(tree_leaves(before), tree_leaves(after), strict=True):
                made[id(old)] = new


@pytest.mark.parametrize("at_once", [1, 3])
def test_steps_done_again_from_a_recording_are_the_steps_to_the_bit(any_task, at_once):
    """Nothing of the step that was recorded is left in it: not its number, nor its images, its gamma, or its rate."""
    decaying = Hyperparameters(lr=5e-3, lr_decay_steps=2, gamma_decay_steps=3)
    members = [Member(seed, decaying) for seed in range(3)]
    training = TrainingSettings(8, 8, 8, clip=1.0)
    recorded, plain = (Cohort(any_task, members, training, at_once) for _ in range(2))
    plain.advance()
    recorded.train_step()
    kept = type(recorded._stretch[1])(*(part[1].clone() for part in recorded._stretch[1]))
    tape = Tape()
    with tape:
        recorded._train_all(kept)
    for step in range(2, 8):
        for static, new in zip(kept, (part[step] for part in recorded._stretch[1]), strict=True):
            static.copy_(new)
        tape.replay()
    assert torch.equal(recorded._parameters.values, plain._parameters.values)
    assert torch.equal(recorded._train_loss, plain._train_loss)
    for name, buffer in plain._buffers.items():
        assert torch.equal(recorded._buffers[name], buffer), name


class Number(NamedTuple):
    value: torch.Tensor


def test_where_there_is_no_gpu_a_function_is_called():
    total = torch.zeros(())
    recorded = Recorded(lambda number: total.add_(number.value), torch.device("cpu"))
    for value in range(WARM_UP + 4):
        recorded(Number(torch.tensor(float(value))))
    assert not recorded.recorded
    assert total.item() == sum(range(WARM_UP + 4))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here: a graph is recorded on one")
def test_on_a_gpu_the_recorded_steps_are_the_others():
    data = DataSettings("pattern1", size=32, train=64, validation=32, field=12, anywhere=True)
    splits = make_split(data, "train"), make_split(data, "validation")
    task = make_task(TaskSettings(MODELS["recurrent_attention"]), *splits, "cuda")
    members = [Member(seed, Hyperparameters()) for seed in range(3)]
    cohorts = [Cohort(task, members, TrainingSettings(12, 8, 12), 3) for _ in range(2)]
    cohorts[1]._train = cohorts[1]._train_all
    for cohort in cohorts:
        cohort.advance()
    assert cohorts[0].recorded
    torch.testing.assert_close(cohorts[0]._parameters.values, cohorts[1]._parameters.values, atol=1e-4, rtol=1e-3)
