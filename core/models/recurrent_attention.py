"""Recurrent visual attention (BenTaieb & Hamarneh, MICCAI 2018)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seedsweep.core.component import Chosen, Named, Range
from seedsweep.core.models import glimpses
from seedsweep.core.models.features import BACKBONE, WithBackbone
from seedsweep.core.models.glimpse_task import EXTRACTION, GlimpseSettings, GlimpseTask
from seedsweep.core.models.glimpses import Window
from seedsweep.core.models.rollout import Rollout
from seedsweep.core.training.batch import Batch, Data

EMISSION: Chosen[nn.Module] = Chosen("seedsweep.core.models.emissions", nn.Module)
LOCATION_MAP: Chosen[Callable[[Tensor], Tensor]] = Chosen("seedsweep.core.models.location_maps")
CLASSES = 2


class RecurrentAttention(GlimpseTask):
    """Glimpses of one size, which is fixed. With 0 glimpses it classifies from glimpse 0, the whole image, alone."""

    coarse = ("backbone.",)

    @dataclass(frozen=True)
    class Settings(GlimpseSettings):
        """Settings of the model, beside those of GlimpseSettings.

        window:       extent of glimpses 1..P as a share of the image.
        emission:     from the LSTM's state to the location map's input.
        location_map: from the emission's output to a location.
        state:        width of the LSTM and of the what and where features.
        normalise:    layer normalisation before the relu of what and of where (EDRAM has it).
        where_bias:   bias of the where features at the start; with 0 the product of what and where is nearly zero
                      there.
        """

        backbone: Annotated[Named, BACKBONE] = "small"
        window: Annotated[float, Range(1e-3, 2)] = 0.3
        emission: Annotated[Named, EMISSION] = "linear"
        location_map: Annotated[Named, LOCATION_MAP] = "tanh"
        state: Annotated[int, Range(1)] = 64
        normalise: bool = False
        where_bias: float = 1.0

    settings: Settings

    def __init__(self, settings: Any = None, data: Data | None = None):
        super().__init__(settings, data)
        infinity = torch.tensor([-torch.inf, torch.inf])
        low, high = sorted(LOCATION_MAP.make(self.settings.location_map)(infinity).tolist())
        self.ends = low, high

    def model(self) -> nn.Module:
        """See the base. Errors: UserError."""
        return AttentionNet(self.settings, self.data.shapes["image"][0], self.mean, self.std)

    def overview(self, images: Tensor) -> Tensor:
        """Glimpse 0, the whole image, [B,C,G,G]; with a frozen backbone its features, [B, features]."""
        return self.as_given(glimpses.overview(images, _window(self.settings, 1.0)))


class AttentionNet(WithBackbone):
    """Per glimpse: f = backbone(glimpse); w = relu(W_f f) * relu(W_l l); h = LSTM(w); next location from h."""

    def __init__(self, settings: RecurrentAttention.Settings, channels: int, mean: float, std: float):
        """See the base. Errors: UserError."""
        super().__init__(settings.backbone, channels, settings.glimpse_size, mean, std, frozen=settings.frozen)
        self.settings = settings
        self.window = _window(settings, settings.window)
        self.to_location = LOCATION_MAP.make(settings.location_map)
        state, features = settings.state, self.features
        self.what = nn.Linear(features, state)
        self.where = nn.Linear(2, state)
        nn.init.constant_(self.where.bias, settings.where_bias)
        self.norms = nn.ModuleList([nn.LayerNorm(state), nn.LayerNorm(state)] if settings.normalise else [])
        self.gates = nn.Linear(2 * state, 4 * state)
        nn.init.zeros_(self.gates.bias)
        # Gate order i, f, o, g; the forget gate starts open (Jozefowicz et al. 2015).
        nn.init.ones_(self.gates.bias.data[state : 2 * state])
        _, emission, own = EMISSION.read(settings.emission)
        self.emission = emission(own, state)
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
                f = self.see(whole)
            else:
                location = self.to_location(self.emission(h))
                # Only what a window sees is read: the whole split's bytes are given.
                glimpse, covered = glimpses.glimpses(
                    batch.split["image"], batch.split["mask"], batch.rows, location, self.window
                )
                locations.append(location)
                coverages.append(covered)
                f = self.see(glimpse)
            w = self._what_where(f, location)
            h, c = self._lstm(w, h, c)
            features.append(f)
            states.append(h)
            norms.append(w.detach().norm(dim=-1))
        locations.append(self.to_location(self.emission(h)))
        all_states = torch.stack(states)
        return Rollout(
            self.glimpse_classifier(all_states),
            self.classifier(torch.cat(features, -1)),
            torch.stack(locations),
            # Not from a list of numbers: that would be copied from the host in each step.
            (torch.eye(2, device=location.device).flatten() * s.window).expand(s.glimpses + 1, count, 4),
            torch.stack(coverages) if coverages else location.new_zeros(0, count),
            torch.stack(norms),
            all_states,
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


def _window(s: RecurrentAttention.Settings, extent: float) -> Window:
    return Window(EXTRACTION.make(s.extraction), s.glimpse_size, extent)
