"""Small studies and data for every room's tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from seedsweep.core.models import AttentionSettings, EdramSettings, MultiLevelSettings, UNetSettings
from seedsweep.core.task import GlimpseTask, Task, TaskSettings, make_task
from seedsweep.core.training.batch import Split
from seedsweep.shards.catalog import GENERATORS
from seedsweep.shards.samples import DataSettings

torch.set_num_threads(1)

#: A study that takes seconds: what it finds means nothing, how it gets there is the same.
SMALL_STUDY = """
question: Does it run?
claimed_best: {alpha: 0.5}
data:
  {name: pattern1, size: 32, train: 64, validation: 32, field: 12, anywhere: true, samples_per_record: 16,
   records_per_shard: 2}
model: {glimpses: 2, glimpse_size: 8, window: 0.4, state: 16}
training: {steps: 24, batch: 8, evaluate_every: 4}
hyperparameters: {lr: 0.005, lr_decay_steps: 16, gamma_decay_steps: 12}
search:
  explore: 4
  first: [{alpha: 1.0}, {alpha: 0.0}]
  space:
    alpha: {low: 0.0, high: 1.0}
    lr_decay_steps: {low: 4, high: 24}
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
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or leaves anything in the user's cache."""
    monkeypatch.setenv("SEEDSWEEP_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def make_split(settings: DataSettings, split: str) -> Split:
    samples = [GENERATORS[settings.name](settings, split, i) for i in range(settings.count(split))]
    return Split(
        np.stack([s.image for s in samples]),
        np.stack([s.mask for s in samples]),
        np.array([s.label for s in samples], np.int64),
    )


#: A small one of each model.
MODELS = {
    "recurrent_attention": AttentionSettings(glimpses=2, glimpse_size=8, window=0.4, state=16),
    "edram": EdramSettings(
        glimpses=2, glimpse_size=14, state=32, features=24, classifier=16, convolutions=(4, 4, 6, 6, 8, 8)
    ),
    "edram of the report": EdramSettings(
        glimpses=2, glimpse_size=14, state=32, features=24, classifier=16, convolutions=(4, 4, 6, 6, 8, 8),
        extraction="gaussian", initial="overview", prediction="all",
    ),
    "unet of the whole": UNetSettings(level=1, depth=2, width=4),
    "unet of a crop": UNetSettings(level=2, depth=2, width=4),
    "multilevel_unet": MultiLevelSettings(levels=3, depth=2, width=4),
}  # fmt: skip


@pytest.fixture(scope="session", params=MODELS)
def any_task(request: pytest.FixtureRequest) -> Task:
    """Each model on 32 px patterns."""
    data = DataSettings("pattern1", size=32, train=64, validation=32, field=12, anywhere=True)
    return make_task(TaskSettings(MODELS[request.param]), make_split(data, "train"), make_split(data, "validation"))


@pytest.fixture(scope="session")
def task() -> GlimpseTask:
    """The small attention model on 32 px patterns."""
    data = DataSettings("pattern1", size=32, train=64, validation=32, field=12, anywhere=True)
    return GlimpseTask(
        TaskSettings(MODELS["recurrent_attention"]), make_split(data, "train"), make_split(data, "validation")
    )
