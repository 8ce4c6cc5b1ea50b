"""U-Nets, their crops, and the choice of where the next level looks."""

import numpy as np
import pytest
import torch

from seedsweep.core.models.multilevel_unet import MultilevelNet, MultilevelUNet, draw, reinforce
from seedsweep.core.models.segmentation import centre_of, compare, crop
from seedsweep.core.models.unet import SingleLevelNet, UNet, UNetwork
from seedsweep.core.training.batch import Batch

D = torch.float64


def test_shapes_at_256_are_those_of_the_paper():
    shapes = {}
    net = UNetwork(1, depth=4, width=64).to("meta")
    for name, module in net.named_children():
        for number, part in enumerate(module if name != "logit" else [module]):
            part.register_forward_hook(lambda m, i, out, key=(name, number): shapes.update({key: tuple(out.shape[1:])}))
    assert net(torch.empty(1, 1, 256, 256, device="meta")).shape == (1, 1, 256, 256)
    assert [shapes["down", k] for k in range(5)] == [(64 << k, 256 >> k, 256 >> k) for k in range(5)]
    assert [shapes["join", k] for k in range(4)] == [(64 << k, 256 >> k, 256 >> k) for k in (3, 2, 1, 0)]
    # 31.0 million parameters in the paper's network of two output channels.
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(31.0e6, rel=0.002)


def test_a_crop_is_the_slice():
    images = torch.arange(2 * 3 * 6 * 7.0).view(2, 3, 6, 7)
    cut = crop(images, torch.tensor([[0, 1], [4, 3]]), 3)
    torch.testing.assert_close(cut, torch.stack([images[0, :, 1:4, 0:3], images[1, :, 3:6, 4:7]]))
    # Of 7 pixels, 4 to 6: the middle one, 5, is at 2/3 of the way from -1 to 1.
    assert centre_of(torch.tensor([[4, 0]]), 3, 7)[0].tolist() == pytest.approx([2 / 3, -2 / 3])


def test_dice_and_the_rest_by_hand():
    logits = torch.tensor([[[[1.0, 1.0], [-1.0, -1.0]]], [[[1.0, -1.0], [-1.0, -1.0]]]])
    masks = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]], [[[0.0, 0.0], [0.0, 0.0]]]])
    whole = torch.zeros(2, 1, 4, 4)
    whole[0, 0, 0, 0], whole[0, 0, 3, 3], whole[0, 0, 2, 0], whole[0, 0, 3, 0] = 1, 1, 1, 1
    parts = compare(logits, masks, whole, 2)
    assert [parts[name].tolist() for name in ("intersection", "predicted", "actual", "correct", "seen")] == [
        [1, 0], [2, 1], [2, 0], [0.5, 0.75], [0.5, 0],
    ]  # fmt: skip
    hit, miss = np.log1p(np.exp(-1)), np.log1p(np.exp(1))
    assert parts["cross_entropy"].tolist() == pytest.approx([(2 * hit + 2 * miss) / 4, (3 * hit + miss) / 4])


def batch(images: torch.Tensor, masks: torch.Tensor) -> Batch:
    split = {"image": (images * 255).to(torch.uint8), "mask": masks.to(torch.uint8),
             "label": masks.amax((1, 2, 3)).long()}  # fmt: skip
    return Batch(split, torch.arange(len(images)))


@pytest.mark.parametrize("level", [1, 2])
def test_a_single_level_sees_the_whole_or_a_quarter(level):
    torch.manual_seed(0)
    images = torch.rand(400, 1, 16, 16)
    masks = torch.zeros_like(images)
    masks[:, :, 5, 5] = 1
    rollout = SingleLevelNet(UNet.Settings(level=level, depth=1, width=2), 1, 0.5, 0.3)(batch(images, masks))
    # Pixel 5 is in 6 of the 9 places of a crop of 8 along an axis.
    assert rollout.seen.mean().item() == pytest.approx(1.0 if level == 1 else (6 / 9) ** 2, abs=0.05)
    assert rollout.dice.shape == (1, 400)


@pytest.mark.parametrize("pixel", [(0, 0), (3, 5), (7, 7)])
def test_the_next_level_looks_around_the_chosen_pixel(pixel):
    """Level 1 sees 32 pixels as 8; level 2, 16 as 8, around the chosen one as far as the border allows."""
    model = MultilevelNet(MultilevelUNet.Settings(levels=3, depth=1, width=2), 1, 0.5, 0.3).eval()
    images, masks = torch.rand(1, 1, 32, 32), torch.ones(1, 1, 32, 32)
    with torch.no_grad():
        for net in model.nets:
            net.logit.weight.zero_()
        # Without weights the heat map is flat, and its maximum the first pixel: level 1's is set to the wanted one.
        model.nets[0].forward = lambda x: (
            torch.nn.functional.one_hot(torch.tensor([pixel[1] * 8 + pixel[0]]), 64).view(1, 1, 8, 8).float()
        )
        rollout = model(batch(images, masks))
    wanted = [min(max(4 * p + 2, 8), 24) for p in pixel]
    assert ((rollout.centres[1, 0] + 1) * 15.5 + 0.5).tolist() == pytest.approx(wanted)
    assert rollout.seen[:, 0].tolist() == pytest.approx([1, 1 / 4, 1 / 16])


def test_centres_are_drawn_from_the_heat_map():
    probabilities = torch.tensor([0.1, 0.0, 0.6, 0.3], dtype=D)
    draws = (torch.arange(10000, dtype=D) + 0.5) / 10000
    chosen = draw(probabilities.log().expand(10000, 4), draws)
    assert chosen.bincount(minlength=4).tolist() == [1000, 0, 6000, 3000]
    assert draw(probabilities.log()[None], None).item() == 2
    assert draw(probabilities.log()[None], torch.tensor([1.0], dtype=D)).item() == 3


def test_reinforce_against_the_enumerated_expectation():
    """On a grid of four centres, the mean estimate over many batches of three is the gradient of the mean reward."""
    logits = torch.tensor([0.3, -0.2, 0.5, 0.1], dtype=D, requires_grad=True)
    reward = torch.tensor([0.1, 0.9, 0.4, 0.0], dtype=D)
    (exact,) = torch.autograd.grad((torch.softmax(logits, 0) * reward).sum(), logits)
    # All 64 batches, each as often as it is drawn: no sampling error is left.
    total = torch.zeros(4, dtype=D)
    probabilities = torch.softmax(logits.detach(), 0)
    for actions in torch.cartesian_prod(*[torch.arange(4)] * 3):
        log_probability = torch.log_softmax(logits, 0)[actions][None]
        (gradient,) = torch.autograd.grad(reinforce(log_probability, reward[actions][None]).mean(), logits)
        total += probabilities[actions].prod() * gradient
    torch.testing.assert_close(-total, exact)


def test_a_batch_of_one_has_no_baseline():
    log_probability = torch.tensor([[-0.5]], requires_grad=True)
    assert reinforce(log_probability, torch.tensor([[0.8]])).item() == pytest.approx(0.4)
