"""Recurrent visual attention (BenTaieb & Hamarneh, MICCAI 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seedsweep.core.models import pretrained
from seedsweep.core.models.backbones import BACKBONES
from seedsweep.core.models.glimpses import Window, glimpses, overview
from seedsweep.core.models.locations import LOCATION_MAPS
from seedsweep.core.models.rollout import Rollout
from seedsweep.core.training.batch import Batch


@dataclass(frozen=True)
class AttentionSettings:
    """Settings of the model.

    backbone:     a key of BACKBONES.
    weights:      of a backbone that is not `small`: empty, a random start; `imagenet`; or a file of its weights.
    frozen:       the backbone is not trained: all members share it.
    glimpses:     P, looked at after glimpse 0, the whole image. 0: classify from glimpse 0 alone.
    glimpse_size: G, pixels.
    extraction:   a key of EXTRACTIONS.
    window:       extent of glimpses 1..P as a share of the image.
    sigma:        of the Gaussians, in strides.
    location_map: a key of LOCATION_MAPS.
    state:        width of the LSTM and of the what and where features.
    normalise:    layer normalisation before the relu of what and of where (EDRAM has it).
    """

    name: str = "recurrent_attention"
    backbone: str = "small"
    weights: str = ""
    frozen: bool = False
    glimpses: int = 3
    glimpse_size: int = 16
    extraction: str = "gaussian"
    window: float = 0.3
    sigma: float = 0.5
    location_map: str = "tanh"
    state: int = 64
    normalise: bool = False
    classes: int = 2


class RecurrentAttention(nn.Module):
    """Per glimpse: f = backbone(glimpse); w = relu(W_f f) * relu(W_l l); h = LSTM(w); next location from h."""

    CONVOLUTIONS = ("backbone.",)

    def __init__(self, settings: AttentionSettings, channels: int, mean: float, std: float):
        """channels: of the image.  mean, std: of the training images' pixels; glimpses are centred and scaled by
        them (the banks' rows sum to one, so that this equals doing it to the image). Errors: PretrainedError."""
        super().__init__()
        self.settings, self.mean, self.std = settings, mean, std
        state = settings.state
        if settings.frozen:
            features = _shared(settings, channels, "cpu").features
        else:
            self.backbone = BACKBONES[settings.backbone](channels, settings.glimpse_size, settings.weights)
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
        self.glimpse_classifier = nn.Linear(state, settings.classes)
        self.classifier = nn.Linear(features * (settings.glimpses + 1), settings.classes)

    @staticmethod
    def overview(settings: AttentionSettings, images: Tensor) -> Tensor:
        """Glimpse 0, the whole image, [B,C,G,G]; with a frozen backbone its features, [B, features]."""
        glimpse = overview(images, _window(settings, 1.0))
        return _shared(settings, images.shape[1], str(images.device))(glimpse) if settings.frozen else glimpse

    def forward(self, batch: Batch) -> Rollout:
        """One rollout."""
        s = self.settings
        to_location, window, count = LOCATION_MAPS[s.location_map].function, _window(s, s.window), len(batch.rows)
        h = c = batch.overview.new_zeros(count, s.state)
        location = batch.overview.new_zeros(count, 2)
        features, states, locations, coverages, norms = [], [], [], [], []
        for p in range(s.glimpses + 1):
            if p == 0:
                f = batch.overview if s.frozen else self._features(batch.overview)
            else:
                location = to_location(self.emission(h))
                glimpse, covered = glimpses(batch.images, batch.masks, batch.rows, location, window)
                locations.append(location)
                coverages.append(covered)
                f = self._features(glimpse)
            w = self._what_where(f, location)
            h, c = self._lstm(w, h, c)
            features.append(f)
            states.append(h)
            norms.append(w.detach().norm(dim=-1))
        locations.append(to_location(self.emission(h)))
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
        s = self.settings
        if s.frozen:
            shared: Tensor = _shared(s, glimpse.shape[1], str(glimpse.device))(glimpse)
            return shared
        if s.backbone == "small":
            glimpse = (glimpse - self.mean) / self.std
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


def _window(s: AttentionSettings, extent: float) -> Window:
    return Window(s.extraction, s.glimpse_size, extent, s.sigma)


def _shared(s: AttentionSettings, channels: int, device: str) -> Any:
    return pretrained.shared(s.backbone, channels, s.glimpse_size, s.weights, device)
