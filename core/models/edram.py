"""EDRAM, the enriched deep recurrent visual attention model (Ablavatski, Lu & Cai 2017, arXiv 1706.03581), after its
authors' public code, and in the variant of the report of 2019."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seedsweep.core.component import Choice, Chosen, Named, Range
from seedsweep.core.models import glimpses
from seedsweep.core.models.extractions import Gaussian
from seedsweep.core.models.features import Backbone, WithBackbone
from seedsweep.core.models.glimpse_task import EXTRACTION, GlimpseSettings, GlimpseTask
from seedsweep.core.models.glimpses import Extraction, Window
from seedsweep.core.models.images import whole_images, whole_masks
from seedsweep.core.models.normalisation import StepNorm
from seedsweep.core.models.rollout import Rollout
from seedsweep.core.training.batch import Batch

#: Its own glimpse network, in place of a backbone.
PUBLISHED = "published"
BACKBONE: Chosen[Backbone] = Chosen("seedsweep.core.models.backbones", Backbone, besides=(PUBLISHED,))
#: Convolutions of that network: padding of each, and whether it is followed by pooling.
PADDING = (1, 0, 1, 1, 1, 0)
POOLED = (False, True, False, True, False, False)
#: What they leave something of.
LEAST_GLIMPSE = 14
#: The context image's side, and the convolutions of its network, all valid: 12 -> 8 -> 6 -> 4.
CONTEXT, CONTEXT_KERNELS = 12, (5, 3, 3)


class Edram(GlimpseTask):
    """Glimpses whose windows the model moves and scales."""

    coarse = ("glimpse.convolutions.", "glimpse.backbone.")
    backbones = BACKBONE

    @dataclass(frozen=True)
    class Settings(GlimpseSettings):
        """Settings of the model, beside those of GlimpseSettings; the model's defaults are the published ones.

        backbone:     `published`, its own glimpse network; or another one, and a linear layer (the report's).
        extraction:   the published spatial transformer takes the whole affine; the Gaussian one its scales and its
                      place.
        initial:      what the first LSTM state is made from: `context`, the image at 12 px; `overview`, glimpse 0 (the
                      report's).
        prediction:   the final one: `last`, the classifier's at the last step; `all`, from all glimpses' features (the
                      report's).
        state:        width of the LSTMs.
        features:     width of the glimpse network's output.
        classifier:   width of the classifier's hidden layers.
        convolutions: widths of the published glimpse network's convolutions.
        """

        backbone: Annotated[Named, BACKBONE] = PUBLISHED
        glimpses: Annotated[int, Range(1, 64)] = 6
        glimpse_size: Annotated[int, Range(2)] = 26
        extraction: Annotated[Named, EXTRACTION] = "spatial_transformer"
        initial: Annotated[str, Choice("context", "overview")] = "context"
        prediction: Annotated[str, Choice("last", "all")] = "last"
        state: Annotated[int, Range(1)] = 512
        features: Annotated[int, Range(1)] = 1024
        classifier: Annotated[int, Range(1)] = 1024
        convolutions: Annotated[tuple[int, int, int, int, int, int], Range(1)] = (64, 64, 128, 128, 160, 192)

    settings: Settings

    def check(self) -> Iterable[str]:
        """See the base."""
        yield from super().check()
        s = self.settings
        if s.initial == "context" and s.state % 32:
            yield f"settings.state: {s.state} is no multiple of 32, as the context network makes it"
        if s.backbone == PUBLISHED and s.glimpse_size < LEAST_GLIMPSE:
            yield f"settings.glimpse_size: {s.glimpse_size} is out of range; the published network needs at least 14"
        if s.backbone == PUBLISHED and s.frozen:
            yield "settings.frozen: the published network has no weights of its own: choose another, or leave it out"
        if type(self.extraction).affine is Extraction.affine:
            yield "settings.extraction: has no `affine`, and this model scales its windows"

    def model(self) -> nn.Module:
        """See the base."""
        return EdramNet(self.settings, self.data.shapes["image"][0], self.mean, self.std)

    def overview(self, images: Tensor) -> Tensor:
        """[B,C,12,12] for the context network; or glimpse 0, [B,C,G,G], with a frozen backbone its features,
        [B, features]."""
        s = self.settings
        if s.initial == "context":
            return glimpses.overview(images, Window(Gaussian(), CONTEXT, 1.0))
        return self.as_given(glimpses.overview(images, Window(Gaussian(), s.glimpse_size, 1.0)))


class EdramNet(nn.Module):
    """Per step: affine = emission(h_dec); g = relu(N(f)) * relu(N(W affine)); h_enc = LSTM(g); h_dec = LSTM(h_enc);
    class logits from h_enc."""

    def __init__(self, settings: Edram.Settings, channels: int, mean: float, std: float, classes: int = 2):
        """channels: of the image.  mean, std: of the training images' pixels."""
        super().__init__()
        self.settings, self.mean, self.std = settings, mean, std
        s, pixels = settings, (channels, mean, std)
        self.extraction = EXTRACTION.make(s.extraction)
        overview = s.initial == "overview"
        steps = s.glimpses + overview
        self.glimpse = _Published(s, *pixels, steps) if s.backbone == PUBLISHED else _OfBackbone(s, *pixels)
        # Before a normalisation a bias has no effect, and a gradient that is rounding alone.
        self.where = nn.Linear(6, s.features, bias=False)
        self.norms = nn.ModuleList([StepNorm(steps, s.features) for _ in range(2)])
        self.start = nn.Linear(s.features, 2 * s.state) if overview else _Context(channels, s.state)
        self.encoder = PeepholeLSTM(s.features, s.state)
        self.decoder = PeepholeLSTM(s.state, s.state)
        self.emission = nn.Linear(s.state, 6)
        nn.init.zeros_(self.emission.weight)
        # tanh(1) of the image, in the middle: the first look.
        self.emission.bias.data.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))
        self.classify = nn.Sequential(
            nn.Linear(s.state, s.classifier),
            nn.ReLU(),
            nn.Linear(s.classifier, s.classifier),
            nn.ReLU(),
            nn.Linear(s.classifier, classes),
        )
        if s.prediction == "all":
            self.aggregate = nn.Linear(s.features * steps, classes)

    def forward(self, batch: Batch) -> Rollout:
        """One rollout."""
        s = self.settings
        images, masks = whole_images(batch), whole_masks(batch)
        zeros = images.new_zeros(len(images), s.state)
        overview = batch["overview"]
        encoder, decoder = (zeros, zeros), (zeros, zeros)
        features, states, affines, coverages, norms = [], [], [], [], []
        first = 0
        if s.initial == "overview":
            f = self.glimpse(overview, 0)
            h_encoder, h_decoder = self.start(f).chunk(2, -1)
            encoder, decoder = (h_encoder, zeros), (h_decoder, zeros)
            features.append(f)
            states.append(h_encoder)
            norms.append(f.detach().norm(dim=-1))
            first = 1
        else:
            decoder = (self.start((overview - self.mean) / self.std), zeros)
        looking = [decoder[0]]
        for step in range(first, first + s.glimpses):
            affine = self.emit(decoder[0])
            glimpse, covered = self.extraction.affine(images, masks, affine, s.glimpse_size)
            f = self.glimpse(glimpse, step)
            g = F.relu(self.norms[0](f, step)) * F.relu(self.norms[1](self.where(affine), step))
            encoder = self.encoder(g, encoder)
            decoder = self.decoder(encoder[0], decoder)
            features.append(f)
            states.append(encoder[0])
            looking.append(decoder[0])
            affines.append(affine)
            coverages.append(covered)
            norms.append(g.detach().norm(dim=-1))
        affines.append(self.emit(decoder[0]))
        emitted = torch.stack(affines)
        glimpse_logits = self.classify(torch.stack(states))
        return Rollout(
            glimpse_logits,
            self.aggregate(torch.cat(features, -1)) if s.prediction == "all" else glimpse_logits[-1],
            # Slices: a list of places would be brought from the host in each step.
            emitted[..., 2::3],
            torch.cat([emitted[..., 0:2], emitted[..., 3:5]], -1),
            torch.stack(coverages),
            torch.stack(norms),
            torch.stack(looking),
        )

    def emit(self, h: Tensor) -> Tensor:
        """The affine (a11, a12, tx, a21, a22, ty), [B,6], with the two scales clipped to [0,1]."""
        raw = torch.tanh(self.emission(h))
        is_scale = torch.arange(6, device=h.device) % 4 == 0
        return torch.where(is_scale, raw.clamp(0, 1), raw)


class PeepholeLSTM(nn.Module):
    """An LSTM cell whose gates see the cell state through diagonal weights (Gers & Schmidhuber 2000); gate order i, f,
    c, o."""

    def __init__(self, inputs: int, state: int):
        super().__init__()
        self.input = nn.Linear(inputs, 4 * state)
        self.recurrent = nn.Linear(state, 4 * state, bias=False)
        self.peepholes = nn.Parameter(torch.zeros(3, state))

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """x [B, inputs], (h, c) [B, state] each -> the next (h, c)."""
        h, c = state
        i, f, new, o = (self.input(x) + self.recurrent(h)).chunk(4, -1)
        to_i, to_f, to_o = self.peepholes.unbind()
        c_next = torch.sigmoid(f + to_f * c) * c + torch.sigmoid(i + to_i * c) * torch.tanh(new)
        return torch.sigmoid(o + to_o * c_next) * torch.tanh(c_next), c_next


class _OfBackbone(WithBackbone):
    """A backbone and a linear layer: [B,C,G,G] in [0,1] -> [B, features]."""

    def __init__(self, s: Edram.Settings, channels: int, mean: float, std: float):
        super().__init__(s.backbone, channels, s.glimpse_size, mean, std, frozen=s.frozen)
        self.linear = nn.Linear(self.features, s.features, bias=False)

    def forward(self, x: Tensor, step: int) -> Tensor:
        features: Tensor = self.linear(self.see(x))
        return features


class _Published(nn.Module):
    """Six 3x3 convolutions and a linear layer: [B,C,G,G] in [0,1] -> [B, features]."""

    def __init__(self, s: Edram.Settings, channels: int, mean: float, std: float, steps: int):
        super().__init__()
        self.mean, self.std = mean, std
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        side = s.glimpse_size
        for width, padding, pooled in zip(s.convolutions, PADDING, POOLED, strict=True):
            self.convolutions.append(nn.Conv2d(channels, width, 3, padding=padding, bias=False))
            self.norms.append(StepNorm(steps, width))
            side = (side - 2 + 2 * padding) // (2 if pooled else 1)
            channels = width
        self.linear = nn.Linear(side * side * channels, s.features, bias=False)

    def forward(self, x: Tensor, step: int) -> Tensor:
        x = (x - self.mean) / self.std
        for convolution, norm, pooled in zip(self.convolutions, self.norms, POOLED, strict=True):
            x = F.relu(norm(convolution(x.to(next(convolution.parameters()).dtype)).float(), step))
            x = F.max_pool2d(x, 2) if pooled else x
        features: Tensor = self.linear(x.flatten(1))
        return features


class _Context(nn.Module):
    """The image at 12x12 to the decoder's first state, [B,C,12,12] -> [B, state], without a non-linearity."""

    def __init__(self, channels: int, state: int):
        super().__init__()
        self.layers = nn.ModuleList()
        for width, kernel in zip((state // 32, state // 32, state // 16), CONTEXT_KERNELS, strict=True):
            self.layers.append(nn.Conv2d(channels, width, kernel, bias=False))
            self.layers.append(StepNorm(1, width))
            channels = width

    def forward(self, x: Tensor) -> Tensor:
        for convolution, norm in zip(self.layers[::2], self.layers[1::2], strict=True):
            x = norm(convolution(x), 0)
        return x.flatten(1)
