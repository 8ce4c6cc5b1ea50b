"""Every built-in model and two of the examples, compiled: the plain program's step, and a path that depends on the seed
alone."""

from pathlib import Path

import pytest
import torch

from seedsweep.core.records.study import Training
from seedsweep.core.training.cohort import Cohort
from seedsweep.core.training.compiled import Compiler
from seedsweep.core.training.engine import Trial, difference
from seedsweep.core.training.evaluation import prepared
from seedsweep.core.training.optimisers import Adam
from seedsweep.core.training.seeds import Member
from seedsweep.sweeps.commands.sampled import sampled_task
from seedsweep.sweeps.study.loading import load
from tests.core.models.small import TASKS, make

EXAMPLES = Path(__file__).parents[3] / "examples"
#: One of each built-in network, and of the examples; with little of what is repeated in them.
KINDS = {
    "recurrent_attention": {"glimpses": 1, "backbone": {"name": "small", "widths": [4]}},
    "edram": {"glimpses": 1},
    "unet of a crop": {"depth": 1, "width": 2},
    "multilevel_unet": {"levels": 2, "depth": 1, "width": 2},
}  # fmt: skip
STUDIES = ["regression/curve.yaml", "transformer/parity.yaml"]
TRAINING = Training(steps=100, batch=6, evaluate_every=100)
STEPS = 4


@pytest.fixture(params=[*KINDS, *STUDIES], scope="module")
def task(request, make_data):
    if request.param in TASKS:
        name, settings = TASKS[request.param]
        return off_the_kinks(prepared(make(name, {**settings, **KINDS[request.param]}, make_data())))
    return off_the_kinks(sampled_task(load(str(EXAMPLES / request.param)))[0])


def off_the_kinks(task):
    """EDRAM begins with a relu of zeros: its gradient there is decided by rounding."""
    begin = task.model

    def model():
        begun = begin()
        for parameter in begun.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
        return begun

    task.model = model
    return task


@pytest.fixture(scope="module")
def compiler(task, tmp_path_factory) -> Compiler:
    return Compiler(tmp_path_factory.mktemp("compiled") / "own")


def members(task, *seeds: int) -> list[Member]:
    declared = {**task.hyperparameters, **Adam().hyperparameters}
    return [Member(seed, {name: bounds.default for name, bounds in declared.items()}, {}) for seed in seeds]


def trained(task, compiler: Compiler, *seeds: int, until: int = STEPS, state=None) -> Cohort:
    """Without an evaluation, which would be compiled, too."""
    one = Cohort(task, members(task, *seeds), TRAINING, Adam(), 1, compiler=compiler)
    if state:
        one.load(state)
    while one.step < until:
        one.train_step()
    return one


def test_a_step_in_double_precision_is_that_of_the_plain_program(task, compiler):
    trial = Trial(task, *members(task, 3), TRAINING, Adam(), double=True)
    plain = trial.results([0])
    # A constant of the model that is made in float32 is rounded so in a trace.
    for name, value in trial.results([0], compiler).items():
        assert difference(value, plain[name]) < 1e-6, name


def test_company_a_resumption_and_another_compilation_change_no_bit(task, compiler, tmp_path):
    alone = trained(task, compiler, 4)
    resumed = trained(task, compiler, 3, 4, state=trained(task, compiler, 3, 4, until=2).state())
    again = trained(task, Compiler(tmp_path / "other"), 4)
    for name in ("weights", "buffers", "moments"):
        expected = alone.state()[name]
        for other in (resumed, again):
            found = other.state()[name]
            if name == "weights":
                assert torch.equal(found[-1], expected[-1])
            else:
                assert all(torch.equal(found[each][-1], expected[each][-1]) for each in expected)
