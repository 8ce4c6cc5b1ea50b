"""Errors of an output against its target, [B] each: losses, and measures of which less is better."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Of classes: logits [B,K,...] and int64 [B,...]."""
    return F.cross_entropy(output, target, reduction="none").reshape(len(target), -1).mean(1)


def binary_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Of logits and a target in [0,1] of as many numbers."""
    errors = F.binary_cross_entropy_with_logits(output.reshape(target.shape), target.to(output.dtype), reduction="none")
    return errors.reshape(len(target), -1).mean(1)


def mse(output: Tensor, target: Tensor) -> Tensor:
    """Squared error; output and target hold as many numbers, so that [B,1] is not spread over [B]."""
    return (output.reshape(target.shape) - target).square().reshape(len(target), -1).mean(1)


def l1(output: Tensor, target: Tensor) -> Tensor:
    """Absolute error, of as many numbers."""
    return (output.reshape(target.shape) - target).abs().reshape(len(target), -1).mean(1)
