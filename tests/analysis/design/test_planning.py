"""Simulated studies: decided as real ones are, with the power of exact enumeration, and rarely false."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from seedsweep.analysis.decisions import Group, Rules, attainable, decide
from seedsweep.analysis.design import scores_in_bulk
from seedsweep.analysis.design.in_bulk import Claims, boschloo_table, sign, told_apart
from seedsweep.analysis.design.planning import (
    Design,
    Truth,
    mean_apart,
    one_by_one,
    seeds_needed,
    seeds_that_show,
    seeds_to_decide,
    seeds_to_support,
    simulate,
)
from seedsweep.analysis.statistics.proportions import boschloo, difference, lower_beyond
from seedsweep.analysis.statistics.ranks import rank_sum
from seedsweep.analysis.verdicts import Compared, verdict
from seedsweep.core.records.decision import CONVERGING, SCORE, Claim, Decision, SeedCounts

LEVEL = Design(SeedCounts()).level(CONVERGING)
BEST, BELOW = Claim(best="a"), Claim(below=("b", 0.6))
NAMES = "abcdefgh"


def compared(*counts: tuple[int, int]) -> Compared:
    """A study of configurations a, b, ... of which so many of so many seeds converged."""
    groups = [Group(np.arange(members) < converged, {}) for converged, members in counts]
    rules = Rules(LEVEL, {CONVERGING: 1.0})
    names, places = NAMES[: len(groups)], range(len(groups))
    return Compared(names, places, groups, rules, [1] * len(groups), decide(groups, rules))


@pytest.mark.parametrize("seeds", [5, 12, 31])
def test_all_tables_at_once_are_the_test_of_each(seeds):
    table = boschloo_table(seeds)
    for k, l in itertools.product(range(0, seeds + 1, 2), repeat=2):
        assert table[k, l] == pytest.approx(boschloo((k, seeds), (l, seeds)), rel=2e-3)


@pytest.mark.slow
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
    simulated = simulate(Truth((p, q)), Design(SeedCounts(compare=seeds)))
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
    found = simulate(Truth((share,) * 4), Design(seeds))
    assert found.false <= LEVEL + 3 * np.sqrt(LEVEL / found.studies)
    assert found.told.sum() / 2 <= 6 * LEVEL


@pytest.mark.slow
def test_a_study_that_stops_is_as_one_by_one():
    truth = Truth((0.9, 0.3, 0.3), ("a", "b", "c"), claims=(BEST, BELOW))
    seeds = SeedCounts(until="decided", least=6, most=24)
    many, few = (
        simulate(truth, Design(seeds, claims=truth.claims), studies=1000),
        one_by_one(truth, Design(seeds, claims=truth.claims), studies=25),
    )
    for one, other in zip(many.verdicts, few.verdicts, strict=True):
        assert one["supported"] == pytest.approx(other["supported"], abs=0.3)
    assert many.seeds == pytest.approx(few.seeds, rel=0.2)
    # Seeds are saved, and little of the power goes.
    fixed = simulate(truth, Design(SeedCounts(compare=24), claims=truth.claims))
    assert many.seeds < fixed.seeds == 72
    assert many.verdicts[0]["supported"] > fixed.verdicts[0]["supported"] - 0.15


@pytest.mark.parametrize(("groups", "most"), [(2, 3), (3, 3), (5, 4), (6, 4), (20, 6)])
def test_so_few_seeds_can_show_nothing(groups, most):
    rules = Rules(LEVEL, {CONVERGING: 1.0})
    assert seeds_that_show(groups, LEVEL) == most + 1
    assert attainable(rules, groups, most + 1)[CONVERGING]
    assert not attainable(rules, groups, most)[CONVERGING]
    assert not simulate(Truth((1.0,) + (0.0,) * (groups - 1)), Design(SeedCounts(compare=most))).told.any()


@pytest.mark.parametrize("shares", [(0.9, 0.6), (0.9, 0.6, 0.9, 0.9), (0.95, 0.3, 0.95)])
def test_the_seeds_needed_have_the_power(shares):
    seeds = seeds_needed(Truth(shares), [(0, 1)], LEVEL)
    rng = np.random.default_rng(99)

    def power(size: int) -> float:
        counts = rng.binomial(size, shares, (4000, len(shares)))[:, :, None]
        return float((sign(told_apart(counts, (size,), LEVEL)[0], len(shares), 0, 1) > 0).mean())

    assert power(seeds) >= 0.775
    assert power(seeds - 2) < 0.82
    assert power(seeds // 2) < 0.7


def test_no_number_where_seeds_would_not_tell():
    assert seeds_needed(Truth((0.6, 0.9)), [(0, 1)], LEVEL) is None
    assert seeds_needed(Truth((0.51, 0.5, 0.5)), [(0, 1)], LEVEL) is None
    assert seeds_that_show(1, LEVEL) is None


@pytest.mark.parametrize(
    ("claim", "counts", "low", "high"),
    [
        # As of the pair alone, or of both.
        (Claim(better=("a", "b")), [(11, 12), (6, 12)], 20, 40),
        (Claim(best="a"), [(11, 12), (7, 12), (7, 12)], 30, 70),
        # Refuted by either: decided with fewer.
        (Claim(best="a"), [(7, 12), (11, 12), (11, 12)], 20, 60),
        # As if both were equal.
        (Claim(alike=("a", "b"), margin=0.3), [(9, 12), (11, 12)], 15, 60),
        # A margin is ruled out sooner than a difference is shown.
        (Claim(better=("a", "b"), margin=0.5), [(7, 12), (7, 12)], 10, 60),
    ],
)
def test_seeds_that_would_decide_a_claim(claim, counts, low, high):
    assert low < seeds_to_decide(compared(*counts), claim, "f1") < high


@pytest.mark.parametrize(
    ("claim", "counts"),
    [
        (Claim(best="a"), [(12, 12), (12, 12)]),
        (Claim(alike=("a", "b"), margin=0.01), [(6, 12), (6, 12)]),
        (Claim(better=("a", "b"), axis="score"), [(11, 12), (6, 12)]),
        (Claim(below=("a", 0.5)), [(2, 12), (11, 12)]),
        (Claim(best="a"), [(11, 12)]),
        (Claim(best="a"), [(0, 0), (6, 12)]),
    ],
    ids=[
        "as seen equal",
        "alike within next to nothing",
        "no such axis",
        "no share of the level",
        "alone",
        "nothing seen",
    ],
)
def test_claims_of_which_no_number_is_given(claim, counts):
    assert seeds_to_decide(compared(*counts), claim, "f1") is None


def test_seeds_that_would_decide_a_share():
    """Where nothing else is compared, with the whole level; the more seeds the more is."""
    alone = [seeds_to_decide(compared((2, 12)), Claim(below=("a", share)), "f1") for share in (0.5, 0.4)]
    assert 10 < alone[0] < 40
    assert alone[0] < alone[1]


@pytest.mark.parametrize("wins", [0.8, 0.95])
def test_seeds_that_would_decide_a_claim_of_scores(wins):
    """So that a new study of as many, with scores that are as far apart, decides it in about 80 %."""
    rng = np.random.default_rng(3)
    # Quantiles: one is higher in about so many pairs.
    grid = stats.norm.ppf((np.arange(20) + 0.5) / 20)
    rules, claim = Rules(LEVEL, {SCORE: 1.0}), Claim(better=("a", "b"), axis="score")

    def study(first, second):
        groups = [Group(np.zeros(len(own), bool), {SCORE: own}) for own in (first, second)]
        return Compared("ab", (0, 1), groups, rules, [1, 1], decide(groups, rules))

    seeds = seeds_to_decide(study(grid + mean_apart(wins), grid), claim, "f1")
    found = [
        verdict(claim, study(rng.standard_normal(seeds) + mean_apart(wins), rng.standard_normal(seeds)), "f1")
        for _ in range(200)
    ]
    assert 0.66 < found.count("supported") / 200 < 0.92


@pytest.mark.parametrize("seeds", [5, 12, 20])
@pytest.mark.parametrize("apart", [-0.3, 0.0, 0.2])
def test_bounds_of_all_tables_at_once_are_those_of_each(seeds, apart):
    found = lower_beyond(seeds, apart, 0.025)
    for k, l in itertools.product(range(0, seeds + 1, 2), range(0, seeds + 1, 3)):
        low, _ = difference((k, seeds), (l, seeds), 0.975)
        assert found[k, l] == (low > apart) or abs(low - apart) < 1e-3


@pytest.mark.parametrize(("sizes", "groups"), [((12,), 2), ((12,), 4), ((8, 16), 3)])
def test_studies_of_scores_at_once_are_decided_as_each_one(sizes, groups):
    rng = np.random.default_rng(1)
    scores = rng.standard_normal((40, groups, sizes[-1])) + 0.8 * np.arange(groups)[:, None]
    pairs, rules = list(itertools.combinations(range(groups), 2)), Rules(LEVEL, {SCORE: 1.0}, sizes)
    claims = (Claim(best=NAMES[groups - 1], margin=0.4, axis="score"), Claim(better=("b", "a"), axis="score"))
    about = Claims(claims, NAMES[:groups], range(groups), LEVEL)
    signs = scores_in_bulk.told_apart(scores, sizes, LEVEL, pairs)
    judged = [scores_in_bulk.judged(about, claim, scores, sizes) for claim in claims]
    for number, study in enumerate(scores):
        own = [Group(np.zeros(sizes[-1], bool), {SCORE: row}) for row in study]
        made = Compared(NAMES[:groups], range(groups), own, rules, [len(sizes)] * groups, decide(own, rules))
        assert [pair.better for pair in made.decisions.axes[SCORE].pairs] == list(signs[number])
        for claim, (supported, refuted) in zip(claims, judged, strict=True):
            said = "supported" if supported[number] else "refuted" if refuted[number] else "undecided"
            assert verdict(claim, made, "f1") == said
    assert signs.any()


@pytest.mark.parametrize("margin", [0.2, 0.5])
def test_claims_of_likeness_at_once_are_decided_as_each_one(margin):
    rng, seeds, claim = np.random.default_rng(2), 24, Claim(alike=("a", "b"), margin=margin)
    counts = rng.binomial(seeds, 0.85, (40, 3))[:, :, None]
    signs, _ = told_apart(counts, (seeds,), LEVEL)
    about, reached = Claims((claim,), "abc", range(3), LEVEL), np.ones((40, 3), int)
    supported, refuted = about.judged(claim, signs, counts, (seeds,), reached)
    for number, study in enumerate(counts[:, :, 0]):
        said = "supported" if supported[number] else "refuted" if refuted[number] else "undecided"
        assert verdict(claim, compared(*[(int(k), seeds) for k in study]), "f1") == said


@pytest.mark.slow
@pytest.mark.parametrize("claim", [Claim(best="a", margin=0.3), Claim(alike=("a", "b"), margin=0.3)])
def test_looks_at_claims_with_a_margin_at_once_are_those_of_each(claim):
    """The first look that decides counts, of shares as of scores."""
    rng, sizes, twice = np.random.default_rng(3), (20, 40, 80, 160), 0
    rules = Rules(LEVEL, {CONVERGING: 1.0}, sizes)
    about, reached = Claims((claim,), "ab", range(2), LEVEL), np.full((60, 2), len(sizes))
    drawn = rng.random((60, 2, sizes[-1])) < np.array([0.9, 0.75])[:, None]
    counts = np.stack([drawn[:, :, :size].sum(2) for size in sizes], axis=2)
    supported, refuted = about.judged(claim, told_apart(counts, sizes, LEVEL)[0], counts, sizes, reached)
    assert not (supported & refuted).any()
    for number, study in enumerate(drawn):
        groups = [Group(own, {}) for own in study]
        made = Compared("ab", range(2), groups, rules, [4, 4], decide(groups, rules))
        said = "supported" if supported[number] else "refuted" if refuted[number] else "undecided"
        assert verdict(claim, made, "f1") == said
        (pair,) = made.decisions.axes[CONVERGING].pairs
        twice += pair.better > 0 and pair.high < 0.3
    assert twice > 5


def test_looks_at_scores_with_a_margin_at_once_are_those_of_each():
    rng, sizes, claim = np.random.default_rng(3), (10, 20, 40), Claim(best="a", margin=1.2, axis="score")
    rules, about = Rules(LEVEL, {SCORE: 1.0}, sizes), Claims((claim,), "ab", range(2), LEVEL)
    scores = rng.standard_normal((30, 2, sizes[-1])) + np.array([0.6, 0.0])[:, None]
    supported, refuted = scores_in_bulk.judged(about, claim, scores, sizes)
    said_at_all = set()
    for number, study in enumerate(scores):
        groups = [Group(np.zeros(sizes[-1], bool), {SCORE: row}) for row in study]
        made = Compared("ab", range(2), groups, rules, [3, 3], decide(groups, rules))
        said = "supported" if supported[number] else "refuted" if refuted[number] else "undecided"
        assert verdict(claim, made, "f1") == said
        said_at_all.add(said)
    assert {"supported", "refuted"} <= said_at_all


@pytest.mark.parametrize(
    ("values", "refuted_falsely"),
    [((0.9, 0.5), True), ((0.9, 0.65), False), ((0.9, 0.6), True)],
    ids=["ahead by more than the margin", "by less", "by the margin"],
)
def test_a_false_refutation_by_a_margin_counts(values, refuted_falsely):
    claims = Truth(values, ("a", "b"), claims=(Claim(best="a", margin=0.3),)).claims_at(LEVEL, 0.0)
    assert claims.fails(claims.claims[0], values) != refuted_falsely
    # Better it is, whatever the margin.
    assert claims.holds(claims.claims[0], values)


def test_refutations_at_the_margin_are_rare_and_counted():
    """The level is wide, so that there are some."""
    claim = Claim(better=("a", "b"), margin=0.3)
    design = Design(SeedCounts(compare=40, looks=(20, 40)), Decision(level=0.4), (claim,))
    found = simulate(Truth((0.8, 0.5), ("a", "b"), claims=(claim,)), design, studies=1000)
    assert 0 < found.verdicts[0]["refuted"] <= found.false <= 0.2


@pytest.mark.parametrize("axis", [CONVERGING, SCORE])
def test_a_claim_of_likeness_needs_more_seeds_the_smaller_its_margin(axis):
    def needed(margin):
        claim = Claim(alike=("a", "b"), margin=margin, axis=axis)
        equal = (0.9, 0.9) if axis == CONVERGING else (0.0, 0.0)
        truth = Truth(equal, ("a", "b"), claims=(claim,), axis=axis)
        seeds = seeds_to_support(truth, Design(SeedCounts()))
        found = simulate(truth, Design(SeedCounts(compare=seeds))).verdicts[0]["supported"]
        assert 0.75 <= found <= 0.93
        return seeds

    wide, narrow = (0.4, 0.3) if axis == CONVERGING else (0.9, 0.7)
    assert needed(wide) < needed(narrow)


def test_scores_are_called_better_in_no_more_studies_than_the_test_rejects():
    rng, seeds = np.random.default_rng(0), 12
    apart = mean_apart(0.85)
    drawn = rng.standard_normal((600, 2, seeds))
    power = np.mean([rank_sum(one + apart, other) < LEVEL for one, other in drawn])
    found = simulate(Truth((apart, 0.0), axis=SCORE), Design(SeedCounts(compare=seeds)))
    assert power - 0.25 < found.told[0, 1] < power + 0.05
    assert found.told[1, 0] == 0


def test_studies_of_scores_that_stop_are_simulated_one_by_one():
    claim = Claim(better=("a", "b"), axis="score")
    truth = Truth((3.0, 0.0), ("a", "b"), claims=(claim,), axis=SCORE)
    found = simulate(truth, Design(SeedCounts(until="decided", least=6, most=24), claims=(claim,)), studies=8)
    assert found.verdicts[0]["supported"] > 0.8
    assert found.seeds < 48


@pytest.mark.parametrize("seeds", [SeedCounts(compare=12, paired=True), SeedCounts(compare=12, looks="any")])
def test_pairs_of_seeds_are_simulated_too(seeds):
    found = simulate(Truth((1.0, 0.0, 1.0)), Design(seeds), studies=3)
    assert found.false == 0
    assert found.told[0, 1] in (0.0, 1.0)
    assert found.seeds == 36
