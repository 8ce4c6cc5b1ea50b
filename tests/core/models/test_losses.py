import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from seedsweep.core.models import losses
from seedsweep.core.models.locations import LOCATION_MAPS
from seedsweep.core.models.losses import (
    DISTANCE_READINGS,
    LOCATION_LOSSES,
    LossSettings,
    area,
    distance,
    overlap,
    rank,
    squared_error,
    surprise,
)
from seedsweep.core.models.rollout import Rollout
from seedsweep.core.training.batch import mask_regions

D = torch.float64


def test_surprise_is_cross_entropy():
    logits = torch.randn(4, 3, 2, dtype=D, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 1])
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.repeat(4), reduction="none").view(4, 3)
    torch.testing.assert_close(surprise(logits, labels), expected)


def test_rank_by_hand():
    # Two images; the true class's probability goes .5 .6 .55 and .2 .2 .9: with margin .05
    truth = torch.tensor([[0.5, 0.2], [0.6, 0.2], [0.55, 0.9]], dtype=D)
    # image 1: max(0, -.1+.05)=0, max(0, .05+.05)=.1; image 2: .05, 0
    assert rank(truth, 0.05).item() == pytest.approx((0.1 + 0.05) / 2)


@pytest.mark.parametrize("reading", DISTANCE_READINGS)
def test_distance_of_coincident_locations_is_6_at_3_glimpses_without_gradient(reading):
    locations = torch.full((4, 5, 2), 0.3, dtype=D, requires_grad=True)
    value = distance(*DISTANCE_READINGS[reading](locations))
    value.backward()
    assert value.item() == pytest.approx(6)
    assert (locations.grad == 0).all()


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        # locations (0,0) (1,0) (1,2) and the unused (1,2)
        ("consecutive", (math.exp(-1) + 1) + (1 + math.exp(-2)) + 2),
        ("all", (math.exp(-1) + 1) + (math.exp(-1) + math.exp(-2)) + (1 + math.exp(-2))),
    ],
)
def test_distance_by_hand(reading, expected):
    locations = torch.tensor([[[0.0, 0]], [[1, 0]], [[1, 2]], [[1, 2]]], dtype=D)
    assert distance(*DISTANCE_READINGS[reading](locations)).item() == pytest.approx(expected)


def test_area_by_hand_counts_tumour_images_only_and_clamps():
    coverage = torch.tensor([[0.5, 0.1, 0.0], [0.25, 0.2, 0.0]], dtype=D)
    labels = torch.tensor([1, 0, 1])
    expected = -(math.log(0.5) + math.log(0.25) + 2 * math.log(1e-6)) / 3
    assert area(coverage, labels, 1e-6).item() == pytest.approx(expected)
    assert 0 <= expected <= -2 * math.log(1e-6)


@pytest.mark.parametrize(("alpha", "expected"), [(1.0, 3.0), (0.0, 5.0), (0.25, 0.25 * 3 + 0.75 * 5)])
def test_combined_mixes_area_and_distance(alpha, expected):
    values = {"area": 3.0, "distance": 5.0, "mse": 7.0, "iou": 11.0}
    terms = {f"loss_{name}": torch.tensor(value) for name, value in values.items()}
    assert LOCATION_LOSSES["combined"](torch.tensor(alpha), terms).item() == pytest.approx(expected)
    for name, value in {**values, "none": 0.0}.items():
        assert LOCATION_LOSSES[name](torch.tensor(alpha), terms).item() == value


