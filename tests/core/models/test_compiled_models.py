"""Every built-in model and two of the examples, compiled: the plain program's step, and a path that depends on the seed
alone."""

from pathlib import Path

import numpy as np
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
#: One of each built-in network, and of the examples.
KINDS = ["recurrent_attention", "edram", "edram of the report", "unet of a crop", "multilevel_unet"]
STUDIES = ["regression/curve.yaml", "transformer/parity.yaml"]
TRAINING = Training(steps=4, batch=6, evaluate_every=2)


@pytest.fixture(params=[*KINDS, *STUDIES], scope="module")
def task(request, make_data):
    if request.param in TASKS:
        name, settings = TASKS[request.param]
        smaller = {"glimpses": 1} if "glimpses" in settings else {"depth": 1, "width": 2}
        return off_the_kinks(prepared(make(name, {**settings, **smaller}, make_data())))
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


def trained(task, compiler: Compiler, *seeds: int, until: int = 4, state=None) -> Cohort:
    one = Cohort(task, members(task, *seeds), TRAINING, Adam(), 1, compiler=compiler)
    if state:
        one.load(state)
    while one.step < until:
        one.advance()
    return one


def test_a_step_in_double_precision_is_that_of_the_plain_program(task, compiler):
    trial = Trial(task, *members(task, 3), TRAINING, Adam(), double=True)
    plain = trial.results([0])
    # A constant of the model that is made in float32 is rounded so in a trace.
    for name, value in trial.results([0], compiler).items():
        assert difference(value, plain[name]) < 1e-7, name


def test_company_a_resumption_and_another_compilation_change_no_bit(task, compiler, tmp_path):
    alone = trained(task, compiler, 4)
    resumed = trained(task, compiler, 3, 4, state=trained(task, compiler, 3, 4, until=2).state())
    again = trained(task, Compiler(tmp_path / "other"), 4)
    for other in (resumed, again):
        assert torch.equal(other.state()["weights"][-1], alone.state()["weights"][-1])
        np.testing.assert_array_equal(np.array(other.evaluations)[:, -1], np.array(alone.evaluations)[:, -1])
