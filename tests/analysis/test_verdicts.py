"""One rule for every claim."""

import numpy as np
import pytest

from seedsweep.analysis.decisions import Axis, Decisions, Group, Pair, Rules, decide, narrowed
from seedsweep.analysis.pair_tests import AfterEverySeed
from seedsweep.analysis.verdicts import Compared, axis_of, bounds_below, pairs_of, share_interval, verdict
from seedsweep.core.records.decision import BELOW, CONVERGING, SCORE, Claim, Decision, SeedCounts, parts_of

SHARES = {CONVERGING: 0.5, SCORE: 0.5}
BETTER = {"better": ("a", "b")}


def compared(*pairs, axis=CONVERGING):
    """Of decisions that were made by hand."""
    count = 1 + max(pair.second for pair in pairs)
    own = Axis(axis, 0.025, 0.01, differs=True, constant=False, pairs=pairs)
    groups = [Group(np.ones(2, bool), {SCORE: np.zeros(2)})] * count
    return Compared(
        "abcd"[:count], range(count), groups, Rules(0.05, SHARES), [1] * count, Decisions({axis: own}, 1, 1)
    )


def pair(differs, low, high, first=0, second=1):
    """On either axis between these bounds."""
    ends = {"low": low, "high": high, "shift_low": low, "shift_high": high}
    return Pair(first, second, differs=differs, estimate=(low + high) / 2, shift=(low + high) / 2, **ends)


@pytest.mark.parametrize("axis", ["converging", "score"])
@pytest.mark.parametrize(
    ("given", "differs", "low", "high", "expected"),
    [
        (BETTER, 1, 0.1, 0.6, "supported"),
        (BETTER, -1, -0.6, -0.1, "refuted"),
        (BETTER, 0, -0.1, 0.6, "undecided"),
        ({**BETTER, "margin": 0.2}, 0, -0.1, 0.6, "undecided"),
        ({**BETTER, "margin": 0.2}, 0, -0.1, 0.19, "refuted"),
        ({**BETTER, "margin": 0.2}, 0, -0.1, 0.2, "undecided"),
        ({**BETTER, "margin": 0.2}, 1, 0.1, 0.6, "supported"),
        ({**BETTER, "margin": 0.2}, -1, -0.6, 0.0, "refuted"),
        ({"better": ("b", "a")}, 1, 0.1, 0.6, "refuted"),
        ({"better": ("b", "a")}, -1, -0.6, -0.1, "supported"),
        ({"better": ("b", "a"), "margin": 0.2}, 0, -0.1, 0.6, "refuted"),
        ({"best": "a"}, 1, 0.1, 0.6, "supported"),
        ({"alike": ("a", "b"), "margin": 0.2}, 0, -0.19, 0.19, "supported"),
        ({"alike": ("b", "a"), "margin": 0.2}, 0, -0.19, 0.19, "supported"),
        ({"alike": ("a", "b"), "margin": 0.2}, 0, -0.2, 0.19, "undecided"),
        ({"alike": ("a", "b"), "margin": 0.2}, 0, -0.1, 0.3, "undecided"),
        ({"alike": ("a", "b"), "margin": 0.2}, 1, 0.05, 0.15, "supported"),
        ({"alike": ("a", "b"), "margin": 0.2}, 1, 0.1, 0.5, "undecided"),
        ({"alike": ("a", "b"), "margin": 0.2}, 1, 0.21, 0.5, "refuted"),
        ({"alike": ("a", "b"), "margin": 0.2}, -1, -0.5, -0.21, "refuted"),
        (BETTER, 0, np.nan, np.nan, "undecided"),
        ({"alike": ("a", "b"), "margin": 0.2}, 0, np.nan, np.nan, "undecided"),
        ({"alike": ("a", "b"), "margin": 0.2}, 0, -np.inf, np.inf, "undecided"),
    ],
)
def test_of_a_pair(axis, given, differs, low, high, expected):
    found = compared(pair(differs, low, high), axis=axis)
    assert verdict(Claim(**given, axis=axis), found, "f1") == expected


@pytest.mark.parametrize(("axis", "expected"), [("converging", "supported"), ("score", "undecided")])
def test_two_may_differ_by_less_than_matters(axis, expected):
    """Of shares the difference is all there is; scores may differ otherwise than by a shift."""
    claim = Claim(alike=("a", "b"), margin=0.2, axis=axis)
    assert verdict(claim, compared(pair(1, 0.0, 0.1), axis=axis), "f1") == expected


