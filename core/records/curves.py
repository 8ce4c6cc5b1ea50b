"""The evaluations of a cohort, and how they are stored."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Curves:
    """Evaluations: steps [E], values float64 [E,M,K] with the names of the K columns, seeds [M].

    windows: float32 [E,M,W,P,4], where each of W watched samples was looked at: x, y of P windows' centres in [-1,1]
    and their extents along x and y as shares of the image.  watched: their places in the validation split, [W].
    """

    steps: list[int]
    values: np.ndarray
    columns: list[str]
    seeds: list[int]
    windows: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0, 0, 4), np.float32))
    watched: list[int] = field(default_factory=list)

    def column(self, name: str) -> np.ndarray:
        """Values [E,M] of one column."""
        return self.values[:, :, self.columns.index(name)]

    def to_bytes(self) -> bytes:
        """As an .npz file; the same curves give the same bytes."""
        buffer = io.BytesIO()
        # np.savez stamps a fixed date into its members.
        np.savez(
            buffer,
            steps=np.array(self.steps, np.int64),
            values=self.values.astype(np.float64),
            columns=np.array(self.columns),
            seeds=np.array(self.seeds, np.int64),
            windows=self.windows.astype(np.float32),
            watched=np.array(self.watched, np.int64),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Curves:
        """What `to_bytes` gave. Errors: ValueError if it is damaged."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                lists = {name: stored[name].tolist() for name in ("steps", "columns", "seeds", "watched")}
                return cls(values=stored["values"], windows=stored["windows"], **lists)
        except (KeyError, OSError, zipfile.BadZipFile) as error:
            raise ValueError(str(error)) from None
