"""A member's path is its own: whatever the engine, the company, or the interruption."""

import numpy as np
import pytest
import torch
from torch.func import functional_call

from core.cohort import BETA_1, BETA_2, ENGINES, EPSILON, Cohort, TrainingSettings, probe
from core.schedules import Hyperparameters, Member, batch_order

TRAINING = TrainingSettings(steps=12, batch=8, evaluate_every=5)
NO_DRAWS = np.zeros((8, 0), np.float32)
FAST = Hyperparameters(lr=5e-3, lr_decay_steps=8, gamma_decay_steps=5)


def members(*seeds: int, **changed) -> list[Member]:
    return [Member(seed, Hyperparameters(**{**FAST.__dict__, **changed})) for seed in seeds]


def trained(task, who, engine="fused", training=TRAINING) -> Cohort:
    cohort = Cohort(task, who, training, engine)
    while not cohort.done:
        cohort.advance()
    return cohort


def values(cohort: Cohort) -> np.ndarray:
    return np.array(cohort.evaluations)


def test_evaluates_every_so_many_steps_and_at_the_end(task):
    cohort = trained(task, members(0))
    assert cohort.evaluated == [5, 10, 12]
    assert values(cohort).shape == (3, 1, len(cohort.columns))


def test_engines_agree(task):
    who = members(0, 1, 2) + members(3, alpha=0.0, lr=1e-2)
    np.testing.assert_allclose(values(trained(task, who, "fused")), values(trained(task, who, "loop")), atol=2e-3)


def test_engines_take_the_same_first_step(any_task):
    """Of every model. Longer paths part where a gradient is zero but for rounding, which Adam makes a step of: in EDRAM
    the features of its first location, which is the same for all images."""
    cohorts = [Cohort(any_task, members(0, 1, 2), TRAINING, engine) for engine in ENGINES]
    for cohort in cohorts:
        cohort._train_step()
    fused, loop = (c._parameters._blocks(c._parameters.gradient) for c in cohorts)
    for name, expected in loop.items():
        torch.testing.assert_close(fused[name], expected, atol=1e-4, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}")
    for name, expected in cohorts[1]._buffers.items():
        torch.testing.assert_close(cohorts[0]._buffers[name], expected, atol=1e-5, rtol=1e-4)


