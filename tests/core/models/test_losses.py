import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch.autograd import gradcheck

from seedsweep.core.models import classification_losses, location_losses
from seedsweep.core.models.glimpse_task import LOCATION_LOSS
from seedsweep.core.models.images import mask_regions, mean_and_std
from seedsweep.core.models.losses import (
    DISTANCE_PAIRS,
    LocationInputs,
    affine_error,
    area,
    cross_entropy,
    distance,
    overlap,
    rank,
    squared_error,
)
from seedsweep.core.models.recurrent_attention import LOCATION_MAP, RecurrentAttention
from seedsweep.core.models.rollout import Rollout
from seedsweep.core.task import Values

D = torch.float64


def test_cross_entropy_is_torchs():
    logits = torch.randn(4, 3, 2, dtype=D, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 1])
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.repeat(4), reduction="none").view(4, 3)
    torch.testing.assert_close(cross_entropy(logits, labels), expected)


def test_rank_by_hand():
    # Two images; the true class's probability goes .5 .6 .55 and .2 .2 .9: with margin .05
    truth = torch.tensor([[0.5, 0.2], [0.6, 0.2], [0.55, 0.9]], dtype=D)
    # image 1: max(0, -.1+.05)=0, max(0, .05+.05)=.1; image 2: .05, 0
    assert rank(truth, 0.05).item() == pytest.approx((0.1 + 0.05) / 2)


@pytest.mark.parametrize("reading", DISTANCE_PAIRS)
def test_distance_of_coincident_locations_is_6_at_3_glimpses_without_gradient(reading):
    locations = torch.full((4, 5, 2), 0.3, dtype=D, requires_grad=True)
    value = distance(*DISTANCE_PAIRS[reading](locations))
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
    assert distance(*DISTANCE_PAIRS[reading](locations)).item() == pytest.approx(expected)


def test_area_by_hand_counts_tumour_images_only_and_clamps():
    coverage = torch.tensor([[0.5, 0.1, 0.0], [0.25, 0.2, 0.0]], dtype=D)
    labels = torch.tensor([1, 0, 1])
    expected = -(math.log(0.5) + math.log(0.25) + 2 * math.log(1e-6)) / 3
    assert area(coverage, labels, 1e-6).item() == pytest.approx(expected)
    assert 0 <= expected <= -2 * math.log(1e-6)


def inputs(rollout: Rollout, alpha: float) -> LocationInputs:
    return LocationInputs(rollout, torch.tensor([1, 0, 1]), REGIONS, Values({"alpha": torch.tensor(alpha, dtype=D)}))


def location_loss(name: str, **settings) -> Callable[[LocationInputs], torch.Tensor]:
    return LOCATION_LOSS.make({"name": name, **settings})


#: Of the combined loss, with settings that are not their defaults.
PARTS = {"area": {"floor": 0.3}, "distance": {"pairs": "all"}}


@pytest.mark.parametrize("alpha", [1.0, 0.0, 0.25])
def test_combined_mixes_area_and_distance(alpha):
    given = inputs(rollout(), alpha)
    of_area, of_distance = (location_loss(name, **own)(given).item() for name, own in PARTS.items())
    combined = location_loss("combined", **PARTS["area"], **PARTS["distance"])
    assert combined(given).item() == pytest.approx(alpha * of_area + (1 - alpha) * of_distance)
    assert {name: part(given).item() for name, part in combined.recorded().items()} == {
        "area": of_area, "distance": of_distance,
    }  # fmt: skip
    assert location_loss("none")(given).item() == 0


def test_location_losses_take_glimpses_1_to_p_of_a_rollout():
    given = inputs(rollout(), 0.5)
    r, labels = given.rollout, given.labels
    at, linear, corners = r.locations[:-1], r.linear[:-1], REGIONS[:, 1:]
    assert location_loss("area", floor=0.3)(given) == area(r.coverage, labels, 0.3)
    assert location_loss("distance", pairs="all")(given) == distance(*DISTANCE_PAIRS["all"](r.locations))
    assert location_losses.Mse()(given) == squared_error(at, REGIONS[:, 0], labels)
    assert location_losses.Iou()(given) == overlap(at, linear[..., ::3], corners, labels)
    assert location_losses.Affine()(given) == affine_error(linear, at, corners, labels)


def test_classification_losses_by_hand():
    per_glimpse, final = torch.tensor([[1.0, 2.0], [3.0, 6.0]]), torch.tensor([0.5, 1.5])
    assert classification_losses.aggregated(per_glimpse, final).item() == pytest.approx(3 + 1)
    assert classification_losses.steps(per_glimpse, final).item() == pytest.approx((4 + 8) / 2)


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


