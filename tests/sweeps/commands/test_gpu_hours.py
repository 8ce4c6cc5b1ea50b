"""What a study takes on a GPU that is not here."""

from __future__ import annotations

import io
import re

import pytest
import torch
from rich.console import Console

from seedsweep.core.records.paths import RunPaths
from seedsweep.sweeps.commands.gpu_hours import SUSTAINED, operations
from seedsweep.sweeps.commands.plan import show
from seedsweep.sweeps.commands.sampled import sampled_task
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.study.configuration import configuration, make_optimizer, members
from seedsweep.sweeps.study.loading import load
from tests.sweeps import toy


@pytest.mark.parametrize(("width", "batch"), [(4, 8), (16, 8), (4, 16)])
def test_operations_are_those_of_the_layers(tmp_path, width, batch):
    settings = [f"settings.width={width}", f"training.batch={batch}"]
    study = load(str(toy.write(tmp_path)), None, settings)
    each = configuration(study)
    task, _ = sampled_task(study)
    (member,) = members(each, [0])
    counted = operations(task, member, study.training, make_optimizer(study))
    # Two for each weight and sample: forwards, for the weight's gradient, and in the second layer for its input's.
    assert counted == batch * 2 * (2 * 4 * width + 3 * width)


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU here its time is measured")
def test_the_plan_says_hours_of_a_gpu(tmp_path):
    steps = 24_000_000_000_000
    settings = [
        *("resources.gpus=1", "search.explore=0", f"training.steps={steps}", f"training.evaluate_every={steps // 3}")
    ]
    study = load(str(toy.write(tmp_path)), None, settings)
    console = Console(file=io.StringIO(), width=200)
    show(study, RunDirectory(RunPaths.of(tmp_path / "runs", study.name)), "inline", console)
    said = " ".join(console.file.getvalue().split())
    hours = float(re.search(r"at least ([\d.]+) GPU hours, those of its operations at 15 TFLOP/s", said)[1])
    # Two configurations of four seeds, and an evaluation, which is little.
    assert hours == pytest.approx(8 * steps * 8 * 2 * 44 / SUSTAINED / 3600, rel=0.05)
    assert "not timed" in said
