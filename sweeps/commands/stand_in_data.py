"""Random numbers in the shape of a network's input, until a user's own data take their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

MODULE = '''"""Random numbers in the shape of the network's input. Put your own data in their place."""

import numpy as np

from seedsweep import DataSet


class Data(DataSet):
    classes = {classes}

    def samples(self, split):
        """Arrays of a split, the samples first; None where there is no test split."""
        if split == "test":
            return None
        rng = np.random.default_rng({{"train": 0, "validation": 1}}[split])
        label = rng.integers(self.classes, size=128)
        # A pattern for each class, under noise.
        pattern = np.random.default_rng(2).normal(size=(self.classes, {shape}))
        image = pattern[label] + 0.5 * rng.normal(size=(128, {shape}))
        return {{"image": image.astype(np.float32), "label": label}}
'''
#: Sides of an image that are tried.
SIDES = (32, 28, 64, 224)


def module_for(make: Callable[[], nn.Module]) -> str | None:
    """A module with a data set for a network that classifies; None where its input is not known from its layers, or its
    output is no number for each of at least two classes."""
    try:
        network = make().eval()
        for shape in _shapes(network):
            try:
                with torch.no_grad():
                    out = network(torch.zeros(2, *shape))
            except RuntimeError:
                # Not of this shape.
                continue
            if isinstance(out, torch.Tensor) and out.ndim == 2 and len(out) == 2 and out.shape[1] > 1:
                return MODULE.format(classes=out.shape[1], shape=", ".join(map(str, shape)))
    except Exception:
        # What is wrong with the network, `check` says.
        return None
    return None


def _shapes(network: nn.Module) -> Iterator[tuple[int, ...]]:
    """Of a sample, as the first layer with weights may take it."""
    first = next((each for each in network.modules() if list(each.parameters(recurse=False))), None)
    if isinstance(first, nn.Linear):
        yield (first.in_features,)
        for channels in (1, 3):
            side = round((first.in_features / channels) ** 0.5)
            if channels * side * side == first.in_features:
                yield channels, side, side
    elif isinstance(first, nn.Conv2d):
        for side in SIDES:
            yield first.in_channels, side, side
    elif isinstance(first, nn.Conv1d):
        yield first.in_channels, SIDES[0]
