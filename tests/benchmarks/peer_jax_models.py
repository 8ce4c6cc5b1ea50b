"""The peers' models and losses in JAX, pure functions as its users write them: images are [B,H,W,C], a dense layer's
weight is [inputs, outputs].

The faster of what was tried on one core of a CPU: the attention model's glimpses are products with the 32 pixels that a
window can see, cut out by `dynamic_slice` (417 steps a second; with the whole image 278), and its convolutions products
with patches (417; XLA's own 246). B batch, H,W image, C channels, G glimpse side, K classes, S predictions, P glimpses.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from peer_problems import Problem

Tree = Any
#: Standard deviations at which a Gaussian is nothing; of the banks, in strides; least of a bank that scales, in pixels.
REACH, SIGMA, LEAST_SIGMA = 6.0, 0.5, 0.25
MARGIN, FLOOR, EPSILON, MOMENTUM = 0.05, 1e-6, 1e-5, 0.1


class Model(NamedTuple):
    """loss: of (weights, statistics, data, rows [B], key), gives a scalar and the new statistics.  data: for it."""

    loss: Callable[..., tuple[Array, Tree]]
    data: dict[str, np.ndarray]


def model_of(given: Problem, *, patches: bool) -> Model:
    """patches: convolutions are products with patches, else XLA's own."""
    train = {name: value.numpy() for name, value in given.train.items()}
    task, values = given.task, given.values
    if given.name == "fashion":
        loss = functools.partial(fashion_loss, p=values["dropout"])
        return Model(loss, {"image": train["image"], "label": train["label"].astype(np.int32)})
    conv = convolution_of_patches if patches else convolution
    data = {
        "image": np.moveaxis(train["image"], 1, 3).astype(np.float32) / 255,
        "mask": train["mask"][:, 0].astype(np.float32),
    }
    scale: dict[str, Any] = {"mean": task.mean, "std": task.std, "conv": conv}
    if given.name == "unet":
        return Model(functools.partial(unet_loss, depth=task.settings.depth, **scale), data)
    # Glimpse 0 is no function of the weights: computed once, as ours.
    data["overview"] = np.moveaxis(train["overview"], 1, 3)
    data["label"] = train["label"].astype(np.int32)
    loss = {"attention": attention_loss, "edram": edram_loss}[given.name]
    return Model(functools.partial(loss, s=task.settings, **scale, **values), data)


def tree_of(named: Mapping[str, np.ndarray]) -> Tree:
    """From torch's names and layouts: a dict in a dict; dense weights transposed, those of convolutions [h,w,in,out],
    of transposed ones [h,w,out,in]."""
    tree: dict[str, Any] = {}
    for name, value in named.items():
        *path, last = name.split(".")
        place = functools.reduce(lambda at, key: at.setdefault(key, {}), path, tree)
        place[last] = value.T if value.ndim == 2 else value.transpose(2, 3, 1, 0) if value.ndim == 4 else value
    return tree


def dense(p: Tree, x: Array) -> Array:
    y = x @ p["weight"]
    return y + p["bias"] if "bias" in p else y


def convolution(x: Array, weight: Array, stride: int = 1, padding: int = 1) -> Array:
    pad = [(padding, padding)] * 2
    return lax.conv_general_dilated(x, weight, (stride, stride), pad, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def convolution_of_patches(x: Array, weight: Array, stride: int = 1, padding: int = 1) -> Array:
    kernel, _, channels, width = weight.shape
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows, columns = (side - kernel + 1 for side in x.shape[1:3])
    taps = [x[:, i : i + rows : stride, j : j + columns : stride] for i in range(kernel) for j in range(kernel)]
    return jnp.concatenate(taps, -1) @ weight.reshape(kernel * kernel * channels, width)


def pool(x: Array) -> Array:
    """The greatest of squares of 2 x 2; an odd last line is left out."""
    x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
    rows = jnp.maximum(x[:, ::2], x[:, 1::2])
    return jnp.maximum(rows[:, :, ::2], rows[:, :, 1::2])


def cross_entropy(logits: Array, labels: Array) -> Array:
    """[...,B,K] and [B] -> [...,B]."""
    labels = jnp.broadcast_to(labels, logits.shape[:-1])
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], -1)[..., 0]