LOOKS = (20, 40, 80, 160)


def at_look(groups, rules, look):
    """Of the axes in the rules; of a test after every seed, which has no looks, after so many seeds."""
    if rules.method.anytime:
        groups, look = [own.first(look) for own in groups], 1
    reached = [look] * len(groups)
    return Compared("abcd"[: len(groups)], range(len(groups)), groups, rules, reached, decide(groups, rules, reached))


def outcomes(seed, *shares, seeds=160):
    """Scores are as far apart as shares."""
    rng = np.random.default_rng(seed)
    drawn = [(rng.random(seeds), rng.standard_normal(seeds)) for _ in shares]
    return [Group(own < p, {SCORE: noise + 2 * p}) for p, (own, noise) in zip(shares, drawn, strict=True)]


def never_changes(claim, groups, rules, looks):
    """What was said at the first look that says anything; whether any later one says another thing."""
    said = "undecided"
    for look in looks:
        now = verdict(claim, at_look(groups, rules, look), "f1")
        assert said in ("undecided", now), look
        said = now
    return said


@pytest.mark.parametrize(
    "claim",
    [
        Claim(best="a", margin=0.3),
        Claim(better=("a", "b"), margin=0.2),
        Claim(alike=("a", "b"), margin=0.3),
        Claim(below=("b", 0.8)),
        Claim(best="a", margin=0.6, axis="score"),
        Claim(alike=("a", "b"), margin=0.6, axis="score"),
    ],
    ids=["best", "better", "alike", "below", "best score", "alike score"],
)
def test_a_verdict_stays_at_every_later_look(claim):
    rules = Rules(0.05, {claim.axis: 0.5}, LOOKS, below=0.025)
    said = {never_changes(claim, outcomes(seed, 0.9, 0.75), rules, range(1, 5)) for seed in range(8)}
    assert said != {"undecided"}


@pytest.mark.slow
@pytest.mark.parametrize("margin", [0.4, 0.6])
def test_a_verdict_stays_after_every_seed(margin):
    rules = Rules(0.05, {CONVERGING: 1.0}, (120,), AfterEverySeed())
    claim, seeds = Claim(better=("a", "b"), margin=margin), range(5, 121, 5)
    said = [never_changes(claim, outcomes(seed, 0.95, 0.7, seeds=120), rules, seeds) for seed in range(4)]
    assert "refuted" in said or "supported" in said


@pytest.mark.parametrize(
    ("counts", "margin", "expected"),
    [
        # Not ahead by the margin at the first look, and ahead for sure at the last.
        (((18, 35, 69, 138), (18, 32, 56, 110)), 0.3, "refuted"),
        # For sure at the first, and by less than the margin at the last.
        (((20, 40, 72, 144), (8, 19, 56, 112)), 0.5, "supported"),
    ],
)
def test_of_two_verdicts_the_first_one_counts(counts, margin, expected):
    groups = []
    for own in counts:
        steps = zip(np.diff(own, prepend=0), np.diff(LOOKS, prepend=0), strict=True)
        groups.append(Group(np.concatenate([np.arange(size) < k for k, size in steps]), {}))
    rules = Rules(0.05, {CONVERGING: 1.0}, LOOKS)
    last = at_look(groups, rules, 4).decisions.axes[CONVERGING].pairs[0]
    # The last look alone would say either.
    assert last.better > 0 and last.high < margin
    assert never_changes(Claim(best="a", margin=margin), groups, rules, range(1, 5)) == expected


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([(0.1, 0.5), (0.2, 0.8)], (0.2, 0.5)),
        ([(0.1, 0.3), (0.4, 0.8)], (0.3, 0.3)),
        ([(0.4, 0.8), (0.1, 0.3), (0.2, 0.9)], (0.4, 0.4)),
        ([], (-np.inf, np.inf)),
    ],
)
def test_intervals_of_looks_rule_out_for_good(intervals, expected):
    assert narrowed(intervals) == expected


