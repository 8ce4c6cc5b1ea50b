"""Small images, and members of a task together and alone, without the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, vmap

from seedsweep.core.task import Task, Values
from seedsweep.core.training.batch import Batch, Data

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def make_data() -> Callable[..., Data]:
    """Noise with a darker square somewhere; the mask of every second image, a tumour's, shows it."""

    def make(side: int = 32, channels: int = 1, train: int = 24, validation: int = 10, *, slides: bool = False) -> Data:
        generator = torch.Generator().manual_seed(0)
        splits = []
        for count in (train, validation):
            image = torch.randint(150, 256, (count, channels, side, side), dtype=torch.uint8, generator=generator)
            mask = torch.zeros(count, 1, side, side, dtype=torch.uint8)
            label = torch.arange(count) % 2
            for row, (x, y) in enumerate(torch.randint(side - side // 3, (count, 2), generator=generator).tolist()):
                field = slice(y, y + side // 3), slice(x, x + side // 3)
                image[row, :, *field] //= 3
                mask[row, 0, *field] = label[row]
            arrays = {"image": image, "mask": mask, "label": label}
            if slides:
                arrays |= {"slide": torch.arange(count) // 4, "slide_label": torch.arange(count) // 4 % 2}
            splits.append(arrays)
        return Data(splits[0], splits[1], classes=2)

    return make


@dataclass
class Members:
    """M of a task: parameters and buffers [M,...], a split with what is derived of it, and hyperparameters [M]."""

    task: Task
    count: int = 3

    def __post_init__(self) -> None:
        self.task.prepare()
        data = self.task.data
        self.splits = {
            name: {**arrays, **self.task.derive(arrays)}
            for name, arrays in (("train", data.train), ("validation", data.validation))
        }
        models = []
        for seed in range(self.count):
            torch.manual_seed(seed)
            models.append(self.task.model())
        self.parameters = {n: torch.stack([dict(m.named_parameters())[n] for m in models]).detach().requires_grad_()
                           for n, _ in models[0].named_parameters()}  # fmt: skip
        self.buffers = {n: torch.stack([dict(m.named_buffers())[n] for m in models])
                        for n, _ in models[0].named_buffers()}  # fmt: skip
        self.model = models[0]
        self.hp = {name: torch.linspace(0.3, 0.9, self.count) for name in self.task.hyperparameters}

    def _one(self, method: Any, split: Mapping[str, Tensor]) -> Callable[..., dict[str, Tensor]]:
        def member(parameters: Any, buffers: Any, hp: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
            def model(batch: Batch) -> Any:
                return functional_call(self.model, {**parameters, **buffers}, (batch,))

            return dict(method(model, Batch(split, rows), Values(hp)))

        return member

    def together(self, method: Any, split: str, rows: Tensor) -> dict[str, Tensor]:
        """What `method` of the task gives of all members in one program, for rows [M,B]."""
        buffers = {name: buffer.clone() for name, buffer in self.buffers.items()}
        run = vmap(self._one(method, self.splits[split]), randomness="different")
        return run(self.parameters, buffers, self.hp, rows)

    def alone(self, method: Any, split: str, rows: Tensor) -> dict[str, Tensor]:
        """The same, one after another."""
        parts = []
        for m in range(self.count):
            own = [{n: v[m] for n, v in of.items()} for of in (self.parameters, self.buffers, self.hp)]
            own[1] = {name: buffer.clone() for name, buffer in own[1].items()}
            parts.append(self._one(method, self.splits[split])(*own, rows[m]))
        return {name: torch.stack([part[name] for part in parts]) for name in parts[0]}

    def evaluated(self, split: str = "validation") -> dict[str, Tensor]:
        """What the first member's `measure` gives of a whole split, in two batches."""
        self.model.eval()
        rows = torch.arange(len(self.splits[split]["label"]))
        with torch.no_grad():
            parts = [self.together(self.task.measure, split, part.expand(self.count, -1)) for part in rows.split(7)]
        return {name: torch.cat([part[name][0] for part in parts]) for name in parts[0]}


@pytest.fixture(scope="session")
def members() -> type[Members]:
    return Members
