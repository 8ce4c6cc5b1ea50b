"""Networks that are there already, as tasks."""

import pytest
import torch
from torch.nn import functional as F

from seedsweep.core.component import resolve, settings_from
from seedsweep.core.errors import UserError
from seedsweep.core.models import output_losses, output_metrics
from seedsweep.core.models.standard import Classification, Regression, first_output, in_unit_range
from seedsweep.core.task import Task

NETS = """
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self, pixels, out, wrapped=None):
        super().__init__()
        self.layers, self.wrapped = nn.Sequential(nn.Flatten(), nn.Linear(pixels, out)), wrapped

    def forward(self, x):
        y = self.layers(x)
        return {None: y, "tuple": (y, x), "logits": {"aux": x, "logits": y}, "out": {"out": y}}[self.wrapped]

def margin(output, target):
    return output.max(1).values - output.min(1).values

def mean_only(output, target):
    return F.cross_entropy(output, target)
"""


@pytest.fixture(autouse=True)
def nets(tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)


def make(kind: type[Task], settings: dict, data=None) -> Task:
    return kind(settings_from(kind.Settings, settings, "settings"), data)


CLASSIFIER = {"model": "nets.py:Net", "model_settings": {"pixels": 32 * 32, "out": 2}}


@pytest.mark.parametrize("wrapped", [None, "tuple", "logits", "out"])
def test_classification_is_cross_entropy_and_accuracy(wrapped, make_data, members):
    settings = {**CLASSIFIER, "model_settings": {**CLASSIFIER["model_settings"], "wrapped": wrapped}}
    task = make(Classification, settings, make_data())
    assert list(task.check()) == []
    these = members(task)
    kept = these.evaluated()
    arrays = task.data.validation
    weight, bias = (these.parameters[f"layers.1.{part}"][0].detach() for part in ("weight", "bias"))
    logits = (arrays["image"].flatten(1) / 255) @ weight.T + bias
    values = task.summarise(kept)
    assert float(values["loss"]) == pytest.approx(F.cross_entropy(logits, arrays["label"]).item(), rel=1e-4)
    assert float(values["accuracy"]) == pytest.approx((logits.argmax(1) == arrays["label"]).double().mean().item())
    assert set(values) == set(task.metrics) == {"loss", "accuracy"}
    assert task.metrics["loss"].direction == "min"
    assert (task.metrics["accuracy"].direction, task.metrics["accuracy"].high) == ("max", 1)


def test_own_losses_and_metrics(make_data, members):
    settings = {**CLASSIFIER, "loss": "nets.py:mean_only", "metrics": ["accuracy", "nets.py:margin"],
                "errors": ["cross_entropy"]}  # fmt: skip
    task = make(Classification, settings, make_data())
    assert list(task.check()) == []
    assert {name: metric.direction for name, metric in task.metrics.items()} == {
        "loss": "min", "accuracy": "max", "margin": "max", "cross_entropy": "min",
    }  # fmt: skip
    these = members(task)
    rows = torch.arange(6).expand(3, -1)
    kept = these.together(task.measure, "train", rows)
    torch.testing.assert_close(kept["loss"].mean(1), kept["cross_entropy"].mean(1))
    torch.testing.assert_close(kept["loss"].mean(1), these.together(lambda *a: {"": task.loss(*a)}, "train", rows)[""])


def test_an_autoencoder_is_a_regression_to_its_input(make_data, members):
    settings = {"model": "nets.py:Net", "model_settings": {"pixels": 1024, "out": 1024}, "target": "image",
                "errors": ["l1"]}  # fmt: skip
    task = make(Regression, settings, make_data())
    assert list(task.check()) == []
    values = task.summarise(members(task).evaluated())
    # The images are in [0,1], and the mean of squares is no less than the square of the mean.
    assert 0 < values["l1"] ** 2 <= values["loss"] < 2


def test_a_published_network(make_data):
    settings = {"model": "torchvision.models:resnet18", "model_settings": {"num_classes": 2}}
    task = make(Classification, settings, make_data())
    assert list(task.check()) == []
    assert task.model().fc.out_features == 2


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, "settings.model: '' is no import path; name a class"),
        ({"model": "resnet18"}, "settings.model: 'resnet18' is no import path; name a class"),
        ({"model": "nets.py:Nett"}, "settings.model: nets.py has no 'Nett'; did you mean Net?"),
        ({"input": "pixels"}, "settings.input: the data have no array 'pixels'; known are image, label, mask"),
        ({"metrics": ["accuracy", "accuracy"]}, "settings.metrics: accuracy is measured twice"),
        ({"target": "place"}, "settings.target: place is of torch.float32; classes are whole numbers"),
    ],
)
def test_what_does_not_fit_is_a_line(settings, line, make_data):
    data = make_data()
    if "target" in settings:
        data.train["place"] = torch.rand(24)
    problems = list(make(Classification, {**CLASSIFIER, **settings} if settings else {}, data).check())
    assert [problem.startswith(line) for problem in problems] == [True]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({**CLASSIFIER, "model_settings": {"pixel": 1}}, "settings.model_settings: nets.py:Net cannot be made of them"),
        ({"model": "builtins:dict"}, "settings.model: builtins:dict makes a dict; it must be a torch.nn.Module"),
    ],
)
def test_a_model_that_cannot_be_made_is_a_line(settings, line, make_data):
    with pytest.raises(UserError, match=line):
        make(Classification, settings, make_data()).model()


def test_losses_by_hand():
    output, target = torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 5.0])
    assert output_losses.mse(output, target).tolist() == [1, 4]
    assert output_losses.l1(output, target).tolist() == [1, 2]
    logits = torch.tensor([[0.0], [2.0]])
    assert output_losses.binary_cross_entropy(logits, torch.tensor([1, 0])).tolist() == pytest.approx(
        [0.693147, 2.126928], rel=1e-5
    )
    maps, classes = torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.int64)
    assert output_losses.cross_entropy(maps, classes).tolist() == pytest.approx([1.098612] * 2, rel=1e-5)
    with pytest.raises(RuntimeError, match="shape"):
        output_losses.mse(torch.zeros(2, 3), torch.zeros(2))


def test_metrics_by_hand():
    logits = torch.arange(7.0).expand(2, -1)
    assert output_metrics.accuracy(logits, torch.tensor([6, 5])).tolist() == [1, 0]
    assert output_metrics.top5(logits, torch.tensor([2, 1])).tolist() == [1, 0]


def test_bytes_are_scaled_and_all_else_is_left():
    assert in_unit_range(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == pytest.approx([0, 1])
    for kind in (torch.float32, torch.int64, torch.bool):
        assert in_unit_range(torch.ones(1, dtype=kind)).dtype == kind


def test_an_output_without_a_tensor_is_a_line():
    with pytest.raises(UserError, match="its output is a str"):
        first_output(["text"])


@pytest.mark.parametrize("name", ["classification", "regression"])
def test_short_names(name):
    assert issubclass(resolve(name, "seedsweep.core.models", Task), Task)
