"""Small tasks of many kinds, as a user writes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from seedsweep.core.component import Metric, Range
from seedsweep.core.records.study import Training
from seedsweep.core.task import Task, dropout
from seedsweep.core.training.batch import Data, on_device
from seedsweep.core.training.cohort import Cohort
from seedsweep.core.training.evaluation import prepared
from seedsweep.core.training.optimisers import Adam, Optimizer
from seedsweep.core.training.schedules import Step
from seedsweep.core.training.seeds import Member

torch.set_num_threads(1)

TRAINING = Training(steps=12, batch=8, evaluate_every=5)


class Classifier(Task):
    """Of 20 numbers, into three classes."""

    metrics = {"accuracy": Metric("max", 0, 1), "loss": Metric("min", 0)}
    hyperparameters = {"weight": Range(0, 10, default=1.0)}

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(20, 24), nn.ReLU(), nn.Linear(24, 3))

    def loss(self, model, batch, hp):
        loss = F.cross_entropy(model(batch["x"]), batch["label"])
        return {"loss": hp.weight * loss, "entropy": loss}

    def measure(self, model, batch, hp):
        logits = model(batch["x"])
        right = logits.argmax(-1) == batch["label"]
        return {"accuracy": right.float(), "loss": F.cross_entropy(logits, batch["label"], reduction="none")}


class BatchNorm(Classifier):
    def model(self):
        # Without a bias before the normalisation, whose gradient is rounding alone.
        return nn.Sequential(nn.Linear(20, 24, bias=False), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 3))


class Dropout(Classifier):
    hyperparameters = {**Classifier.hyperparameters, "dropout": Range(0, 1, default=0.3)}

    def model(self):
        return nn.ModuleList([nn.Linear(20, 24), nn.Dropout(0.2), nn.Linear(24, 3)])

    def loss(self, model, batch, hp):
        hidden = dropout(F.relu(model[0](batch["x"])), hp.dropout, training=model.training)
        return {"loss": F.cross_entropy(model[2](model[1](hidden)), batch["label"])}

    def measure(self, model, batch, hp):
        logits = model[2](model[1](F.relu(model[0](batch["x"]))))
        return {"accuracy": (logits.argmax(-1) == batch["label"]).float()}


class Noise(Classifier):
    """Draws as often as there are ways."""

    def loss(self, model, batch, hp):
        x = batch["x"] + 0.1 * torch.randn_like(batch["x"]) + 0.1 * torch.rand(20)
        return F.cross_entropy(model(x * torch.bernoulli(torch.full_like(x, 0.9))), batch["label"])


class Transformer(Classifier):
    def model(self):
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
        return nn.ModuleDict({"embed": nn.Linear(4, 16), "layer": layer, "out": nn.Linear(16, 3)})

    def logits(self, model, batch):
        tokens = model["embed"](batch["x"].view(-1, 5, 4))
        return model["out"](model["layer"](tokens).mean(1))

    def loss(self, model, batch, hp):
        return F.cross_entropy(self.logits(model, batch), batch["label"])

    def measure(self, model, batch, hp):
        return {"accuracy": (self.logits(model, batch).argmax(-1) == batch["label"]).float()}


class Autoencoder(Task):
    """No labels; its output is a tuple; lower is better; the two halves share a weight."""

    metrics = {"error": Metric("min", 0)}

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.encode, self.decode = nn.Linear(20, 6), nn.Linear(6, 20)
            self.decode.weight = nn.Parameter(self.encode.weight.detach().T.clone())
            self.again = nn.Linear(20, 6)
            self.again.weight = self.encode.weight

        def forward(self, x):
            code = torch.tanh(self.encode(x))
            return self.decode(code), self.again(x)

    def model(self):
        return self.Net()

    def loss(self, model, batch, hp):
        output, again = model(batch["x"])
        return F.mse_loss(output, batch["x"]) + 0.1 * (model.encode(batch["x"]) - again).square().mean()

    def measure(self, model, batch, hp):
        return {"error": (model(batch["x"])[0] - batch["x"]).square().mean(-1)}


class Mixed(Task):
    """A regression with a frozen layer, a layer in float64 and an output that is a dict."""

    metrics = {"error": Metric("min", 0)}

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.frozen = nn.Linear(20, 12).requires_grad_(False)
            self.wide = nn.Linear(12, 8).double()
            self.out = nn.Linear(8, 1)
            self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

        def forward(self, x):
            if self.training:
                self.seen.add_(len(x))
            return {"out": self.out(torch.tanh(self.wide(self.frozen(x).double())).float()).squeeze(-1)}

    def model(self):
        return self.Net()

    def loss(self, model, batch, hp):
        return F.mse_loss(model(batch["x"])["out"], batch["y"])

    def measure(self, model, batch, hp):
        return {"error": (model(batch["x"])["out"] - batch["y"]).square()}


class LongShortTerm(Classifier):
    """No batching rule."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.out = nn.LSTM(10, 8, batch_first=True, num_layers=2, dropout=0.1), nn.Linear(8, 3)

        def forward(self, x):
            return self.out(self.lstm(x.view(-1, 2, 10))[0][:, -1])

    def model(self):
        return self.Net()


