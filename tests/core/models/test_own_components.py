"""A user's own backbone and losses, one class each in one file, chosen in a study's settings with settings of their
own."""

from __future__ import annotations

import pytest
import torch

from seedsweep.core.component import settings_from
from seedsweep.core.errors import UserError
from seedsweep.core.models.recurrent_attention import RecurrentAttention
from seedsweep.core.models.standard import Classification
from seedsweep.core.training.cohort import Cohort
from seedsweep.core.user_modules import use_folder
from seedsweep.sweeps.commands.sampled import sampled_task
from seedsweep.sweeps.search.space import space_of
from seedsweep.sweeps.study.configuration import configuration, make_optimizer, make_task, members, named
from seedsweep.sweeps.study.loading import load

FILES = {
    "mean.py": """
from dataclasses import dataclass
from typing import Annotated
from torch import nn
from seedsweep import Range
from seedsweep.core.models.features import Backbone

class Mean(Backbone):
    @dataclass(frozen=True)
    class Settings:
        width: Annotated[int, Range(1, 64)] = 3

    def __init__(self, settings, channels, glimpse):
        super().__init__(settings, channels, glimpse)
        self.features, self.layer = settings.width, nn.Linear(channels, settings.width)

    def forward(self, glimpses):
        return self.layer(glimpses.mean((-2, -1)))

    @classmethod
    def check(cls, settings, channels, glimpse, *, frozen):
        if glimpse > 8:
            yield f"glimpse_size: {glimpse} is too large"
        if settings.width > 9 and channels == 1:
            yield f"backbone.width: {settings.width} is too wide for one channel"
""",
    "places.py": """
from dataclasses import dataclass
from typing import Annotated
from seedsweep import Range
from seedsweep.core.models.losses import LocationLoss

class Top(LocationLoss):
    hyperparameters = {"pull": Range(0, default=1.0)}

    @dataclass(frozen=True)
    class Settings:
        margin: Annotated[float, Range(0, 1)] = 0.0

    def __call__(self, given):
        return given.hp.pull * (given.rollout.locations[:-1, :, 1] + 1 + self.settings.margin).sum(0).mean()

def top(given):
    return (given.rollout.locations[:-1, :, 1] + 1).sum(0).mean()
""",
    "errors.py": """
from dataclasses import dataclass
from torch import nn
from seedsweep import Metric

class Smoothed:
    @dataclass(frozen=True)
    class Settings:
        share: float = 0.1

    def __init__(self, settings):
        self.share = settings.share

    def __call__(self, output, target):
        return nn.functional.cross_entropy(output, target, label_smoothing=self.share)

class Unsure:
    metric = Metric("min", 0, 1)

    def __call__(self, output, target):
        return 1 - output.softmax(1).max(1).values

class Broken(Smoothed):
    class Settings:
        pass
""",
    "own.yaml": """
question: Does it run?
task: recurrent_attention
settings:
  glimpses: 1
  glimpse_size: 8
  state: 8
  backbone: {name: "mean.py:Mean", width: 5}
  location: {name: "places.py:Top", margin: 0.25}
data: {name: pattern1, size: 32, train: 16, validation: 8, field: 12, anywhere: true}
training: {steps: 2, batch: 4, evaluate_every: 2}
hyperparameters: {pull: 2}
configurations:
  own: {}
  wide: {settings.backbone.width: 7}
  far: {settings: {location: {margin: 0.5}}, pull: 3}
  small: {settings.backbone.name: small}
  area: {settings: {location: area}}
  deep: {settings: {backbone: {name: small, widths: [4, 4]}}}
search:
  explore: 7
  space:
    settings.location.margin: {low: 0, high: 1, if: {settings.location.name: "places.py:Top"}}
    settings.location.name: {choices: ["places.py:Top", area, mse]}
    settings.backbone.width: {low: 1, high: 9, if: {settings.backbone: "mean.py:Mean"}}
    settings.backbone: {choices: ["mean.py:Mean", small]}
criterion: {metric: loss_location, threshold: 1, hold: 1}
""",
}
BUILT_IN = ["settings.backbone=null", "settings.location=null"]
OWN = {"backbone": {"name": "mean.py:Mean", "width": 5}, "glimpses": 1, "glimpse_size": 8}


