"""Members' steps a second of ours and of its peers on one core, side by side in one run: JAX, plain torch,
torch.compile, torch.func's ensembles, TorchOpt, a process a seed.

All compute the same model, loss and Adam on batches of one size, from the same weights; before anything is timed, each
way's loss on our seed 0's first batch is checked to be ours, and that after a step on it. Each way is a process of its
own with one thread; one works at a time, and every round goes over all of them. A table a model: seconds of the first
step (tracing, compiling, one step) with an empty folder for compiled code, and in a new process with a full one. A row
with a number for each number of members compiles for each. `jit` compiles the whole step; `torch.compile` loss and
gradient; ours the whole step. torch's Adam is its fused one, the fastest.
`PYTHONPATH=. python tests/benchmarks/bench_peers.py [--models attention ...] [--ways ours jax ...] [--members 1 12 32]
[--minutes 20]`; the core is the last of those that this process may use (`taskset`).

Fashion-MNIST is the example's model with a dropout of 0.2, and Adam without weight decay; the others are those of
`bench_cohorts` on a CPU.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import math
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

# One thread, before any library reads it; each process takes them from here.
os.environ |= {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}

from peer_worker import WAYS, Peer, Way

#: By which a way's losses may differ from ours: the first, and that after a step. EDRAM starts where a relu is at 0,
#: and rounding decides about its gradient.
FIRST, SECOND = 1e-3, 5e-3


def told(start: float, text: str) -> None:
    """A line of progress."""
    print(f"[{time.monotonic() - start:4.0f} s] {text}", flush=True)


class Row:
    """A way in the table of one model: its processes, and what was measured."""

    def __init__(self, model: str, way: Way, sizes: list[int], folder: Path, wanted: list[float]):
        """Errors: RuntimeError where the way fails; ValueError where its losses are not those that are wanted."""
        self.way, self.rates = way, {size: list[float]() for size in sizes}
        self.first, self.again = list[float](), list[float]()
        self.peers: list[Peer] = []
        folder.mkdir(mode=0o700)
        try:
            if way.compiles:
                self._start(model, folder)
                self.first = [self.peers[0].ask("first", size) for size in sizes]
                self._compare(wanted)
                self.stop()
            for _ in range(min(way.at_most, max(sizes)) or 1):
                self._start(model, folder)
            held = [1] if way.at_most else sizes
            for peer in self.peers:
                self.again = [peer.ask("first", size) for size in held]
            if not way.compiles:
                self._compare(wanted)
        except BaseException:
            self.stop()
            raise

    def _start(self, model: str, folder: Path) -> None:
        self.peers.append(Peer(model, self.way, folder))

    def _compare(self, wanted: list[float]) -> None:
        found = self.peers[0].ask("losses")
        for loss, other, tolerance in zip(found, wanted, (FIRST, SECOND), strict=True):
            if not abs(loss - other) < tolerance * abs(other):
                raise ValueError(f"its first losses are {found}, ours {wanted}")

    def measure(self, size: int, seconds: float) -> None:
        """One timing of so many members."""
        if not self.way.at_most:
            self.rates[size].append(self.peers[0].ask("rate", size, seconds))
            return
        working = self.peers[: min(size, self.way.at_most)]
        for peer in working:
            peer.begin("rate", 1, seconds)
        self.rates[size].append(sum(peer.answer() for peer in working))

    def median(self, size: int) -> float:
        """Members' steps a second."""
        return statistics.median(self.rates[size]) if self.rates[size] else math.nan

    def compiled(self, seconds: list[float]) -> str:
        """A cell of seconds."""
        shown = seconds if self.way.compiles == "each" else seconds[:1]
        return " / ".join(f"{each:.1f}" for each in shown) if self.way.compiles else "-"

    def stop(self) -> None:
        """End its processes."""
        for peer in self.peers:
            peer.stop()
        self.peers.clear()


