"""Recurrent visual attention (BenTaieb & Hamarneh, MICCAI 2018)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seedsweep.core.component import Chosen, Named, Range
from seedsweep.core.models import glimpses
from seedsweep.core.models.features import Backbone, shared
from seedsweep.core.models.glimpse_task import EXTRACTION, GlimpseSettings, GlimpseTask
from seedsweep.core.models.glimpses import Window
from seedsweep.core.models.rollout import Rollout
from seedsweep.core.training.batch import Batch, Data

BACKBONE: Chosen[Backbone] = Chosen("seedsweep.core.models.backbones", Backbone)
LOCATION_MAP: Chosen[Callable[[Tensor], Tensor]] = Chosen("seedsweep.core.models.location_maps")
CLASSES = 2


class RecurrentAttention(GlimpseTask):
    """Glimpses of one size, which is fixed. With 0 glimpses it classifies from glimpse 0, the whole image, alone."""

    coarse = ("backbone.",)

    @dataclass(frozen=True)
    class Settings(GlimpseSettings):
        """Settings of the model, beside those of GlimpseSettings.

        backbone:     from a glimpse to its features.
        frozen:       the backbone is not trained: all members share it.
        window:       extent of glimpses 1..P as a share of the image.
        location_map: from the emission's output to a location.
        state:        width of the LSTM and of the what and where features.
        normalise:    layer normalisation before the relu of what and of where (EDRAM has it).
        """

        backbone: Annotated[Named, BACKBONE] = "small"
        frozen: bool = False
        window: Annotated[float, Range(1e-3, 2)] = 0.3
        location_map: Annotated[Named, LOCATION_MAP] = "tanh"
        state: Annotated[int, Range(1)] = 64
        normalise: bool = False

    settings: Settings

    def __init__(self, settings: Any = None, data: Data | None = None):
        super().__init__(settings, data)
        _, self._backbone, self._own = BACKBONE.read(self.settings.backbone)
        infinity = torch.tensor([-torch.inf, torch.inf])
        low, high = sorted(LOCATION_MAP.make(self.settings.location_map)(infinity).tolist())
        self.ends = low, high

    @property
    def fused(self) -> bool:
        """Whether the backbone trains with others; a frozen one does not train."""
        fused: bool = self.settings.frozen or self._backbone.fused
        return fused

    def check(self) -> Iterable[str]:
        """See the base."""
        yield from super().check()
        s, image = self.settings, self.data.shapes.get("image") if hasattr(self, "data") else None
        problems = self._backbone.check(self._own, image[0] if image else None, s.glimpse_size, frozen=s.frozen)
        yield from (f"settings.{problem}" for problem in problems)

    def model(self) -> nn.Module:
        """See the base. Errors: UserError."""
        return AttentionNet(self.settings, self.data.shapes["image"][0], self.mean, self.std)

    def overview(self, images: Tensor) -> Tensor:
        """Glimpse 0, the whole image, [B,C,G,G]; with a frozen backbone its features, [B, features]."""
        s = self.settings
        glimpse = glimpses.overview(images, _window(s, 1.0))
        if not s.frozen:
            return glimpse
        given = glimpse if self._backbone.own_scale else (glimpse - self.mean) / self.std
        features: Tensor = shared(self._backbone, self._own, images.shape[1], s.glimpse_size, images.device)(given)
        return features


class AttentionNet(nn.Module):
    """Per glimpse: f = backbone(glimpse); w = relu(W_f f) * relu(W_l l); h = LSTM(w); next location from h."""

    def __init__(self, settings: RecurrentAttention.Settings, channels: int, mean: float, std: float):
        """channels: of the image.  mean, std: of the training images' pixels; glimpses are centred and scaled by
        them (the banks' rows sum to one, so that this equals doing it to the image). Errors: UserError."""
        super().__init__()
        self.settings, self.mean, self.std = settings, mean, std
        self.window = _window(settings, settings.window)
        self.to_location = LOCATION_MAP.make(settings.location_map)
        _, self.kind, self.own = BACKBONE.read(settings.backbone)
        state = settings.state
        if settings.frozen:
            features = shared(self.kind, self.own, channels, settings.glimpse_size, torch.device("cpu")).features
        else:
            self.backbone = self.kind(self.own, channels, settings.glimpse_size)
            features = self.backbone.features
        self.what = nn.Linear(features, state)
        self.where = nn.Linear(2, state)
        # Bias 1: the product of what and where is not nearly zero at the start.
        nn.init.ones_(self.where.bias)
        self.norms = nn.ModuleList([nn.LayerNorm(state), nn.LayerNorm(state)] if settings.normalise else [])
        self.gates = nn.Linear(2 * state, 4 * state)
        nn.init.zeros_(self.gates.bias)
        # Gate order i, f, o, g; the forget gate starts open (Jozefowicz et al. 2015).
        nn.init.ones_(self.gates.bias.data[state : 2 * state])
        self.emission = nn.Linear(state, 2)
        nn.init.normal_(self.emission.weight, std=0.01)
        nn.init.zeros_(self.emission.bias)
        self.glimpse_classifier = nn.Linear(state, CLASSES)
        self.classifier = nn.Linear(features * (settings.glimpses + 1), CLASSES)

    def forward(self, batch: Batch) -> Rollout:
        """One rollout."""
        s = self.settings
        whole, count = batch["overview"], len(batch.rows)
        h = c = whole.new_zeros(count, s.state)
        location = whole.new_zeros(count, 2)
        features, states, locations, coverages, norms = [], [], [], [], []
        for p in range(s.glimpses + 1):
            if p == 0:
                f = whole if s.frozen else self._features(whole)
            else:
                location = self.to_location(self.emission(h))
                # Only what a window sees is read: the whole split's bytes are given.
                glimpse, covered = glimpses.glimpses(
                    batch.split["image"], batch.split["mask"], batch.rows, location, self.window
                )
                locations.append(location)
                coverages.append(covered)
                f = self._features(glimpse)
            w = self._what_where(f, location)
            h, c = self._lstm(w, h, c)
            features.append(f)
            states.append(h)
            norms.append(w.detach().norm(dim=-1))
        locations.append(self.to_location(self.emission(h)))
        return Rollout(
            self.glimpse_classifier(torch.stack(states)),
            self.classifier(torch.cat(features, -1)),
            torch.stack(locations),
            # Not from a list of numbers: that would be copied from the host in each step.
            (torch.eye(2, device=location.device).flatten() * s.window).expand(s.glimpses + 1, count, 4),
            torch.stack(coverages) if coverages else location.new_zeros(0, count),
            torch.stack(norms),
        )

    def _features(self, glimpse: Tensor) -> Tensor:
        if not self.kind.own_scale:
            glimpse = (glimpse - self.mean) / self.std
        if self.settings.frozen:
            given: Tensor = shared(self.kind, self.own, glimpse.shape[1], glimpse.shape[-1], glimpse.device)(glimpse)
            return given
        features: Tensor = self.backbone(glimpse.to(next(self.backbone.parameters()).dtype))
        return features.float()

    def _what_where(self, feature: Tensor, location: Tensor) -> Tensor:
        what, where = self.what(feature), self.where(location)
        if self.norms:
            what, where = self.norms[0](what), self.norms[1](where)
        return F.relu(what) * F.relu(where)

    def _lstm(self, w: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        sigmoids, g = self.gates(torch.cat([w, h], -1)).split([3 * h.shape[-1], h.shape[-1]], -1)
        i, f, o = torch.sigmoid(sigmoids).chunk(3, -1)
        c = f * c + i * torch.tanh(g)
        return o * torch.tanh(c), c


def _window(s: RecurrentAttention.Settings, extent: float) -> Window:
    return Window(EXTRACTION.make(s.extraction), s.glimpse_size, extent)