@pytest.mark.parametrize(
    ("signs", "expected"),
    [((1, 1), "supported"), ((1, 0), "undecided"), ((0, -1), "refuted"), ((1, -1), "refuted"), ((0, 0), "undecided")],
)
def test_the_best_is_better_than_each(signs, expected):
    pairs = [pair(sign, 0.0, 0.0, 0, place + 1) for place, sign in enumerate(signs)]
    assert verdict(Claim(best="a"), compared(*pairs, pair(0, -1.0, 1.0, 1, 2)), "f1") == expected


def test_the_best_of_the_named_alone():
    """One that the search found is better; that is no matter of the claim."""
    own = compared(pair(1, 0.1, 0.5, 0, 1), pair(-1, -0.5, -0.1, 0, 2), pair(0, -1.0, 1.0, 1, 2))
    named = Compared(own.names, [0, 1], own.groups, own.rules, own.reached, own.decisions)
    assert verdict(Claim(best="a"), own, "f1") == "refuted"
    assert verdict(Claim(best="a"), named, "f1") == "supported"
    assert [(one.first, one.second) for one in pairs_of(Claim(best="b"), own, "f1")] == [(1, 0), (1, 2)]


def test_a_name_that_is_not_compared():
    with pytest.raises(KeyError):
        verdict(Claim(better=("a", "z")), compared(pair(0, -1.0, 1.0)), "f1")


@pytest.mark.parametrize(
    ("claim", "axis"),
    [
        (Claim(best="a"), CONVERGING),
        (Claim(below=("a", 0.1)), CONVERGING),
        (Claim(best="a", axis="score"), SCORE),
        (Claim(best="a", measure="f1"), SCORE),
        (Claim(best="a", measure="auc"), "auc"),
    ],
)
def test_the_axis_of_a_claim(claim, axis):
    assert axis_of(claim, "f1") == axis


def of_counts(*counts, sizes=(), reached=None, **rules):
    # Every n-th seed converges.
    groups = [Group(np.arange(n) * k % n < k, {SCORE: np.zeros(n)}) for k, n in counts]
    rules = Rules(0.05, SHARES, sizes, **{"below": 0.025, **rules})
    reached = [len(sizes) or 1] * len(groups) if reached is None else reached
    return Compared("abcd"[: len(groups)], range(len(groups)), groups, rules, reached, decide(groups, rules, reached))


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ((0, 40), 0.1, "supported"),
        ((0, 5), 0.1, "undecided"),
        ((20, 40), 0.1, "refuted"),
        ((4, 40), 0.1, "undecided"),
        ((40, 40), 1.0, "undecided"),
        ((39, 40), 1.0, "supported"),
    ],
)
def test_rarely_is_a_share(counts, share, expected):
    assert verdict(Claim(below=("a", share)), of_counts(counts, (5, 40)), "f1") == expected


def test_several_claims_of_shares_have_one_level():
    """5 of 40: below .28 by itself, not as one of 20 claims."""
    claim = Claim(below=("a", 0.28))
    assert verdict(claim, of_counts((5, 40), (5, 40)), "f1") == "supported"
    assert verdict(claim, of_counts((5, 40), (5, 40), claims_below=20), "f1") == "undecided"


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("shares", [{}, {CONVERGING: 2, SCORE: 1, BELOW: 1}])
def test_one_level_for_the_axes_and_the_claims_of_shares(count, shares):
    decision, plain = Decision(shares=shares), (Claim(best="a"),)
    claims = (*plain, *(Claim(below=("a", 0.1 * n)) for n in range(1, 1 + count)))
    without, rules = (Rules.of(SeedCounts(), decision, given, "f1") for given in (plain, claims))
    # Without such claims nothing is kept for them.
    assert without.of_axes == sum(without.level * share for share in without.shares.values()) == 0.05
    assert rules.below > 0
    assert sum(rules.level * share for share in rules.shares.values()) + rules.below == pytest.approx(0.05)
    # Convergence, of which most claims are, gives nothing away for them.
    assert shares or rules.shares[CONVERGING] == without.shares[CONVERGING]
    assert BELOW in parts_of(claims, "f1")
    assert rules.error_below(2) == pytest.approx(min(2 * rules.below / count, 0.05))


def test_where_nothing_is_compared_a_claim_of_a_share_has_the_whole_level():
    found = of_counts((5, 40), below=0.0001)
    assert bounds_below(Claim(below=("a", 0.3)), found) == share_interval(found, 0, 0.05)


