"""Members' steps a second of a cohort against one plain process a seed, and against several that share the device.

Needs torch and NumPy alone, and takes a GPU where there is one (aims there: 10 times one process, 4 times the best of
those that share it); on a CPU everything has one thread a process, and the models are small. Checks first that members
together and alone agree, prints a table a model as it goes, and ends within `--minutes`.
`PYTHONPATH=. python tests/benchmarks/bench_cohorts.py [--models attention ...] [--members 1 2 4 ...] [--minutes 8]`;
`--against CHECKOUT` runs another version's own benchmark in turn with this one.

The plain way: an `nn.Module` of stock layers, autograd, `torch.optim.Adam`, the data in the device's memory; for EDRAM
and the U-Net the product's modules, one of them, likewise.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from plain import PlainAttention, plain_loss
from tasks import LEARNING_RATE, OPTIMIZER, members_of, task_on
from torch.utils.flop_counter import FlopCounterMode

from seedsweep.core.models.edram import Edram
from seedsweep.core.models.images import whole_images, whole_masks
from seedsweep.core.models.recurrent_attention import RecurrentAttention
from seedsweep.core.models.unet import UNet
from seedsweep.core.records.study import Training
from seedsweep.core.task import Task, Values
from seedsweep.core.training import memory
from seedsweep.core.training.batch import Batch
from seedsweep.core.training.cohort import Cohort
from seedsweep.core.training.cuda_graph import WARM_UP
from seedsweep.core.training.models import build
from seedsweep.core.training.probe import most_held, wait
from seedsweep.core.training.program import PRECISIONS

ROOT = Path(__file__).parents[2]
DATA = {"name": "pattern1", "size": 64, "train": 256, "validation": 64, "field": 16, "anywhere": True}
KINDS_OF_TASK: dict[str, type[Task]] = {"attention": RecurrentAttention, "edram": Edram, "unet": UNet}
#: The widths of EDRAM and of the U-Net in the studies' laptop scale: an eighth of those that were published.
SMALL = {
    "attention": RecurrentAttention.Settings(),
    "edram": Edram.Settings(
        glimpses=3, glimpse_size=16, extraction="gaussian", initial="overview", prediction="all", state=64,
        features=128, classifier=128, convolutions=(8, 8, 16, 16, 20, 24),
    ),
    "unet": UNet.Settings(level=1, depth=2, width=8),
}  # fmt: skip
AS_PUBLISHED = {**SMALL, "edram": Edram.Settings(), "unet": UNet.Settings(level=1, depth=4, width=64)}
TRAINING = Training(steps=10**9, batch=32, evaluate_every=10**9)
SHARING = (2, 4, 8)


@dataclass(frozen=True)
class Plan:
    """What is measured: which model at which size, where, and for how many seconds a timing."""

    name: str
    settings: Any
    device: str
    seconds: float


def make(plan: Plan) -> Task:
    return task_on(DATA, KINDS_OF_TASK[plan.name], plan.settings, plan.device, TRAINING.batch)


def rate(step: Callable[[], None], device: str, seconds: float) -> float:
    """Steps a second after a warm-up."""
    for _ in range(WARM_UP + 2):
        step()
    wait(torch.device(device))
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        step()
        wait(torch.device(device))
        steps += 1
    return steps / (time.perf_counter() - start)


def plain_step(plan: Plan) -> Callable[[], None]:
    """One training step of one member, as one writes it with torch alone."""
    task = make(plan)
    train = task.data.train
    model: torch.nn.Module = build(task, 0)
    if isinstance(task, RecurrentAttention):
        with torch.device(plan.device):
            model = PlainAttention(mean=task.mean, std=task.std)
        images, masks = train["image"].float() / 255, train["mask"].float()
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    defaults = {name: bounds.default for name, bounds in task.hyperparameters.items()}
    hp = Values({name: torch.tensor(value, device=plan.device) for name, value in defaults.items()})

    def step() -> None:
        chosen = torch.randint(0, task.data.count("train"), (TRAINING.batch,), device=plan.device)
        optimiser.zero_grad()
        if isinstance(model, PlainAttention):
            loss = plain_loss(model(images[chosen], masks[chosen]), train["label"][chosen], 0.5, 1.0)
        else:
            loss = task.loss(model, Batch(train, chosen), hp)["loss"]
        loss.backward()
        optimiser.step()

    return step


def worker(plan: Plan, ready, begin, results) -> None:
    """One process of several: its steps a second while all run."""
    torch.set_num_threads(1)
    memory.keep_freed()
    with torch.device(plan.device):
        step = plain_step(plan)
        for _ in range(5):
            step()
        ready.put(None)
        begin.wait()
        results.put(rate(step, plan.device, plan.seconds))


def shared(plan: Plan, processes: int) -> float:
    """Members' steps a second of so many plain processes on one device, together; NaN where they do not fit."""
    context = multiprocessing.get_context("spawn")
    ready, results, begin = context.Queue(), context.Queue(), context.Event()
    running = [context.Process(target=worker, args=(plan, ready, begin, results)) for _ in range(processes)]
    try:
        for process in running:
            process.start()
        for _ in running:
            ready.get(timeout=120)
        begin.set()
        return sum(results.get(timeout=120) for _ in running)
    except Exception:
        return math.nan
    finally:
        for process in running:
            process.terminate()
            process.join()


