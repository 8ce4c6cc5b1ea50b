"""A small study, and a cache of each test run's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seedsweep.core.user_modules import leave_folder

#: As it was before any study was loaded.
PATH = tuple(sys.path)
#: A study that takes seconds: what it finds means nothing, how it gets there is the same.
SMALL_STUDY = """
question: Does it run?
task: recurrent_attention
settings: {glimpses: 2, glimpse_size: 8, window: 0.4, state: 16}
data: {name: pattern1, size: 32, train: 64, validation: 32, field: 12, anywhere: true}
training: {steps: 24, batch: 8, evaluate_every: 4}
optimizer: {name: adam}
hyperparameters: {lr: 0.005}
schedules: {lr: {name: step, every: 16}, gamma: {name: step, every: 12}}
configurations: {alpha 1: {alpha: 1.0}, alpha 0: {alpha: 0.0}}
claims: [{best: alpha 1}]
search:
  explore: 4
  space:
    alpha: {low: 0.0, high: 1.0}
    schedules.lr.every: {low: 4, high: 24}
  window: 2
seeds: {search: 2, compare: 4}
criterion: {metric: f1, threshold: 0.6, hold: 2}
resources: {engine: fused, cohort: 3, checkpoint_seconds: 0}
scales: {laptop: {}, cluster: {training: {steps: 48}}}
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL_STUDY)
    return path


@pytest.fixture(autouse=True)
def own_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test meets a folder of user's files that another used."""
    monkeypatch.setattr(sys, "path", list(PATH))
    yield
    leave_folder()


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or leaves anything in the user's cache."""
    monkeypatch.setenv("SEEDSWEEP_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
