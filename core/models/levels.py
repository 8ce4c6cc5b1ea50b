"""A U-Net for each level of magnification, where one level's heat map says where the next looks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seedsweep.core.models.unet import Segmentation, UNet, centre_of, compare, crop, shrink
from seedsweep.core.training.batch import Batch


@dataclass(frozen=True)
class MultiLevelSettings:
    """Settings of the model.

    levels: L. Level k sees a square of H / 2^(k-1) pixels of the image of side H, at H / 2^(L-1) pixels a side.
    depth, width: of each level's U-Net.
    """

    name: str = "multilevel_unet"
    levels: int = 2
    depth: int = 4
    width: int = 64


class MultiLevelUNet(nn.Module):
    """Level k's heat map, as a categorical distribution over its pixels, gives the centre of level k+1.

    The centre is drawn as a tensor, so that all levels are one graph; its log-probability is what REINFORCE
    (`core.models.losses.reinforce`) takes. In evaluation the most probable centre is taken.
    """

    CONVOLUTIONS = ("nets.",)

    def __init__(self, settings: MultiLevelSettings, channels: int, mean: float, std: float):
        super().__init__()
        self.settings, self.mean, self.std = settings, mean, std
        self.nets = nn.ModuleList(UNet(channels, settings.depth, settings.width) for _ in range(settings.levels))

    @staticmethod
    def draws(settings: MultiLevelSettings) -> int:
        """Of each image: one a centre."""
        return settings.levels - 1

    def forward(self, batch: Batch) -> Segmentation:
        """One pass through all levels."""
        levels, side = self.settings.levels, batch.images.shape[-1]
        whole, truth = batch.whole_images(), batch.whole_masks()
        corner = batch.labels.new_zeros(len(whole), 2)
        parts, centres, chosen = [], [], []
        for level, net in enumerate(self.nets):
            reach, factor = side >> level, 1 << (levels - 1 - level)
            images, masks = (shrink(crop(x, corner, reach), factor) for x in (whole, truth))
            logits = net(((images - self.mean) / self.std).to(next(net.parameters()).dtype)).float()
            parts.append(compare(logits, masks, truth, reach))
            centres.append(centre_of(corner, reach, side))
            if level + 1 < levels:
                log_probabilities = torch.log_softmax(logits.flatten(1), -1)
                pixel = draw(log_probabilities, batch.draws[:, level] if self.training else None)
                chosen.append(log_probabilities.gather(1, pixel[:, None])[:, 0])
                corner = self._corner(corner, pixel, logits.shape[-1], factor, reach // 2, side)
        return Segmentation(
            **{name: torch.stack([part[name] for part in parts]) for name in parts[0]},
            centres=torch.stack(centres),
            log_probability=torch.stack(chosen) if chosen else logits.new_zeros(0, len(logits)),
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
