"""A member's path is its own: whatever the group, the company, or the interruption."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from seedsweep.core.records.criterion import Criterion, judge
from seedsweep.core.records.study import Stop
from seedsweep.core.training.models import build
from seedsweep.core.training.optimisers import SGD, AdamW
from seedsweep.core.training.seeds import batch_orders

#: One after another, in two groups, and all together.
GROUPS = (1, 2, 3)


def test_evaluates_every_so_many_steps_and_at_the_end(task, members, trained, values):
    one = trained(task, members(task, 0))
    assert one.evaluated == [5, 10, 12]
    assert values(one).shape == (3, 1, len(one.columns))
    assert {"accuracy", "loss", "lr", "train_loss", "train_entropy"} == set(one.columns)


@pytest.mark.parametrize("at_once", GROUPS)
def test_the_training_split_is_measured_as_the_validation_split_is(task, members, trained, values, at_once):
    who = members(task, 0, 1)
    one = trained(task, who, at_once, measure_train=True)
    # Where both splits begin with the same samples, what is measured of them is the same; loss terms stay as trained.
    task.data.train.update({name: value.clone() for name, value in task.data.validation.items()})
    same = trained(task, who, at_once, measure_train=True)
    np.testing.assert_array_equal(values(same, "train_accuracy"), values(same, "accuracy"))
    assert not np.array_equal(values(one, "train_accuracy"), values(one, "accuracy"))
    # Nothing else changes.
    plain = trained(task, who, at_once)
    assert [*plain.columns, "train_accuracy"] == sorted(same.columns, key=[*plain.columns, "train_accuracy"].index)
    for name in plain.columns:
        np.testing.assert_array_equal(values(plain, name), values(same, name))


@pytest.mark.slow
@pytest.mark.parametrize("at_once", GROUPS)
def test_groups_of_any_size_agree(together, members, trained, values, at_once):
    who = members(together, 0, 1, 2) + members(together, 3, lr=1e-2)
    found, known = (values(trained(together, who, size)) for size in (at_once, 4))
    # A class may change sides by rounding.
    np.testing.assert_allclose(found, known, atol=0.05, rtol=1e-3)


def test_groups_take_the_same_first_step(together, members, cohort):
    alone, *others = [cohort(together, members(together, 0, 1, 2), at_once) for at_once in GROUPS]
    for one in (alone, *others):
        one.train_step()
    for other in others:
        # A tenth of the gradient: Adam's first moment.
        moments = [one.state()["moments"]["first_moment"] for one in (other, alone)]
        torch.testing.assert_close(*moments, atol=1e-6, rtol=1e-4)
        for name, expected in alone.state()["buffers"].items():
            torch.testing.assert_close(other.state()["buffers"][name], expected, atol=1e-6, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("at_once", GROUPS)
def test_a_member_alone_is_the_member_in_company(together, members, trained, values, at_once):
    alone = values(trained(together, members(together, 1), at_once), "train_loss")
    company = values(trained(together, members(together, 0, 1, 2), at_once), "train_loss")
    np.testing.assert_allclose(alone[:, 0], company[:, 1], rtol=1e-4)


@pytest.mark.slow
def test_another_seed_takes_another_path(any_task, members, trained, values):
    result = values(trained(any_task, members(any_task, 0, 1), 1), "train_loss")
    assert not np.allclose(result[:, 0], result[:, 1], rtol=1e-3)


def test_whatever_is_drawn_elsewhere_one_seed_has_one_path(any_task, members, trained):
    """Also where a model draws: from its seed and the step alone."""
    paths = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        paths.append(trained(any_task, members(any_task, 0), 1).state()["weights"])
    assert torch.equal(*paths)


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 3])
def test_resumed_is_undisturbed_to_the_bit(any_task, kind, members, trained, cohort, values, at_once):
    at_once = 1 if kind == "lstm" else at_once
    who = members(any_task, 0, 1)
    criterion = Criterion(next(iter(any_task.metrics)), 0.5)
    undisturbed = trained(any_task, who, at_once, criterion=criterion)
    first, second = (cohort(any_task, who, at_once, criterion=criterion) for _ in range(2))
    first.advance()
    second.load(first.state())
    while not second.done:
        second.advance()
    assert values(second).tobytes() == values(undisturbed).tobytes()
    assert second.evaluated == undisturbed.evaluated
    assert torch.equal(second.state()["weights"], undisturbed.state()["weights"])
    assert second.test() == undisturbed.test()


@pytest.mark.slow
@pytest.mark.parametrize("steps", [10, 12])
def test_more_steps_go_on_where_fewer_ended_to_the_bit(any_task, members, trained, cohort, values, steps):
    """Also where the shorter training's end is no step at which the longer one is evaluated."""
    who = members(any_task, 0, 1)
    short, long = (trained(any_task, who, 1, steps=count) for count in (steps, 22))
    grown = cohort(any_task, who, 1, steps=22)
    grown.load(short.state())
    while not grown.done:
        grown.advance()
    assert grown.evaluated == long.evaluated
    assert torch.equal(grown.state()["weights"], long.state()["weights"])
    assert values(grown).tobytes() == values(long).tobytes()