def table(rows: dict[str, Row], sizes: list[int]) -> str:
    """In Markdown."""
    best = {
        size: max((row.median(size) for row in rows.values() if row.way.needs == "jax"), default=math.nan)
        for size in sizes
    }
    lines = [
        f"| way | compile s | from cache s | {' | '.join(map(str, sizes))} | / JAX's best |",
        "| --- " * (4 + len(sizes)) + "|",
    ]
    for row in rows.values():
        medians = {size: row.median(size) for size in sizes}
        ratios = " / ".join("-" if math.isnan(best[size]) else f"{medians[size] / best[size]:.2f}" for size in sizes)
        cells = [row.way.title, row.compiled(row.first), row.compiled(row.again)]
        cells += [*(f"{value:.0f}" for value in medians.values()), ratios]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(rows: dict[str, Row], rounds: int) -> str:
    """How many rounds there were, and how far they lie apart, in words."""
    if rounds == 1:
        return "one round"
    each = [rates for row in rows.values() for rates in row.rates.values()]
    found = [(max(rates) - min(rates)) / statistics.median(rates) for rates in each]
    apart = f"from the least to the greatest {statistics.median(found):.0%} of it, at most {max(found):.0%}"
    return f"medians of {rounds} rounds ({apart})"


def measure(model: str, options: argparse.Namespace, start: float, until: float, end: float) -> list[str]:
    """Print a model's table; gives the ways whose losses are not ours. until: when no round begins but the first.  end:
    when no way begins to compile."""
    from peer_problems import problem, wanted_losses

    sizes, rows, wrong = options.members, dict[str, Row](), list[str]()
    given = problem(model)
    wanted = wanted_losses(given)
    shown = ", ".join(f"{loss:.5f}" for loss in wanted)
    print(f"\n## {model}: {given.task.settings}, batch {given.training.batch}; first losses {shown}\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="peers_") as folder:
        try:
            for name in options.ways:
                way = WAYS[name]
                if importlib.util.find_spec(way.needs) is None:
                    told(start, f"{way.title}: left out, {way.needs} is not installed")
                    continue
                if time.monotonic() > end:
                    told(start, f"{way.title}: left out, there is no time")
                    continue
                try:
                    rows[name] = Row(model, way, sizes, Path(folder) / name, wanted)
                    told(start, f"{way.title}: its first losses are ours")
                except RuntimeError as error:
                    told(start, f"{way.title}: left out, it fails: {error}")
                except ValueError as error:
                    wrong.append(f"{model}: {way.title}")
                    told(start, f"{way.title}: left out, {error}")
            rounds = 0
            while rows and rounds < options.rounds and not (rounds and time.monotonic() > until):
                for size in sizes:
                    for row in rows.values():
                        row.measure(size, options.seconds)
                rounds += 1
                told(start, f"round {rounds}")
        finally:
            for row in rows.values():
                row.stop()
    if not rows:
        return wrong
    print(f"\nMembers' steps a second by the number of members, {spread(rows, rounds)}:\n")
    print(table(rows, sizes), flush=True)
    return wrong


def main() -> None:
    from peer_problems import MODELS, is_here

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--members", type=int, nargs="+", default=[1, 12, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.7, help="of each timing")
    parser.add_argument("--minutes", type=float, default=20.0, help="nothing new begins later")
    options = parser.parse_args()
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    start = time.monotonic()
    packages = ("torch", "jax", "torchopt")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages if importlib.util.find_spec(name)]
    print(f"core {core} alone, one thread a process, {', '.join(versions)}", flush=True)
    models = [name for name in options.models if is_here(name)]
    for name in set(options.models) - set(models):
        print(f"{name}: left out, its data are not here (Debian: apt install dataset-fashion-mnist)")
    end, wrong = start + 60 * options.minutes, list[str]()
    for number, model in enumerate(models):
        # Each model has an equal share of what is left.
        now = time.monotonic()
        wrong += measure(model, options, start, now + (end - now) / (len(models) - number), end)
    if wrong:
        sys.exit(f"other losses than ours: {'; '.join(wrong)}")


if __name__ == "__main__":
    main()
