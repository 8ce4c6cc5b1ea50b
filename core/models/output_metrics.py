"""Measures of an output against its target of which more is better: of each sample a share, [B]."""

from __future__ import annotations

from torch import Tensor


def accuracy(output: Tensor, target: Tensor) -> Tensor:
    """Share of right classes: logits [B,K,...] and int64 [B,...]."""
    return (output.argmax(1) == target).float().reshape(len(target), -1).mean(1)


def top5(output: Tensor, target: Tensor) -> Tensor:
    """Share of classes [B] that are among the five largest of logits [B,K]."""
    return (output.topk(min(5, output.shape[1]), 1).indices == target.unsqueeze(1)).any(1).float()
