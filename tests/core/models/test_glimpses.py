import numpy as np
import pytest
import torch
from torch.autograd import gradcheck
from torch.func import vmap

from seedsweep.core.models.backbones import Small, neighbourhoods
from seedsweep.core.models.extractions import Gaussian, SpatialTransformer, sampled
from seedsweep.core.models.glimpses import Extraction, Window, coverage, extract, glimpses

GENERATOR = torch.Generator().manual_seed(0)
#: Sides H, W that are not alike; two of three images are looked at.
IMAGES = (torch.rand(3, 2, 40, 70, generator=GENERATOR) * 255).to(torch.uint8)
MASKS = (IMAGES[:, :1] > 127).to(torch.uint8)
ROWS = torch.tensor([2, 0, 2])
#: In the middle, at the border, and off the image.
LOCATIONS = torch.tensor([[0.1, -0.3], [0.97, -0.8], [-1.4, 40.0]], dtype=torch.float64)


EXTRACTIONS = [Gaussian(), SpatialTransformer()]


def filters(location, side: int, glimpse: int, window: float, extraction: Extraction = EXTRACTIONS[0]) -> torch.Tensor:
    return extraction.bank(location, side, Window(extraction, glimpse, window))


def through_banks(location, window: Window):
    """What `glimpses` gives, from filters over the whole image."""
    bank_x, bank_y = (window.extraction.bank(location[:, axis], IMAGES.shape[3 - axis], window) for axis in (0, 1))
    images, masks = IMAGES[ROWS].to(location.dtype) / 255, MASKS[ROWS].to(location.dtype)
    return extract(images, bank_y, bank_x), coverage(masks, bank_y, bank_x)


def reference_bank(location: float, side: int, glimpse: int, window: float, sigma: float) -> np.ndarray:
    """The equation, term by term in float64."""
    stride = window * side / glimpse
    centre = (location + 1) / 2 * (side - 1)
    bank = np.zeros((glimpse, side))
    for i in range(glimpse):
        mu = centre + (i - (glimpse - 1) / 2) * stride
        weights = np.exp(-((np.arange(side) - mu) ** 2) / (2 * (sigma * stride) ** 2))
        bank[i] = weights / weights.sum()
    return bank


@pytest.mark.parametrize("location", [-0.9, 0.0, 0.37])
@pytest.mark.parametrize(("side", "glimpse", "window", "sigma"), [(20, 5, 0.5, 0.5), (17, 4, 1.0, 1.0)])
def test_bank_equals_its_equation(location, side, glimpse, window, sigma):
    bank = filters(
        torch.tensor(location, dtype=torch.float64), side, glimpse, window, Gaussian(Gaussian.Settings(sigma))
    )
    np.testing.assert_allclose(bank.numpy(), reference_bank(location, side, glimpse, window, sigma), atol=1e-12)


@pytest.mark.parametrize("glimpse", [1, 5, 15])
def test_with_an_odd_side_the_middle_row_sits_on_the_centre(glimpse):
    side, pixel = 31, 12
    location = torch.tensor(2 * pixel / (side - 1) - 1, dtype=torch.float64)
    middle = filters(location, side, glimpse, 0.4)[glimpse // 2]
    assert middle.argmax() == pixel
    torch.testing.assert_close(middle[pixel - 3 : pixel], middle[pixel + 1 : pixel + 4].flip(0))


@pytest.mark.parametrize("extraction", EXTRACTIONS)
@pytest.mark.parametrize(("glimpse", "window"), [(5, 0.2), (8, 0.35), (4, 1.0)])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-7), (torch.float32, 2e-5)])
def test_glimpses_are_those_of_filters_over_the_whole_image_and_so_are_their_gradients(
    extraction, glimpse, window, dtype, close
):
    """Beyond a Gaussian's reach there is less than float32 holds."""
    settings = Window(extraction, glimpse, window)
    weights = torch.rand(3, 2, glimpse, glimpse, dtype=dtype, generator=GENERATOR)
    found = []
    for look in (lambda at: glimpses(IMAGES, MASKS, ROWS, at, settings), lambda at: through_banks(at, settings)):
        at = LOCATIONS.to(dtype, copy=True).requires_grad_()
        glimpse_pixels, covered = look(at)
        ((glimpse_pixels * weights).sum() + covered @ torch.arange(1.0, 4, dtype=dtype)).backward()
        found.append((glimpse_pixels.detach(), covered.detach(), at.grad))
    for cropped, whole in zip(*found, strict=True):
        torch.testing.assert_close(cropped, whole, atol=10 * glimpse * close, rtol=10 * close)