def glimpse_loss(
    per_glimpse: Array, logits: Array, locations: Array, coverage: Array, labels: Array, alpha: float, gamma: float
) -> Array:
    """Logits after each glimpse [S,B,K] and of all [B,K], locations [P+1,B,2], coverage [P,B], labels [B]."""
    each = cross_entropy(per_glimpse, labels)
    truth = jnp.exp(-each)
    rank = jax.nn.relu(truth[:-1] - truth[1:] + MARGIN).sum(0).mean()
    area = -(jnp.log(jnp.maximum(coverage, FLOOR)).sum(0) * labels).mean()
    distance = jnp.exp(-jnp.abs(locations[:-1] - locations[1:])).sum((0, 2)).mean()
    return each.mean() + cross_entropy(logits, labels).mean() + rank + gamma * (alpha * area + (1 - alpha) * distance)


def seen(image: Array, mask: Array, bank_y: Array, bank_x: Array) -> tuple[Array, Array]:
    """[B,H,W,C], [B,H,W] and banks [B,G,H], [B,G,W] -> glimpses [B,G,G,C], means of the masks' glimpses [B]."""
    glimpse = jnp.einsum("bih,bhwc,bjw->bijc", bank_y, image, bank_x)
    covered = jnp.einsum("bh,bhw,bw->b", bank_y.mean(1), mask, bank_x.mean(1))
    return glimpse, covered


# --- attention


def fixed_bank(centre: Array, first: Array, side: int, extent: int, s: Any) -> Array:
    """Over the pixels from `first` on: [B] -> [B,G,extent]."""
    stride = s.window * side / s.glimpse_size
    mu = (centre[:, None] + 1) / 2 * (side - 1) + (jnp.arange(s.glimpse_size) - (s.glimpse_size - 1) / 2) * stride
    distance = jnp.arange(extent) + (first[:, None] - mu)[:, :, None]
    return jax.nn.softmax(-0.5 * (distance / (SIGMA * stride)) ** 2)


def look(image: Array, mask: Array, location: Array, s: Any) -> tuple[Array, Array]:
    side = image.shape[1]
    reach = s.window * side / s.glimpse_size * (s.glimpse_size - 1 + 2 * REACH * SIGMA)
    extent = min(side, 16 * math.ceil((reach + 2) / 16))
    first = jnp.round((location + 1) / 2 * (side - 1) - (extent - 1) / 2)
    first = lax.stop_gradient(jnp.clip(first, 0, side - extent))
    corner = first.astype(jnp.int32)
    image = jax.vmap(lambda x, at: lax.dynamic_slice(x, (at[1], at[0], 0), (extent, extent, x.shape[2])))(image, corner)
    mask = jax.vmap(lambda x, at: lax.dynamic_slice(x, (at[1], at[0]), (extent, extent)))(mask, corner)
    bank_x, bank_y = (fixed_bank(location[:, axis], first[:, axis], side, extent, s) for axis in (0, 1))
    return seen(image, mask, bank_y, bank_x)


