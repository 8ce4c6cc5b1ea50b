"""What the tasks have in common that classify images by glimpses. B batch, N images, P glimpses, S predictions."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import vmap

from seedsweep.core.component import Chosen, Metric, Named, Range
from seedsweep.core.models import images, losses
from seedsweep.core.models.features import BACKBONE, Backbone, seen_by_all
from seedsweep.core.models.glimpses import Extraction
from seedsweep.core.models.losses import LEAST_COVERAGE, LocationInputs, LocationLoss
from seedsweep.core.models.metrics import CLASSIFICATION, classification_metrics
from seedsweep.core.models.rollout import IMAGE_AXES, Rollout
from seedsweep.core.models.slides import ARRAYS, METRICS, slide_measures
from seedsweep.core.task import Values
from seedsweep.core.training.batch import Batch, Data

CLASSIFICATION_LOSS: Chosen[Callable[[Tensor, Tensor], Tensor]] = Chosen("seedsweep.core.models.classification_losses")
EXTRACTION: Chosen[Extraction] = Chosen("seedsweep.core.models.extractions", Extraction)
LOCATION_LOSS: Chosen[Callable[[LocationInputs], Tensor]] = Chosen("seedsweep.core.models.location_losses")


@dataclass(frozen=True)
class GlimpseSettings:
    """Settings of the glimpses and the losses.

    backbone:       from a glimpse to its features.
    frozen:         the backbone is not trained: all members share it.
    glimpses:       P, looked at after glimpse 0, the whole image.
    glimpse_size:   G, pixels.
    extraction:     how glimpses are cut.
    classification: what is made of the predictions' cross-entropies.
    rank:           weight of the rank loss in the total.
    rank_margin:    by how much the true class's probability is to grow with each glimpse, in the rank loss.
    location:       the location loss, which gamma weighs.
    """

    backbone: Annotated[Named, BACKBONE] = "small"
    frozen: bool = False
    glimpses: Annotated[int, Range(0, 64)] = 3
    glimpse_size: Annotated[int, Range(2)] = 16
    extraction: Annotated[Named, EXTRACTION] = "gaussian"
    classification: Annotated[Named, CLASSIFICATION_LOSS] = "aggregated"
    rank: Annotated[float, Range(0)] = 1.0
    rank_margin: float = 0.05
    location: Annotated[Named, LOCATION_LOSS] = "combined"


class GlimpseTask(images.ImageTask):
    """Classification of images, uint8 [C,H,W] with masks, by a network that takes a Batch and gives a Rollout."""

    #: What may be a backbone.
    backbones: ClassVar[Chosen[Backbone]] = BACKBONE
    #: Between which a location's coordinates lie.
    ends: tuple[float, float] = (-1.0, 1.0)

    def __init__(self, settings: Any = None, data: Data | None = None):
        super().__init__(settings, data)
        s = self.settings
        _, self._backbone, self._own = self.backbones.read(s.backbone)
        self.extraction = EXTRACTION.make(s.extraction)
        self._classification = CLASSIFICATION_LOSS.make(s.classification)
        self._location = LOCATION_LOSS.make(s.location)
        # Recorded whichever is trained: the built-in ones; and the trained one, with its settings.
        self._recorded: dict[str, LocationLoss] = {}
        for each in (*map(LOCATION_LOSS.make, LOCATION_LOSS.built_in()), self._location):
            self._recorded |= each.recorded() if isinstance(each, LocationLoss) else {}

    @property
    def fused(self) -> bool:
        """Whether the backbone trains with others; a frozen one does not train."""
        fused: bool = self.settings.frozen or self._backbone is None or self._backbone.fused
        return fused

    @property
    def hyperparameters(self) -> Mapping[str, Range]:
        """alpha, gamma, and those of an own location loss."""
        own = self._location.hyperparameters if isinstance(self._location, LocationLoss) else {}
        return {"alpha": Range(0, 1, default=0.5), "gamma": Range(0, math.inf, default=1.0), **own}

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """All that `summarise` gives but the mean places and windows, of which none is better than another."""
        count = self.settings.glimpses
        shares = [*CLASSIFICATION, *(f"overview_{name}" for name in CLASSIFICATION)]
        shares += [f"coverage_{p}" for p in range(1, count + 1)]
        metrics = {name: Metric("max", 0, 1) for name in shares}
        if self._of_slides:
            metrics |= {name: Metric("max", 0, 1, optional=True) for name in METRICS}
        if count > 1:
            metrics["location_distance"] = Metric("max", 0)
        if count:
            metrics |= {"saturation": Metric("min", 0, 1), "empty_mask": Metric("min", 0, 1)}
            metrics |= {"state_change": Metric("max", 0, 1), "window_iou": Metric("max", 0, 1)}
        return {**metrics, "what_where": Metric("max", 0), **{name: Metric("min") for name in self._terms}}

    @property
    def _of_slides(self) -> bool:
        return not hasattr(self, "data") or "slide" in self.data.validation

    @property
    def _terms(self) -> tuple[str, ...]:
        trained = ("loss", "loss_classification", "loss_rank", "loss_location")
        return (*trained, *(f"loss_{name}" for name in self._recorded))

    def check(self) -> Iterable[str]:
        """See the base."""
        s, image = self.settings, None
        if hasattr(self, "data"):
            yield from images.misfits(self.data)
            image = self.data.shapes.get("image")
        if self._backbone is not None:
            channels = image[0] if image else None
            problems = self._backbone.check(self._own, channels, s.glimpse_size, frozen=s.frozen)
            yield from (f"settings.{problem}" for problem in problems)

    def derive(self, split: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """overview: see there.  regions: [N,3,2], see `images.mask_regions`."""
        with torch.no_grad():
            # Glimpse 0 does not depend on any parameter that is trained: once a data set, not once a step.
            parts = [self.overview(part.float() / 255) for part in split["image"].split(16)]
        return {"overview": torch.cat(parts), "regions": images.mask_regions(split["mask"])}

    @abstractmethod
    def overview(self, images: Tensor) -> Tensor:
        """What the network takes of whole images [B,C,H,W] in [0,1], [B,...]."""

    def as_given(self, glimpse: Tensor) -> Tensor:
        """Glimpse 0 in [0,1], [B,C,G,G], as it is; of a frozen backbone its features, [B, features]."""
        if not self.settings.frozen:
            return glimpse
        return seen_by_all(self._backbone, self._own, glimpse, self.mean, self.std)

    def loss(self, model: nn.Module, batch: Batch, hp: Values) -> Mapping[str, Tensor]:
        """`loss` is the total, classification + rank + gamma * location."""
        rollout = model(batch)
        return self._losses(LocationInputs(rollout, batch["label"], batch["regions"], hp))

    def measure(self, model: nn.Module, batch: Batch, hp: Values) -> Mapping[str, Tensor]:
        """score, overview_score: [B], tumour-minus-normal logits, from all glimpses and from glimpse 0 alone (a model
        without one: from its first glimpse).  locations: [B,P,2].  extents: [B,P,2], along x and y.  coverage: [B,P].
        what_where: [B,S].  state_change: [B,P], see `state_changes`.  window_iou: [B], of the last glimpse.  label, and
        the loss terms: [B].  Of patches of slides, `slides.ARRAYS`."""
        rollout: Rollout = model(batch)
        labels, extents = batch["label"], rollout.linear[:-1, :, ::3]
        kept = {
            "score": rollout.logits[:, 1] - rollout.logits[:, 0],
            "overview_score": rollout.glimpse_logits[0, :, 1] - rollout.glimpse_logits[0, :, 0],
            "locations": rollout.locations[:-1].movedim(1, 0),
            "extents": extents.movedim(1, 0),
            "coverage": rollout.coverage.movedim(1, 0),
            "what_where": rollout.what_where.movedim(1, 0),
            "label": labels,
        }
        if self.settings.glimpses:
            kept["state_change"] = state_changes(rollout.states).movedim(1, 0)
            last = rollout.locations[-2:-1], extents[-1:], batch["regions"][:, 1:]
            # But for rounding it is at most 1.
            kept["window_iou"] = losses.iou(*last).squeeze(0).clamp_max(1)
        kept |= {name: batch[name] for name in ARRAYS if name in batch}
        return kept | self._losses_of_each(rollout, labels, batch["regions"], hp)

    def summarise(self, kept: Mapping[str, Tensor]) -> Mapping[str, float | Tensor]:
        """Every metric, and more.

        overview_*: from glimpse 0 alone.  x, y: mean centre, and window: mean extent along x of each glimpse.
        coverage, window_iou: mean over tumour images.  location_distance: mean Euclidean distance between two of the
        glimpses 1..P.  slide_auc_*: see `metrics.slide_metrics`.  saturation: share of coordinates within 1 % of the
        ends.  what_where: mean norm.  state_change: mean; 0 where the state, and so the location, stays.  empty_mask:
        share of tumour glimpses that see none of the mask.
        """
        kept = {name: values.detach().cpu() for name, values in kept.items()}
        labels, scores = kept["label"].numpy(), kept["score"].double().numpy()
        values = classification_metrics(scores, labels)
        overview = classification_metrics(kept["overview_score"].double().numpy(), labels)
        values |= {f"overview_{name}": value for name, value in overview.items()}
        # Filters whose rows add up to one to rounding may see a little more than all of a mask.
        tumour = kept["coverage"][kept["label"] == 1].double().clamp(max=1)
        locations, count = kept["locations"].double(), self.settings.glimpses
        of_glimpses = {
            "x": locations[..., 0].mean(0),
            "y": locations[..., 1].mean(0),
            "window": kept["extents"][..., 0].double().mean(0),
            "coverage": tumour.mean(0),
        }
        for name, of_each in of_glimpses.items():
            values |= {f"{name}_{p}": value for p, value in enumerate(of_each.tolist(), 1)}
        i, j = torch.triu_indices(count, count, 1)
        low, high = self.ends
        margin = 0.01 * (high - low)
        saturated = (locations < low + margin) | (locations > high - margin)
        values |= {
            "location_distance": (locations[:, i] - locations[:, j]).norm(dim=-1).mean().item(),
            "saturation": saturated.double().mean().item(),
            "what_where": kept["what_where"].double().mean().item(),
            "empty_mask": (tumour <= LEAST_COVERAGE).double().mean().item(),
        }
        if count:
            values["state_change"] = kept["state_change"].double().mean().item()
            values["window_iou"] = kept["window_iou"][kept["label"] == 1].double().mean().item()
        if "slide" in kept:
            values |= slide_measures(scores, {name: kept[name].numpy() for name in ARRAYS if name in kept})
        return values | {name: kept[name].double().mean().item() for name in self._terms}

    def windows(self, kept: Mapping[str, Tensor]) -> np.ndarray:
        """Glimpses 1..P."""
        chosen = torch.cat([kept["locations"], kept["extents"]], -1)[torch.from_numpy(self.watched())]
        return chosen.float().cpu().numpy()

    def _losses(self, given: LocationInputs) -> dict[str, Tensor]:
        """What is trained, and its terms."""
        s, labels = self.settings, given.labels
        per_glimpse = losses.cross_entropy(given.rollout.glimpse_logits, labels)
        terms = {
            "loss_classification": self._classification(
                per_glimpse, losses.cross_entropy(given.rollout.logits, labels)
            ),
            "loss_rank": losses.rank(torch.exp(-per_glimpse), s.rank_margin),
            "loss_location": self._location(given),
        }
        total = terms["loss_classification"] + s.rank * terms["loss_rank"] + given.hp.gamma * terms["loss_location"]
        return {"loss": total, **terms}

    def _losses_of_each(self, rollout: Rollout, labels: Tensor, regions: Tensor, hp: Values) -> dict[str, Tensor]:
        """Every term of each image, [B]: that of a batch of it alone."""

        def of_one(rollout: Rollout, label: Tensor, region: Tensor) -> dict[str, Tensor]:
            parts = (part.unsqueeze(axis) for part, axis in zip(rollout, IMAGE_AXES, strict=True))
            given = LocationInputs(Rollout(*parts), label[None], region[None], hp)
            return {f"loss_{name}": loss(given) for name, loss in self._recorded.items()} | self._losses(given)

        of_each: dict[str, Tensor] = vmap(of_one, (Rollout._make(IMAGE_AXES), 0, 0), randomness="different")(
            rollout, labels, regions
        )
        return of_each


def state_changes(states: Tensor) -> Tensor:
    """|h_p - h_(p-1)| / (|h_p| + |h_(p-1)|) of states h_0..h_P [P+1,B,D], Euclidean norms: [P,B] in [0,1]; 0 where both
    are zero."""
    norms = states.norm(dim=-1)
    together = (norms[1:] + norms[:-1]).clamp_min(torch.finfo(states.dtype).tiny)
    changes: Tensor = (states[1:] - states[:-1]).norm(dim=-1) / together
    # By the triangle inequality at most 1, but for rounding.
    return changes.clamp_max(1)