def test_engines_evaluate_alike(any_task):
    cohorts = [Cohort(any_task, members(0, 1, 2), TRAINING, engine) for engine in ENGINES]
    for cohort in cohorts:
        cohort._evaluate(1)
    np.testing.assert_allclose(*(values(cohort) for cohort in cohorts), atol=1e-3)
    np.testing.assert_allclose(*(np.array(cohort.looks) for cohort in cohorts), atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_member_alone_is_the_member_in_company(task, engine):
    alone = values(trained(task, members(1), engine))
    company = values(trained(task, members(0, 1, 2), engine))
    np.testing.assert_allclose(alone[:, 0], company[:, 1], atol=2e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_another_seed_takes_another_path(task, engine):
    result = values(trained(task, members(0, 1), engine))
    assert not np.allclose(result[:, 0], result[:, 1], atol=1e-2, equal_nan=True)


@pytest.mark.parametrize("engine", ENGINES)
def test_resumed_is_undisturbed_to_the_bit(any_task, engine):
    undisturbed = trained(any_task, members(0, 1), engine)
    first = Cohort(any_task, members(0, 1), TRAINING, engine)
    first.advance()
    second = Cohort(any_task, members(0, 1), TRAINING, engine)
    second.load(first.state())
    while not second.done:
        second.advance()
    assert values(second).tobytes() == values(undisturbed).tobytes()
    assert np.array(second.looks).tobytes() == np.array(undisturbed.looks).tobytes()
    assert second.evaluated == undisturbed.evaluated


def test_a_checkpoint_of_other_seeds_is_refused(task):
    with pytest.raises(ValueError, match="other seeds"):
        Cohort(task, members(1), TRAINING, "loop").load(Cohort(task, members(0), TRAINING, "loop").state())


@pytest.mark.parametrize("engine", ENGINES)
def test_a_diverged_member_is_recorded_and_the_others_go_on_to_the_bit(task, engine):
    well = trained(task, members(0, 1, 2), engine)
    ill = trained(task, [*members(0), *members(1, lr=1e30), *members(2)], engine)
    assert values(ill)[:, [0, 2]].tobytes() == values(well)[:, [0, 2]].tobytes()
    assert ill.diverged_at[0] is None
    assert ill.diverged_at[2] is None
    assert 1 <= ill.diverged_at[1] <= 5
    assert np.isnan(values(ill)[:, 1]).all()


def test_one_member_is_plain_torch_optim_adam(task):
    """The engine against nn.Module, autograd and torch.optim.Adam with a decayed learning rate."""
    (member,) = members(4)
    cohort = Cohort(task, [member], TRAINING, "loop")
    model = task.build(4)
    optimiser = torch.optim.Adam(model.parameters(), betas=(BETA_1, BETA_2), eps=EPSILON)
    for step in range(10):
        batch = task.train.rows(batch_order(4, 64, 8, step), NO_DRAWS)
        optimiser.param_groups[0]["lr"] = FAST.lr_at(step)
        rollout = model(batch)
        alpha, gamma = torch.tensor(FAST.alpha), torch.tensor(FAST.gamma_at(step))
        optimiser.zero_grad()
        task.losses(rollout, batch, alpha, gamma)["loss"].backward()
        optimiser.step()
        cohort._train_step()
    for name, expected in model.named_parameters():
        torch.testing.assert_close(cohort._leaves[0][name].detach(), expected.detach(), atol=1e-4, rtol=1e-3)


def test_a_members_start_is_its_seeds_and_leaves_the_global_generator_alone(task):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = dict(task.build(1).named_parameters())
    torch.rand(3)
    again = dict(task.build(1).named_parameters())
    torch.manual_seed(5)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_measures_of_a_rollout(task):
    cohort = trained(task, members(0, 1))
    row = dict(zip(cohort.columns, values(cohort)[-1].T, strict=True))
    for name in (
        "accuracy",
        "precision",
        "recall",
        "f1",
        "auc",
        "overview_f1",
        "coverage_1",
        "empty_mask",
        "saturation",
    ):
        assert ((row[name] >= 0) & (row[name] <= 1)).all(), name
    assert ((row["x_1"] >= -1) & (row["x_1"] <= 1)).all()
    np.testing.assert_allclose(row["lr"], FAST.lr_at(11), rtol=1e-6)
    np.testing.assert_allclose(row["gamma"], FAST.gamma_at(11), rtol=1e-6)
    total = row["loss_classification"] + row["loss_rank"] + row["gamma"] * row["loss_location"]
    np.testing.assert_allclose(row["loss"], total, rtol=1e-4)


def test_no_glimpse_classifies_from_the_overview_alone(task):
    from dataclasses import replace

    from core.task import GlimpseTask, TaskSettings
    from shards.samples import DataSettings
    from tests.conftest import make_split

    data = DataSettings("ellipses", size=32, train=16, validation=8)
    settings = TaskSettings(replace(task.settings.model, glimpses=0))
    bare = GlimpseTask(settings, make_split(data, "train"), make_split(data, "validation"))
    cohort = trained(bare, members(0, 1), training=TrainingSettings(4, 8, 2))
    assert np.isfinite(values(cohort)[:, :, cohort.columns.index("f1")]).all()


def test_functional_and_module_forward_agree(task):
    model = task.build(0)
    batch = task.validation.rows(np.arange(4), NO_DRAWS[:4])
    plain = model(batch)
    functional = functional_call(model, dict(model.named_parameters()), (batch,))
    assert all(torch.equal(a, b) for a, b in zip(plain, functional, strict=True))


def test_probe_times_every_engine(any_task):
    rates = probe(any_task, members(0, 1), TRAINING, seconds=0.01)
    assert set(rates) == set(ENGINES)
    assert all(rate > 0 for rate in rates.values())


def test_an_unknown_engine_is_refused(task):
    with pytest.raises(ValueError, match="'jet' is none of fused, loop"):
        Cohort(task, members(0), TRAINING, "jet")
