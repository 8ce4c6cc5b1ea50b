"""Following which evaluation of each member is its best so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seedsweep.core.records.criterion import Criterion


class BestSoFar:
    """Of M members: the best score seen, since how many evaluations there was no better one, and what was kept of
    it."""

    def __init__(self, count: int, criterion: Criterion):
        self.metric = criterion.metric
        self._sign = 1.0 if criterion.direction == "max" else -1.0
        self._scores = np.full(count, -np.inf)
        self.without_better = np.zeros(count, np.int64)
        self._kept: dict[str, Tensor] = {}
        #: Members of which something was kept.
        self.places: list[int] = []

    def look(self, scores: np.ndarray) -> list[int]:
        """Take scores [M] of one more evaluation; the members that became better."""
        signed = np.where(np.isfinite(scores), self._sign * scores, -np.inf)
        better = signed > self._scores
        self._scores = np.where(better, signed, self._scores)
        self.without_better = np.where(better, 0, self.without_better + 1)
        return [int(member) for member in np.flatnonzero(better)]

    def keep(self, members: list[int], rows: Mapping[str, Tensor]) -> None:
        """Keep these rows of the members that became better."""
        if not members:
            return
        for name, tensor in rows.items():
            if name not in self._kept:
                self._kept[name] = tensor.new_zeros(len(self._scores), *tensor.shape[1:])
            self._kept[name][members] = tensor
        self.places = sorted({*self.places, *members})

    def weights(self) -> tuple[list[int], dict[str, Tensor]]:
        """The members of which something was kept, and it."""
        return self.places, {name: tensor[self.places] for name, tensor in self._kept.items()}

    def state(self) -> dict[str, Any]:
        """Tensors, lists and numbers."""
        return {
            "scores": torch.from_numpy(self._scores),
            "without_better": torch.from_numpy(self.without_better),
            "kept": self._kept,
            "places": self.places,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`."""
        self._scores = state["scores"].cpu().numpy()
        self.without_better = state["without_better"].cpu().numpy()
        self._kept, self.places = dict(state["kept"]), list(state["places"])
