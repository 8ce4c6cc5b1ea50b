"""Recurrent visual attention (BenTaieb & Hamarneh, MICCAI 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.backbones import BACKBONES
from core.glimpses import EXTRACTIONS, coverage, extract
from core.locations import LOCATION_MAPS


@dataclass(frozen=True)
class AttentionSettings:
    """Settings of the model.

    name:         a key of MODELS.  backbone: a key of BACKBONES.  location_map: a key of LOCATION_MAPS.
    glimpses:     P, looked at after glimpse 0, the whole image. 0: classify from glimpse 0 alone.
    glimpse_size: G, pixels.
    extraction:   a key of EXTRACTIONS.
    window:       extent of glimpses 1..P as a share of the image.
    sigma:        of the Gaussians, in strides.
    state:        width of the LSTM and of the what and where features.
    normalise:    layer normalisation before the relu of what and of where (EDRAM has it).
    """

    name: str = "recurrent_attention"
    backbone: str = "small"
    glimpses: int = 3
    glimpse_size: int = 16
    extraction: str = "gaussian"
    window: float = 0.3
    sigma: float = 0.5
    location_map: str = "tanh"
    state: int = 64
    normalise: bool = False
    classes: int = 2


class Rollout(NamedTuple):
    """What one pass over B images gives.

    glimpse_logits: [P+1,B,K], after each glimpse.  logits: [B,K], from all glimpses' features.
    locations: [P+1,B,2], of glimpses 1..P and the next, which no glimpse uses.
    coverage: [P,B], mean of each glimpse of the mask.
    what_where: [P+1,B], norm of the product of what and where.
    """

    glimpse_logits: Tensor
    logits: Tensor
    locations: Tensor
    coverage: Tensor
    what_where: Tensor


class RecurrentAttention(nn.Module):
    """Per glimpse: f = backbone(glimpse); w = relu(W_f f) * relu(W_l l); h = LSTM(w); next location from h."""

    def __init__(self, settings: AttentionSettings, channels: int, mean: float, std: float):
        """channels: of the image.  mean, std: of the training images' pixels; glimpses are centred and scaled by
        them (the banks' rows sum to one, so that this equals doing it to the image)."""
        super().__init__()
        self.settings, self.mean, self.std = settings, mean, std
        state = settings.state
        self.backbone = BACKBONES[settings.backbone](channels, settings.glimpse_size)
        self.what = nn.Linear(self.backbone.features, state)
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
        self.classifier = nn.Linear(self.backbone.features * (settings.glimpses + 1), settings.classes)

    def forward(self, images: Tensor, overview: Tensor, masks: Tensor) -> Rollout:
        """images: [B,C,H,W] in [0,1].  overview: glimpse 0 of them, [B,C,G,G].  masks: [B,1,H,W]."""
        s = self.settings
        to_location, bank = LOCATION_MAPS[s.location_map].function, EXTRACTIONS[s.extraction]
        h = c = images.new_zeros(len(images), s.state)
        location = images.new_zeros(len(images), 2)
        glimpse = overview
        features, states, locations, coverages, norms = [], [], [], [], []
        for p in range(s.glimpses + 1):
            if p > 0:
                location = to_location(self.emission(h))
                bank_x = bank(location[:, 0], images.shape[-1], s.glimpse_size, s.window, s.sigma)
                bank_y = bank(location[:, 1], images.shape[-2], s.glimpse_size, s.window, s.sigma)
                glimpse = extract(images, bank_y, bank_x)
                locations.append(location)
                coverages.append(coverage(masks, bank_y, bank_x))
            f = self.backbone((glimpse - self.mean) / self.std)
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
            torch.stack(coverages) if coverages else images.new_zeros(0, len(images)),
            torch.stack(norms),
        )

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
