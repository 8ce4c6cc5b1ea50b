"""A task of a user's, which is never trained here, and studies of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seedsweep.core.component import use_folder
from seedsweep.core.records.study import Study
from seedsweep.sweeps.study.resolution import resolve

MINE = """
from dataclasses import dataclass
from typing import Annotated

from seedsweep.core.component import Metric, Range
from seedsweep.core.task import Task
from seedsweep.shards.data_set import DataSet


class Mine(Task):
    metrics = {"score": Metric("max", 0, 1), "error": Metric("min")}
    hyperparameters = {"alpha": Range(0, 1, default=0.5), "layers": Range(1, 8, default=2, tensor=False)}

    @dataclass(frozen=True)
    class Settings:
        width: Annotated[int, Range(1, 4096)] = 16
        gain: float = 1.0
        wide: bool = False

    def model(self): ...
    def loss(self, model, batch, hp): ...
    def measure(self, model, batch, hp): ...


class Points(DataSet):
    @dataclass(frozen=True)
    class Settings:
        train: int = 64

    def samples(self, split): ...


def half(step, steps):
    return 0.5
"""


@pytest.fixture(autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `mine.py` is looked for."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    place: Path = tmp_path_factory.mktemp("mine")
    (place / "mine.py").write_text(MINE)
    use_folder(place)
    return place


@pytest.fixture
def make_study(folder: Path) -> Callable[..., Study]:
    """A study with sections laid over; `None` takes one away."""

    def made(**sections: Any) -> Study:
        values: dict[str, Any] = {
            "name": "small",
            "task": "mine.py:Mine",
            "data": {"name": "mine.py:Points"},
            "training": {"steps": 40},
            "criterion": {"metric": "score", "threshold": 0.4},
            "seeds": {"search": 2, "compare": 5},
            **sections,
        }
        return resolve(Study.model_validate({key: value for key, value in values.items() if value is not None}))

    return made