@pytest.fixture(autouse=True)
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    use_folder(tmp_path)
    return tmp_path


def attention(data=None, **settings) -> RecurrentAttention:
    return RecurrentAttention(settings_from(RecurrentAttention.Settings, {**OWN, **settings}, "settings"), data)


@pytest.mark.slow
def test_an_own_backbone_and_an_own_loss_are_trained_from_a_study(folder):
    """The one is as wide as its setting says, and the other is recorded under its own name."""
    study = load(str(folder / "own.yaml"))
    one = named(study)[0]
    task, _ = sampled_task(one.study)
    training = one.study.training.resolved(task.data.count("train"))
    cohort = Cohort(task, members(one, [0]), training, make_optimizer(one.study), 1, criterion=one.study.criterion)
    cohort.advance()
    assert cohort.step == 2
    values = dict(zip(cohort.columns, cohort.evaluations[-1][0].tolist(), strict=True))
    assert values["loss_top"] == pytest.approx(values["loss_location"])
    # Twice the mean height above the lower end, and the margin.
    assert values["loss_top"] == pytest.approx(2 * (values["y_1"] + 1 + 0.25), rel=1e-4)
    assert task.model().backbone.layer.out_features == 5


def test_settings_of_own_components_are_configured_and_searched(folder):
    study = load(str(folder / "own.yaml"))
    made = {each.name: make_task(each.study) for each in named(study)}
    assert {name: task.settings.backbone for name, task in made.items()} == {
        "own": {"name": "mean.py:Mean", "width": 5}, "wide": {"name": "mean.py:Mean", "width": 7},
        "far": {"name": "mean.py:Mean", "width": 5}, "small": "small", "area": {"name": "mean.py:Mean", "width": 5},
        "deep": {"name": "small", "widths": (4, 4)},
    }  # fmt: skip
    assert (made["far"].settings.location["margin"], made["area"].settings.location) == (0.5, "area")
    assert "loss_top" in made["far"].metrics
    assert "loss_top" not in made["area"].metrics
    assert [each.study.hyperparameters.get("pull") for each in named(study)] == [2, 2, 3, 2, None, 2]
    values = configuration(study, overrides={"settings.backbone.width": 4}).values
    assert (values["settings.backbone"], values["settings.backbone.width"]) == ("mean.py:Mean", 4)


def test_arguments_of_a_model_are_no_component(folder):
    """Another `name` among them leaves the others."""
    (folder / "standard.yaml").write_text(
        "question: Does it run?\ntask: classification\ndata: {name: pattern1}\ntraining: {steps: 2}\n"
        "settings: {model: 'torchvision.models:get_model', model_settings: {name: resnet18, num_classes: 2}}\n"
        "criterion: {metric: accuracy, threshold: 0.5, hold: 1}\nconfigurations: {one: {}}\n"
    )
    study = load(str(folder / "standard.yaml"), None, ["settings.model_settings.name=resnet34"])
    assert study.settings["model_settings"] == {"name": "resnet34", "num_classes": 2}


def test_every_point_of_the_space_is_a_task(folder):
    study = load(str(folder / "own.yaml"))
    points = space_of(study).grid()
    tasks = [make_task(configuration(study, overrides=point).study) for point in points]
    assert {str(task.settings.location) for task in tasks} >= {"area", "mse", "places.py:Top"}
    assert {str(task.settings.backbone) for task in tasks} >= {"small", "{'name': 'mean.py:Mean', 'width': 9}"}
    space = "{settings.backbone: {choices: ['mean.py:Mean', small]}, settings.backbone.width: {low: 1, high: 9}}"
    with pytest.raises(UserError, match=r"no such field, with settings\.backbone small; say with which it is there"):
        load(str(folder / "own.yaml"), None, ["search.space=null", f"search.space={space}"])


