"""What a member does: its model, its data and its losses, for any engine. M members, B batch, P glimpses, L levels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seedsweep.core.models import MODELS, AttentionSettings, EdramSettings, ModelSettings, MultiLevelSettings
from seedsweep.core.models.locations import LOCATION_MAPS
from seedsweep.core.models.losses import SEGMENTATION_TERMS, TERMS, LossSettings, losses, segmentation_losses
from seedsweep.core.models.metrics import (
    CLASSIFICATION,
    SEGMENTATION,
    SLIDES,
    classification_metrics,
    segmentation_metrics,
    slide_metrics,
)
from seedsweep.core.models.rollout import Rollout
from seedsweep.core.models.unet import Segmentation
from seedsweep.core.training.batch import Batch, Resident, Split, mask_regions, mean_and_std

#: Tumour images of the validation split whose glimpses are followed through training, the first ones.
WATCHED = 2


@dataclass(frozen=True)
class TaskSettings:
    """The model and the losses."""

    model: ModelSettings = field(default_factory=AttentionSettings)
    losses: LossSettings = field(default_factory=LossSettings)


class Task(ABC):
    """A model on a data set. Holds both splits on the device, in bytes."""

    def __init__(self, settings: TaskSettings, train: Split, validation: Split, device: str = "cpu"):
        self.settings = settings
        self.device = torch.device(device)
        self.channels = train.images.shape[1]
        self.mean, self.std = mean_and_std(train.images)
        self.train = self._resident(train)
        self.validation = self._resident(validation)
        self.slides = validation.slides
        self.watched = np.flatnonzero(np.asarray(validation.labels) == 1)[:WATCHED]

    def build(self, seed: int) -> nn.Module:
        """One member's model, initialised from its seed alone. Errors: core.models.pretrained.PretrainedError."""
        _, module = MODELS[self.settings.model.name]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = module(self.settings.model, self.channels, self.mean, self.std)
        return model.to(self.device)

    @property
    def draws(self) -> int:
        """D, random numbers that the model takes for an image."""
        of = getattr(MODELS[self.settings.model.name][1], "draws", None)
        return of(self.settings.model) if of else 0

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of what `measure` gives."""
        return measure_names(self.settings.model, self.slides is not None)

    @abstractmethod
    def losses(self, rollout: Any, batch: Batch, alpha: Tensor, gamma: Tensor) -> dict[str, Tensor]:
        """Every loss term of one member, a scalar each; `loss` is the total."""

    @abstractmethod
    def measure(self, rollout: Any, terms: dict[str, Tensor]) -> dict[str, np.ndarray]:
        """Values [M] of every measure, from the rollout on the whole validation split (leading axis M)."""

    @abstractmethod
    def looks(self, rollout: Any) -> np.ndarray:
        """Where each watched image is looked at, float32 [M,W,P,4]: x, y of the centre and the window's extents along
        x and y."""

    def _resident(self, split: Split) -> Resident:
        # On a CPU not copied: a node's trials map the same pages.
        images = torch.from_numpy(np.asarray(split.images)).to(self.device)
        overview = getattr(MODELS[self.settings.model.name][1], "overview", None)
        with torch.no_grad():
            return Resident(
                images,
                torch.from_numpy(np.asarray(split.masks)).to(self.device),
                # Glimpse 0 does not depend on any parameter that is trained: once a data set, not once a step.
                torch.cat([overview(self.settings.model, part.float() / 255) for part in images.split(16)])
                if overview
                else images.new_zeros(len(images), 0),
                torch.from_numpy(np.asarray(split.labels)).to(self.device),
                torch.from_numpy(mask_regions(split.masks)).to(self.device),
            )


class GlimpseTask(Task):
    """Classification of images with glimpses."""

    def losses(self, rollout: Rollout, batch: Batch, alpha: Tensor, gamma: Tensor) -> dict[str, Tensor]:
        """Every term of `core.models.losses.losses`."""
        return losses(rollout, batch.labels, batch.regions, alpha, gamma, self.settings.losses)

    def measure(self, rollout: Rollout, terms: dict[str, Tensor]) -> dict[str, np.ndarray]:
        """See the base.

        overview_*: from glimpse 0 alone (a model without one: from its first glimpse).  x, y: mean centre, and window:
        mean extent along x of each glimpse.  coverage: mean over tumour images.  location_distance: mean Euclidean
        distance between two of the glimpses 1..P.  slide_auc_*: see `core.models.metrics.slide_metrics`.
        saturation: share of coordinates within 1 % of the location map's ends.  what_where: mean norm.  empty_mask:
        share of tumour glimpses that see none of the mask.
        """
        model = self.settings.model
        assert isinstance(model, AttentionSettings | EdramSettings)
        p = model.glimpses
        labels = self.validation.labels
        locations, tumour = rollout.locations[:, :p], rollout.coverage[:, :, labels == 1]
        values = classification_metrics(_score(rollout.logits), labels.cpu().numpy())
        overview = classification_metrics(_score(rollout.glimpse_logits[:, 0]), labels.cpu().numpy())
        values |= {f"overview_{name}": value for name, value in overview.items()}
        for index in range(p):
            values[f"x_{index + 1}"] = _numpy(locations[:, index, :, 0].mean(-1))
            values[f"y_{index + 1}"] = _numpy(locations[:, index, :, 1].mean(-1))
            values[f"window_{index + 1}"] = _numpy(rollout.linear[:, index, :, 0].mean(-1))
            values[f"coverage_{index + 1}"] = _numpy(tumour[:, index].mean(-1))
        i, j = torch.triu_indices(p, p, 1)
        to_location = LOCATION_MAPS[getattr(model, "location_map", "tanh")]
        values |= {
            "location_distance": _numpy((locations[:, i] - locations[:, j]).norm(dim=-1).mean((1, 2))),
            "saturation": _numpy(to_location.saturation(locations).mean((1, 2, 3))),
            "what_where": _numpy(rollout.what_where.mean((1, 2))),
            "empty_mask": _numpy((tumour <= self.settings.losses.area_floor).float().mean((1, 2))),
        }
        if self.slides is not None:
            values |= slide_metrics(_score(rollout.logits), *self.slides)
        return values | {name: _numpy(terms[name]) for name in TERMS}

    def looks(self, rollout: Rollout) -> np.ndarray:
        """Glimpses 1..P."""
        chosen = torch.cat([rollout.locations[:, :-1], rollout.linear[:, :-1, :, ::3]], -1)[:, :, self.watched]
        return chosen.movedim(2, 1).float().cpu().numpy()


class SegmentationTask(Task):
    """Segmentation of images by U-Nets."""

    def losses(self, rollout: Segmentation, batch: Batch, alpha: Tensor, gamma: Tensor) -> dict[str, Tensor]:
        """Every term of `core.models.losses.segmentation_losses`."""
        return segmentation_losses(rollout, gamma)

    def measure(self, rollout: Segmentation, terms: dict[str, Tensor]) -> dict[str, np.ndarray]:
        """See the base.

        Of the last level: dice, the mean over images that show some of the mask; the others over all pixels.  dice, and
        seen, the mean share of the mask in the window, over tumour images, of each level.
        """
        rollout = Segmentation(*(part.cpu() for part in rollout))
        per_level = [segmentation_metrics(*(part.numpy() for part in level)) for level in _levels(rollout)]
        values = dict(per_level[-1])
        tumour = (self.validation.labels == 1).cpu()
        for level, metrics in enumerate(per_level):
            values[f"dice_{level + 1}"] = metrics["dice"]
            values[f"seen_{level + 1}"] = _numpy(rollout.seen[:, level, tumour].mean(-1))
        return values | {name: _numpy(terms[name]) for name in SEGMENTATION_TERMS}

    def looks(self, rollout: Segmentation) -> np.ndarray:
        """The windows of all levels."""
        chosen = rollout.centres[:, :, self.watched].movedim(2, 1).float()
        first = getattr(self.settings.model, "level", 1) - 1
        extents = torch.tensor([0.5 ** (first + level) for level in range(chosen.shape[2])], device=chosen.device)
        return torch.cat([chosen, extents[:, None].expand(*chosen.shape[:3], 2)], -1).cpu().numpy()


def make_task(settings: TaskSettings, train: Split, validation: Split, device: str = "cpu") -> Task:
    """The task that a model is for."""
    glimpses = isinstance(settings.model, AttentionSettings | EdramSettings)
    kind: Callable[..., Task] = GlimpseTask if glimpses else SegmentationTask
    return kind(settings, train, validation, device)


def measure_names(model: ModelSettings, of_slides: bool = False) -> tuple[str, ...]:
    """What every evaluation logs of such a model, on patches of slides or not; see the tasks' `measure`."""
    if not isinstance(model, AttentionSettings | EdramSettings):
        levels = range(1, 1 + (model.levels if isinstance(model, MultiLevelSettings) else 1))
        of_each = (f"{what}_{level}" for level in levels for what in ("dice", "seen"))
        return (*SEGMENTATION, *of_each, *SEGMENTATION_TERMS)
    return (
        *CLASSIFICATION,
        *(SLIDES if of_slides else ()),
        *(f"overview_{name}" for name in CLASSIFICATION),
        *(f"{what}_{p}" for what in ("x", "y", "window", "coverage") for p in range(1, model.glimpses + 1)),
        "location_distance",
        "saturation",
        "what_where",
        "empty_mask",
        *TERMS,
    )


def _levels(rollout: Segmentation) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    parts = (rollout.intersection, rollout.predicted, rollout.actual, rollout.correct)
    levels: list[Any] = list(zip(*(part.double().unbind(1) for part in parts), strict=True))
    return levels


def _score(logits: Tensor) -> np.ndarray:
    return _numpy(logits[..., 1] - logits[..., 0])


def _numpy(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
