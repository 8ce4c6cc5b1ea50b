"""A step that a GPU could launch whole: nothing in it asks the device for a value or brings one from the host."""

from typing import NamedTuple

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from seedsweep.core.training.cuda_graph import WARM_UP, Recorded

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
def test_a_step_asks_the_device_for_nothing(together, members, cohort, at_once, clip):
    one = cohort(together, members(together, 0, 1), at_once, clip=clip)
    # The first sees whether anything is drawn, and brings the inputs of those that follow.
    one.train_step()
    with Operations() as operations:
        one.train_step()
    assert "addcdiv" in operations.names
    assert operations.names & ASKING == set()


class Tape(TorchDispatchMode):
    """What a GPU's graph is, on a CPU: the operations of one call, done again on the same tensors, whatever Python
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


class Replayed:
    """Stands for `Recorded` where there is no GPU: the second call is recorded, those that follow are its replay."""

    def __init__(self, function, device):
        self.function, self.calls, self.tape, self.inputs = function, 0, Tape(), None

    def __call__(self, inputs):
        self.calls += 1
        if self.calls == 1:
            self.function(inputs)
        elif self.calls == 2:
            self.inputs = type(inputs)(*(part.clone() for part in inputs))
            with self.tape:
                self.function(self.inputs)
        else:
            for kept, new in zip(self.inputs, inputs, strict=True):
                kept.copy_(new)
            self.tape.replay()


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 3])
def test_steps_done_again_from_a_recording_are_the_steps_to_the_bit(
    together, members, trained, monkeypatch, at_once, values
):
    """Nothing of the step that was recorded is left in it: not its number, its samples, its draws, or its rate."""
    who = members(together, 0, 1, 2)
    plain = trained(together, who, at_once, clip=1.0)
    monkeypatch.setattr("seedsweep.core.training.cohort.Recorded", Replayed)
    recorded = trained(together, who, at_once, clip=1.0)
    assert torch.equal(recorded.state()["weights"], plain.state()["weights"])
    assert values(recorded).tobytes() == values(plain).tobytes()


class Number(NamedTuple):
    value: torch.Tensor


def test_where_there_is_no_gpu_a_function_is_called():
    total = torch.zeros(())
    recorded = Recorded(lambda number: total.add_(number.value), torch.device("cpu"))
    for value in range(WARM_UP + 4):
        recorded(Number(torch.tensor(float(value))))
    assert not recorded.recorded
    assert total.item() == sum(range(WARM_UP + 4))