@pytest.mark.parametrize("extraction", EXTRACTIONS)
def test_gradient_of_glimpses_against_finite_differences(extraction):
    at = LOCATIONS[:2].clone().requires_grad_()
    look = Window(extraction, 4, 0.3)
    assert gradcheck(lambda at: glimpses(IMAGES, MASKS, ROWS[:2], at, look), (at,))


def test_glimpses_of_members_together_are_those_of_each():
    """Also where members share the rows, and without a gradient."""
    at = (torch.rand(4, 3, 2, dtype=torch.float64, generator=GENERATOR) - 0.5).requires_grad_()
    rows = torch.stack([ROWS.roll(shift) for shift in range(4)])
    look = Window(Gaussian(), 4, 0.3)
    for given, axis, of_each in ((rows, 0, rows), (ROWS, None, ROWS.expand(4, -1))):
        alone = [glimpses(IMAGES, MASKS, r, a, look) for a, r in zip(at, of_each, strict=True)]
        expected = [torch.stack(parts) for parts in zip(*alone, strict=True)]
        together = vmap(lambda at, rows: glimpses(IMAGES, MASKS, rows, at, look), (0, axis))(at, given)
        with torch.no_grad():
            unlearnt = vmap(lambda at, rows: glimpses(IMAGES, MASKS, rows, at, look), (0, axis))(at, given)
        for parts in zip(together, unlearnt, expected, strict=True):
            torch.testing.assert_close(parts[0], parts[2])
            torch.testing.assert_close(parts[1], parts[2])
        gradients = [torch.autograd.grad(g.square().sum() + c.sum(), at) for g, c in (together, expected)]
        torch.testing.assert_close(*gradients)


def test_a_location_that_is_no_number_harms_no_other():
    at = LOCATIONS.clone()
    at[1] = torch.nan
    look = Window(Gaussian(), 4, 0.3)
    ill, well = (glimpses(IMAGES, MASKS, ROWS, where, look)[0] for where in (at, LOCATIONS))
    assert ill[1].isnan().all()
    assert torch.equal(ill[[0, 2]], well[[0, 2]])


@pytest.mark.parametrize("glimpse", [2, 5, 8])
@pytest.mark.parametrize("window", [0.3, 1.0])
def test_the_spatial_transformer_is_torchs_grid_sample(glimpse, window):
    """Clipped to the image, as EDRAM's authors do; also where the window leaves it."""
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(3, 2, 13, 10, dtype=torch.float64, generator=generator)
    locations = torch.tensor([[0.13, -0.4], [0.9, 0.2], [-0.7, 3.0]], dtype=torch.float64)
    affine = torch.zeros(3, 2, 3, dtype=torch.float64)
    affine[:, 0, 0] = affine[:, 1, 1] = window
    affine[:, :, 2] = locations
    grid = torch.nn.functional.affine_grid(affine, (3, 2, glimpse, glimpse), align_corners=True)
    expected = torch.nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=True)
    bank_x = filters(locations[:, 0], 10, glimpse, window, SpatialTransformer())
    bank_y = filters(locations[:, 1], 13, glimpse, window, SpatialTransformer())
    torch.testing.assert_close(extract(images, bank_y, bank_x), expected)


@pytest.mark.parametrize("extraction", EXTRACTIONS)
@pytest.mark.parametrize("location", [-3.0, 3.0, 40.0])
def test_a_window_off_the_image_is_finite_and_has_a_finite_gradient(location, extraction):
    at = torch.tensor([location], requires_grad=True)
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    bank = filters(at, 64, 16, 0.3, extraction)
    extract(image, bank, bank).sum().backward()
    assert torch.isfinite(bank).all()
    torch.testing.assert_close(bank.sum(-1), torch.ones(1, 16))
    assert torch.isfinite(at.grad).all()


def test_coverage_is_the_mean_of_the_masks_glimpse():
    masks = (torch.rand(3, 1, 20, 20, generator=torch.Generator().manual_seed(2)) > 0.7).double()
    bank = filters(torch.tensor([-0.5, 0.0, 0.6], dtype=torch.float64), 20, 6, 0.5)
    torch.testing.assert_close(coverage(masks, bank, bank), extract(masks, bank, bank).mean((1, 2, 3)))


