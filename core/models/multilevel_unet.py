"""A U-Net for each level of magnification, where one level's heat map says where the next looks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from seedsweep.core.component import Range
from seedsweep.core.models.images import whole_images, whole_masks
from seedsweep.core.models.segmentation import Segmentation, SegmentationTask, centre_of, compare, crop, shrink
from seedsweep.core.models.unet import UNetwork
from seedsweep.core.task import Values
from seedsweep.core.training.batch import Batch, Data


class MultilevelUNet(SegmentationTask):
    """Segmentation on levels of magnification; the reward for a level's centre is the next level's Dice (inferred)."""

    coarse = ("nets.",)
    hyperparameters: ClassVar[Mapping[str, Range]] = {"gamma": Range(0, math.inf, default=1.0)}
    terms = ("loss", "loss_segmentation", "loss_reinforce")

    @dataclass(frozen=True)
    class Settings:
        """Settings of the model.

        levels: L. Level k sees a square of H / 2^(k-1) pixels of the image of side H, at H / 2^(L-1) pixels a side.
        depth: how many times each level's U-Net halves the side by pooling.
        width: channels of each level's U-Net before the first pooling; doubled after each.
        """

        levels: Annotated[int, Range(1, 8)] = 2
        depth: Annotated[int, Range(1, 8)] = 4
        width: Annotated[int, Range(1)] = 64

    settings: Settings

    def __init__(self, settings: Any = None, data: Data | None = None):
        super().__init__(settings, data)
        self.levels, self.last = self.settings.levels, self.settings.levels - 1

    def model(self) -> nn.Module:
        """See the base."""
        return MultilevelNet(self.settings, self.data.shapes["image"][0], self.mean, self.std)

    def losses(self, rollout: Segmentation, hp: Values) -> Mapping[str, Tensor]:
        """`loss` is the total, the levels' pixelwise cross-entropies + gamma * REINFORCE."""
        cross_entropy = rollout.cross_entropy.sum(0)
        of_choices = reinforce(rollout.log_probability, rollout.dice[1:])
        return {
            "loss": cross_entropy + hp.gamma * of_choices,
            "loss_segmentation": cross_entropy,
            "loss_reinforce": of_choices,
        }


class MultilevelNet(nn.Module):
    """Level k's heat map, as a categorical distribution over its pixels, gives the centre of level k+1.

    The centre is drawn as a tensor, so that all levels are one graph; its log-probability is what `reinforce` takes. In
    evaluation the most probable centre is taken.
    """

    def __init__(self, settings: MultilevelUNet.Settings, channels: int, mean: float, std: float):
        """channels: of the image.  mean, std: of the training images' pixels."""
        super().__init__()
        self.settings, self.mean, self.std = settings, mean, std
        self.nets = nn.ModuleList(UNetwork(channels, settings.depth, settings.width) for _ in range(settings.levels))

    def forward(self, batch: Batch) -> Segmentation:
        """One pass through all levels."""
        whole, truth = whole_images(batch), whole_masks(batch)
        levels, count, side = self.settings.levels, len(whole), whole.shape[-1]
        corner = batch["label"].new_zeros(count, 2)
        parts, centres, chosen = [], [], []
        for level, net in enumerate(self.nets):
            reach, factor = side >> level, 1 << (levels - 1 - level)
            images, masks = (shrink(crop(x, corner, reach), factor) for x in (whole, truth))
            logits = net(((images - self.mean) / self.std).to(next(net.parameters()).dtype)).float()
            parts.append(compare(logits, masks, truth, reach))
            centres.append(centre_of(corner, reach, side))
            if level + 1 < levels:
                log_probabilities = torch.log_softmax(logits.flatten(1), -1)
                pixel = draw(log_probabilities, torch.rand(count, device=whole.device) if self.training else None)
                chosen.append(log_probabilities.gather(1, pixel[:, None])[:, 0])
                corner = self._corner(corner, pixel, logits.shape[-1], factor, reach // 2, side)
        return Segmentation(
            **{name: torch.stack([part[name] for part in parts]) for name in parts[0]},
            centres=torch.stack(centres),
            log_probability=torch.stack(chosen) if chosen else logits.new_zeros(0, count),
        )

    @staticmethod
    def _corner(corner: Tensor, pixel: Tensor, width: int, factor: int, reach: int, side: int) -> Tensor:
        """First pixel of the square of `reach` around a pixel of this level's map, moved inwards at the border."""
        place = torch.stack([pixel % width, pixel // width], -1)
        centre = corner + place * factor + factor // 2
        return (centre - reach // 2).clamp(0, side - reach)


def draw(log_probabilities: Tensor, draws: Tensor | None) -> Tensor:
    """One of K a row of [B,K], int64 [B]: by the inverse of the distribution at `draws` from U[0,1), [B]; the most
    probable where there are none."""
    if draws is None:
        return log_probabilities.argmax(-1)
    cumulated = log_probabilities.detach().exp().cumsum(-1)
    # Relative to the last, which rounding keeps from being exactly 1.
    below = cumulated <= draws[:, None] * cumulated[:, -1:]
    return below.sum(-1).clamp_max(log_probabilities.shape[-1] - 1)


def reinforce(log_probability: Tensor, reward: Tensor) -> Tensor:
    """-(R_i - b_i) log pi(a_i) of each image, [B], summed over the choices: the gradient of its mean is, in
    expectation, that of the mean reward, negated (Williams 1992).

    log_probability, reward: [choices, B]. b_i, the mean reward of the batch's other images, does not depend on a_i, and
    so keeps the expectation and lowers the variance; 0 for a batch of one.
    """
    count = reward.shape[-1]
    reward = reward.detach()
    baseline = (reward.sum(-1, keepdim=True) - reward) / max(count - 1, 1)
    return -((reward - baseline) * log_probability).sum(0)
