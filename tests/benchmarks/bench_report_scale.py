"""The report's scale: images of 3 x 1024 px, glimpses of 299 px, Inception v3 frozen and fine-tuned. Seconds a step,
memory, members a device, and what 5 alphas x 40 seeds of 10,000 steps cost, from the measured rate.

Needs torch, torchvision and NumPy; the network starts at random, which costs what the published weights do. On a CPU
with batches of 2, from which the costs of 32 are said to be 16 times as much.
`PYTHONPATH=. python tests/benchmarks/bench_report_scale.py [--batch 32] [--members 1 2 4 ...]`
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from tasks import OPTIMIZER, members_of, task_on

from seedsweep.core.models.recurrent_attention import RecurrentAttention
from seedsweep.core.records.study import Training
from seedsweep.core.task import Task
from seedsweep.core.training import memory
from seedsweep.core.training.cohort import Cohort
from seedsweep.core.training.cuda_graph import WARM_UP
from seedsweep.core.training.probe import wait
from seedsweep.core.training.program import PRECISIONS

#: The study that is costed, and the report's batch (inferred).
ALPHAS, SEEDS, STEPS, BATCH = 5, 40, 10_000, 32


def make(images: int, device: str, batch: int, *, frozen: bool) -> Task:
    data = {"name": "pattern2_rgb", "size": 1024, "train": images, "validation": 2, "field": 128}
    settings = RecurrentAttention.Settings(backbone="inception_v3", frozen=frozen, glimpse_size=299)
    return task_on(data, RecurrentAttention, settings, device, batch)


def measured(task: Task, count: int, batch: int, precision: str, rounds: int) -> tuple[float, float, int]:
    """Seconds a step of so many members, the most bytes, and how many were trained at once."""
    device = task.data.device
    memory.release(device)
    memory.begin_peak(device)
    training = Training(steps=10**9, batch=batch, evaluate_every=10**9, precision=precision)
    cohort = Cohort(task, members_of(task, count), training, OPTIMIZER, count if task.fused else 1)
    for _ in range(WARM_UP + 1 if device.type == "cuda" else 1):
        cohort.train_step()
    times = []
    for _ in range(rounds):
        wait(device)
        start = time.perf_counter()
        cohort.train_step()
        wait(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times), memory.peak(device), cohort.at_once


def main() -> None:
    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=BATCH if gpu else 2)
    parser.add_argument("--members", type=int, nargs="+", default=[1, 2, 4, 8, 16] if gpu else [1, 2, 4])
    parser.add_argument("--rounds", type=int, default=5 if gpu else 3)
    options = parser.parse_args()
    device = "cuda" if gpu else "cpu"
    memory.keep_freed()
    where = torch.cuda.get_device_name() if gpu else f"a CPU, {torch.get_num_threads()} threads"
    print(f"{where}, torch {torch.__version__}: 3 x 1024 px, 3 glimpses of 299 px, batches of {options.batch}\n")
    print("| Inception v3 | precision | members | at once | seconds a step | GB at most | hours of 5 x 40 members |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for frozen in (True, False):
        task = make(max(options.batch, 4), device, options.batch, frozen=frozen)
        for precision in PRECISIONS if gpu and not frozen else ["float32"]:
            for count in options.members:
                try:
                    seconds, most, at_once = measured(task, count, options.batch, precision, options.rounds)
                except memory.OutOfMemoryError:
                    print(f"| {'frozen' if frozen else 'fine-tuned'} | {precision} | {count} | does not fit | | | |")
                    break
                hours = ALPHAS * SEEDS / count * STEPS * seconds * BATCH / options.batch / 3600
                print(f"| {'frozen' if frozen else 'fine-tuned'} | {precision} | {count} | {at_once} | {seconds:.2f} | "
                      f"{most / 1e9:.1f} | {hours:,.0f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