def test_glimpse_at_the_object_sees_it_and_elsewhere_does_not():
    mask = torch.zeros(1, 1, 64, 64)
    mask[0, 0, 40:56, 8:24] = 1  # rows are y, columns are x
    at = torch.tensor([[2 * 15.5 / 63 - 1, 2 * 47.5 / 63 - 1]])
    banks = filters(at[:, 1], 64, 16, 0.2), filters(at[:, 0], 64, 16, 0.2)
    assert coverage(mask, *banks) > 0.99
    assert coverage(mask, *reversed(banks)) < 0.01


@pytest.mark.parametrize(("height", "width", "channels"), [(8, 8, 1), (7, 6, 3), (1, 2, 2)])
def test_neighbourhoods_make_the_convolution(height, width, channels):
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(2, height, width, channels, dtype=torch.float64, generator=generator)
    kernel = torch.randn(5, channels, 3, 3, dtype=torch.float64, generator=generator)
    expected = torch.nn.functional.conv2d(images.permute(0, 3, 1, 2), kernel, stride=2, padding=1)
    weight = kernel.permute(0, 2, 3, 1).flatten(1)
    torch.testing.assert_close((neighbourhoods(images) @ weight.T).permute(0, 3, 1, 2), expected)


@pytest.mark.parametrize(("height", "width"), [(13, 10), (2, 1)])
def test_samples_are_torchs_grid_sample_with_its_gradient_alone_and_with_others(height, width):
    """In the image, at its border and off it."""
    images = torch.rand(3, 2, 2, height, width, dtype=torch.float64, generator=GENERATOR)
    places = 1.5 * torch.randn(3, 2, 4, 4, 2, dtype=torch.float64, generator=GENERATOR)
    weights = torch.rand(3, 2, 2, 4, 4, dtype=torch.float64, generator=GENERATOR)

    def by_torch(images, grid):
        return torch.nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=True)

    found = []
    for take in (vmap(sampled), lambda *given: torch.stack([*map(sampled, *given)]),
                 lambda *given: torch.stack([*map(by_torch, *given)])):  # fmt: skip
        grid = places.clone().requires_grad_()
        result = take(images, grid)
        found.append((result.detach(), torch.autograd.grad((result * weights).sum(), grid)[0]))
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[1], found[2])


@pytest.mark.parametrize("side", [8, 9])
def test_the_small_net_is_torchs_convolutions_with_their_gradients_alone_and_with_others(side):
    nets = [Small(Small.Settings(widths=(3, 4)), 2, side).double() for _ in range(3)]
    glimpse = torch.randn(3, 5, 2, side, side, dtype=torch.float64, generator=GENERATOR)

    def by_torch(parameters, x):
        for layer in (0, 1):
            weight, bias = parameters[f"layers.{layer}.weight"], parameters[f"layers.{layer}.bias"]
            kernel = weight.view(len(weight), 3, 3, -1).permute(0, 3, 1, 2)
            x = torch.relu(torch.nn.functional.conv2d(x, kernel, bias, stride=2, padding=1))
        return x.permute(0, 2, 3, 1).flatten(1)

    def by_us(parameters, x):
        return torch.func.functional_call(nets[0], parameters, (x,))

    stacked = {name: torch.stack([dict(net.named_parameters())[name] for net in nets]) for name in
               dict(nets[0].named_parameters())}  # fmt: skip
    found = []
    for many in (vmap(by_us), by_torch, by_us):
        leaves = [glimpse.clone().requires_grad_(), *(part.detach().requires_grad_() for part in stacked.values())]
        parameters = dict(zip(stacked, leaves[1:], strict=True))
        if many in (by_torch, by_us):
            of = [{name: part[member] for name, part in parameters.items()} for member in range(3)]
            result = torch.stack([many(own, x) for own, x in zip(of, leaves[0], strict=True)])
        else:
            result = many(parameters, leaves[0])
        found.append((result.detach(), *torch.autograd.grad(result.square().sum(), leaves)))
    for parts in zip(*found, strict=True):
        torch.testing.assert_close(parts[0], parts[1])
        torch.testing.assert_close(parts[2], parts[1])


@pytest.mark.parametrize(("glimpse", "features"), [(16, 2 * 2 * 32), (15, 2 * 2 * 32), (32, 4 * 4 * 32)])
def test_backbone_says_how_many_features_it_gives(glimpse, features):
    net = Small(Small.Settings(), 1, glimpse)
    assert net(torch.rand(2, 1, glimpse, glimpse)).shape == (2, features) == (2, net.features)