def test_defaults_that_are_said_are_no_other_configuration(folder):
    plain = ["search=null", "configurations=null", "configurations.one={}", "hyperparameters.pull=null", *BUILT_IN]
    study = load(str(folder / "own.yaml"), None, plain)
    said = {"settings.backbone": {"name": "small", "widths": [16, 32, 32]}, "settings.location.floor": 1e-6}
    one, other = configuration(study), configuration(study, overrides=said)
    assert one.identity("", "", 2) == other.identity("", "", 2)
    another = configuration(study, overrides={"settings.location.floor": 1e-5})
    assert another.identity("", "", 2) != one.identity("", "", 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("settings.backbone.width=65", "settings.backbone.width=65: 65 is out of range; it must be from 1 to 64"),
        ("settings.backbone.widht=4", "settings.backbone.widht=4: there is no such field; did you mean width?"),
        (
            "settings.backbone.name=mean.py:Men",
            "settings.backbone.name=mean.py:Men: mean.py has no 'Men'; did you mean Mean?",
        ),
        ("settings.backbone.width=10", "settings.backbone.width: 10 is too wide for one channel"),
        ("settings.glimpse_size=9", "settings.glimpse_size=9: 9 is too large"),
        ("settings.location={name: 'places.py:top', margin: 1}", "settings.location.margin: places.py:top has no set"),
    ],
)
def test_what_is_wrong_with_own_settings_is_a_line(folder, setting, line, make_data):
    with pytest.raises(UserError) as refused:
        study = load(
            str(folder / "own.yaml"), None, ["search=null", "configurations=null", "configurations.one={}", setting]
        )
        raise UserError(next(iter(sampled_task(study)[0].check())))
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


PROPERTIES = """
from seedsweep.core.models.recurrent_attention import RecurrentAttention
from seedsweep.shards.sets.patterns import Pattern1

class Failing(RecurrentAttention):
    @property
    def hyperparameters(self):
        return self.ranges

class Method(RecurrentAttention):
    def hyperparameters(self):
        return {}

class Classes(Pattern1):
    @property
    def classes(self):
        return self.many
"""


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("task=p.py:Failing", r"`hyperparameters` of p\.py:Failing fails: AttributeError: .*\(p\.py line 8\)$"),
        ("task=p.py:Method", r"`hyperparameters` of p\.py:Method is a method; write @property above it$"),
        ("data.name=p.py:Classes", r"p\.py:Classes\.classes fails: AttributeError: .*\(p\.py line 17\)$"),
    ],
)
def test_an_own_property_that_fails_is_a_line(folder, setting, line):
    (folder / "p.py").write_text(PROPERTIES)
    without = ["search=null", "configurations=null", "configurations.one={}"]
    with pytest.raises(UserError, match=line) as refused:
        sampled_task(load(str(folder / "own.yaml"), None, [*without, setting]))
    assert "\n" not in str(refused.value)


def test_an_own_loss_may_be_a_function(make_data, members):
    task = attention(make_data(), location="places.py:top")
    these = members(task)
    terms = these.together(task.loss, "train", torch.arange(6).expand(3, -1))
    kept = these.together(task.measure, "train", torch.arange(6).expand(3, -1))
    expected = (kept["locations"][..., 1] + 1).sum(2).mean(1)
    torch.testing.assert_close(terms["loss_location"], expected)
    torch.testing.assert_close(kept["loss_location"].mean(1), expected)


def test_own_losses_and_metrics_of_the_standard_tasks(make_data):
    given = {"model": "torch.nn:Flatten", "loss": {"name": "errors.py:Smoothed", "share": 0.5},
             "metrics": ["accuracy", "errors.py:Unsure"],
             "errors": ["errors.py:Smoothed", "torch.nn:CrossEntropyLoss"]}  # fmt: skip
    task = Classification(settings_from(Classification.Settings, given, "settings"), make_data())
    assert list(task.check()) == []
    assert {name: (metric.direction, metric.high) for name, metric in task.metrics.items()} == {
        "loss": ("min", None), "accuracy": ("max", 1), "unsure": ("min", 1), "smoothed": ("min", None),
        "cross_entropy_loss": ("min", None),
    }  # fmt: skip
    logits = torch.tensor([[3.0, 0.0], [0.0, 2.0]])
    batch = {"image": logits, "label": torch.tensor([0, 0])}
    expected = torch.nn.functional.cross_entropy(logits, batch["label"], label_smoothing=0.5)
    torch.testing.assert_close(task.loss(torch.nn.Identity(), batch, None), expected)
    with pytest.raises(UserError, match=r"settings\.loss: errors\.py:Broken has Settings that are no dataclass"):
        settings_from(Classification.Settings, {"loss": "errors.py:Broken"}, "settings")