def test_affine_error_by_hand():
    """The box from (-.5, -.2) to (.3, .4) is the affine .4 0 0 .3 at (-.1, .1)."""
    corners, labels = torch.tensor([[[-0.5, -0.2], [0.3, 0.4]]], dtype=D), torch.tensor([1])
    linear, at = torch.tensor([[[0.5, 0.2, -0.4, 0.0]]], dtype=D), torch.tensor([[[0.1, 0.4]]], dtype=D)
    expected = 0.1**2 + 0.5 * 0.2**2 + 0.5 * 0.4**2 + 0.3**2 + 0.2**2 + 0.3**2
    assert affine_error(linear, at, corners, labels).item() == pytest.approx(expected)


def test_regions_of_masks_by_hand():
    masks = torch.zeros(2, 1, 9, 5, dtype=torch.uint8)
    masks[0, 0, 2:4, 1:3] = 1
    masks[0, 0, 3, 3] = 1
    centre, first, last = mask_regions(masks)[0].numpy()
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

    return Rollout(draw(4, 3, 2), draw(3, 2), draw(4, 3, 2), draw(4, 3, 4), draw(3, 3), draw(4, 3), draw(4, 3, 5))


def test_mean_and_deviation_of_pixels():
    images = torch.randint(256, (150, 3, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pixels = images.numpy() / 255
    assert mean_and_std(images) == pytest.approx((pixels.mean(), pixels.std()), rel=1e-12)
    assert mean_and_std(torch.zeros(2, 1, 1, 1, dtype=torch.uint8)) == (0, pytest.approx(1e-6))


class Given(torch.nn.Module):
    """In place of a network: gives a rollout whatever it sees."""

    def __init__(self, rollout: Rollout):
        super().__init__()
        self.rollout = rollout

    def forward(self, batch) -> Rollout:
        return self.rollout


def terms_of(rollout: Rollout, **settings) -> dict[str, torch.Tensor]:
    task = RecurrentAttention(RecurrentAttention.Settings(**settings))
    hp = Values({"alpha": torch.tensor(0.4, dtype=D), "gamma": torch.tensor(0.7, dtype=D)})
    return dict(task.loss(Given(rollout), {"label": torch.tensor([1, 0, 1]), "regions": REGIONS}, hp))


def test_total_is_classification_plus_rank_plus_gamma_times_location():
    terms = terms_of(rollout(), rank=2.0)
    expected = terms["loss_classification"] + 2 * terms["loss_rank"] + 0.7 * terms["loss_location"]
    assert terms["loss"].item() == pytest.approx(expected.item())


@pytest.mark.slow
@pytest.mark.parametrize(
    "location", [*LOCATION_LOSS.built_in(), *({"name": name, "pairs": "all"} for name in ("combined", "distance"))]
)
def test_gradient_of_the_total_against_finite_differences(location):
    def total(*parts):
        given = dict(zip(Rollout._fields, parts, strict=False))
        return terms_of(rollout()._replace(**given), location=location)["loss"]

    # All but the last two, which no loss reads.
    assert gradcheck(total, tuple(rollout())[:5])


@pytest.mark.parametrize(("name", "at_zero", "end"), [("tanh", 0, 1), ("sigmoid", 0, 1), ("report_2019", 0, -0.5)])
def test_location_maps(name, at_zero, end):
    assert LOCATION_MAP.make(name)(torch.tensor([0.0, 20.0])).tolist() == pytest.approx([at_zero, end], abs=1e-6)
    task = RecurrentAttention(RecurrentAttention.Settings(location_map=name))
    assert task.ends == ((-0.5, 0.5) if name == "report_2019" else (-1, 1))


def test_saturation_counts_coordinates_near_the_ends():
    """Of a map to (-.5, .5), within 1 % of its length."""
    task = RecurrentAttention(RecurrentAttention.Settings(location_map="report_2019", glimpses=2))
    task.data = SimpleNamespace(validation={})
    kept = {name: torch.zeros(1) for name in ("score", "overview_score", "label", *task.metrics)}
    kept |= {"locations": torch.tensor([[[0.495, 0.2], [-0.485, -0.499]]]), "extents": torch.ones(1, 2, 2),
             "coverage": torch.zeros(1, 2), "what_where": torch.ones(1, 3)}  # fmt: skip
    assert task.summarise(kept)["saturation"] == 0.5
