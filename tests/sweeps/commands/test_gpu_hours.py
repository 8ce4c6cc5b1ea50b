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


def planned(tmp_path, steps, *more):
    """What the plan says of a study that trains so many steps on a GPU."""
    settings = ["search.explore=0", f"training.steps={steps}", f"training.evaluate_every={steps // 3}", *more]
    study = load(str(toy.write(tmp_path)), None, settings)
    console = Console(file=io.StringIO(), width=200)
    show(study, RunDirectory(RunPaths.of(tmp_path / "runs", study.name)), "inline", console)
    return " ".join(console.file.getvalue().split())


HOURS = r"estimated time: about ([\d.]+) GPU hours of operations at 15 TFLOP/s, which small networks do not reach"
STEPS = 24_000_000_000_000
by_count = pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU here its time is measured")


@by_count
@pytest.mark.parametrize("gpus", [0.25, 1])
def test_the_plan_says_hours_of_a_gpu_whatever_part_of_it_a_trial_has(tmp_path, gpus):
    said = planned(tmp_path, STEPS, f"resources.gpus={gpus}")
    # Two configurations of four seeds, and an evaluation, which is little.
    expected = pytest.approx(8 * STEPS * 8 * 2 * 44 / SUSTAINED / 3600, rel=0.05)
    assert float(re.search(HOURS, said)[1]) == expected
    assert "not timed" in said
    assert "all its seeds" not in said
    # Of four seeds each, on a machine of which nothing is known but one card.
    assert float(re.search(r"│ 4 │[^│]*│[^│]*│ not timed │ ([\d.]+)", said)[1]) == expected


@by_count
@pytest.mark.parametrize("gpus", [0.25, 1])
def test_a_node_of_two_cards_takes_half_the_hours(tmp_path, gpus):
    given = ("resources.allocation={cpus: 16, gpus: 2}", f"resources.gpus={gpus}")
    said = planned(tmp_path, STEPS, *given)
    hours = re.search(r"│ 4 │[^│]*│[^│]*│ not timed │ ([\d.]+)", said)[1]
    assert float(hours) == pytest.approx(float(re.search(HOURS, said)[1]) / 2, rel=0.1)


@by_count
def test_a_study_until_decided_may_take_fewer(tmp_path):
    settings = ("resources.gpus=1", "seeds.until=decided", "seeds.least=2", "seeds.most=4")
    assert re.search(HOURS + ", if it takes all its seeds", planned(tmp_path, STEPS, *settings))
