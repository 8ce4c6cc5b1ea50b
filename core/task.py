"""What a member does: its model, its data and its losses, for any engine. M members, B batch, P glimpses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from core.glimpses import EXTRACTIONS, extract
from core.locations import LOCATION_MAPS
from core.losses import TERMS, LossSettings, losses
from core.metrics import CLASSIFICATION, classification_metrics
from core.models import MODELS, AttentionSettings, Rollout


class Split(NamedTuple):
    """Images uint8 [N,C,H,W], masks uint8 [N,1,H,W] in {0,1}, labels int64 [N]."""

    images: np.ndarray
    masks: np.ndarray
    labels: np.ndarray


class Batch(NamedTuple):
    """images [...,B,C,H,W] in [0,1], overview [...,B,C,G,G], masks [...,B,1,H,W], labels int64 [...,B], regions
    [...,B,3,2]: the mask's centre and the two corners of its box, as locations (`mask_regions`)."""

    images: Tensor
    overview: Tensor
    masks: Tensor
    labels: Tensor
    regions: Tensor


@dataclass(frozen=True)
class TaskSettings:
    """The model and the losses."""

    model: AttentionSettings = field(default_factory=AttentionSettings)
    losses: LossSettings = field(default_factory=LossSettings)


def measure_names(model: AttentionSettings) -> tuple[str, ...]:
    """What every evaluation logs of such a model; `GlimpseTask.measure` says what each is."""
    glimpses = range(1, model.glimpses + 1)
    return (
        *CLASSIFICATION,
        *(f"overview_{name}" for name in CLASSIFICATION),
        *(f"{what}_{p}" for what in ("x", "y", "coverage") for p in glimpses),
        "location_distance",
        "saturation",
        "what_where",
        "empty_mask",
        *TERMS,
    )


class GlimpseTask:
    """Classification of images with glimpses. Holds both splits on the device, in bytes."""

    def __init__(self, settings: TaskSettings, train: Split, validation: Split, device: str = "cpu"):
        self.settings = settings
        self.device = torch.device(device)
        self.channels = train.images.shape[1]
        self.mean, self.std = _mean_and_std(train.images)
        self.train = self._resident(train)
        self.validation = self._resident(validation)

    def build(self, seed: int) -> nn.Module:
        """One member's model, initialised from its seed alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = MODELS[self.settings.model.name](self.settings.model, self.channels, self.mean, self.std)
        return model.to(self.device)

    def batch(self, split: Batch, indices: np.ndarray) -> Batch:
        """The images of `indices` [...,B], as floats."""
        chosen = torch.from_numpy(indices).to(self.device)

        def take(values: Tensor) -> Tensor:
            return values.index_select(0, chosen.flatten()).view(*chosen.shape, *values.shape[1:])

        return Batch(
            take(split.images).float().mul_(1 / 255),
            take(split.overview),
            take(split.masks).float(),
            take(split.labels),
            take(split.regions),
        )

    def losses(self, rollout: Rollout, batch: Batch, alpha: Tensor, gamma: Tensor) -> dict[str, Tensor]:
        """Every loss term of one member, a scalar each."""
        window = self.settings.model.window
        return losses(rollout, batch.labels, batch.regions, alpha, gamma, window, self.settings.losses)

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of what `measure` gives."""
        return measure_names(self.settings.model)

    def measure(self, rollout: Rollout, terms: dict[str, Tensor]) -> dict[str, np.ndarray]:
        """Values [M] of every measure, from the rollout on the whole validation split (leading axis M).

        overview_*: from glimpse 0 alone.  x, y: mean centre.  coverage: mean over tumour images.  location_distance:
        mean Euclidean distance between two of the glimpses 1..P.  saturation: share of coordinates within 1 % of the
        location map's ends.  what_where: mean norm.  empty_mask: share of tumour glimpses that see none of the mask.
        """
        p = self.settings.model.glimpses
        labels = self.validation.labels
        locations, tumour = rollout.locations[:, :p], rollout.coverage[:, :, labels == 1]
        values = classification_metrics(_score(rollout.logits), labels.cpu().numpy())
        overview = classification_metrics(_score(rollout.glimpse_logits[:, 0]), labels.cpu().numpy())
        values |= {f"overview_{name}": value for name, value in overview.items()}
        for index in range(p):
            values[f"x_{index + 1}"] = _numpy(locations[:, index, :, 0].mean(-1))
            values[f"y_{index + 1}"] = _numpy(locations[:, index, :, 1].mean(-1))
            values[f"coverage_{index + 1}"] = _numpy(tumour[:, index].mean(-1))
        i, j = torch.triu_indices(p, p, 1)
        to_location = LOCATION_MAPS[self.settings.model.location_map]
        values |= {
            "location_distance": _numpy((locations[:, i] - locations[:, j]).norm(dim=-1).mean((1, 2))),
            "saturation": _numpy(to_location.saturation(locations).mean((1, 2, 3))),
            "what_where": _numpy(rollout.what_where.mean((1, 2))),
            "empty_mask": _numpy((tumour <= self.settings.losses.area_floor).float().mean((1, 2))),
        }
        return values | {name: _numpy(terms[name]) for name in TERMS}

    def _resident(self, split: Split) -> Batch:
        images = torch.from_numpy(np.array(split.images)).to(self.device)
        return Batch(
            images,
            # Glimpse 0 does not depend on any parameter: once a data set, not once a step.
            torch.cat([self._overview(part.float() / 255) for part in images.split(256)]),
            torch.from_numpy(np.array(split.masks)).to(self.device),
            torch.from_numpy(np.array(split.labels)).to(self.device),
            torch.from_numpy(mask_regions(split.masks)).to(self.device),
        )

    def _overview(self, images: Tensor) -> Tensor:
        s = self.settings.model
        centre = images.new_zeros(len(images))
        bank = EXTRACTIONS[s.extraction]
        bank_y, bank_x = (bank(centre, side, s.glimpse_size, 1.0, s.sigma) for side in images.shape[-2:])
        return extract(images, bank_y, bank_x)


def mask_regions(masks: np.ndarray) -> np.ndarray:
    """Centre of mass and the box's first and last corner (x, y) of each mask, float32 [N,3,2] in [-1,1]; zeros where a
    mask is empty.

    masks: uint8 [N,1,H,W] in {0,1}. A box reaches from the outer edge of its first pixel to that of its last.
    """
    regions = np.zeros((len(masks), 3, 2), np.float32)
    for index, mask in enumerate(masks[:, 0]):
        if not mask.any():
            continue
        for axis, along in enumerate((mask.sum(0), mask.sum(1))):
            pixels, side = np.flatnonzero(along), len(along)
            places = np.array([np.average(pixels, weights=along[pixels]), pixels[0] - 0.5, pixels[-1] + 0.5])
            regions[index, :, axis] = places / ((side - 1) / 2) - 1
    return regions


def _mean_and_std(images: np.ndarray) -> tuple[float, float]:
    """Of the pixels in [0,1], from the counts of the 256 values: exact whatever the size."""
    counts = np.zeros(256, np.int64)
    for part in np.array_split(images, max(1, len(images) // 64)):
        counts += np.bincount(part.ravel(), minlength=256)
    values = np.arange(256) / 255
    mean = float((counts * values).sum() / counts.sum())
    variance = float((counts * (values - mean) ** 2).sum() / counts.sum())
    return mean, max(variance, 1e-12) ** 0.5


def _score(logits: Tensor) -> np.ndarray:
    return _numpy(logits[..., 1] - logits[..., 0])


def _numpy(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
