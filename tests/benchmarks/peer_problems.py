"""What `bench_peers` trains: each task, its members, and its model and loss as one writes them with torch alone.

B samples of a batch.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from bench_cohorts import DATA, KINDS_OF_TASK, SMALL, TRAINING
from plain import PlainAttention, plain_loss
from tasks import LEARNING_RATE, members_of, task_on
from torch import Tensor, nn
from torch.nn import functional as F

from seedsweep.core.models.unet import UNetwork
from seedsweep.core.records.study import Training
from seedsweep.core.task import Task, Values
from seedsweep.core.training.batch import Batch
from seedsweep.core.training.models import build
from seedsweep.core.training.seeds import Member, batch_orders

EXAMPLE = Path(__file__).parents[2] / "examples" / "fashion_mnist"
#: Batch and dropout of the Fashion-MNIST example's study.
FASHION_BATCH, DROPOUT = 64, 0.2
#: Steps on one batch before which losses are compared: of the model, and of its gradient and Adam.
CHECKED = 2
MODELS = ("attention", "fashion", "unet", "edram")


@dataclass(frozen=True)
class Problem:
    """A prepared task, how it is trained, and the values of its own hyperparameters."""

    name: str
    task: Task
    training: Training
    values: dict[str, float]

    @property
    def train(self) -> dict[str, Tensor]:
        """The training split."""
        return self.task.data.train

    @property
    def samples(self) -> int:
        """Of the training split."""
        return self.task.data.count("train")

    def members(self, count: int) -> list[Member]:
        """With the seeds from 0 on."""
        members = members_of(self.task, count)
        return [replace(each, hyperparameters={**each.hyperparameters, **self.values}) for each in members]

    def first_rows(self) -> Tensor:
        """Of our seed 0's first batch, int64 [B], on which the ways' losses are compared."""
        order = self.members(1)[0].parts.order
        return torch.from_numpy(batch_orders(order, self.samples, self.training.batch, range(1))[0])

    def loss(self, model: nn.Module) -> Tensor:
        """The task's own, of the product's module on that batch, a scalar."""
        hp = Values({name: torch.tensor(value) for name, value in self.values.items()})
        terms: Any = self.task.loss(model, Batch(self.train, self.first_rows()), hp)
        loss: Tensor = terms if isinstance(terms, Tensor) else terms["loss"]
        return loss

    def without_draws(self) -> Problem:
        """The same without dropout, which each library draws in its own way."""
        return replace(self, values={name: 0.0 if name == "dropout" else v for name, v in self.values.items()})


def problem(name: str) -> Problem:
    """Of a model's name."""
    if name == "fashion":
        fashion = example()
        task = task_on(
            {"name": "fashion:FashionMnist"}, fashion.Fashion, fashion.Fashion.Settings(), "cpu", FASHION_BATCH
        )
        return Problem(name, task, TRAINING.model_copy(update={"batch": FASHION_BATCH}), {"dropout": DROPOUT})
    task = task_on(DATA, KINDS_OF_TASK[name], SMALL[name], "cpu", TRAINING.batch)
    defaults = {key: bounds.default for key, bounds in task.hyperparameters.items()}
    return Problem(name, task, TRAINING, defaults)


def example() -> ModuleType:
    """The Fashion-MNIST example's own file."""
    sys.path[:0] = [str(EXAMPLE)] * (str(EXAMPLE) not in sys.path)
    return importlib.import_module("fashion")


def is_here(name: str) -> bool:
    """Whether this machine has the data of a model."""
    return name != "fashion" or Path(example().FashionMnist.Settings().root).is_dir()


def wanted_losses(given: Problem) -> list[float]:
    """Of seed 0, before each of two steps on one batch: the task's own loss, torch's autograd and Adam."""
    given = given.without_draws()
    model = build(given.task, 0)
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    found = []
    for _ in range(CHECKED):
        loss = given.loss(model)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        found.append(loss.item())
    return found


def plain_module(given: Problem, seed: int) -> nn.Module:
    """A module from rows of the training split, int64 [B], to the mean loss, a scalar; with the weights of our seed."""
    kinds: dict[str, type[nn.Module]] = {
        "attention": AttentionLoss,
        "fashion": FashionLoss,
        "unet": UNetLoss,
        "edram": OurLoss,
    }
    return kinds[given.name](given, build(given.task, seed))


class AttentionLoss(nn.Module):
    def __init__(self, given: Problem, ours: nn.Module):
        super().__init__()
        train, task = given.train, given.task
        self.images, self.masks, self.labels = train["image"].float() / 255, train["mask"].float(), train["label"]
        self.weights = given.values["alpha"], given.values["gamma"]
        self.net = PlainAttention(mean=task.mean, std=task.std)
        self.net.take({name: value.detach() for name, value in ours.named_parameters()})

    def forward(self, rows: Tensor) -> Tensor:
        return plain_loss(self.net(self.images[rows], self.masks[rows]), self.labels[rows], *self.weights)


class FashionLoss(nn.Module):
    def __init__(self, given: Problem, ours: nn.Module):
        super().__init__()
        self.images, self.labels = given.train["image"], given.train["label"]
        dropout = nn.Dropout(given.values["dropout"])
        self.net = nn.Sequential(ours.hidden, ours.norm, nn.ReLU(), dropout, ours.out)

    def forward(self, rows: Tensor) -> Tensor:
        return F.cross_entropy(self.net(self.images[rows].float() / 255), self.labels[rows])


class UNetLoss(nn.Module):
    """The network is the product's, which is of stock layers."""

    net: UNetwork

    def __init__(self, given: Problem, ours: nn.Module):
        super().__init__()
        self.images, self.masks = given.train["image"].float() / 255, given.train["mask"].float()
        self.mean, self.std, self.net = given.task.mean, given.task.std, ours.net

    def forward(self, rows: Tensor) -> Tensor:
        images, masks = F.avg_pool2d(self.images[rows], 2), F.avg_pool2d(self.masks[rows], 2)
        logits = self.net((images - self.mean) / self.std)
        return F.binary_cross_entropy_with_logits(logits, (masks >= 0.5).float())


class OurLoss(nn.Module):
    """The product's module and loss."""

    def __init__(self, given: Problem, ours: nn.Module):
        super().__init__()
        self.net, self.task, self.split = ours, given.task, given.train
        self.hp = Values({name: torch.tensor(value) for name, value in given.values.items()})

    def forward(self, rows: Tensor) -> Tensor:
        return self.task.loss(self.net, Batch(self.split, rows), self.hp)["loss"]