def attention_loss(
    w: Tree, stats: Tree, data: Tree, rows: Array, key: Array, *, s: Any, mean: float, std: float, conv: Any,
    alpha: float, gamma: float,
) -> tuple[Array, Tree]:  # fmt: skip
    image, mask, labels = data["image"][rows], data["mask"][rows], data["label"][rows]
    h = c = jnp.zeros((len(rows), s.state))
    location = jnp.zeros((len(rows), 2))
    features, logits, locations, coverage = [], [], [], []
    for p in range(s.glimpses + 1):
        glimpse = data["overview"][rows]
        if p:
            location = jnp.tanh(dense(w["emission"], h))
            glimpse, covered = look(image, mask, location, s)
            locations.append(location)
            coverage.append(covered)
        x = (glimpse - mean) / std
        for layer in w["backbone"]["layers"].values():
            kernel = layer["weight"].reshape(3, 3, -1, layer["weight"].shape[-1])
            x = jax.nn.relu(conv(x, kernel, stride=2) + layer["bias"])
        f = x.reshape(len(rows), -1)
        g = jax.nn.relu(dense(w["what"], f)) * jax.nn.relu(dense(w["where"], location))
        i, forget, o, new = jnp.split(dense(w["gates"], jnp.concatenate([g, h], -1)), 4, -1)
        c = jax.nn.sigmoid(forget) * c + jax.nn.sigmoid(i) * jnp.tanh(new)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        features.append(f)
        logits.append(dense(w["glimpse_classifier"], h))
    locations.append(jnp.tanh(dense(w["emission"], h)))
    final = dense(w["classifier"], jnp.concatenate(features, -1))
    parts = (jnp.stack(part) for part in (logits, locations, coverage))
    each, places, covers = parts
    return glimpse_loss(each, final, places, covers, labels, alpha, gamma), stats


# --- Fashion-MNIST


def fashion_loss(w: Tree, stats: Tree, data: Tree, rows: Array, key: Array, *, p: float) -> tuple[Array, Tree]:
    x = dense(w["hidden"], data["image"][rows].astype(jnp.float32) / 255)
    x = (x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1, keepdims=True) + EPSILON)
    x = jax.nn.relu(x * w["norm"]["weight"] + w["norm"]["bias"])
    x = x * jax.random.bernoulli(key, 1 - p, x.shape) / (1 - p)
    return cross_entropy(dense(w["out"], x), data["label"][rows]).mean(), stats


# --- U-Net


def unet_loss(
    w: Tree, stats: Tree, data: Tree, rows: Array, key: Array, *, depth: int, mean: float, std: float, conv: Any
) -> tuple[Array, Tree]:
    def pair(p: Tree, x: Array) -> Array:
        for layer in (p["first"], p["second"]):
            x = jax.nn.relu(conv(x, layer["weight"]) + layer["bias"])
        return x

    def up(p: Tree, x: Array) -> Array:
        batch, height, width, _ = x.shape
        y = jnp.einsum("bhwc,ijdc->bhiwjd", x, p["weight"])
        return y.reshape(batch, 2 * height, 2 * width, -1) + p["bias"]

    def shrink(x: Array) -> Array:
        return x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2, -1).mean((2, 4))

    net = w["net"]
    x, truth = (shrink(data["image"][rows]) - mean) / std, shrink(data["mask"][rows]) >= 0.5
    skipped = []
    for level in range(depth + 1):
        x = pair(net["down"][str(level)], pool(x) if level else x)
        skipped.append(x)
    for level, skip in enumerate(skipped[-2::-1]):
        x = pair(net["join"][str(level)], jnp.concatenate([skip, up(net["up"][str(level)], x)], -1))
    logits = x @ net["logit"]["weight"][0, 0] + net["logit"]["bias"]
    return (jax.nn.softplus(logits) - logits * truth).mean(), stats


# --- EDRAM

#: Of the glimpse network's convolutions: the padding, and whether pooling follows.
LAYERS = ((1, False), (0, True), (1, False), (1, True), (1, False), (0, False))


def scaled_bank(location: Array, side: int, glimpse: int, window: Array) -> Array:
    """Windows as large as the model makes them, [B] -> [B,G,side]."""
    stride = window[:, None] * (side / glimpse)
    mu = (location[:, None] + 1) / 2 * (side - 1) + (jnp.arange(glimpse) - (glimpse - 1) / 2) * stride
    spread = jnp.maximum(SIGMA * stride, LEAST_SIGMA)
    return jax.nn.softmax(-0.5 * ((jnp.arange(side) - mu[:, :, None]) / spread[:, :, None]) ** 2)


def step_norm(p: Tree, x: Array, seen_stats: list[Tree]) -> Array:
    """Batch normalisation over all axes but the last; the batch's statistics are noted."""
    over = tuple(range(x.ndim - 1))
    mean, variance = x.mean(over), x.var(over)
    count = x.size // x.shape[-1]
    seen_stats.append({"mean": mean, "variance": variance * (count / (count - 1))})
    return (x - mean) * lax.rsqrt(variance + EPSILON) * p["scale"] + p["shift"]


