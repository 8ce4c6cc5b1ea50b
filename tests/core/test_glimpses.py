import numpy as np
import pytest
import torch
from torch.autograd import gradcheck
from torch.func import vmap

from core.backbones import SmallConvNet, patches
from core.glimpses import EXTRACTIONS, bilinear_bank, coverage, extract, gaussian_bank


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
    bank = gaussian_bank(torch.tensor(location, dtype=torch.float64), side, glimpse, window, sigma)
    np.testing.assert_allclose(bank.numpy(), reference_bank(location, side, glimpse, window, sigma), atol=1e-12)


@pytest.mark.parametrize("glimpse", [1, 5, 15])
def test_with_an_odd_side_the_middle_row_sits_on_the_centre(glimpse):
    side, pixel = 31, 12
    location = torch.tensor(2 * pixel / (side - 1) - 1, dtype=torch.float64)
    middle = gaussian_bank(location, side, glimpse, 0.4, 0.5)[glimpse // 2]
    assert middle.argmax() == pixel
    torch.testing.assert_close(middle[pixel - 3 : pixel], middle[pixel + 1 : pixel + 4].flip(0))


@pytest.mark.parametrize("extraction", EXTRACTIONS)
def test_gradient_of_extraction_and_coverage_against_finite_differences(extraction):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 1, 12, 12, dtype=torch.float64, generator=generator)
    masks = (images > 0.5).double()
    locations = torch.tensor([[0.1, -0.3], [0.8, 0.5]], dtype=torch.float64, requires_grad=True)

    def look(at):
        bank_x, bank_y = (EXTRACTIONS[extraction](at[:, axis], 12, 4, 0.4, 0.5) for axis in (0, 1))
        return extract(images, bank_y, bank_x), coverage(masks, bank_y, bank_x)

    assert gradcheck(look, (locations,))


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
    bank_x = bilinear_bank(locations[:, 0], 10, glimpse, window)
    bank_y = bilinear_bank(locations[:, 1], 13, glimpse, window)
    torch.testing.assert_close(extract(images, bank_y, bank_x), expected)


@pytest.mark.parametrize("extraction", EXTRACTIONS)
@pytest.mark.parametrize("location", [-3.0, 3.0, 40.0])
def test_a_window_off_the_image_is_finite_and_has_a_finite_gradient(location, extraction):
    at = torch.tensor([location], requires_grad=True)
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    bank = EXTRACTIONS[extraction](at, 64, 16, 0.3, 0.5)
    extract(image, bank, bank).sum().backward()
    assert torch.isfinite(bank).all()
    torch.testing.assert_close(bank.sum(-1), torch.ones(1, 16))
    assert torch.isfinite(at.grad).all()


def test_coverage_is_the_mean_of_the_masks_glimpse():
    masks = (torch.rand(3, 1, 20, 20, generator=torch.Generator().manual_seed(2)) > 0.7).double()
    bank = gaussian_bank(torch.tensor([-0.5, 0.0, 0.6], dtype=torch.float64), 20, 6, 0.5, 0.5)
    torch.testing.assert_close(coverage(masks, bank, bank), extract(masks, bank, bank).mean((1, 2, 3)))


def test_glimpse_at_the_object_sees_it_and_elsewhere_does_not():
    mask = torch.zeros(1, 1, 64, 64)
    mask[0, 0, 40:56, 8:24] = 1  # rows are y, columns are x
    at = torch.tensor([[2 * 15.5 / 63 - 1, 2 * 47.5 / 63 - 1]])
    banks = gaussian_bank(at[:, 1], 64, 16, 0.2, 0.5), gaussian_bank(at[:, 0], 64, 16, 0.2, 0.5)
    assert coverage(mask, *banks) > 0.99
    assert coverage(mask, *reversed(banks)) < 0.01


@pytest.mark.parametrize(("height", "width", "channels"), [(8, 8, 1), (7, 6, 3), (1, 2, 2)])
def test_patches_make_the_convolution(height, width, channels):
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(2, height, width, channels, dtype=torch.float64, generator=generator)
    kernel = torch.randn(5, channels, 3, 3, dtype=torch.float64, generator=generator)
    expected = torch.nn.functional.conv2d(images.permute(0, 3, 1, 2), kernel, stride=2, padding=1)
    weight = kernel.permute(0, 2, 3, 1).flatten(1)
    torch.testing.assert_close((patches(images) @ weight.T).permute(0, 3, 1, 2), expected)


def test_gradient_of_patches_against_finite_differences_and_under_vmap():
    images = torch.randn(2, 3, 5, 4, 2, dtype=torch.float64, requires_grad=True)
    assert gradcheck(patches, (images,))
    torch.testing.assert_close(vmap(patches)(images), patches(images))
    torch.testing.assert_close(vmap(patches, in_dims=1)(images), patches(images.movedim(1, 0)))


@pytest.mark.parametrize(("glimpse", "features"), [(16, 2 * 2 * 32), (15, 2 * 2 * 32), (32, 4 * 4 * 32)])
def test_backbone_says_how_many_features_it_gives(glimpse, features):
    net = SmallConvNet(1, glimpse)
    assert net(torch.rand(2, 1, glimpse, glimpse)).shape == (2, features) == (2, net.features)
