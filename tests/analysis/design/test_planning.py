"""Simulated studies: decided as real ones are, with the power of exact enumeration, and rarely false."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from seedsweep.analysis.decisions import Group, Rules, attainable, decide
from seedsweep.analysis.design.in_bulk import boschloo_table, sign, told_apart
from seedsweep.analysis.design.planning import (
    Truth,
    judged_here,
    level_of,
    one_by_one,
    seeds_needed,
    seeds_that_show,
    seeds_to_decide,
    simulate,
)
from seedsweep.analysis.statistics.proportions import boschloo
from seedsweep.analysis.verdicts import Compared
from seedsweep.core.records.decision import CONVERGING, Claim, Decision, SeedCounts

DECISION = Decision()
LEVEL = level_of(DECISION)
BEST, BELOW = Claim(best="a"), Claim(below=("b", 0.6))


def compared(*counts: tuple[int, int]) -> Compared:
    """A study of configurations a, b, ... of which so many of so many seeds converged."""
    groups = [Group(np.arange(members) < converged, {}) for converged, members in counts]
    rules = Rules(LEVEL, {CONVERGING: 1.0})
    names, places = "abcdefgh"[: len(groups)], range(len(groups))
    return Compared(names, places, groups, rules, [1] * len(groups), decide(groups, rules))


@pytest.mark.parametrize("seeds", [5, 12, 31])
def test_all_tables_at_once_are_the_test_of_each(seeds):
    table = boschloo_table(seeds)
    for k, l in itertools.product(range(0, seeds + 1, 2), repeat=2):
        assert table[k, l] == pytest.approx(boschloo((k, seeds), (l, seeds)), rel=2e-3)


@pytest.mark.parametrize(("sizes", "groups"), [((12,), 2), ((12,), 4), ((30,), 5), ((6, 12, 24), 4), ((6, 12), 2)])
def test_studies_at_once_are_decided_as_each_one(sizes, groups):
    rng = np.random.default_rng(1)
    studies = rng.random((60, groups, sizes[-1])) < rng.random((60, groups, 1))
    reached = rng.integers(1, len(sizes) + 1, (60, groups))
    counts = np.stack([studies[:, :, :size].sum(2) for size in sizes], axis=2)
    signs, omnibus = told_apart(counts, sizes, LEVEL, reached, omnibus=True)
    rules = Rules(LEVEL, {CONVERGING: 1.0}, sizes)
    found = 0
    for study, own, looks, differs in zip(studies, signs, reached, omnibus, strict=True):
        axis = decide([Group(row, {}) for row in study], rules, list(looks), estimates=False).axes[CONVERGING]
        assert [pair.differs for pair in axis.pairs] == list(own)
        assert axis.differs == differs
        found += bool(own.any())
    assert found > 5


@pytest.mark.parametrize(("p", "q", "seeds"), [(0.9, 0.5, 12), (0.8, 0.3, 20), (0.95, 0.6, 40)])
def test_power_of_two_is_that_of_enumeration(p, q, seeds):
    numbers = range(seeds + 1)
    chances = np.outer(stats.binom.pmf(numbers, seeds, p), stats.binom.pmf(numbers, seeds, q))
    found = [[k > l and boschloo((k, seeds), (l, seeds)) <= LEVEL for l in numbers] for k in numbers]
    power = float(chances[np.array(found)].sum())
    simulated = simulate(Truth((p, q)), SeedCounts(compare=seeds), DECISION)
    # Four standard errors.
    assert simulated.told[0, 1] == pytest.approx(power, abs=4 * np.sqrt(power * (1 - power) / simulated.studies))
    assert simulated.seeds == 2 * seeds


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize(
    "seeds",
    [
        SeedCounts(compare=12),
        SeedCounts(compare=40),
        SeedCounts(compare=40, looks=(10, 20, 40)),
        SeedCounts(until="decided", least=6, most=24),
    ],
    ids=["12", "40", "looks", "until"],
)
def test_little_is_false_where_all_are_equal(share, seeds):
    found = simulate(Truth((share,) * 4), seeds, DECISION)
    assert found.false <= LEVEL + 3 * np.sqrt(LEVEL / found.studies)
    assert found.told.sum() / 2 <= 6 * LEVEL


def test_a_study_that_stops_is_as_one_by_one():
    truth = Truth((0.9, 0.3, 0.3), ("a", "b", "c"), claims=(BEST, BELOW))
    seeds = SeedCounts(until="decided", least=6, most=24)
    many, few = simulate(truth, seeds, DECISION, studies=1000), one_by_one(truth, seeds, DECISION, studies=25)
    for one, other in zip(many.verdicts, few.verdicts, strict=True):
        assert one["supported"] == pytest.approx(other["supported"], abs=0.3)
    assert many.seeds == pytest.approx(few.seeds, rel=0.2)
    # Seeds are saved, and little of the power goes.
    fixed = simulate(truth, SeedCounts(compare=24), DECISION)
    assert many.seeds < fixed.seeds == 72
    assert many.verdicts[0]["supported"] > fixed.verdicts[0]["supported"] - 0.15


@pytest.mark.parametrize(("groups", "most"), [(2, 3), (3, 3), (5, 4), (6, 4), (20, 6)])
def test_so_few_seeds_can_show_nothing(groups, most):
    rules = Rules(LEVEL, {CONVERGING: 1.0})
    assert seeds_that_show(groups, DECISION) == most + 1
    assert attainable(rules, groups, most + 1)[CONVERGING]
    assert not attainable(rules, groups, most)[CONVERGING]
    assert not simulate(Truth((1.0,) + (0.0,) * (groups - 1)), SeedCounts(compare=most), DECISION).told.any()


@pytest.mark.parametrize("shares", [(0.9, 0.6), (0.9, 0.6, 0.9, 0.9), (0.95, 0.3, 0.95)])
def test_the_seeds_needed_have_the_power(shares):
    seeds = seeds_needed(shares, [(0, 1)], LEVEL)
    rng = np.random.default_rng(99)

    def power(size: int) -> float:
        counts = rng.binomial(size, shares, (4000, len(shares)))[:, :, None]
        return float((sign(told_apart(counts, (size,), LEVEL)[0], len(shares), 0, 1) > 0).mean())

    assert power(seeds) >= 0.775
    assert power(seeds - 2) < 0.82
    assert power(seeds // 2) < 0.7


def test_no_number_where_seeds_would_not_tell():
    assert seeds_needed((0.6, 0.9), [(0, 1)], LEVEL) is None
    assert seeds_needed((0.51, 0.5, 0.5), [(0, 1)], LEVEL) is None
    assert seeds_that_show(1, DECISION) is None


@pytest.mark.parametrize(
    ("claim", "counts", "low", "high"),
    [
        # As of the pair alone, or of both.
        (Claim(better=("a", "b")), [(11, 12), (6, 12)], 20, 40),
        (Claim(best="a"), [(11, 12), (7, 12), (7, 12)], 30, 70),
        # Refuted by either: decided with fewer.
        (Claim(best="a"), [(7, 12), (11, 12), (11, 12)], 20, 60),
        (Claim(below=("a", 0.5)), [(2, 12), (11, 12)], 10, 40),
    ],
)
def test_seeds_that_would_decide_a_claim(claim, counts, low, high):
    assert low < seeds_to_decide(compared(*counts), claim, "f1") < high


@pytest.mark.parametrize(
    ("claim", "counts"),
    [
        (Claim(best="a"), [(12, 12), (12, 12)]),
        (Claim(alike=("a", "b"), margin=0.1), [(6, 12), (6, 12)]),
        (Claim(better=("a", "b"), axis="score"), [(11, 12), (6, 12)]),
        (Claim(best="a"), [(11, 12)]),
        (Claim(best="a"), [(0, 0), (6, 12)]),
    ],
    ids=["as seen equal", "alike", "score", "alone", "nothing seen"],
)
def test_claims_of_which_no_number_is_given(claim, counts):
    assert seeds_to_decide(compared(*counts), claim, "f1") is None


def test_claims_that_are_simulated():
    given = (Claim(better=("a", "b"), margin=0.2), Claim(alike=("a", "b"), margin=0.1), Claim(best="a", axis="score"))
    assert judged_here(given) == (Claim(better=("a", "b")),)


@pytest.mark.parametrize("seeds", [SeedCounts(compare=12, paired=True), SeedCounts(compare=12, looks="any")])
def test_pairs_of_seeds_are_simulated_too(seeds):
    found = simulate(Truth((1.0, 0.0, 1.0)), seeds, DECISION, studies=3)
    assert found.false == 0
    assert found.told[0, 1] in (0.0, 1.0)
    assert found.seeds == 36
