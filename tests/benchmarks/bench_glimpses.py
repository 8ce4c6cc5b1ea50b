"""Glimpse extraction alone, against its floor and against `grid_sample`, forward and with the gradient to the places.

The floor is what the machine allows: the bytes that must move (image read, banks and glimpse written) over the rate of
a copy, and the multiplications of the two matrix products over the rate of a large matrix product; both rates are
measured in the same round, and the slower of the two is the floor. Needs torch alone; runs on the GPU where there is
one.
`PYTHONPATH=. python tests/benchmarks/bench_glimpses.py [--side 1024 --glimpse 299 --batch 8] [--rounds 5]`
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from core.glimpses import extract, gaussian_bank

WINDOW, SIGMA, CHANNELS = 0.3, 0.5, 3


def seconds(work: Callable[[], object], wait: Callable[[], None], least: float = 0.3) -> float:
    """Of one call, over as many as take this long, after two of warm-up."""
    for _ in range(2):
        work()
    wait()
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < least:
        work()
        calls += 1
        wait()
    return (time.perf_counter() - start) / calls


def gaussian(images: Tensor, places: Tensor, glimpse: int) -> Tensor:
    banks = (gaussian_bank(places[:, axis], images.shape[-1], glimpse, WINDOW, SIGMA) for axis in (1, 0))
    return extract(images, *banks)


def sampled(images: Tensor, places: Tensor, glimpse: int) -> Tensor:
    """The usual way: bilinear samples, four pixels each."""
    zero, scale = torch.zeros_like(places[:, 0]), torch.full_like(places[:, 0], WINDOW)
    affine = torch.stack([scale, zero, places[:, 0], zero, scale, places[:, 1]], -1).view(-1, 2, 3)
    grid = F.affine_grid(affine, [len(images), CHANNELS, glimpse, glimpse], align_corners=True)
    return F.grid_sample(images, grid, "bilinear", "border", align_corners=True)


def check(images: Tensor, places: Tensor, glimpse: int) -> None:
    """Of a smooth image, Gaussians and samples see nearly the same."""
    ramp = torch.linspace(0, 1, images.shape[-1], device=images.device).expand_as(images).contiguous()
    worst = (gaussian(ramp, places, glimpse) - sampled(ramp, places, glimpse)).abs().max()
    assert worst < 0.02, f"the two extractions differ by {worst:.3f} on a ramp"


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, value in (("side", 1024), ("glimpse", 299), ("batch", 8), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    wait: Callable[[], None] = torch.cuda.synchronize if device == "cuda" else lambda: None
    side, glimpse, batch = options.side, options.glimpse, options.batch
    torch.manual_seed(0)
    images = torch.rand(batch, CHANNELS, side, side, device=device)
    places = (torch.rand(batch, 2, device=device) - 0.5).requires_grad_()
    check(images, places.detach(), glimpse)
    large, block = torch.rand(2048, 2048, device=device), torch.rand(64 * 2**20 // 4, device=device)
    target = torch.empty_like(block)
    # Read the image, write and read the half-made glimpse and the banks, write the glimpse.
    half = batch * CHANNELS * side * glimpse
    moved = 4 * (images.numel() + 2 * half + 4 * batch * glimpse * side + batch * CHANNELS * glimpse**2)
    multiplied = 2 * half * side + 2 * batch * CHANNELS * glimpse**2 * side

    def gradient(extraction: Callable[[Tensor, Tensor, int], Tensor]) -> None:
        places.grad = None
        extraction(images, places, glimpse).sum().backward()

    work = {
        "Gaussian": lambda: gaussian(images, places.detach(), glimpse),
        "grid_sample": lambda: sampled(images, places.detach(), glimpse),
        "Gaussian with gradient": lambda: gradient(gaussian),
        "grid_sample with gradient": lambda: gradient(sampled),
    }
    times: dict[str, list[float]] = {what: [] for what in (*work, "floor")}
    bound = []
    for _ in range(options.rounds):
        copy = 2 * 4 * block.numel() / seconds(lambda: target.copy_(block), wait)
        product = 2 * 2048**3 / seconds(lambda: large @ large, wait)
        times["floor"].append(max(moved / copy, multiplied / product))
        bound.append((copy, product))
        for what, one in work.items():
            times[what].append(seconds(one, wait))
    median = {what: statistics.median(values) for what, values in times.items()}
    copy, product = (statistics.median(values) for values in zip(*bound, strict=True))
    print(f"{name}, torch {torch.__version__}: {batch} images of {CHANNELS} x {side} px to {glimpse} px, float32")
    print(f"copy {copy / 1e9:.1f} GB/s, matrix product {product / 1e12:.2f} TFLOP/s, median of {options.rounds} rounds")
    print("| | ms | of the floor's rate |")
    print("| --- | --- | --- |")
    for what, taken in median.items():
        share = "" if what.startswith("grid") or "gradient" in what else f"{median['floor'] / taken:.2f}"
        print(f"| {what} | {1000 * taken:.2f} | {share} |")
    print(f"Gaussian / grid_sample: {median['Gaussian'] / median['grid_sample']:.1f} times the time; with the gradient "
          f"{median['Gaussian with gradient'] / median['grid_sample with gradient']:.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
