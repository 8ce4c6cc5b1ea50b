"""What the search maximises; how sure the choice of the best found is, against planted truths."""

import numpy as np
import pytest

from seedsweep.analysis.search_certainty import certainty, merit, objective
from seedsweep.core.records.criterion import Criterion

ACCURACY = Criterion("accuracy", 0.9, low=0, high=1)
LOSS = Criterion("loss", 0.25, direction="min")


def test_the_objective_counts_seeds_first_and_breaks_ties_by_score():
    assert objective([True, False], [1.0, 0.0], ACCURACY) > objective([False, False], [1.0, 1.0], ACCURACY)
    assert objective([True, False], [1.0, 0.8], ACCURACY) > objective([True, False], [1.0, 0.7], ACCURACY)
    assert objective([True] * 3, [1.0] * 3, ACCURACY) == pytest.approx(1 + 1 / 4)


def test_a_score_between_0_and_1_counts_as_it_is():
    scores = [0.1, 0.7, 1 / 3]
    assert objective([True, False, False], scores, ACCURACY) == 1 / 3 + sum(scores) / 3 / 4
    assert objective([False], [None], ACCURACY) == 0


@pytest.mark.parametrize(
    "criterion",
    [
        ACCURACY,
        LOSS,
        Criterion("error", 0.1, direction="min", low=0, high=1),
        Criterion("reward", -200.0),
        Criterion("gap", 0.0, direction="min", low=0),
        Criterion("percent", 90, low=0, high=100),
    ],
    ids=lambda criterion: criterion.metric,
)
def test_a_better_score_is_worth_more_whatever_its_scale_and_less_than_one_seed(criterion):
    ends = (criterion.low, criterion.high)
    scores = [s for s in (-1e6, -300, -200, 0, 0.01, 0.1, 0.25, 0.9, 1, 40, 1e6)
              if (ends[0] is None or s >= ends[0]) and (ends[1] is None or s <= ends[1])]  # fmt: skip
    if criterion.direction == "min":
        scores.reverse()
    merits = [merit(score, criterion) for score in scores]
    assert merits == sorted(set(merits))
    assert 0 <= merits[0] < merits[-1] <= 1
    worst, best = scores[0], scores[-1]
    assert objective([True, False], [worst] * 2, criterion) > objective([False, False], [best] * 2, criterion)
    assert objective([False], [best], criterion) > objective([False], [None], criterion)


def seeds_of(shares, seeds, random, quality=0.0):
    """Converged and merits of fresh seeds; quality: how far a configuration's scores follow its P(converge)."""
    shares = np.asarray(shares)[:, None]
    converged = random.random((len(shares), seeds)) < shares
    return converged, np.where(converged, 0.9, 0.3) + quality * shares + random.uniform(0, 0.1, converged.shape)


def test_one_plainly_best_is_named_again():
    converged, merits = seeds_of([1.0] + [0.0] * 9, 5, np.random.default_rng(0))
    found = certainty(converged, merits)
    assert found.best == 0
    assert found.share > 0.95
    assert found.often[0] == (0, found.share)


def said_and_seen(shares, quality, seeds):
    """The mean of the shares that are given, and the mean share of fresh re-runs that name the same one."""
    random = np.random.default_rng(seeds)
    said, seen = [], []
    for _ in range(40):
        found = certainty(*seeds_of(shares, seeds, random, quality), rounds=100)
        said.append(found.share)
        again = [value_of(*seeds_of(shares, seeds, random, quality)).argmax() == found.best for _ in range(30)]
        seen.append(np.mean(again))
    return np.mean(said), np.mean(seen)


@pytest.mark.parametrize("count", [2, 5, 20])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_of_equal_ones_each_is_named_about_as_often(count, share):
    random = np.random.default_rng(count)
    shares = [certainty(*seeds_of([share] * count, 3, random), rounds=100).share for _ in range(40)]
    assert 0.8 / count < np.mean(shares) < 1 / count + 0.2


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("quality", [0.0, 0.1])
@pytest.mark.parametrize(
    "shares",
    [list(np.linspace(0.1, 0.9, 10)), [0.9] * 3 + [0.1] * 20, [0.9, 0.8, 0.7, 0.7, 0.6, *[0.1] * 15]],
    ids=["spread", "three of many", "a peak"],
)
def test_it_is_as_sure_as_re_runs_are_in_the_mean(shares, quality, seeds):
    said, seen = said_and_seen(shares, quality, seeds)
    assert said == pytest.approx(seen, abs=0.16)


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("others", [0.1, 0.3])
def test_of_one_alone_above_equal_ones_it_is_not_surer_than_re_runs(others, seeds):
    said, seen = said_and_seen([0.9, *[others] * 9], 0.0, seeds)
    assert 0.3 < said < seen + 0.05


def value_of(converged, merits):
    return np.array([objective(c.tolist(), m.tolist(), ACCURACY) for c, m in zip(converged, merits, strict=True)])


def test_the_best_is_the_searchs_and_of_equal_ones_the_first():
    random = np.random.default_rng(3)
    for _ in range(20):
        converged, merits = seeds_of(random.random(8), 3, random)
        assert certainty(converged, merits, rounds=1).best == value_of(converged, merits).argmax()
    assert certainty(np.ones((4, 3), bool), np.ones((4, 3)), rounds=1).best == 0
    assert certainty(np.zeros((4, 3), bool), np.zeros((4, 3)), rounds=1).best == 0


def test_with_points_a_lucky_one_among_bad_ones_is_not_named():
    points = np.linspace(0, 1, 30)[:, None]
    converged = np.repeat(points > 0.6, 3, axis=1)
    converged[18::4, 0] = False
    converged[5] = True
    merits = np.where(converged, 0.95, 0.2)
    assert certainty(converged, merits, rounds=1).best == 5
    found = certainty(converged, merits, points, rounds=100)
    assert points[found.best] > 0.6
    assert all(points[row] > 0.6 for row, _ in found.often)


def test_it_says_the_same_again_and_shares_are_shares():
    converged, merits = seeds_of(np.linspace(0, 1, 12), 3, np.random.default_rng(5))
    merits[~converged] = np.nan
    found = certainty(converged, merits)
    assert certainty(converged, merits) == found
    assert len(found.often) == 3
    assert sum(share for _, share in found.often) <= 1
    assert [share for _, share in found.often] == sorted((share for _, share in found.often), reverse=True)


def test_one_configuration_is_the_best_for_sure():
    assert certainty(np.array([[True, False]]), np.array([[0.9, 0.1]])).often == ((0, 1.0),)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,)])
def test_it_needs_configurations_and_seeds(shape):
    with pytest.raises(ValueError, match="configurations, seeds"):
        certainty(np.zeros(shape, bool), np.zeros(shape))
    with pytest.raises(ValueError, match="equal shapes"):
        certainty(np.zeros((2, 3), bool), np.zeros((2, 2)))
