"""Samplers of a search whose values are those of few seeds, and ways to pick its best, on planted surfaces.

Of every configuration the planted P(converge) is known. A search asks for configurations as a study does
(`Exploration`, its default window) and is told the objective of so many seeds each; after 20, 40 and 60 configurations
one is picked as the best. The tables have the planted P(converge) of that one, with a standard error over searches;
all have the same members. The highest P(converge) of each surface is 0.9, the lowest 0.1.

    value     the highest objective, the earliest of equals
    smoothed  the highest one once smoothed by those around, as `Exploration.best` picks
    chance    a configuration drawn at random: what the search is worth without a pick
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from optuna.distributions import FloatDistribution

from seedsweep.analysis.search_certainty import objective
from seedsweep.analysis.statistics.surface import Surface, pick
from seedsweep.core.records.criterion import Criterion
from seedsweep.sweeps.search.exploration import Exploration
from seedsweep.sweeps.search.space import Parameter, Space

LOW, HIGH = 0.1, 0.9
CRITERION = Criterion("f1", 0.9, low=0, high=1)


def peak(x: np.ndarray) -> float:
    """A bell."""
    width = {1: 0.12, 2: 0.18, 4: 0.3}[len(x)]
    return LOW + (HIGH - LOW) * float(np.exp(-((x - [0.7, 0.35, 0.6, 0.45][: len(x)]) ** 2).sum() / 2 / width**2))


def plateau(x: np.ndarray) -> float:
    """Flat within a box of a quarter of the space, flat outside, a steep slope between."""
    beyond = np.abs(x - [0.65, 0.4, 0.6, 0.45][: len(x)]).max() - 0.5 * 0.25 ** (1 / len(x))
    return LOW + (HIGH - LOW) / (1 + float(np.exp(beyond / 0.03)))


def ridge(x: np.ndarray) -> float:
    """Grows along the first dimension up to an edge and falls steeply behind it, as with a learning rate; the edge
    moves with the second dimension, the others do nothing."""
    beyond = x[0] - (0.8 - 0.3 * x[1] if len(x) > 1 else 0.7)
    return LOW + (HIGH - LOW) * float(np.exp(min(0.0, beyond) / 0.3) / (1 + np.exp((beyond - 0.1) / 0.02)))


SURFACES: dict[str, Callable[[np.ndarray], float]] = {"peak": peak, "plateau": plateau, "ridge": ridge}


@dataclass
class Searched:
    """points [N,d], values [N], the planted P(converge) [N], seconds in all."""

    points: np.ndarray
    values: np.ndarray
    truth: np.ndarray
    seconds: float


def seeds_of(share: float, seeds: int, random: np.random.Generator) -> float:
    """The objective of so many seeds: converged ones score .9 to 1, others below, and a little better where more
    converge."""
    converged = random.random(seeds) < share
    scores = np.where(converged, random.uniform(0.9, 1, seeds), 0.9 * random.beta(1 + share, 1.5, seeds))
    return objective(converged.tolist(), scores.tolist(), CRITERION)


def searched(sampler: str, surface: str, dimensions: int, seed: int, configurations: int, seeds: int) -> Searched:
    """One search of `configurations` from nothing."""
    names = [f"x{i}" for i in range(dimensions)]
    space = Space([Parameter(name, FloatDistribution(0, 1), ()) for name in names])
    search = Exploration(sampler, seed, 3, space)
    random = np.random.default_rng([seed, dimensions, list(SURFACES).index(surface)])
    points, values, truth, begun = [], [], [], time.perf_counter()
    for number in range(configurations):
        # What is told before its turn is heeded when that has come: as if `window` were always on their way.
        point = search.ask()
        points.append([float(point[name]) for name in names])
        truth.append(SURFACES[surface](np.array(points[-1])))
        values.append(seeds_of(truth[-1], seeds, random))
        search.tell(number, values[-1])
    return Searched(np.array(points), np.array(values), np.array(truth), time.perf_counter() - begun)


def by_surface(points: np.ndarray, values: np.ndarray) -> int:
    """As `Exploration.best` picks."""
    return pick(values, Surface(points).smoothed(values))


PICKS: dict[str, Callable[[np.ndarray, np.ndarray], int]] = {
    "value": lambda points, values: int(np.argmax(values)),
    "smoothed": by_surface,
}


def cell(samples: Sequence[float]) -> str:
    """Mean and standard error."""
    return f"{np.mean(samples):.3f} ± {np.std(samples, ddof=1) / np.sqrt(len(samples)):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samplers", nargs="+", default=["random", "tpe", "gp"])
    parser.add_argument("--dimensions", nargs="+", type=int, default=[1, 2, 4], choices=[1, 2, 4])
    parser.add_argument("--configurations", nargs="+", type=int, default=[20, 40, 60])
    parser.add_argument("--repetitions", type=int, default=10, help="of every surface")
    parser.add_argument("--seeds", type=int, default=3, help="of a configuration")
    options = parser.parse_args()
    most = max(options.configurations)
    picked: dict[tuple[str, int, int, str], list[float]] = {}
    seconds: dict[str, list[float]] = {}
    for dimensions in options.dimensions:
        for repetition in range(options.repetitions):
            for surface in SURFACES:
                for sampler in options.samplers:
                    done = searched(sampler, surface, dimensions, repetition, most, options.seeds)
                    seconds.setdefault(sampler, []).append(done.seconds / most)
                    for count in options.configurations:
                        truth = done.truth[:count]
                        for name, by in PICKS.items():
                            found = float(truth[by(done.points[:count], done.values[:count])])
                            picked.setdefault((sampler, dimensions, count, name), []).append(found)
                        picked.setdefault((sampler, dimensions, count, "chance"), []).append(float(truth.mean()))
    columns = [(dimensions, count) for dimensions in options.dimensions for count in options.configurations]
    heads = " | ".join(f"{dimensions}-d, {count}" for dimensions, count in columns)
    for name in [*PICKS, "chance"]:
        print(f"\npicked by {name}: P(converge)\n\n| sampler | {heads} | ms a configuration |")
        print("|" + " --- |" * (len(columns) + 2))
        for sampler in options.samplers:
            cells = " | ".join(cell(picked[sampler, dimensions, count, name]) for dimensions, count in columns)
            print(f"| {sampler} | {cells} | {1000 * np.mean(seconds[sampler]):.0f} |")


if __name__ == "__main__":
    main()
