"""EDRAM against what its authors published, and its parts against values by hand."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck
from torch.nn import functional as F

from seedsweep.core.models.edram import Edram, EdramNet, PeepholeLSTM
from seedsweep.core.models.extractions import Gaussian, SpatialTransformer
from seedsweep.core.models.features import Backbone
from seedsweep.core.models.glimpses import Window
from seedsweep.core.models.normalisation import MOMENTUM, StepNorm
from seedsweep.core.training.batch import Batch

D = torch.float64
FROZEN = f"{__name__}:Darkest"


class Darkest(Backbone):
    """The least of a glimpse's pixels: nothing to train."""

    features = 1

    def forward(self, glimpses):
        return glimpses.amin((1, 2, 3)).unsqueeze(1)


def batch(settings: Edram.Settings, count: int = 3, side: int = 40) -> Batch:
    images = torch.randint(256, (count, 1, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    overview = Edram(settings).overview(images.float() / 255)
    split = {"image": images, "mask": (images > 230).to(torch.uint8), "overview": overview}
    return Batch(split, torch.arange(count))


def test_parameters_as_published():
    """10.7 million weights, for digits in grey, without biases and normalisations."""
    model = EdramNet(Edram.Settings(), 1, 0.0, 1.0, classes=10)
    norms = {id(p) for m in model.modules() if isinstance(m, StepNorm) for p in m.parameters()}
    weights = sum(p.numel() for name, p in model.named_parameters() if "bias" not in name and id(p) not in norms)
    assert weights == pytest.approx(10.7e6, rel=0.002)


@pytest.mark.parametrize(("initial", "prediction", "rows"), [("context", "last", 4), ("overview", "all", 5)])
def test_shapes_and_the_first_location(initial, prediction, rows):
    settings = Edram.Settings(glimpses=4, initial=initial, prediction=prediction)
    given = batch(settings)
    assert given["overview"].shape == ((3, 1, 12, 12) if initial == "context" else (3, 1, 26, 26))
    rollout = EdramNet(settings, 1, 0.5, 0.3)(given)
    assert [tuple(part.shape) for part in rollout] == [
        (rows, 3, 2),
        (3, 2),
        (5, 3, 2),
        (5, 3, 4),
        (4, 3),
        (rows, 3),
        (5, 3, 512),
    ]
    # The emission's weights are zero and its bias is (1, 0, 0, 0, 1, 0).
    at_first = np.tanh(1)
    assert rollout.linear[0].detach() == pytest.approx(torch.tensor([at_first, 0, 0, at_first]).expand(3, 4), abs=1e-6)
    assert (rollout.locations[0] == 0).all()


def test_a_backbone_takes_the_place_of_the_glimpse_network():
    """Its features go through one linear layer to g and, of glimpse 0, through another one to the first states."""
    settings = Edram.Settings(backbone="small", glimpses=2, glimpse_size=16, state=32, features=24, initial="overview")
    model, given = EdramNet(settings, 1, 0.4, 0.3), batch(settings)
    seen, begun = [], []
    model.glimpse.backbone.register_forward_hook(lambda _, x, features: seen.append((x[0], features)))
    model.start.register_forward_hook(lambda _, x, states: begun.append((x[0], states)))
    rollout = model(given)
    assert [tuple(features.shape) for _, features in seen] == [(3, 2 * 2 * 32)] * 3
    torch.testing.assert_close(seen[0][0], (given["overview"] - 0.4) / 0.3)
    torch.testing.assert_close(begun[0][0], model.glimpse.linear(seen[0][1]))
    torch.testing.assert_close(rollout.states[0], begun[0][1][:, 32:])
    assert rollout.states.shape == (3, 3, 32)


def test_a_frozen_backbone_is_nobodys_and_is_asked_for_glimpse_0_once():
    settings = Edram.Settings(
        backbone={"name": FROZEN}, frozen=True, glimpses=2, glimpse_size=16, state=32, features=24, initial="overview"
    )
    task = Edram(settings)
    task.mean, task.std = 0.4, 0.3
    images = torch.rand(3, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    assert task.overview(images).shape == (3, 1)
    model = EdramNet(settings, 1, 0.4, 0.3)
    assert not [name for name, _ in model.named_parameters() if "backbone" in name]
    split = {"image": (images * 255).to(torch.uint8), "mask": (images > 0.9).to(torch.uint8)}
    rollout = model(Batch({**split, "overview": task.overview(images)}, torch.arange(3)))
    assert rollout.states.isfinite().all()
    assert Edram(Edram.Settings(backbone={"name": FROZEN}, frozen=True)).overview(images).shape == (3, 1, 12, 12)


def test_emitted_scales_are_clipped():
    model = EdramNet(Edram.Settings(), 1, 0.0, 1.0)
    with torch.no_grad():
        model.emission.bias.copy_(torch.tensor([-1.0, -1, 0.5, 1, -2, 0]))
        affine = model.emit(torch.zeros(1, 512))[0]
    assert affine.tolist() == pytest.approx([0, np.tanh(-1), np.tanh(0.5), np.tanh(1), 0, 0])


def test_peephole_lstm_by_hand():
    cell = PeepholeLSTM(2, 1).double()
    with torch.no_grad():
        cell.input.weight.copy_(torch.tensor([[0.1, 0.2], [0.3, -0.1], [0.5, 0.4], [-0.2, 0.3]]))
        cell.input.bias.copy_(torch.tensor([0.01, 0.02, 0.03, 0.04]))
        cell.recurrent.weight.copy_(torch.tensor([[0.7], [-0.6], [0.2], [0.1]]))
        cell.peepholes.copy_(torch.tensor([[0.5], [-0.3], [0.8]]))
    x, h, c = np.array([0.9, -0.4]), 0.25, -0.6
    i, f, g, o = (cell.input.weight.detach().numpy() @ x + [0.01, 0.02, 0.03, 0.04]) + np.array(
        [0.7, -0.6, 0.2, 0.1]
    ) * h

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    c_next = sigmoid(f - 0.3 * c) * c + sigmoid(i + 0.5 * c) * np.tanh(g)
    h_next = sigmoid(o + 0.8 * c_next) * np.tanh(c_next)
    given = torch.tensor(x)[None], (torch.tensor([[h]], dtype=D), torch.tensor([[c]], dtype=D))
    assert [v.item() for v in cell(*given)] == pytest.approx([h_next, c_next], abs=1e-7)


def test_normalisation_keeps_statistics_for_each_step():
    norm = StepNorm(2, 3).double()
    generator = torch.Generator().manual_seed(1)
    first, second = (
        torch.randn(50, 3, dtype=D, generator=generator) * scale + shift for scale, shift in ((2, 5), (1, -3))
    )
    out = norm(first, 0).detach(), norm(second, 1).detach()
    for values in out:
        assert values.mean(0).abs().max() < 1e-9
        assert values.var(0, unbiased=False) == pytest.approx(torch.ones(3, dtype=D), rel=1e-3)
    assert norm.mean[0] == pytest.approx(MOMENTUM * first.mean(0))
    assert norm.mean[1] == pytest.approx(MOMENTUM * second.mean(0))
    assert norm.variance[0] == pytest.approx((1 - MOMENTUM) + MOMENTUM * first.var(0))
    norm.eval()
    expected = (second - norm.mean[1]) / (norm.variance[1] + 1e-5).sqrt()
    assert norm(second, 1).detach() == pytest.approx(expected, rel=1e-9)


AFFINES = torch.tensor(
    [[0.5, 0.1, 0.2, -0.2, 0.4, -0.3], [0.9, 0, 0.4, 0, 0.8, 0.1], [0.3, 0, 3.0, 0, 0.3, -4.0]], dtype=D
)


def images_and_masks() -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.rand(3, 2, 20, 24, dtype=D, generator=torch.Generator().manual_seed(2))
    return images, (images[:, :1] > 0.5).double()


def test_the_spatial_transformer_is_grid_sample():
    images, masks = images_and_masks()
    glimpses, covered = SpatialTransformer().affine(images, masks, AFFINES, 7)
    grid = F.affine_grid(AFFINES.view(3, 2, 3), [3, 2, 7, 7], align_corners=True)
    expected = F.grid_sample(torch.cat([images, masks], 1), grid, padding_mode="border", align_corners=True)
    torch.testing.assert_close(glimpses, expected[:, :2])
    torch.testing.assert_close(covered, expected[:, 2].mean((-2, -1)))


def test_under_vmap_the_members_are_folded_into_the_batch():
    images, masks = images_and_masks()

    def look(affine):
        return SpatialTransformer().affine(images, masks, affine, 7)[0]

    members = torch.stack([AFFINES, AFFINES * 0.7]).requires_grad_()
    together = torch.func.vmap(look)(members)
    (gradient,) = torch.autograd.grad(together.square().sum(), members)
    for member, alone in enumerate(members.detach()):
        alone.requires_grad_()
        glimpses = look(alone)
        torch.testing.assert_close(together[member], glimpses)
        torch.testing.assert_close(gradient[member], torch.autograd.grad(glimpses.square().sum(), alone)[0])


@pytest.mark.parametrize("extraction", [Gaussian, SpatialTransformer])
def test_gradient_to_the_affine_against_finite_differences(extraction):
    images, masks = images_and_masks()
    # Off the image the spatial transformer has no gradient, and at its border none that differences could meet.
    inside = AFFINES[:2].clone().requires_grad_()
    assert gradcheck(lambda a: extraction().affine(images[:2], masks[:2], a, 5), (inside,))


@pytest.mark.parametrize("extraction", [Gaussian, SpatialTransformer])
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_windows_off_the_image_or_without_extent_are_finite(extraction, scale):
    images, masks = images_and_masks()
    affine = torch.tensor([[scale, 0, 1.0, 0, scale, -1.0]] * 3, dtype=D, requires_grad=True)
    glimpses, covered = extraction().affine(images, masks, affine, 5)
    (gradient,) = torch.autograd.grad(glimpses.sum() + covered.sum(), affine)
    assert glimpses.isfinite().all()
    assert gradient.isfinite().all()


def test_a_window_a_sample_is_a_window_for_all():
    location = torch.linspace(-0.8, 0.8, 4, dtype=D)
    one = Gaussian().bank(location, 32, Window(Gaussian(), 9, 0.4))
    torch.testing.assert_close(Gaussian().scaled_bank(location, 32, 9, torch.full((4,), 0.4, dtype=D)), one)
