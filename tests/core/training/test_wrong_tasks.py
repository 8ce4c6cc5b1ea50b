"""Each wrong way to write a task is one line with the method and what would be right."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from seedsweep.core.errors import UserError


def accuracy(model, batch):
    return (model(batch["x"]).argmax(-1) == batch["label"]).float()


WRONG = {
    "a loss a sample": (
        {"loss": lambda s, m, b, hp: F.cross_entropy(m(b["x"]), b["label"], reduction="none")},
        r"Wrong\.loss gives loss of shape \[8\]: a scalar is needed, as by \.mean\(\)",
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
        r"Wrong\.loss: .*there is no 'image' in the data; known are label, x, y",
    ),
    "a hyperparameter that nobody declared": (
        {"loss": lambda s, m, b, hp: hp.tau * F.cross_entropy(m(b["x"]), b["label"])},
        r"Wrong\.loss: .*there is no hyperparameter 'tau'.*declares it in `hyperparameters`",
    ),
    "a model that is none": ({"model": lambda s: [nn.Linear(20, 3)]}, r"Wrong\.model gives list: a torch\.nn\.Module"),
    "no method": ({"measure": None}, r"Wrong has no measure\(model, batch, hp\)"),
    "a measure of the whole batch": (
        {"measure": lambda s, m, b, hp: {"accuracy": accuracy(m, b).mean()}},
        r"Wrong\.measure gives accuracy as \[\]: one value a sample is needed, \[40, \.\.\.\]",
    ),
    "a measure without a name": (
        {"measure": lambda s, m, b, hp: accuracy(m, b)},
        r"Wrong\.measure gives Tensor: a dict of tensors by name is needed",
    ),
    "a summary that is no number": (
        {"summarise": lambda s, kept: {"accuracy": kept["accuracy"]}},
        r"Wrong\.summarise gives accuracy of shape \[40\]: a number is needed",
    ),
    "random numbers in a later step alone": (
        {"loss": lambda s, m, b, hp: s.later(F.cross_entropy(m(b["x"]), b["label"]))},
        r"Wrong\.loss drew random numbers in a later step and none in its first",
    ),
}


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
        trained(task, members(task, 0))
    assert "\n" not in str(refused.value)