def test_a_checkpoint_of_other_seeds_is_refused(task, members, cohort):
    with pytest.raises(ValueError, match="other seeds"):
        cohort(task, members(task, 1)).load(cohort(task, members(task, 0)).state())


def test_a_checkpoint_of_other_parameters_is_refused_whole(task, members, cohort):
    one = cohort(task, members(task, 0))
    before = one.state()["weights"].clone()
    state = cohort(task, members(task, 0)).state()
    with pytest.raises(ValueError, match="other parameters"):
        one.load({**state, "weights": state["weights"].flatten(), "step": 7})
    with pytest.raises(ValueError, match="lacks before_end"):
        one.load(
            {name: value + 1 if name == "weights" else value for name, value in state.items() if name != "before_end"}
        )
    assert one.step == 0
    assert torch.equal(one.state()["weights"], before)


@pytest.mark.parametrize("at_once", GROUPS)
def test_a_diverged_member_is_recorded_and_the_others_go_on_to_the_bit(task, members, trained, values, at_once):
    well = trained(task, members(task, 0, 1, 2), at_once)
    ill = trained(task, [*members(task, 0), *members(task, 1, lr=1e30), *members(task, 2)], at_once)
    assert values(ill)[:, [0, 2]].tobytes() == values(well)[:, [0, 2]].tobytes()
    assert [ill.diverged_at[member] for member in (0, 2)] == [None, None]
    assert 1 <= ill.diverged_at[1] <= 5
    assert np.isnan(values(ill)[:, 1]).all()
    assert [bool(result) for result in ill.test()] == [True, False, True]


def test_one_member_is_plain_torch(task, members, cohort):
    """The engine against nn.Module, autograd and torch.optim with a decayed learning rate."""
    (member,) = members(task, 4)
    one, model = cohort(task, [member]), build(task, 4)
    optimiser = torch.optim.Adam(model.parameters())
    for step in range(10):
        rows = torch.from_numpy(batch_orders(4, 64, 8, range(step, step + 1))[0])
        optimiser.param_groups[0]["lr"] = member.value("lr", step, 12)
        optimiser.zero_grad()
        x, label = task.data.train["x"][rows], task.data.train["label"][rows]
        torch.nn.functional.cross_entropy(model(x), label).backward()
        optimiser.step()
        one.train_step()
    for name, expected in model.named_parameters():
        torch.testing.assert_close(one.weights()["tensors"][name][0], expected.detach(), atol=1e-5, rtol=1e-4)


def test_microbatches_add_up_to_the_batch(task, members, trained, values):
    whole, parts = (trained(task, members(task, 0, 1), microbatch=size) for size in (0, 2))
    np.testing.assert_allclose(values(parts), values(whole), rtol=1e-4, atol=0.05)