#: By what they are; those that train together, and those that cannot.
TOGETHER = {
    "mlp": Classifier,
    "batch norm": BatchNorm,
    "dropout": Dropout,
    "noise": Noise,
    "transformer": Transformer,
    "autoencoder": Autoencoder,
    "regression of mixed types": Mixed,
}
ALONE = {"lstm": LongShortTerm}
DRAWING = ("dropout", "noise", "transformer", "lstm")


def some_data(test: bool = True, count: int = 64) -> Data:
    """20 numbers, of which a class and a number can be learnt."""
    rng = np.random.default_rng(0)
    teacher = rng.normal(size=(20, 4))

    def split(size: int) -> dict[str, np.ndarray]:
        x = rng.normal(size=(size, 20)).astype(np.float32)
        known = (x @ teacher).astype(np.float32)
        return {"x": x, "label": known[:, :3].argmax(1), "y": known[:, 3] / 4}

    splits = {"train": split(count), "validation": split(40), **({"test": split(24)} if test else {})}
    return on_device(splits, classes=3, batch=8)


@pytest.fixture(params=[*TOGETHER, *ALONE])
def kind(request) -> str:
    return request.param


@pytest.fixture
def any_task(kind) -> Task:
    return prepared({**TOGETHER, **ALONE}[kind](data=some_data()))


@pytest.fixture(params=TOGETHER)
def together(request) -> Task:
    return prepared(TOGETHER[request.param](data=some_data()))


@pytest.fixture
def task() -> Task:
    return prepared(Classifier(data=some_data()))


@pytest.fixture
def make():
    """A prepared task, from its class or its name above."""

    def made(kind: type[Task] | str, **data) -> Task:
        chosen = {**TOGETHER, **ALONE}[kind] if isinstance(kind, str) else kind
        return prepared(chosen(data=some_data(**data)))

    return made


@pytest.fixture
def classifier() -> type[Task]:
    """To make others of."""
    return Classifier


@pytest.fixture
def members():
    """Of a task, with some seeds, Adam's hyperparameters and changed ones; the learning rate decays."""

    def made(task: Task, *seeds: int, optimizer: Optimizer | None = None, **changed: float) -> list[Member]:
        declared = {**task.hyperparameters, **(optimizer or Adam()).hyperparameters}
        own = {name: bounds.default for name, bounds in declared.items()}
        decay = {"lr": Step(Step.Settings(every=8))}
        return [Member(seed, {**own, "lr": 5e-3, **changed}, decay) for seed in seeds]

    return made


@pytest.fixture
def cohort():
    """A cohort, by Adam, and with what a test changes."""

    def made(task: Task, who: list[Member], at_once: int = 9, **changed) -> Cohort:
        optimizer = changed.pop("optimizer", Adam())
        options = {
            name: changed.pop(name) for name in ("start", "criterion", "no_decay", "compiler") if name in changed
        }
        training = TRAINING.model_copy(update=changed)
        return Cohort(task, who, training, optimizer, at_once, **options)

    return made


@pytest.fixture
def trained(cohort):
    """A cohort at its end."""

    def made(*arguments, **changed) -> Cohort:
        one = cohort(*arguments, **changed)
        while not one.done:
            one.advance()
        return one

    return made


@pytest.fixture
def values():
    """Evaluations of a cohort, [E,M,K], or of one column, [E,M]."""

    def made(one: Cohort, name: str = "") -> np.ndarray:
        every = np.array(one.evaluations)
        return every[:, :, one.columns.index(name)] if name else every

    return made