def check(task: Task, plan: Plan) -> None:
    """Members together and alone take the same first step; the plain attention model has the same first loss."""
    training = TRAINING.model_copy(update={"evaluate_every": 1})
    losses, moved = [], []
    for at_once in (3, 1):
        cohort = Cohort(task, members_of(task, 3), training, OPTIMIZER, at_once)
        cohort.advance()
        losses.append(cohort.evaluations[0][:, cohort.columns.index("train_loss")])
        moved.append(cohort.state()["moments"]["first_moment"].norm(dim=1))
    np.testing.assert_allclose(*losses, rtol=1e-3)
    torch.testing.assert_close(*moved, rtol=1e-2, atol=0)
    found = ""
    if isinstance(task, RecurrentAttention):
        batch = Batch(task.data.train, torch.arange(32, device=plan.device))
        model = build(task, 0)
        with torch.device(plan.device):
            plain = PlainAttention(mean=task.mean, std=task.std)
            plain.take({name: value.detach() for name, value in model.named_parameters()})
            theirs = plain_loss(plain(whole_images(batch), whole_masks(batch)), batch["label"], 0.3, 1.0).item()
        given = {"alpha": 0.3, "gamma": 1.0}
        hp = Values({name: torch.tensor(value, device=plan.device) for name, value in given.items()})
        ours = task.loss(model, batch, hp)["loss"].item()
        assert abs(ours - theirs) < 1e-3 * abs(theirs), (ours, theirs)
        found = f"; first loss {ours:.5f}, of the plain module {theirs:.5f}"
    print(f"checked: members together and alone take the same step{found}", flush=True)


def cohort_of(task: Task, count: int, precision: str) -> Cohort:
    training = TRAINING.model_copy(update={"precision": precision})
    return Cohort(task, members_of(task, count), training, OPTIMIZER, count)


def operations(task: Task) -> float:
    """Of the matrix products and convolutions of one member's step."""
    cohort = cohort_of(task, 1, "float32")
    with FlopCounterMode(display=False) as counter:
        cohort.train_step()
    return float(counter.get_total_flops())


#: What a step's time goes to, by the names of torch's operations; the last, what is left.
KINDS = {
    "products and convolutions": ("mm", "bmm", "baddbmm", "addmm", "convolution"),
    "copies and fills": ("copy_", "fill_", "zero_", "cat", "index", "gather", "clone", "stack"),
    "arithmetic by element": ("",),
}


def profile(task: Task, count: int, steps: int = 20) -> str:
    """Shares of a step's wall time on a CPU, in words: what torch's operations take of it, and the rest, which is
    Python, `vmap` and autograd between them."""
    cohort = cohort_of(task, count, "float32")
    for _ in range(10):
        cohort.train_step()
    start = time.perf_counter()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        for _ in range(steps):
            cohort.train_step()
    wall, taken = time.perf_counter() - start, dict.fromkeys(KINDS, 0.0)
    for event in profiler.key_averages():
        name = event.key.removeprefix("aten::")
        if event.key.startswith("aten::"):
            kind = next(kind for kind, parts in KINDS.items() if any(part in name for part in parts))
            taken[kind] += event.self_cpu_time_total / 1e6
    shares = [f"{kind} {seconds / wall:.0%}" for kind, seconds in taken.items()]
    return f"{', '.join(shares)}, between them {1 - sum(taken.values()) / wall:.0%}"


def matrix_rate(device: str, seconds: float) -> float:
    """Operations a second of a large matrix product."""
    side = 2048 if device == "cuda" else 1024
    a = torch.rand(side, side, device=device)
    return 2 * side**3 * rate(lambda: a @ a, device, seconds)


