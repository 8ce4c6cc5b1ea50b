"""The plain way: the same model and losses as one writes them with torch alone, one process a seed.

An `nn.Module` of stock layers, `torch.optim.Adam`, autograd through everything. `bench_cohorts --check` checks that the
equations are those of `core`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def bank(centre: Tensor, side: int, glimpse: int, window: float, sigma: float) -> Tensor:
    """[B] locations -> [B,G,side]."""
    stride = window * side / glimpse
    offsets = (torch.arange(glimpse) - (glimpse - 1) / 2) * stride
    mu = (centre + 1) / 2 * (side - 1)
    pixels = torch.arange(side)
    distance = pixels[None, None, :] - (mu[:, None] + offsets[None, :])[:, :, None]
    return torch.softmax(-(distance**2) / (2 * (sigma * stride) ** 2), dim=-1)


def look(images: Tensor, location: Tensor, glimpse: int, window: float, sigma: float) -> Tensor:
    """[B,1,H,W] and [B,2] -> [B,1,G,G]."""
    bank_x = bank(location[:, 0], images.shape[3], glimpse, window, sigma)[:, None]
    bank_y = bank(location[:, 1], images.shape[2], glimpse, window, sigma)[:, None]
    return bank_y @ images @ bank_x.transpose(2, 3)


class PlainAttention(nn.Module):
    def __init__(self, glimpses=3, glimpse=16, window=0.3, sigma=0.5, state=64, mean=0.0, std=1.0):
        super().__init__()
        self.glimpses, self.glimpse, self.window, self.sigma = glimpses, glimpse, window, sigma
        self.mean, self.std = mean, std
        self.backbone = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 32, 3, 2, 1),
            nn.ReLU(),
        )  # fmt: skip
        features = 32 * ((glimpse + 7) // 8) ** 2
        self.what, self.where = nn.Linear(features, state), nn.Linear(2, state)
        self.lstm = nn.LSTMCell(state, state)
        self.emission = nn.Linear(state, 2)
        self.glimpse_classifier = nn.Linear(state, 2)
        self.classifier = nn.Linear(features * (glimpses + 1), 2)

    def forward(self, images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """-> glimpse logits [P+1,B,2], logits [B,2], locations [P+1,B,2], coverage [P,B]."""
        h = c = torch.zeros(len(images), self.what.out_features)
        location = torch.zeros(len(images), 2)
        features, logits, locations, coverage = [], [], [], []
        for p in range(self.glimpses + 1):
            if p:
                location = torch.tanh(self.emission(h))
                locations.append(location)
                coverage.append(look(masks, location, self.glimpse, self.window, self.sigma).mean((1, 2, 3)))
            glimpse = look(images, location, self.glimpse, self.window if p else 1.0, self.sigma)
            f = self.backbone((glimpse - self.mean) / self.std).permute(0, 2, 3, 1).flatten(1)
            h, c = self.lstm(F.relu(self.what(f)) * F.relu(self.where(location)), (h, c))
            features.append(f)
            logits.append(self.glimpse_classifier(h))
        locations.append(torch.tanh(self.emission(h)))
        return (
            torch.stack(logits),
            self.classifier(torch.cat(features, 1)),
            torch.stack(locations),
            torch.stack(coverage),
        )

    def take(self, parameters: dict[str, Tensor]) -> None:
        """Start from the parameters of `core`'s model."""
        for number, layer in enumerate((self.backbone[0], self.backbone[2], self.backbone[4])):
            weight = parameters[f"backbone.layers.{number}.weight"]
            layer.weight.data = weight.view(weight.shape[0], 3, 3, -1).permute(0, 3, 1, 2).contiguous()
            layer.bias.data = parameters[f"backbone.layers.{number}.bias"].clone()
        for name in ("what", "where", "emission", "glimpse_classifier", "classifier"):
            for kind in ("weight", "bias"):
                setattr(getattr(self, name), kind, nn.Parameter(parameters[f"{name}.{kind}"].clone()))
        state = self.what.out_features
        i, f, o, g = (torch.arange(state) + k * state for k in range(4))
        order = torch.cat([i, f, g, o])  # torch's
        self.lstm.weight_ih.data, self.lstm.weight_hh.data = (
            part.clone() for part in parameters["gates.weight"][order].split(state, 1)
        )
        self.lstm.bias_ih.data = parameters["gates.bias"][order].clone()
        self.lstm.bias_hh.data = torch.zeros_like(self.lstm.bias_hh)


def plain_loss(output: tuple[Tensor, Tensor, Tensor, Tensor], labels: Tensor, alpha: float, gamma: float) -> Tensor:
    logits, aggregated, locations, coverage = output
    per_glimpse = torch.stack([F.cross_entropy(step, labels) for step in logits]).mean()
    truth = torch.softmax(logits, -1)[:, torch.arange(len(labels)), labels]
    rank = F.relu(truth[:-1] - truth[1:] + 0.05).sum(0).mean()
    area = -(torch.log(coverage.clamp(min=1e-6)).sum(0) * labels).mean()
    distance = torch.exp(-(locations[:-1] - locations[1:]).abs()).sum((0, 2)).mean()
    return per_glimpse + F.cross_entropy(aggregated, labels) + rank + gamma * (alpha * area + (1 - alpha) * distance)
