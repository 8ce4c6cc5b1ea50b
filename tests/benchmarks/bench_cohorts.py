"""Members' steps a second of a cohort, fused and loop, against one plain process a seed.

Needs torch and NumPy alone; runs on the GPU where there is one.
`PYTHONPATH=. python tests/benchmarks/bench_cohorts.py [--members 1 2 4 ...] [--seconds S]`
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time

import numpy as np
import torch
from plain import PlainAttention, plain_loss

from core.batch import Split
from core.cohort import ENGINES, Cohort, TrainingSettings
from core.schedules import Hyperparameters, Member
from core.task import GlimpseTask, TaskSettings
from shards.catalog import GENERATORS
from shards.samples import DataSettings

DATA = DataSettings("pattern1", size=64, train=256, validation=64, field=16, anywhere=True)
TRAINING = TrainingSettings(steps=10**9, batch=32, evaluate_every=10**9)


def make_task(device: str) -> GlimpseTask:
    splits = []
    for split in ("train", "validation"):
        samples = [GENERATORS["pattern1"](DATA, split, i) for i in range(DATA.count(split))]
        images, masks = (np.stack([getattr(s, name) for s in samples]) for name in ("image", "mask"))
        splits.append(Split(images, masks, np.array([s.label for s in samples], np.int64)))
    return GlimpseTask(TaskSettings(), *splits, device)


def timed(step, wait, seconds: float) -> float:
    """Steps a second after three of warm-up."""
    for _ in range(3):
        step()
    wait()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        step()
        wait()
        steps += 1
    return steps / (time.perf_counter() - start)


def plain_rate(device: str, seconds: float) -> float:
    """Steps a second of one plain process, data in memory."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.set_default_device(device)
    task = make_task("cpu")
    model = PlainAttention(mean=task.mean, std=task.std)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    images, masks = task.train.images.to(device).float() / 255, task.train.masks.to(device).float()
    labels = task.train.labels.to(device)

    def step() -> None:
        chosen = torch.randint(0, len(labels), (TRAINING.batch,), device=device)
        optimiser.zero_grad()
        plain_loss(model(images[chosen], masks[chosen]), labels[chosen], 0.5, 1.0).backward()
        optimiser.step()

    return timed(step, torch.cuda.synchronize if device == "cuda" else lambda: None, seconds)


def check(task: GlimpseTask) -> None:
    """The plain model's first loss, and the engines' first ten steps, agree."""
    batch = task.batch(task.train, np.arange(32))
    model = task.build(0)
    plain = PlainAttention(mean=task.mean, std=task.std)
    plain.take({name: value.detach().cpu() for name, value in model.named_parameters()})
    ours = task.losses(
        model(batch.images, batch.overview, batch.masks), batch, *torch.tensor([0.3, 1.0], device=task.device)
    )["loss"].item()
    theirs = plain_loss(plain(batch.images.cpu(), batch.masks.cpu()), batch.labels.cpu(), 0.3, 1.0).item()
    assert abs(ours - theirs) < 1e-3 * abs(theirs), (ours, theirs)
    members = [Member(seed, Hyperparameters()) for seed in range(3)]
    cohorts = [Cohort(task, members, TrainingSettings(10, 32, 10), engine) for engine in ENGINES]
    for cohort in cohorts:
        cohort.advance()
    fused, loop = (cohort.evaluations[0][:, cohort.columns.index("loss")] for cohort in cohorts)
    assert np.allclose(fused, loop, rtol=1e-2), (fused, loop)
    print(f"checked: first losses {ours:.5f} and {theirs:.5f}, engines agree after ten steps")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, nargs="+", default=[1, 2, 4, 8, 12, 16, 32, 64])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="only check that the ways agree")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu, one thread"
    torch.set_num_threads(1)
    task = make_task(device)
    check(task)
    if options.check:
        return
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    rows: dict[int, dict[str, list[float]]] = {m: {engine: [] for engine in ENGINES} for m in options.members}
    plain: list[float] = []
    # Rounds interleave everything, so that a drift of the machine touches all alike.
    for _ in range(options.rounds):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            plain.append(pool.apply(plain_rate, (device, options.seconds)))
        for count in options.members:
            members = [Member(seed, Hyperparameters()) for seed in range(count)]
            for engine in ENGINES:
                cohort = Cohort(task, members, TRAINING, engine)
                rows[count][engine].append(count * timed(cohort._train_step, wait, options.seconds))
    alone = statistics.median(plain)
    print(f"\n{name}, torch {torch.__version__}: members' steps a second, median of {options.rounds} rounds\n")
    print("| members | fused | loop | one plain process | fused / plain |")
    print("| --- | --- | --- | --- | --- |")
    for count, rates in rows.items():
        fused, loop = (statistics.median(rates[engine]) for engine in ENGINES)
        print(f"| {count} | {fused:.0f} | {loop:.0f} | {alone:.0f} | {fused / alone:.1f} |")


if __name__ == "__main__":
    main()
