"""What is measured of glimpses, by hand."""

from __future__ import annotations

import pytest
import torch

from seedsweep.core.models.glimpse_task import state_changes
from seedsweep.core.models.losses import iou
from seedsweep.core.models.rollout import Rollout
from seedsweep.core.task import Values
from seedsweep.core.training.batch import Batch
from tests.core.models.small import TASKS, make

D = torch.float64
GLIMPSE_TASKS = ["recurrent_attention", "edram", "edram of the report", "edram of a backbone"]


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ([3.0, 4.0], [3.0, 4.0], 0),
        # Norms 5 and 5, and sqrt(2) apart.
        ([3.0, 4.0], [4.0, 3.0], 2**0.5 / 10),
        ([3.0, 4.0], [6.0, 8.0], 5 / 15),
        ([3.0, 4.0], [-3.0, -4.0], 1),
        ([0.0, 0.0], [3.0, 4.0], 1),
        ([0.0, 0.0], [0.0, 0.0], 0),
    ],
)  # fmt: skip
def test_the_change_of_a_state_is_relative_to_both(before, after, change):
    states = torch.tensor([[before], [after]], dtype=D)
    assert state_changes(states).tolist() == [[pytest.approx(change)]]


def test_the_intersection_over_the_union_of_windows_and_boxes():
    corners = torch.tensor([[[-0.5, -0.5], [0.5, 0.5]]], dtype=D)
    #: Of the middle, of one that is moved by half its side, of one twice as large, and of one that meets it nowhere.
    locations = torch.tensor([[[0.0, 0.0]], [[0.5, 0.0]], [[0.0, 0.0]], [[1.5, 0.0]]], dtype=D)
    extents = torch.tensor([0.5, 0.5, 1.0, 0.5], dtype=D)[:, None, None].expand(4, 1, 2)
    assert iou(locations, extents, corners).flatten().tolist() == pytest.approx([1, 0.5 / 1.5, 0.25, 0])


def looking(locations: torch.Tensor, extent: float, states: torch.Tensor) -> Rollout:
    """Of locations [P+1,B,2], windows of one extent and states [P+1,B,D]."""
    after, images = locations.shape[:2]
    logits = torch.zeros(after, images, 2)
    linear = (torch.eye(2).flatten() * extent).expand(after, images, 4)
    # As rounding may give it.
    covered = torch.full((after - 1, images), 1 + 1e-6)
    return Rollout(logits, logits[0], locations, linear, covered, torch.ones(after, images), states)


def test_the_last_window_and_all_changes_count(make_data):
    """Two glimpses of one image with a mask and one without. The box is from pixel 8 to 15 of 32, along both axes."""
    task = make(*TASKS["recurrent_attention"], make_data())
    mask = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
    mask[1, :, 8:16, 8:16] = 1
    split = {"image": torch.zeros(2, 1, 32, 32, dtype=torch.uint8), "mask": mask, "label": torch.tensor([0, 1])}
    task.mean, task.std = 0.0, 1.0
    batch = Batch({**split, **task.derive(split)}, torch.arange(2))
    # The box's middle, and half its side in the units of locations; the first glimpse looks elsewhere.
    middle, half = 11.5 / 15.5 - 1, 4 / 15.5
    locations = torch.tensor([[[0.9, 0.9]] * 2, [[middle + half, middle]] * 2, [[0.0, 0.0]] * 2])
    states = torch.tensor([[[3.0, 4.0], [0.0, 0.0]], [[3.0, 4.0], [1.0, 0.0]], [[6.0, 8.0], [1.0, 0.0]]])
    rollout = looking(locations, half, states)
    hp = Values({"alpha": torch.tensor(0.5), "gamma": torch.tensor(1.0)})
    measured = task.summarise(task.measure(lambda _: rollout, batch, hp))
    # Moved by half the box: half of it is seen.
    assert measured["window_iou"] == pytest.approx(1 / 3, abs=1e-5)
    assert measured["coverage_1"] == 1
    # 0 and 1/3 of the first image, 1 and 0 of the second.
    assert measured["state_change"] == pytest.approx((0 + 1 / 3 + 1 + 0) / 4, abs=1e-6)


@pytest.mark.parametrize("name", GLIMPSE_TASKS)
def test_models_say_the_states_from_which_they_emit(name, make_data, members):
    """The state after the last glimpse is that from which the next location is emitted, which no glimpse uses."""
    task = make(*TASKS[name], make_data())
    these = members(task)
    rollout = these.model(Batch(these.splits["validation"], torch.arange(10)))
    model = these.model
    if name == "recurrent_attention":
        again = model.to_location(model.emission(rollout.states))
    else:
        again = model.emit(rollout.states.flatten(0, 1)).unflatten(0, rollout.states.shape[:2])[..., 2::3]
    torch.testing.assert_close(again, rollout.locations)
    for metric in ("state_change", "window_iou"):
        declared = task.metrics[metric]
        assert (declared.direction, declared.low, declared.high) == ("max", 0, 1)


def test_without_glimpses_there_is_neither(make_data, members):
    task = make(*TASKS["without glimpses"], make_data())
    found = task.summarise(members(task).evaluated())
    assert not {"state_change", "window_iou", "location_distance"} & set(task.metrics)
    assert not {"state_change", "window_iou"} & set(found)