def peephole_lstm(p: Tree, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    i, forget, new, o = jnp.split(dense(p["input"], x) + dense(p["recurrent"], h), 4, -1)
    to_i, to_f, to_o = jnp.moveaxis(p["peepholes"], -1, 0)
    after = jax.nn.sigmoid(forget + to_f * c) * c + jax.nn.sigmoid(i + to_i * c) * jnp.tanh(new)
    return jax.nn.sigmoid(o + to_o * after) * jnp.tanh(after), after


def edram_loss(
    w: Tree, stats: Tree, data: Tree, rows: Array, key: Array, *, s: Any, mean: float, std: float, conv: Any,
    alpha: float, gamma: float,
) -> tuple[Array, Tree]:  # fmt: skip
    """The variant of the report: the first state from glimpse 0, the prediction from all glimpses."""
    noted: dict[str, list[Tree]] = {name: [] for name in stats}

    def look_at(x: Array) -> Array:
        net = w["glimpse"]
        for number, (padding, pooled) in enumerate(LAYERS):
            x = conv(x, net["convolutions"][str(number)]["weight"], padding=padding)
            x = jax.nn.relu(step_norm(net["norms"][str(number)], x, noted[f"glimpse.norms.{number}"]))
            x = pool(x) if pooled else x
        return x.transpose(0, 3, 1, 2).reshape(len(x), -1) @ net["linear"]["weight"]

    def emit(h: Array) -> Array:
        raw = jnp.tanh(dense(w["emission"], h))
        return jnp.where(jnp.arange(6) % 4 == 0, jnp.clip(raw, 0, 1), raw)

    image, mask, labels = data["image"][rows], data["mask"][rows], data["label"][rows]
    side, size = image.shape[1], s.glimpse_size
    f = look_at((data["overview"][rows] - mean) / std)
    h_encoder, h_decoder = jnp.split(dense(w["start"], f), 2, -1)
    c_encoder = c_decoder = jnp.zeros_like(h_encoder)
    features, states, affines, coverage = [f], [h_encoder], [], []
    for _ in range(s.glimpses):
        affine = emit(h_decoder)
        bank_x = scaled_bank(affine[:, 2], side, size, affine[:, 0])
        bank_y = scaled_bank(affine[:, 5], side, size, affine[:, 4])
        glimpse, covered = seen(image, mask, bank_y, bank_x)
        f = look_at((glimpse - mean) / std)
        what = jax.nn.relu(step_norm(w["norms"]["0"], f, noted["norms.0"]))
        where = jax.nn.relu(step_norm(w["norms"]["1"], dense(w["where"], affine), noted["norms.1"]))
        h_encoder, c_encoder = peephole_lstm(w["encoder"], what * where, h_encoder, c_encoder)
        h_decoder, c_decoder = peephole_lstm(w["decoder"], h_encoder, h_decoder, c_decoder)
        features.append(f)
        states.append(h_encoder)
        affines.append(affine)
        coverage.append(covered)
    affines.append(emit(h_decoder))
    x = jnp.stack(states)
    for number in ("0", "2", "4"):
        x = dense(w["classify"][number], x)
        x = x if number == "4" else jax.nn.relu(x)
    final = dense(w["aggregate"], jnp.concatenate(features, -1))
    loss = glimpse_loss(x, final, jnp.stack(affines)[..., 2::3], jnp.stack(coverage), labels, alpha, gamma)
    return loss, {name: running(stats[name], steps) for name, steps in noted.items()}


def running(old: Tree, steps: list[Tree]) -> Tree:
    """Statistics [steps,F] after a batch; `old` has one step more where glimpse 0 has none."""
    skipped = len(old["mean"]) - len(steps)
    new = jax.tree.map(lambda *parts: jnp.stack(parts), *steps)
    return jax.tree.map(lambda a, b: a.at[skipped:].set((1 - MOMENTUM) * a[skipped:] + MOMENTUM * b), old, new)
