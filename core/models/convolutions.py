"""Convolutions of many small networks at once: 3x3 with stride 2, as gathers of patches and matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def convolve(images: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """Layers of 3x3 convolutions of stride 2, zero-padded, each followed by a relu: [B,H,W,C] -> [B,h,w,O].

    parameters: weight [O,9C] and bias [O] of each layer in turn.
    """
    result: Tensor = _Convolutions.apply(images, *parameters)[0]
    return result


class _Convolutions(torch.autograd.Function):
    """The layers, channels last, [B,H,W,C] -> [B,h,w,O]; of members together, [M,B,H,W,C], under
    `vmap`. Each is a gather of patches and one matrix product, which with the member axis is a batched one, where
    `conv2d` would become a grouped convolution, which is slow on a CPU.

    The gradient is written out so that the patches, nine times the images, need not be kept for it: how many members a
    device holds depends on that.
    """

    @staticmethod
    def forward(images: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        alone = images.dim() == 4
        x, results = images.unsqueeze(0) if alone else images, []
        for weight, bias in _layers(parameters, alone=alone):
            seen = patches(x)
            y = torch.baddbmm(bias.unsqueeze(1), seen.flatten(1, 3), weight.mT).relu_()
            x = y.view(*seen.shape[:-1], y.shape[-1])
            results.append(x)
        # The last result first, and once: it is the one that has a gradient.
        return (x.squeeze(0) if alone else x), *results[:-1]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output[1:])
        # Else zeros would be made for the gradients that are not.
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs, *output[1:], output[0])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        images, *saved = ctx.saved_tensors
        count, alone = len(saved) // 3, images.dim() == 4
        layers = _layers(saved[: 2 * count], alone=alone)
        # What each layer was given, and at last what came out.
        flow = [part.unsqueeze(0) if part.dim() == 4 else part for part in (images, *saved[2 * count :])]
        gradient, to_parameters = grads[0].view_as(flow[-1]), list[Tensor]()
        for number in reversed(range(count)):
            to_sum = torch.ops.aten.threshold_backward(gradient, flow[number + 1], 0).flatten(1, 3)
            # In bfloat16, the images and the weights are in float32 still.
            seen, weight = patches(flow[number]).to(to_sum.dtype), layers[number][0].to(to_sum.dtype)
            to_weight, to_bias = (seen.flatten(1, 3).mT @ to_sum).mT, to_sum.sum(1)
            to_parameters[:0] = [part.squeeze(0) if alone else part for part in (to_weight, to_bias)]
            if number or ctx.needs_input_grad[0]:
                gradient = scattered((to_sum @ weight).view_as(seen), flow[number].shape[-3:-1])
        return (gradient.view_as(images) if ctx.needs_input_grad[0] else None), *to_parameters

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[tuple[Tensor, ...], Any]:
        stacked = (
            part.expand(info.batch_size, *part.shape) if dim is None else part.movedim(dim, 0)
            for part, dim in zip(inputs, in_dims, strict=True)
        )
        outputs = _Convolutions.apply(*stacked)
        return outputs, (0,) * len(outputs)


def _layers(parameters: Sequence[Tensor], *, alone: bool) -> list[tuple[Tensor, Tensor]]:
    """(weight [M,O,9C], bias [M,O]) of each layer."""
    parts = [part.unsqueeze(0) if alone else part for part in parameters]
    return list(zip(parts[::2], parts[1::2], strict=True))


def patches(images: Tensor) -> Tensor:
    """The 3x3 neighbourhoods, zero-padded, at every second pixel: [...,H,W,C] -> [...,ceil(H/2),ceil(W/2),9*C].

    Nine strided copies, one a tap of the kernel.
    """
    *lead, height, width, channels = images.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2
    result = images.new_empty(*lead, rows, columns, 3, 3, channels)
    # Only what lies off the image is zero: to fill all of it would be one more pass over the memory.
    result[..., 0, :, 0, :, :] = 0
    result[..., :, 0, :, 0, :] = 0
    if height % 2:
        result[..., -1, :, 2, :, :] = 0
    if width % 2:
        result[..., :, -1, :, 2, :] = 0
    for i, to_rows, from_rows in _taps(height):
        for j, to_columns, from_columns in _taps(width):
            result[..., to_rows, to_columns, i, j, :] = images[..., from_rows, from_columns, :]
    neighbours: Tensor = result.flatten(-3)
    return neighbours


def scattered(neighbours: Tensor, side: tuple[int, int]) -> Tensor:
    """The transpose of `patches`, back to images of `side` (H, W): each pixel's sum over the patches that hold it."""
    height, width = side
    parts = neighbours.unflatten(-1, (3, 3, -1))
    result: Tensor = parts.new_empty(*parts.shape[:-5], height, width, parts.shape[-1])
    # The taps 1 and 2 of both axes come to every pixel once; the others are added.
    for i, to_rows, from_rows in _taps(height)[::-1]:
        for j, to_columns, from_columns in _taps(width)[::-1]:
            target, part = result[..., from_rows, from_columns, :], parts[..., to_rows, to_columns, i, j, :]
            if i and j:
                target.copy_(part)
            else:
                target += part
    return result


def _taps(length: int) -> tuple[tuple[int, slice, slice], ...]:
    """Along one axis, for each tap of the kernel: the outputs that see a pixel there, and those pixels."""
    outputs = (length + 1) // 2
    return (
        (0, slice(1, None), slice(1, 2 * outputs - 2, 2)),
        (1, slice(None), slice(0, None, 2)),
        (2, slice(0, length // 2), slice(1, None, 2)),
    )