def test_without_a_share_of_the_level_it_is_undecided():
    assert verdict(Claim(below=("a", 0.9)), of_counts((0, 40), (5, 40), below=0.0), "f1") == "undecided"


@pytest.mark.parametrize("seed", range(3))
def test_a_share_that_is_looked_at_after_every_seed(seed):
    """What is decided stays so, and the bounds of each number of seeds lie within those before."""
    rng, claim = np.random.default_rng(seed), Claim(below=("a", 0.5))
    drawn, before, said = rng.random(40) < 0.2, (0.0, 1.0), "undecided"
    for seeds in range(1, 41):
        groups = [Group(own[:seeds], {SCORE: np.zeros(seeds)}) for own in (drawn, ~drawn)]
        rules = Rules(0.05, SHARES, (40,), AfterEverySeed(), below=0.025)
        found = Compared("ab", range(2), groups, rules, [1, 1], decide(groups, rules, [1, 1], estimates=False))
        low, high = bounds_below(claim, found)
        assert before[0] - 1e-6 <= low <= high <= before[1] + 1e-6
        now = verdict(claim, found, "f1")
        assert said in ("undecided", now)
        before, said = (low, high), now
    # At one number of seeds alone it is sharper.
    once = share_interval(of_counts((int(drawn.sum()), 40), (5, 40)), 0, 0.025)
    assert before[1] - before[0] >= once[1] - once[0]


def test_a_share_over_looks():
    """At each look at its level, and all of them together."""
    once, twice = of_counts((10, 20), (5, 20)), of_counts((10, 20), (5, 20), sizes=(10, 20))
    (low, high), (first, last) = share_interval(once, 1, 0.05), share_interval(twice, 1, 0.05)
    assert first <= low < high <= last
    # A study that stopped at the first look, with 3 of 10, has a wider interval.
    early = share_interval(of_counts((10, 10), (3, 10), sizes=(10, 20), reached=[1, 1]), 1, 0.05)
    assert early[0] <= first < last <= early[1]
    assert share_interval(of_counts((1, 9), (1, 9), sizes=(10, 20), reached=[0, 0]), 0, 0.05) == (0, 1)


def test_what_left_early_keeps_the_seeds_of_its_looks():
    early = of_counts((10, 20), (5, 20), sizes=(10, 20), reached=[2, 1])
    alone = of_counts((10, 10), (3, 10), sizes=(10, 20), reached=[1, 1])
    assert share_interval(early, 1, 0.05) == share_interval(alone, 1, 0.05)


@pytest.mark.parametrize(("share", "bound"), [(0.6, 0.5), (0.5, 0.5), (0.1, 0.1), (0.05, 0.1)])
def test_a_false_verdict_is_rare(share, bound):
    """Of shares; exact."""
    from scipy import stats

    seeds, wrong = 12, 0.0
    for converged in range(seeds + 1):
        found = verdict(Claim(below=("a", bound)), of_counts((converged, seeds), (0, seeds)), "f1")
        wrong += stats.binom.pmf(converged, seeds, share) * (found == ("supported" if share >= bound else "refuted"))
    # Of their part of the level all of it may go to one side: no more than one verdict can be false.
    assert wrong <= 0.025


def test_likeness_of_scores_stays_though_they_turn_out_to_differ_otherwise():
    """Alike for sure at the first look; at the last some fail of the one alone, and the medians are what they were."""
    sizes, fine, failing = (30, 120), np.full(120, 0.5), np.full(120, 0.5)
    failing[30::4] = 0.0
    groups = [Group(np.zeros(120, bool), {SCORE: own}) for own in (fine, failing)]
    claim, rules = Claim(alike=("a", "b"), margin=0.1, axis="score"), Rules(0.05, {SCORE: 1.0}, sizes)
    last = at_look(groups, rules, 2).decisions.axes[SCORE].pairs[0]
    assert last.differs and last.shift_low <= 0 <= last.shift_high
    assert never_changes(claim, groups, rules, (1, 2)) == "supported"
    # Of one look at all of them nothing is said.
    assert verdict(claim, at_look(groups, Rules(0.05, {SCORE: 1.0}, (120,)), 1), "f1") == "undecided"