def test_batch_normalisation_sees_a_microbatch(make, members, trained, values):
    task = make("batch norm")
    whole, parts = (trained(task, members(task, 0), microbatch=size) for size in (0, 2))
    assert not np.allclose(values(parts, "train_loss"), values(whole, "train_loss"), rtol=1e-3)
    # Tracked once a pass.
    counts = [one.state()["buffers"]["1.num_batches_tracked"].item() for one in (whole, parts)]
    assert counts == [12, 48]


def test_weight_decay_leaves_out_what_is_named(task, members, cohort):
    def after(no_decay):
        who = members(task, 0, lr=0.1, weight_decay=0.5)
        one = cohort(task, who, optimizer=AdamW(), no_decay=no_decay)
        one.train_step()
        return one.weights()["tensors"]

    every, weights = after(()), after(("*.bias",))
    assert not torch.equal(every["0.bias"], weights["0.bias"])
    assert torch.equal(every["0.weight"], weights["0.weight"])


def test_hyperparameters_are_of_each_member(task, members, trained, values):
    who = [member for weight in (1.0, 0.0) for member in members(task, 0, optimizer=SGD(), weight=weight)]
    one = trained(task, who, optimizer=SGD())
    losses = values(one, "train_loss")
    assert (losses[:, 0] > 0).all()
    assert (losses[:, 1] == 0).all()


def test_a_stopped_member_is_frozen_and_the_others_go_on_to_the_bit(task, members, trained, values):
    """One that learns nothing stops; one that learns does not."""
    who = [*members(task, 0, lr=0.0), *members(task, 1, lr=3e-3)]
    stop = Stop(metric="loss", patience=2)
    one, plain = (trained(task, who, steps=40, **more) for more in ({"stop": stop}, {}))
    assert one.stopped_at == [15, None]
    assert values(one)[:, 1].tobytes() == values(plain)[:, 1].tobytes()
    stopped = trained(task, who[:1], steps=40, stop=stop)
    # With nobody left the cohort is done.
    assert stopped.evaluated[-1] == 15


def test_a_stopped_members_outcome_is_its_own_whatever_its_company(task, members, trained):
    """Frozen, it is evaluated no more, holds no criterion by standing still, and cannot diverge."""
    stop, criterion = Stop(metric="loss", patience=1), Criterion("loss", 1.0, 3, direction="min")
    who = [*members(task, 0, 1, 2, lr=3.0), *members(task, 3, lr=1e30), *members(task, 4, lr=1e-3)]

    def outcomes(one):
        scores = np.array(one.evaluations)[:, :, one.columns.index("loss")]
        ends = zip(one.members, one.diverged_at, one.stopped_at, strict=True)
        return [
            judge(member.seed, one.evaluated, scores[:, place], diverged, criterion, stopped)
            for place, (member, diverged, stopped) in enumerate(ends)
        ]

    company = outcomes(trained(task, who, 1, steps=60, stop=stop, criterion=criterion))
    alone = [outcomes(trained(task, [member], 1, steps=60, stop=stop, criterion=criterion))[0] for member in who]
    assert company == alone
    assert any(outcome.stopped_at for outcome in company)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [10, 12, 14, 17])
def test_what_was_followed_goes_on_where_fewer_steps_ended(task, members, trained, cohort, steps):
    """An end between two regular evaluations is none of the longer training's: neither its best nor its patience."""
    who, stop = members(task, *range(8), lr=0.1), Stop(metric="loss", patience=2)
    criterion = Criterion("loss", 1.0, direction="min")
    short, long = (trained(task, who, 1, steps=count, stop=stop, criterion=criterion) for count in (steps, 40))
    grown = cohort(task, who, 1, steps=40, stop=stop, criterion=criterion)
    grown.load(short.state())
    while not grown.done:
        grown.advance()
    assert grown.stopped_at == long.stopped_at
    assert grown.test() == long.test()


