"""Each schedule is torch's; a warm-up comes before any of them."""

import pytest
import torch
from torch.optim import lr_scheduler

from seedsweep.core.errors import UserError
from seedsweep.core.training.schedules import (
    Constant,
    Cosine,
    Linear,
    MultiStep,
    OneCycle,
    Schedule,
    Step,
    own_schedule,
)
from seedsweep.core.training.seeds import Member

STEPS = 40
TORCHS = [
    (Step, {"every": 7, "factor": 0.3}, lambda o, n: lr_scheduler.StepLR(o, 7, 0.3)),
    (
        MultiStep,
        {"milestones": (5, 19), "factor": 0.2},
        lambda o, n: lr_scheduler.MultiStepLR(o, [5, 19], 0.2),
    ),
    (Cosine, {"end": 0.0}, lr_scheduler.CosineAnnealingLR),
    (Cosine, {"end": 0.25}, lambda o, n: lr_scheduler.CosineAnnealingLR(o, n, eta_min=0.5)),
    (Linear, {"end": 0.1}, lambda o, n: lr_scheduler.LinearLR(o, 1.0, 0.1, n)),
    (Constant, {}, lambda o, n: lr_scheduler.ConstantLR(o, 1.0, n)),
    (OneCycle, {}, lambda o, n: lr_scheduler.OneCycleLR(o, 2.0, n)),
    (
        OneCycle,
        {"rise": 0.5, "divide": 10.0, "final_divide": 100.0, "shape": "linear"},
        lambda o, n: lr_scheduler.OneCycleLR(
            o, 2.0, n, pct_start=0.5, div_factor=10, final_div_factor=100, anneal_strategy="linear"
        ),
    ),
]


def torchs(make, steps: int) -> list[float]:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2.0)
    scheduler, rates = make(optimiser, steps), []
    for step in range(steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        if step + 1 < steps:
            scheduler.step()
    return rates


@pytest.mark.parametrize(("kind", "settings", "make"), TORCHS)
def test_is_torchs(kind, settings, make):
    schedule = kind(kind.Settings(**settings))
    member = Member(0, {"lr": 2.0}, {"lr": schedule})
    assert [member.value("lr", step, STEPS) for step in range(STEPS)] == pytest.approx(torchs(make, STEPS), rel=1e-6)


@pytest.mark.parametrize(("kind", "settings", "make"), TORCHS)
def test_warm_up_rises_on_a_line_and_then_the_schedule_begins(kind, settings, make):
    schedule = kind(kind.Settings(warmup_steps=10, warmup_start=0.1, **settings))
    found = [schedule.factor(step, STEPS + 10) for step in range(STEPS + 10)]
    warm = torchs(lambda o, n: lr_scheduler.LinearLR(o, 0.1, 1.0, 10), 10)
    assert found[:10] == pytest.approx([rate / 2 for rate in warm])
    assert found[10:] == pytest.approx([kind(kind.Settings(**settings)).factor(step, STEPS) for step in range(STEPS)])


def test_an_own_one_is_a_function_of_step_and_steps():
    schedule = own_schedule(lambda step, steps: 1 - step / steps)
    assert Member(0, {"dropout": 0.4}, {"dropout": schedule}).value("dropout", 5, 10) == pytest.approx(0.2)
    assert schedule.reads_total


@pytest.mark.parametrize("kind", [Constant, Step, MultiStep, Cosine, Linear, OneCycle])
def test_what_does_not_read_the_total_is_the_same_for_longer_trainings(kind):
    schedule = kind()
    same = all(schedule.factor(step, 50) == schedule.factor(step, 500) for step in range(50))
    assert same != kind.reads_total


def given_none(step, steps):
    return None


def given_step_three(step, steps):
    return 1 / (3 - step)


class Textual(Schedule):
    def shape(self, step, steps):
        return "half"


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (own_schedule(given_none), r"^test_schedules\.py: given_none gives NoneType: a number is needed, the factor$"),
        (own_schedule(given_step_three), r"^test_schedules\.py line \d+: given_step_three: ZeroDivisionError: "),
        (Textual(), r"^test_schedules\.py: Textual\.shape gives str: a number is needed, the factor$"),
        (Schedule(), r"^schedules\.py: Schedule has no shape\(step, steps\)$"),
    ],
)
def test_what_an_own_one_does_wrong_is_one_line(schedule, words):
    with pytest.raises(UserError, match=words) as refused:
        Member(0, {"lr": 0.4}, {"lr": schedule}).value("lr", 3, 10)
    assert "\n" not in str(refused.value)