def measure(plan: Plan, sizes: list[int], rounds: int, deadline: float) -> None:
    """Print a model's table."""
    gpu = plan.device == "cuda"
    task = make(plan)
    print(f"\n## {plan.name}: {plan.settings}\n")
    check(task, plan)
    columns = [(count, precision) for count in sizes for precision in (PRECISIONS if gpu else ["float32"])]
    # On a CPU a process is a thread, and as many as there are cores run as fast as one.
    sharing = SHARING if gpu else ()
    rates: dict[tuple[int, str], list[float]] = {column: [] for column in columns}
    plain: dict[int, list[float]] = {k: [] for k in (1, *sharing)}
    recorded, largest = False, max(sizes)
    for turn in range(rounds):
        # A round holds everything, so that a drift of the machine touches all alike.
        if turn and time.monotonic() > deadline:
            break
        for k, found in plain.items():
            found.append(shared(plan, k))
        for count, precision in columns:
            if count > largest or (turn and time.monotonic() > deadline):
                continue
            memory.release(task.data.device)
            if count > most_held(task, OPTIMIZER):
                largest = count - 1
                continue
            cohort = cohort_of(task, count, precision)
            rates[count, precision].append(count * rate(cohort.train_step, plan.device, plan.seconds))
            recorded = cohort.recorded
            if cohort.at_once < count:
                rates[count, precision].clear()
                largest = count - 1
            # Or the next one would be made beside it.
            del cohort
    ways = [(k, statistics.median(found)) for k, found in plain.items()]
    alone, best = ways[0][1], max((found for _, found in ways if not math.isnan(found)), default=math.nan)
    flops, peak = operations(task), statistics.median(matrix_rate(plan.device, plan.seconds / 2) for _ in range(3))
    shown = ", ".join(f"{k}: {found:.0f}" for k, found in ways)
    print(f"members' steps a second of plain processes, by how many share the device: {shown}")
    print(f"{flops / 1e6:.0f} million operations a member's step; matrix products run at {peak / 1e9:.0f} GFLOP/s"
          f"{'; steps are launched as one graph' if recorded else ''}")  # fmt: skip
    if not gpu:
        print(f"a step of 12 members: {profile(task, 12)}")
    print("\n| members | precision | members' steps a second | / one process | / best shared | of the matrix rate |")
    print("| --- | --- | --- | --- | --- | --- |")
    for (count, precision), values in rates.items():
        if values:
            median = statistics.median(values)
            print(f"| {count} | {precision} | {median:.0f} | {median / alone:.1f} | {median / best:.1f} | "
                  f"{median * flops / peak:.2f} |")  # fmt: skip
    if largest < max(sizes):
        print(f"\nmore than {largest} members do not fit in the device's memory together")


def side_by_side(checkouts: list[Path], options: argparse.Namespace) -> None:
    """Each checkout's own benchmark, a round of one after a round of the other, so that a drift of the machine touches
    both alike."""
    arguments = ["--models", *options.models, "--rounds", "1"]
    arguments += [f"--seconds={options.seconds}", f"--minutes={options.minutes}", *["--check"] * options.check]
    arguments += ["--members", *map(str, options.members)] if options.members else []
    for turn in range(options.rounds):
        for checkout in checkouts:
            print(f"\n# round {turn + 1}: {checkout}\n", flush=True)
            script = checkout / "tests" / "benchmarks" / Path(__file__).name
            env = {**os.environ, "PYTHONPATH": str(checkout)}
            subprocess.run([sys.executable, str(script), *arguments], check=True, env=env)


def main() -> None:
    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(SMALL), choices=list(SMALL))
    parser.add_argument("--members", type=int, nargs="+")
    parser.add_argument("--seconds", type=float, default=0.7, help="of each timing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=8.0, help="no round begins later")
    parser.add_argument("--check", action="store_true", help="only check that the ways agree")
    parser.add_argument("--against", type=Path, help="another checkout, whose own benchmark runs in turn with this one")
    options = parser.parse_args()
    if options.against:
        side_by_side([options.against.absolute(), ROOT], options)
        return
    device = "cuda" if gpu else "cpu"
    torch.set_num_threads(1)
    memory.keep_freed()
    models, start = AS_PUBLISHED if gpu else SMALL, time.monotonic()
    plans = [Plan(name, models[name], device, options.seconds) for name in options.models]
    if options.check:
        for plan in plans:
            check(make(plan), plan)
        return
    where = torch.cuda.get_device_name() if gpu else "a CPU, one thread a process"
    print(f"{where}, torch {torch.__version__}, medians of up to {options.rounds} rounds")
    sizes = options.members or ([1, 4, 16, 64, 256] if gpu else [1, 2, 4, 8, 12, 16, 32, 64])
    for number, plan in enumerate(plans):
        # Each model has its share of the time; a round that has begun is finished.
        until = start + 60 * options.minutes * (number + 0.6) / len(plans)
        measure(plan, sizes, options.rounds, until)


if __name__ == "__main__":
    main()