def test_a_stopped_member_keeps_its_weights(task, members, trained):
    # So large a rate that the loss soon rises.
    who = members(task, 0, 1, lr=3.0)
    stop = Stop(metric="loss", patience=1)
    long, longer = (trained(task, [*who, *members(task, 2, lr=1e-3)], steps=n, stop=stop) for n in (60, 80))
    stopped = [member for member in (0, 1) if long.stopped_at[member]]
    assert stopped
    assert torch.equal(long.state()["weights"][stopped], longer.state()["weights"][stopped])


def test_the_test_split_is_measured_at_the_last_and_the_best_evaluation(task, members, trained, cohort):
    who = members(task, 0, 1, lr=0.05)
    criterion = Criterion("loss", 0.5, direction="min")
    one = trained(task, who, steps=60, criterion=criterion)
    losses = np.array(one.evaluations)[:, :, one.columns.index("loss")]
    for member, best in enumerate(losses.argmin(0)):
        # The same path up to its best evaluation.
        short = trained(task, who, steps=one.evaluated[best], criterion=criterion)
        np.testing.assert_allclose(one.test()[member]["best"]["loss"], short.test()[member]["last"]["loss"], rtol=1e-5)
    assert set(one.test()[0]) == {"last", "best"}
    assert one.test()[0]["last"].keys() == {"accuracy", "loss"}


def test_without_a_test_split_nothing_is_measured_on_it(make, members, trained):
    task = make("mlp", test=False)
    assert trained(task, members(task, 0, 1)).test() == [{}, {}]


def test_only_the_parts_that_vary_follow_the_seed(task, members, trained, cohort, values):
    varied = [
        [replace(each, varied=parts) for each in members(task, 1, 2)] for parts in (("init",), ("order", "sample"))
    ]
    starts, orders = (cohort(task, who).state()["weights"] for who in varied)
    assert not torch.equal(starts[0], starts[1])
    assert torch.equal(orders[0], orders[1])
    assert all(len(np.unique(values(trained(task, who, 1), "loss")[-1])) == 2 for who in varied)


@pytest.mark.parametrize("draw", [np.random.rand, random.random])
def test_what_numpy_and_python_draw_is_of_the_init_seed(make, classifier, cohort, members, draw):
    def model(self):
        made = classifier.model(self)
        with torch.no_grad():
            made[0].weight *= draw()
        return made

    task = make(type("Scaled", (classifier,), {"model": model}))
    before = np.random.get_state()[1].tolist(), random.getstate()
    first, second = (cohort(task, members(task, 3)).state()["weights"] for _ in range(2))
    assert torch.equal(first, second)
    assert before == (np.random.get_state()[1].tolist(), random.getstate())


def test_what_a_task_prepares_is_the_same_in_every_process(make, classifier):
    kind = type("Noisy", (classifier,), {"derive": lambda self, split: {"noise": torch.randn(len(split["x"]))}})
    ones = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        ones.append(make(kind).data.train["noise"])
    assert torch.equal(*ones)


def test_a_members_start_is_its_seeds_and_leaves_the_global_generator_alone(task):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = dict(build(task, 1).named_parameters())
    torch.rand(3)
    again = dict(build(task, 1).named_parameters())
    torch.manual_seed(5)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 2])
def test_weights_start_another_cohort_each_member_from_its_own(any_task, members, trained, cohort, at_once):
    learnt = trained(any_task, members(any_task, 0, 1), 1).weights()["tensors"]
    starts = [{name: value[place] for name, value in learnt.items()} for place in (1, 0)]
    again = cohort(any_task, members(any_task, 7, 8), at_once, start=starts).weights()["tensors"]
    for place, start in enumerate(starts):
        assert all(torch.equal(again[name][place], value) for name, value in start.items())


def test_weights_of_another_model_are_refused(task, members, cohort):
    with pytest.raises(ValueError, match=r"another model's: 0\.bias is absent there, \(24,\) in the model"):
        cohort(task, members(task, 0), start=[{"0.weight": torch.zeros(24, 20)}])
