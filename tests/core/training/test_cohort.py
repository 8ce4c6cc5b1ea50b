"""A member's path is its own: whatever the at_once, the company, or the interruption."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.func import functional_call

from seedsweep.core.training.cohort import PRECISIONS, Cohort, TrainingSettings
from seedsweep.core.training.schedules import Hyperparameters, Member, batch_orders
from seedsweep.core.training.stacked import BETA_1, BETA_2, EPSILON

TRAINING = TrainingSettings(steps=12, batch=8, evaluate_every=5)
NO_DRAWS = torch.zeros(8, 0)
#: One after another, in two groups, and all together.
GROUPS = (1, 2, 3)
FAST = Hyperparameters(lr=5e-3, lr_decay_steps=8, gamma_decay_steps=5)


def members(*seeds: int, **changed) -> list[Member]:
    return [Member(seed, Hyperparameters(**{**FAST.__dict__, **changed})) for seed in seeds]


def trained(task, who, at_once=9, training=TRAINING) -> Cohort:
    cohort = Cohort(task, who, training, at_once)
    while not cohort.done:
        cohort.advance()
    return cohort


def values(cohort: Cohort) -> np.ndarray:
    return np.array(cohort.evaluations)


def test_evaluates_every_so_many_steps_and_at_the_end(task):
    cohort = trained(task, members(0))
    assert cohort.evaluated == [5, 10, 12]
    assert values(cohort).shape == (3, 1, len(cohort.columns))


@pytest.mark.parametrize("at_once", GROUPS)
def test_groups_of_any_size_agree(task, at_once):
    who = members(0, 1, 2) + members(3, alpha=0.0, lr=1e-2)
    np.testing.assert_allclose(values(trained(task, who, at_once)), values(trained(task, who, 4)), atol=2e-3)


def test_groups_take_the_same_first_step(any_task):
    """Of every model. Longer paths part where a gradient is zero but for rounding, which Adam makes a step of: in EDRAM
    the features of its first location, which is the same for all images."""
    alone, *others = [Cohort(any_task, members(0, 1, 2), TRAINING, at_once) for at_once in GROUPS]
    for cohort in (alone, *others):
        cohort.train_step()
    # A tenth of the gradient: Adam's first moment.
    for other in others:
        found, known = (c._parameters.named(c._parameters.first_moment) for c in (other, alone))
        for name, expected in known.items():
            torch.testing.assert_close(found[name], expected, atol=1e-5, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}")
        for name, expected in alone._buffers.items():
            torch.testing.assert_close(other._buffers[name], expected, atol=1e-5, rtol=1e-4)


def test_groups_evaluate_alike(any_task):
    alone, *others = [Cohort(any_task, members(0, 1, 2), TRAINING, at_once) for at_once in GROUPS]
    for cohort in (alone, *others):
        cohort._evaluate(1)
    for other in others:
        np.testing.assert_allclose(values(other), values(alone), atol=1e-3)
        np.testing.assert_allclose(np.array(other.looks), np.array(alone.looks), atol=1e-5)


@pytest.mark.parametrize("at_once", GROUPS)
def test_a_member_alone_is_the_member_in_company(task, at_once):
    alone = values(trained(task, members(1), at_once))
    company = values(trained(task, members(0, 1, 2), at_once))
    np.testing.assert_allclose(alone[:, 0], company[:, 1], atol=2e-3)


@pytest.mark.parametrize("at_once", GROUPS)
def test_another_seed_takes_another_path(task, at_once):
    result = values(trained(task, members(0, 1), at_once))
    assert not np.allclose(result[:, 0], result[:, 1], atol=1e-2, equal_nan=True)


@pytest.mark.parametrize("at_once", GROUPS)
def test_resumed_is_undisturbed_to_the_bit(any_task, at_once):
    undisturbed = trained(any_task, members(0, 1), at_once)
    first = Cohort(any_task, members(0, 1), TRAINING, at_once)
    first.advance()
    second = Cohort(any_task, members(0, 1), TRAINING, at_once)
    second.load(first.state())
    while not second.done:
        second.advance()
    assert values(second).tobytes() == values(undisturbed).tobytes()
    assert np.array(second.looks).tobytes() == np.array(undisturbed.looks).tobytes()
    assert second.evaluated == undisturbed.evaluated


def test_a_checkpoint_of_other_seeds_is_refused(task):
    with pytest.raises(ValueError, match="other seeds"):
        Cohort(task, members(1), TRAINING, 1).load(Cohort(task, members(0), TRAINING, 1).state())


def test_a_checkpoint_of_other_parameters_is_refused_whole(task):
    cohort = Cohort(task, members(0), TRAINING, 1)
    before = cohort._parameters.values.clone()
    state = Cohort(task, members(0), TRAINING, 1).state()
    with pytest.raises(ValueError, match="other parameters"):
        cohort.load({**state, "parameters": state["parameters"].flatten(), "step": 7})
    assert cohort.step == 0
    assert torch.equal(cohort._parameters.values, before)


@pytest.mark.parametrize("at_once", GROUPS)
def test_a_diverged_member_is_recorded_and_the_others_go_on_to_the_bit(task, at_once):
    well = trained(task, members(0, 1, 2), at_once)
    ill = trained(task, [*members(0), *members(1, lr=1e30), *members(2)], at_once)
    assert values(ill)[:, [0, 2]].tobytes() == values(well)[:, [0, 2]].tobytes()
    assert ill.diverged_at[0] is None
    assert ill.diverged_at[2] is None
    assert 1 <= ill.diverged_at[1] <= 5
    assert np.isnan(values(ill)[:, 1]).all()


def test_one_member_is_plain_torch_optim_adam(task):
    """The engine against nn.Module, autograd and torch.optim.Adam with a decayed learning rate."""
    (member,) = members(4)
    cohort = Cohort(task, [member], TRAINING, 1)
    model = task.build(4)
    optimiser = torch.optim.Adam(model.parameters(), betas=(BETA_1, BETA_2), eps=EPSILON)
    for step in range(10):
        batch = task.train.batch(torch.from_numpy(batch_orders(4, 64, 8, range(step, step + 1))[0]), NO_DRAWS)
        optimiser.param_groups[0]["lr"] = FAST.lr_at(step)
        rollout = model(batch)
        alpha, gamma = torch.tensor(FAST.alpha), torch.tensor(FAST.gamma_at(step))
        optimiser.zero_grad()
        task.losses(rollout, batch, alpha, gamma)["loss"].backward()
        optimiser.step()
        cohort.train_step()
    for name, expected in model.named_parameters():
        found = cohort.weights()["tensors"][name][0]
        torch.testing.assert_close(found, expected.detach(), atol=1e-4, rtol=1e-3)


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
    from seedsweep.core.task import GlimpseTask, TaskSettings
    from seedsweep.shards.samples import DataSettings
    from tests.conftest import make_split

    data = DataSettings("ellipses", size=32, train=16, validation=8)
    settings = TaskSettings(replace(task.settings.model, glimpses=0))
    bare = GlimpseTask(settings, make_split(data, "train"), make_split(data, "validation"))
    cohort = trained(bare, members(0, 1), training=TrainingSettings(4, 8, 2))
    assert np.isfinite(values(cohort)[:, :, cohort.columns.index("f1")]).all()


def test_functional_and_module_forward_agree(task):
    model = task.build(0)
    batch = task.validation.batch(torch.arange(4), NO_DRAWS[:4])
    plain = model(batch)
    functional = functional_call(model, dict(model.named_parameters()), (batch,))
    assert all(torch.equal(a, b) for a, b in zip(plain, functional, strict=True))


@pytest.mark.parametrize("at_once", [1, 3])
def test_bfloat16_convolutions_change_no_more_than_rounding(any_task, at_once):
    """Its first loss, of eight bits a number; what is learnt stays float32."""
    cohorts = [Cohort(any_task, members(0, 1, 2), replace(TRAINING, precision=p), at_once) for p in PRECISIONS]
    for cohort in cohorts:
        cohort.train_step()
    exact, rounded = (cohort._train_loss for cohort in cohorts)
    # A level's centre is drawn from its heat map: rounding may choose another pixel, and so another crop.
    torch.testing.assert_close(rounded, exact, rtol=0.01 if "reinforce" not in str(any_task.measures) else 0.1, atol=0)
    for cohort in cohorts:
        cohort.advance()
    assert not torch.equal(*(cohort._parameters.values for cohort in cohorts))
    assert cohorts[1]._parameters.values.dtype == torch.float32


def test_a_model_that_is_trained_one_member_at_a_time_takes_no_group(task, monkeypatch):
    monkeypatch.setattr("seedsweep.core.training.cohort.engines", lambda model: ("loop",))
    Cohort(task, members(0, 1), TRAINING, 1)
    with pytest.raises(ValueError, match="2 members at once: this model is trained one member at a time"):
        Cohort(task, members(0, 1), TRAINING, 2)
