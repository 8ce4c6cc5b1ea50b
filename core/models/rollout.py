"""What one pass of a model that takes glimpses gives."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Rollout(NamedTuple):
    """Of B images; P glimpses after glimpse 0, the whole image; K classes.

    glimpse_logits: [S,B,K], after each glimpse; S = P + 1, or P for a model that makes no prediction of glimpse 0.
    logits: [B,K], the prediction.
    locations: [P+1,B,2], of glimpses 1..P and the next, which no glimpse uses.
    linear: [P+1,B,4], a11, a12, a21, a22 of each window's affine: (window, 0, 0, window) for a fixed window.
    coverage: [P,B], mean of each glimpse of the mask.
    what_where: [S,B], norm of the product of what and where.
    states: [P+1,B,D], h of the LSTM that emits the locations, before glimpse 1 and after each of 1..P.
    """

    glimpse_logits: Tensor
    logits: Tensor
    locations: Tensor
    linear: Tensor
    coverage: Tensor
    what_where: Tensor
    states: Tensor


#: Axis of the images in each part, in their order.
IMAGE_AXES = (1, 0, 1, 1, 1, 1, 1)
