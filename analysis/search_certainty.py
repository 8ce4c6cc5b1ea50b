"""What the search maximises, and how sure the choice of its best is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaln

from seedsweep.analysis.statistics.surface import Surface, pick
from seedsweep.core.records.criterion import Criterion

#: Members of re-runs that are drawn at once.
AT_ONCE = 1_000_000


def objective(converged: Sequence[bool], scores: Sequence[float | None], criterion: Criterion) -> float:
    """What the search maximises: P(converge) with the mean of the scores' `merit` as tie-break.

    scores: final ones, None of a member that diverged, whose merit is 0. All merits together weigh less than one seed.
    """
    count = len(converged)
    merits = [0.0 if score is None else merit(score, criterion) for score in scores]
    return sum(converged) / count + sum(merits) / count / (count + 1)


def merit(score: float, criterion: Criterion) -> float:
    """A score of any scale and direction on [0,1], 1 the best.

    Where both ends of the metric are known, on a straight line between them. Elsewhere 1/2 + atan(d / s) / pi, with d
    by how much the score is better than the threshold and s the size of the threshold (1 of a threshold of 0): a better
    score is better everywhere, differences near the threshold weigh most, and no other score changes it.
    """
    better = 1 if criterion.direction == "max" else -1
    low, high = criterion.low, criterion.high
    if low is not None and high is not None and low < high:
        share = (score - low if better > 0 else high - score) / (high - low)
        return min(1.0, max(0.0, share))
    return 0.5 + math.atan(better * (score - criterion.threshold) / (abs(criterion.threshold) or 1.0)) / math.pi


@dataclass(frozen=True)
class Certainty:
    """best: row of the configuration that the search names.  share: of re-runs that name the same one.
    often: the three rows that re-runs name most often, with their shares, the most often named first."""

    best: int
    share: float
    often: tuple[tuple[int, float], ...]


def certainty(
    converged: np.ndarray, merits: np.ndarray, points: np.ndarray | None = None, rounds: int = 1000
) -> Certainty:
    """How often a search with fresh search seeds would name the same one of the configurations explored as the best.

    converged: whether each seed of each configuration converged, [configurations, seeds].  merits: their scores'
    `merit`, the same shape, NaN of a member that diverged, which counts as 0.  points: coordinates of the
    configurations, [configurations, coordinates], by which the search smooths (`Surface`); without them the highest
    value itself is the best. Rows in the order in which they were asked: of equal ones the first is the best. The
    re-run has these configurations; which ones a sampler that learns would ask then is not simulated.

    Each round draws the P(converge) of all configurations from their posterior: beta distributions around a common
    mean, whose place and width are drawn from theirs (flat in the mean and in the intra-class correlation
    1 / (a + b + 1); Gelman et al., Bayesian Data Analysis, 5.3). So the one that looks best is drawn towards the
    others as far as so few seeds say no more. Then the seeds, and for each a score, of those of seeds that ended alike
    (converged or not): with probability 1 - 1 / F, F that of an analysis of variance, one of its own configuration's,
    else one of any configuration's. The draws have one fixed seed.
    Of planted searches with 3 seeds it holds in the mean where P(converge) varies; of 10 equal ones it says 18 % where
    11 % is true, of one of .9 above nine of .1 59 % where 90 % is.
    Errors: ValueError without configurations or seeds, and where the shapes differ.
    """
    converged, merits = np.asarray(converged, bool), np.nan_to_num(np.asarray(merits, float), nan=0.0)
    if converged.ndim != 2 or not converged.size or converged.shape != merits.shape:
        raise ValueError(f"two equal shapes [configurations, seeds] are needed: {converged.shape}, {merits.shape}")
    random = np.random.default_rng(0)
    (count, seeds), met = converged.shape, converged.sum(1)
    surface, named, left = None if points is None else Surface(points), Counter[int](), rounds
    while left:
        several = min(left, max(1, AT_ONCE // converged.size))
        a, b = _around_all(met, seeds, several, random)
        share = random.beta(a[:, None] + met, b[:, None] + seeds - met)
        again = random.random((several, count, seeds)) < share[:, :, None]
        scores = _scores_of(again, converged, merits, random)
        named.update(_best(again, scores, surface))
        left -= several
    (best,) = _best(converged[None], merits[None], surface)
    often = sorted(named.items(), key=lambda item: (-item[1], item[0]))[:3]
    return Certainty(best, named[best] / rounds, tuple((row, times / rounds) for row, times in often))


def _best(converged: np.ndarray, merits: np.ndarray, surface: Surface | None) -> list[int]:
    """The row that each search names, by the `objective` of each, of [searches, configurations, seeds]."""
    seeds = converged.shape[-1]
    values = converged.sum(-1) / seeds + merits.sum(-1) / seeds / (seeds + 1)
    if surface is None:
        return [int(row) for row in values.argmax(-1)]
    return [pick(*pair) for pair in zip(values, surface.smoothed(values), strict=True)]


def _around_all(met: np.ndarray, seeds: int, rounds: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Parameters a, b of the beta distribution that all configurations' P(converge) come from, drawn from their
    posterior on a grid, [rounds] each."""
    mean, correlation = (g.ravel() for g in np.meshgrid((np.arange(50) + 0.5) / 50, (np.arange(25) + 0.5) / 25))
    a, b = mean * (1 / correlation - 1), (1 - mean) * (1 / correlation - 1)
    likelihood = np.zeros(len(a))
    for k, times in enumerate(np.bincount(met, minlength=seeds + 1)):
        likelihood += times * (betaln(a + k, b + seeds - k) - betaln(a, b))
    weights = np.exp(likelihood - likelihood.max())
    place = random.choice(len(a), rounds, p=weights / weights.sum())
    return a[place], b[place]


def _scores_of(again: np.ndarray, converged: np.ndarray, merits: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Merits of fresh seeds of which `again` converge, [rounds, configurations, seeds], see `certainty`."""
    scores, row = np.empty(again.shape), np.arange(len(merits))[:, None]
    for ended in (False, True):
        mine = converged == ended
        wanted = again == ended
        pool = merits[mine] if mine.any() else merits.ravel()
        scores[wanted] = random.choice(pool, int(wanted.sum()))
        own = wanted & mine.any(1)[:, None] & (random.random(again.shape) < _dependence(merits, mine))
        # Of each row its seeds that ended so come first.
        first = np.take_along_axis(merits, np.argsort(~mine, axis=1, kind="stable"), axis=1)
        place = (random.random(again.shape) * mine.sum(1)[:, None]).astype(int)
        scores[own] = first[row, place][own]
    return scores


def _dependence(merits: np.ndarray, mine: np.ndarray) -> float:
    """How far the scores of the seeds `mine` depend on their row: 1 - 1 / F of a one-way analysis of variance, at
    least 0; the weight that a row's own mean has beside that of all (James & Stein's). 0 where nothing can be seen."""
    sizes, everything = mine.sum(1), merits[mine]
    rows, freedom = int((sizes > 0).sum()), int(mine.sum() - (sizes > 0).sum())
    if rows < 2 or freedom < 1:
        return 0.0
    means = np.where(mine, merits, 0).sum(1) / np.maximum(sizes, 1)
    within = float((((merits - means[:, None]) ** 2)[mine]).sum()) / freedom
    between = float((sizes * (means - everything.mean()) ** 2).sum()) / (rows - 1)
    return max(0.0, 1 - within / between) if between > 0 else 0.0
