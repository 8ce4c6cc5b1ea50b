"""Each wrong way to write a task is one line with the method and what would be right."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from seedsweep.core.errors import UserError
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.training.failures import told


def accuracy(model, batch):
    return (model(batch["x"]).argmax(-1) == batch["label"]).float()


def of_what_changed(model, batch):
    """The gradient of exp needs its result, which is changed in place."""
    made = model(batch["x"]).exp()
    made.add_(1)
    return made.mean()


SHARED = nn.Linear(20, 3)
FROZEN = nn.Linear(20, 3).requires_grad_(False)
WRONG = {
    "a change in place of what the gradient needs": (
        {"loss": lambda s, m, b, hp: of_what_changed(m, b)},
        r"^test_wrong_tasks\.py: Wrong\.loss: RuntimeError: .*modified by an inplace operation",
    ),
    "a loss of other weights than the model's": (
        {"loss": lambda s, m, b, hp: torch.ones((), requires_grad=True) * 2},
        r"^test_wrong_tasks\.py: Wrong\.loss: RuntimeError: .*not have been used in the graph",
    ),
    "a loss a sample": (
        {"loss": lambda s, m, b, hp: F.cross_entropy(m(b["x"]), b["label"], reduction="none")},
        r"^test_wrong_tasks\.py: Wrong\.loss gives loss of shape \[8\]: a scalar is needed, as by \.mean\(\)",
    ),
    "no loss among the terms": (
        {"loss": lambda s, m, b, hp: {"total": F.cross_entropy(m(b["x"]), b["label"])}},
        r"Wrong\.loss gives total: one of its terms must be called loss",
    ),
    "a loss that is a number": (
        {"loss": lambda s, m, b, hp: 0.5},
        r"Wrong\.loss gives loss as float: a scalar tensor is needed",
    ),
    "shapes that do not fit": (
        {"loss": lambda s, m, b, hp: F.cross_entropy(m(b["y"]), b["label"])},
        r"test_wrong_tasks\.py line \d+: Wrong\.loss: RuntimeError: .*shapes",
    ),
    "a name that the data do not have": (
        {"loss": lambda s, m, b, hp: F.cross_entropy(m(b["image"]), b["label"])},
        r"Wrong\.loss: .*there is no 'image'; known are label, x, y",
    ),
    "a hyperparameter that nobody declared": (
        {"loss": lambda s, m, b, hp: hp.tau * F.cross_entropy(m(b["x"]), b["label"])},
        r"Wrong\.loss: .*there is no hyperparameter 'tau'; did you mean beta2 or beta1",
    ),
    "a model that is none": ({"model": lambda s: [nn.Linear(20, 3)]}, r"Wrong\.model gives list: a torch\.nn\.Module"),
    "no method": ({"measure": None}, r"Wrong has no measure\(model, batch, hp\)"),
    "a measure of the whole batch": (
        {"measure": lambda s, m, b, hp: {"accuracy": accuracy(m, b).mean()}},
        r"Wrong\.measure gives accuracy as \[\]: one value a sample is needed, \[40, \.\.\.\]",
    ),
    "a measure without a name": (
        {"measure": lambda s, m, b, hp: accuracy(m, b)},
        r"^test_wrong_tasks\.py: Wrong\.measure gives Tensor: a dict of tensors by name is needed",
    ),
    "a summary that is no number": (
        {"summarise": lambda s, kept: {"accuracy": kept["accuracy"]}},
        r"Wrong\.summarise gives accuracy of shape \[40\]: a number is needed",
    ),
    "a summary that is no dict": (
        {"summarise": lambda s, kept: kept["accuracy"].mean()},
        r"^test_wrong_tasks\.py: Wrong\.summarise gives Tensor: a dict of numbers by name is needed",
    ),
    "a summary in words": (
        {"summarise": lambda s, kept: {"accuracy": "0.5"}},
        r"^test_wrong_tasks\.py: Wrong\.summarise gives accuracy as str: a number is needed",
    ),
    "a summary that fails": (
        {"summarise": lambda s, kept: {"accuracy": kept["acuracy"].mean()}},
        r"^test_wrong_tasks\.py line \d+: Wrong\.summarise: KeyError: there is no .acuracy.; did you mean accuracy",
    ),
    "a model that fails": (
        {"model": lambda s: nn.Linear(20, s.width)},
        r"^test_wrong_tasks\.py line \d+: Wrong\.model: AttributeError: .*'width'",
    ),
    "a misspelt name": (
        {"model": lambda s: s.modle()},
        r"^test_wrong_tasks\.py line \d+: Wrong\.model: AttributeError: .*'modle'; did you mean model",
    ),
    "a model that nothing trains": (
        {"model": lambda s: nn.Linear(20, 3).requires_grad_(False)},
        r"^test_wrong_tasks\.py: Wrong\.model gives a model without trained weights",
    ),
    "one model for all": (
        {"model": lambda s: nn.Sequential(SHARED, nn.ReLU())},
        r"^test_wrong_tasks\.py: Wrong\.model gives a layer that it gave before: .* make a new one at each call",
    ),
    "one frozen layer for all": (
        {"model": lambda s: nn.Sequential(nn.Linear(20, 20), FROZEN, nn.Linear(3, 3))},
        r"gives a layer that it gave before: training takes the tensors out of a model, .* as by copy\.deepcopy",
    ),
    "complex weights": (
        {"model": lambda s: nn.Linear(20, 3, dtype=torch.complex64)},
        r"^test_wrong_tasks\.py: Wrong\.model gives weight of complex64: trained weights are real",
    ),
    "a model without shapes": (
        {"model": lambda s: nn.Sequential(nn.LazyLinear(3))},
        r"Wrong\.model gives a model in which 0\.weight has no shape yet: .* in place of nn\.LazyLinear\(3\)",
    ),
    "a loss without a gradient": (
        {"loss": lambda s, m, b, hp: F.cross_entropy(m(b["x"]), b["label"]).detach()},
        r"^test_wrong_tasks\.py: Wrong\.loss gives a loss without a gradient",
    ),
    "a preparation that fails": (
        {"prepare": lambda s: s.data.train["z"]},
        r"^test_wrong_tasks\.py line \d+: Wrong\.prepare: KeyError: there is no 'z'; known are label, x, y",
    ),
    "a derivation that fails": (
        {"derive": lambda s, split: split["z"]},
        r"^test_wrong_tasks\.py line \d+: Wrong\.derive: KeyError: there is no 'z'; known are label, x, y",
    ),
    "nothing derived": (
        {"derive": lambda s, split: None},
        r"^test_wrong_tasks\.py: Wrong\.derive gives NoneType: a dict of tensors by name is needed",
    ),
    "a derived value of no sample": (
        {"derive": lambda s, split: {"mean": split["x"].mean(0)}},
        r"^test_wrong_tasks\.py: Wrong\.derive gives mean as \[20\]: one value a sample is needed, \[64, \.\.\.\]",
    ),
    "a check that gives a text": (
        {"check": lambda s: "settings.width: too small"},
        r"Wrong\.check gives str, 'settings\.width: too small': lines are needed",
    ),
    "a loss that ends the program": (
        {"loss": lambda s, m, b, hp: sys.exit(0)},
        r"line \d+: Wrong\.loss: SystemExit: 0",
    ),
    "random numbers of NumPy": (
        {"loss": lambda s, m, b, hp: F.cross_entropy(m(b["x"]), b["label"]) * np.random.rand()},
        r"Wrong\.loss draws random numbers from NumPy or Python, .* draw with torch's functions",
    ),
    "a measure under a name that training records": (
        {"measure": lambda s, m, b, hp: {"lr": accuracy(m, b)}},
        r"Wrong\.measure gives lr, under which training records a value of its own",
    ),
    "random numbers in a later step alone": (
        {"loss": lambda s, m, b, hp: s.later(F.cross_entropy(m(b["x"]), b["label"]))},
        r"Wrong\.loss drew random numbers in a later step and none in its first",
    ),
}


def test_a_criterion_on_what_is_declared_and_not_measured(make, classifier, members, trained):
    kind = type("Wrong", (classifier,), {"metrics": {**classifier.metrics, "f1": classifier.metrics["accuracy"]}})
    task = make(kind)
    with pytest.raises(
        UserError, match=r"Wrong\.measure does not give f1, which `metrics` declares; it gives accuracy"
    ):
        trained(task, members(task, 0), criterion=Criterion("f1", 0.9))


def test_a_pattern_of_no_decay_that_fits_nothing(task, members, cohort):
    with pytest.raises(
        UserError, match=r"optimizer\.no_decay: '2\.bais' fits no trained parameter; did you mean 2\.bias"
    ):
        cohort(task, members(task, 0), no_decay=["2.bais"])


def test_a_precision_without_effect(task, members, cohort):
    with pytest.raises(UserError, match=r"training\.precision: bfloat16 would change nothing"):
        cohort(task, members(task, 0), precision="bfloat16")


@pytest.mark.parametrize("wrong", WRONG)
def test_one_line(wrong, make, classifier, members, trained):
    methods, words = WRONG[wrong]

    class Later(classifier):
        calls = 0

        def later(self, loss):
            self.calls += 1
            return loss + (torch.rand(()) if self.calls > 3 else 0)

    if methods.get("measure", 1) is None:
        methods, kind = {}, type("Wrong", (classifier.__base__,), {n: vars(classifier)[n] for n in ("model", "loss")})
        kind.hyperparameters = classifier.hyperparameters
    else:
        kind = type("Wrong", (Later,), methods)
    with pytest.raises(UserError, match=words) as refused:
        task = make(kind)
        trained(task, members(task, 0, 1) if wrong.endswith("for all") else members(task, 0))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("group", [(0,), (0, 1)])
def test_a_loss_without_a_gradient_alone_and_together(group, make, classifier, members, trained):
    task = make(type("Wrong", (classifier,), {"loss": lambda s, m, b, hp: m(b["x"]).detach().mean()}))
    with pytest.raises(UserError, match="gives a loss without a gradient"):
        trained(task, members(task, *group))


def test_classes_that_the_data_set_does_not_have_are_named():
    class Wrong:
        data = SimpleNamespace(classes=2, train={"x": torch.zeros(3, 4), "label": torch.tensor([0, 5, 1])})

    with (
        pytest.raises(
            UserError, match=r"IndexError: Target 5 .*; in the data 'label' is 0 to 5, and the data set has 2"
        ),
        told(Wrong(), "loss"),
    ):
        F.cross_entropy(torch.zeros(3, 2), Wrong.data.train["label"])
