"""Glimpse extraction alone, against its floor, against filters over the whole image, and against `grid_sample`: the
glimpse, and the glimpse with its gradient to the location.

The floor is what the machine allows: the bytes that must move (the pixels that a window can see, the filters, the
half-made glimpse and the glimpse) over the rate of a copy, and the operations of the two matrix products over the rate
of a large matrix product. Both rates are measured in the same round; the slower of the two is the floor. Needs torch
alone; runs on the GPU where there is one (aim there: half of the floor's rate).
`PYTHONPATH=. python tests/benchmarks/bench_glimpses.py [--side 1024 --glimpse 299 --batch 8] [--rounds 5]`
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from seedsweep.core.models.extractions import Gaussian
from seedsweep.core.models.glimpses import VECTOR, Window, coverage, extract, glimpses
from seedsweep.core.training.memory import keep_freed
from seedsweep.core.training.probe import wait

WINDOW, CHANNELS = 0.3, 3


def seconds(work: Callable[[], object], device: torch.device, least: float) -> float:
    """Of one call, over as many as take this long, after two of warm-up."""
    for _ in range(2):
        work()
    wait(device)
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < least:
        work()
        calls += 1
        wait(device)
    return (time.perf_counter() - start) / calls


def whole(images: Tensor, masks: Tensor, places: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """The same by filters over the whole image, as the equation has it, and autograd."""
    bank = window.extraction.bank
    banks = [bank(places[:, axis], images.shape[-1], window) for axis in (1, 0)]
    return extract(images.float() / 255, *banks), coverage(masks.float(), *banks)


def sampled(both: Tensor, places: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """The usual way: bilinear samples, four pixels each, of images and masks that are floats already."""
    zero, scale = torch.zeros_like(places[:, 0]), torch.full_like(places[:, 0], WINDOW)
    affine = torch.stack([scale, zero, places[:, 0], zero, scale, places[:, 1]], -1).view(-1, 2, 3)
    grid = F.affine_grid(affine, [len(both), CHANNELS, window.glimpse, window.glimpse], align_corners=True)
    seen = F.grid_sample(both, grid, "bilinear", "border", align_corners=True)
    return seen[:, :CHANNELS], seen[:, CHANNELS].mean((1, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("side", 1024), ("glimpse", 299), ("batch", 8), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each timing, at least")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    keep_freed()
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"a CPU, {torch.get_num_threads()} threads"
    side, glimpse, batch = options.side, options.glimpse, options.batch
    torch.manual_seed(0)
    images = torch.randint(256, (batch, CHANNELS, side, side), dtype=torch.uint8, device=device)
    masks = (images[:, :1] > 127).to(torch.uint8)
    rows = torch.arange(batch, device=device)
    places = (torch.rand(batch, 2, device=device) - 0.5).requires_grad_()
    window = Window(Gaussian(), glimpse, WINDOW)

    def floats() -> Tensor:
        return torch.cat([images.float() / 255, masks.float()], 1)

    at_hand = floats()
    ways: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
        "cut and filtered": lambda: glimpses(images, masks, rows, places, window),
        "filtered whole": lambda: whole(images, masks, places, window),
        "grid_sample": lambda: sampled(floats(), places, window),
        "grid_sample, of floats at hand": lambda: sampled(at_hand, places, window),
    }
    for ours, theirs in zip(ways["cut and filtered"](), ways["filtered whole"](), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)
    large, block = torch.rand(2048, 2048, device=device), torch.rand(64 * 2**20 // 4, device=device)
    target = torch.empty_like(block)
    seen = min(side, VECTOR * math.ceil((window.extraction.extent(side, window) + 2) / VECTOR))

    def floor(copy: float, product: float, rows_of_bank: int) -> float:
        """Seconds: the glimpse alone takes G rows of filters an axis, with its two slopes 2 G."""
        r = rows_of_bank
        moved = batch * ((CHANNELS + 1) * seen**2 + 4 * (2 * r * seen + 2 * CHANNELS * r * seen + CHANNELS * r * r))
        multiplied = 2 * batch * CHANNELS * (r * seen**2 + r * r * seen)
        return max(moved / copy, multiplied / product)

    def without(way: Callable[[], tuple[Tensor, Tensor]]) -> None:
        with torch.no_grad():
            way()

    def with_gradient(way: Callable[[], tuple[Tensor, Tensor]]) -> None:
        pixels, covered = way()
        torch.autograd.grad(pixels.sum() + covered.sum(), places)

    times: dict[tuple[str, bool], list[float]] = {(way, learning): [] for learning in (False, True) for way in ways}
    floors: dict[bool, list[float]] = {False: [], True: []}
    bound = []
    for _ in range(options.rounds):
        copy = 2 * 4 * block.numel() / seconds(lambda: target.copy_(block), device, options.seconds)
        product = 2 * 2048**3 / seconds(lambda: large @ large, device, options.seconds)
        bound.append((copy, product))
        for learning, found in floors.items():
            found.append(floor(copy, product, (1 + learning) * glimpse))
        for (name, learning), spent in times.items():
            one = with_gradient if learning else without
            spent.append(seconds(lambda one=one, way=ways[name]: one(way), device, options.seconds))
    copy, product = (statistics.median(values) for values in zip(*bound, strict=True))
    print(
        f"{where}, torch {torch.__version__}: {batch} images of {CHANNELS} x {side} px to {glimpse} px, window {WINDOW}"
    )
    print(
        f"copy {copy / 1e9:.1f} GB/s, matrix product {product / 1e12:.2f} TFLOP/s, median of {options.rounds} rounds\n"
    )
    show(times, floors)


def show(times: dict[tuple[str, bool], list[float]], floors: dict[bool, list[float]]) -> None:
    """Print the table."""
    print("| | ms | of the floor's rate | with the gradient, ms | of the floor's rate |")
    print("| --- | --- | --- | --- | --- |")
    for way in dict.fromkeys(name for name, _ in times):
        cells = []
        for learning in (False, True):
            median = statistics.median(times[way, learning])
            share = statistics.median(floors[learning]) / median
            cells += [f"{1000 * median:.2f}", f"{share:.2f}" if way == "cut and filtered" else ""]
        print(f"| {way} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
