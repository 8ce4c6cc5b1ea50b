"""Every built-in network, between them with every loss, location map and extraction but no pretrained backbone, the
standard tasks, and two of the examples, compiled: the plain program's step, and a path that depends on the seed alone.

At sizes that compile in seconds: how long it takes hangs on how many operations there are, not on how large they are.
"""

from pathlib import Path

import pytest
import torch
from torch._inductor.utils import clear_caches

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
HERE = "tests.core.models.small"
EVERY = {name: f"{HERE}:every_{name}" for name in ("location_loss", "classification_loss", "location_map")}
#: Half of the time that compiling EDRAM takes goes to its own glimpse network: the published variant has it.
SMALL_EDRAM = {"glimpses": 1, "state": 32, "features": 4, "classifier": 4}
OWN_BACKBONE, SMALL_BACKBONE = {"convolutions": [2] * 6}, {"backbone": {"name": "small", "widths": [4]}}
#: By name task and settings, with little of what is repeated in them.
MODELS = {
    "recurrent_attention": ("recurrent_attention", {
        **TASKS["recurrent_attention"][1], "glimpses": 1, **SMALL_BACKBONE,
        "location": EVERY["location_loss"], "classification": EVERY["classification_loss"],
        "location_map": EVERY["location_map"], "normalise": True,
    }),
    "edram": ("edram", {**TASKS["edram"][1], **SMALL_EDRAM, **OWN_BACKBONE}),
    "edram of the report": ("edram", {**TASKS["edram of the report"][1], **SMALL_EDRAM, **SMALL_BACKBONE}),
    "unet of a crop": ("unet", {"level": 2, "depth": 1, "width": 2}),
    "multilevel_unet": ("multilevel_unet", {"levels": 2, "depth": 1, "width": 2}),
    "classification": ("classification", {
        "model": f"{HERE}:Flat", "model_settings": {"pixels": 1024, "outputs": 6}, "metrics": ["accuracy", "top5"],
    }),
    "regression": ("regression", {
        "model": f"{HERE}:Flat", "model_settings": {"pixels": 1024}, "target": "image",
        "loss": f"{HERE}:every_loss_of_images",
    }),
}  # fmt: skip
STUDIES = ["regression/curve.yaml", "transformer/parity.yaml"]
TRAINING = Training(steps=100, batch=6, evaluate_every=100)
STEPS = 4


@pytest.fixture(params=[*MODELS, *STUDIES], scope="module")
def task(request, make_data):
    if request.param in MODELS:
        return off_the_kinks(prepared(make(*MODELS[request.param], make_data())))
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
def folder(cache, tmp_path_factory) -> Path:
    return cache(tmp_path_factory.mktemp("cache")) / "compiled"


@pytest.fixture(scope="module")
def compiler(task, folder) -> Compiler:
    return Compiler(folder)


def anew(folder: Path) -> Compiler:
    """One that finds no program, neither in the folder nor in this process."""
    for done in folder.glob("*/done"):
        done.unlink()
    clear_caches()
    return Compiler(folder)


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


def assert_equal_paths(one: Cohort, other: Cohort) -> None:
    """Of the last members, to the bit."""
    assert torch.equal(one.state()["weights"][-1], other.state()["weights"][-1])
    for name in ("buffers", "moments"):
        expected, found = one.state()[name], other.state()[name]
        assert all(torch.equal(found[each][-1], expected[each][-1]) for each in expected)


#: EDRAM's steps differ from recurrent attention's in their glimpses alone, and take a minute more to compile.
@pytest.mark.parametrize("task", [name for name in (*MODELS, *STUDIES) if "edram" not in name], indirect=True)
def test_company_and_a_resumption_change_no_bit(task, compiler):
    alone, half = trained(task, compiler, 4), trained(task, compiler, 3, 4, until=2).state()
    assert_equal_paths(trained(task, compiler, 3, 4, state=half), alone)


@pytest.mark.parametrize("task", ["unet of a crop"], indirect=True)
def test_another_compilation_changes_no_bit(task, compiler, folder):
    """Of one, as it compiles all of a model once more."""
    alone = trained(task, compiler, 4)
    assert_equal_paths(trained(task, anew(folder), 4), alone)