def test_squared_error_by_hand():
    locations = torch.tensor([[[0.1, 0.0], [0.5, 0.5]], [[0.3, -0.2], [0.0, 0.0]]], dtype=D)
    centres = torch.tensor([[0.3, -0.2], [0.0, 0.0]], dtype=D)
    # Image 1, tumour: .04 + .04 and 0; image 2 is normal.
    assert squared_error(locations, centres, torch.tensor([1, 0])).item() == pytest.approx(0.08 / 2)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ((0.0, 0.0), 0.0),  # the box itself
        ((0.25, 0.0), 1 - 0.75 / 1.25),  # three quarters of it are shared, of an area of 2 - .75
        ((0.5, -0.5), 1 - 0.25 / 1.75),
        ((1.5, 0.0), 1.0),  # apart
    ],
)
def test_overlap_by_hand(location, expected):
    """A window of half-width .5 and a box from (-.5, -.5) to (.5, .5)."""
    corners = torch.tensor([[[-0.5, -0.5], [0.5, 0.5]]], dtype=D)
    at = torch.tensor([[location]], dtype=D)
    assert overlap(at, torch.full_like(at, 0.5), corners, torch.tensor([1])).item() == pytest.approx(expected)
    assert overlap(at, torch.full_like(at, 0.5), corners, torch.tensor([0])).item() == 0


def test_regions_of_masks_by_hand():
    masks = np.zeros((2, 1, 9, 5), np.uint8)
    masks[0, 0, 2:4, 1:3] = 1
    masks[0, 0, 3, 3] = 1
    centre, first, last = mask_regions(masks)[0]
    # Columns 1 1 2 2 3 of 5, rows 2 2 3 3 3 of 9: -1 is the first pixel's centre, 1 the last one's.
    assert centre == pytest.approx([(9 / 5) / 2 - 1, (13 / 5) / 4 - 1])
    assert first == pytest.approx([0.5 / 2 - 1, 1.5 / 4 - 1])
    assert last == pytest.approx([3.5 / 2 - 1, 3.5 / 4 - 1])
    assert (mask_regions(masks)[1] == 0).all()


#: Centre, first and last corner of three masks.
REGIONS = torch.tensor([[[0.2, 0.3], [-0.1, 0.05], [0.5, 0.55]]], dtype=D).expand(3, 3, 2)


def rollout() -> Rollout:
    generator = torch.Generator().manual_seed(4)

    def draw(*shape):
        return torch.rand(*shape, dtype=D, generator=generator).requires_grad_()

    return Rollout(draw(4, 3, 2), draw(3, 2), draw(4, 3, 2), draw(4, 3, 4), draw(3, 3), draw(4, 3))


def test_total_is_classification_plus_rank_plus_gamma_times_location():
    alpha, gamma = torch.tensor(0.3, dtype=D), torch.tensor(0.7, dtype=D)
    terms = losses.losses(rollout(), torch.tensor([1, 0, 1]), REGIONS, alpha, gamma, LossSettings(rank=2.0))
    expected = terms["loss_classification"] + 2 * terms["loss_rank"] + 0.7 * terms["loss_location"]
    assert terms["loss"].item() == pytest.approx(expected.item())
    assert tuple(terms) == losses.TERMS


@pytest.mark.parametrize("reading", DISTANCE_READINGS)
@pytest.mark.parametrize("location", LOCATION_LOSSES)
def test_gradient_of_the_total_against_finite_differences(location, reading):
    settings = LossSettings(location=location, distance=reading)
    alpha, gamma = torch.tensor(0.4, dtype=D), torch.tensor(0.9, dtype=D)

    def total(*parts):
        full = Rollout(*parts, torch.zeros(4, 3, dtype=D))
        return losses.losses(full, labels, REGIONS, alpha, gamma, settings)["loss"]

    labels = torch.tensor([1, 0, 1])
    assert gradcheck(total, tuple(rollout())[:5])


@pytest.mark.parametrize(("name", "at_zero", "end"), [("tanh", 0, 1), ("sigmoid", 0, 1), ("report_2019", 0, -0.5)])
def test_location_maps(name, at_zero, end):
    location_map = LOCATION_MAPS[name]
    values = location_map.function(torch.tensor([0.0, 20.0]))
    assert values.tolist() == pytest.approx([at_zero, end], abs=1e-6)
    assert location_map.saturation(values).tolist() == [0, 1]
