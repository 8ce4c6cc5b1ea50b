"""What the seeds decide: two axes at one level, looks, pairs of seeds, and seed by seed."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from seedsweep.analysis.decisions import Group, Pair, Rules, attainable, decide
from seedsweep.analysis.design.group_sequential import nominal, overall
from seedsweep.analysis.pair_tests import AfterEverySeed, SeedBySeed
from seedsweep.analysis.statistics.blocks import same_within_seeds
from seedsweep.analysis.statistics.proportions import boschloo
from seedsweep.core.records.decision import CONVERGING, SCORE, Claim, Decision, SeedCounts, axes_of

RULES = Rules(0.05, {CONVERGING: 0.5, SCORE: 0.5})
LOOKS = replace(RULES, sizes=(10, 20))


def seeds(converged, count, rng=None, high=0.95):
    rng = np.random.default_rng(converged) if rng is None else rng
    flags = np.arange(count) < converged
    return Group(flags, {SCORE: np.where(flags, high, 0.3) + 0.04 * rng.random(count)})


def flags(*values):
    """Groups of these outcomes, whose scores say nothing."""
    return [Group(np.asarray(own, bool), {SCORE: np.zeros(len(own))}) for own in values]


def signs(decisions, axis):
    return [pair.differs for pair in decisions.axes[axis].pairs]


@pytest.mark.parametrize(
    ("counts", "expected"), [((12, 2), [1]), ((2, 12), [-1]), ((6, 6), [0]), ((12, 12), [0]), ((40, 38, 3), [0, 1, 1])]
)
def test_converging(counts, expected):
    made = decide([seeds(count, max(counts)) for count in counts], RULES)
    assert signs(made, CONVERGING) == expected
    assert (made.look, made.looks) == (1, 1)


def test_an_interval_leaves_out_no_difference_just_where_the_pair_is_told_apart():
    """Where the step-down test rejects and the interval holds it, it is the bound."""
    for counts in itertools.product((0, 4, 9, 12), repeat=3):
        for axis in decide([seeds(count, 12) for count in counts], RULES).axes.values():
            for pair in axis.pairs:
                assert pair.low <= pair.estimate <= pair.high
                if pair.null and pair.differs:
                    # Scores may differ though neither is better: their interval stays as it is.
                    assert bool(pair.better) == (pair.low > pair.null or pair.high < pair.null)
                elif pair.differs:
                    low, high = (pair.low, pair.high) if pair.differs > 0 else (-pair.high, -pair.low)
                    assert low >= pair.differs * pair.null
                    assert high > low
                else:
                    assert pair.low <= pair.null <= pair.high


def test_a_pair_is_turned():
    """Two whose members all diverged, beside a third: there is no shift between them."""
    lost = [Group(np.zeros(8, bool), {SCORE: np.full(8, np.nan)}) for _ in range(2)]
    axis = decide([*lost, seeds(8, 8)], RULES).axes[SCORE]
    one, other = axis.pair(0, 1), axis.pair(1, 0)
    assert np.isnan(one.shift)
    assert one.estimate == other.estimate == 0.5
    assert (other.low, other.high) == pytest.approx((1 - one.high, 1 - one.low))
    assert axis.pair(2, 0).differs == 1 == -axis.pair(0, 2).differs
    assert axis.pair(2, 0).estimate == 1 == 1 - axis.pair(0, 2).estimate
    with pytest.raises(KeyError):
        axis.pair(0, 3)


@pytest.mark.parametrize(
    ("null", "low", "high", "better"),
    [
        (0.5, np.nan, np.nan, 0),
        (0.5, 0.4, 0.9, 0),
        (0.5, 0.6, 0.9, 1),
        # Of shares the test alone decides.
        (0.0, np.nan, np.nan, 1),
        (0.0, 0.0, 0.4, 1),
    ],
)
def test_scores_are_better_by_their_interval(null, low, high, better):
    pair = Pair(0, 1, differs=1, low=low, high=high, null=null)
    assert pair.better == better == -pair.turned().better
    assert Pair(0, 1, differs=0, low=low, high=high, null=null).better == 0


def test_the_order_of_the_groups_does_not_matter():
    groups = [seeds(count, 12) for count in (12, 7, 5, 0)]
    found = decide(groups, RULES)
    for order in itertools.permutations(range(4)):
        made = decide([groups[place] for place in order], RULES)
        for axis in (CONVERGING, SCORE):
            for i, j in itertools.combinations(range(4), 2):
                own, theirs = made.axes[axis].pair(i, j), found.axes[axis].pair(order[i], order[j])
                assert own.adjusted == pytest.approx(theirs.adjusted)
                assert own.differs == theirs.differs
                assert (own.low, own.high) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


class TestLevel:
    def test_each_axis_has_its_share(self):
        made = decide([seeds(6, 12), seeds(5, 12)], replace(RULES, shares={CONVERGING: 0.8, SCORE: 0.2}))
        assert made.axes[CONVERGING].level == pytest.approx(0.04)
        assert made.axes[SCORE].level == pytest.approx(0.01)

    @pytest.mark.parametrize(("converged", "level"), [(12, 0.05), (0, 0.05), (6, 0.025)])
    def test_what_cannot_differ_leaves_its_level(self, converged, level):
        made = decide([seeds(converged, 12), seeds(converged, 12, np.random.default_rng(1))], RULES)
        assert made.axes[CONVERGING].constant == (converged in (0, 12))
        assert made.axes[SCORE].level == pytest.approx(level)

    def test_who_tells_all_pairs_apart_leaves_its_level(self):
        rng = np.random.default_rng(0)
        groups = [Group(np.full(12, ok), {SCORE: rng.random(12)}) for ok in (True, False)]
        assert decide(groups, RULES).axes[SCORE].level == pytest.approx(0.05)
        # Not where one pair of three is open.
        groups.append(Group(np.full(12, True), {SCORE: rng.random(12)}))
        assert decide(groups, RULES).axes[SCORE].level == pytest.approx(0.025)

    def test_an_axis_without_a_share_decides_nothing(self):
        made = decide([seeds(12, 12), seeds(0, 12)], replace(RULES, shares={CONVERGING: 1.0, SCORE: 0.0}))
        assert signs(made, SCORE) == [0]
        assert not made.axes[SCORE].differs
        assert made.axes[SCORE].pairs[0].estimate == 1

    @pytest.mark.parametrize("sizes", [(10, 20), (20,)])
    def test_before_the_last_look_nothing_is_left(self, sizes):
        groups = [seeds(10, 10), seeds(10, 10, np.random.default_rng(1))]
        method = RULES.method if len(sizes) > 1 else AfterEverySeed()
        assert decide(groups, replace(RULES, sizes=sizes, method=method)).axes[SCORE].level == pytest.approx(0.025)

    def test_without_seeds_nothing_is_constant(self):
        made = decide(flags([], []), LOOKS)
        assert not made.axes[CONVERGING].constant
        assert made.look == 0

    def test_adjusted_is_held_against_the_level_of_all(self):
        made = decide([seeds(12, 12), seeds(5, 12), seeds(4, 12)], RULES)
        for axis in made.axes.values():
            assert all((pair.adjusted <= 0.05) == bool(pair.differs) for pair in axis.pairs)

    def test_some_axes_alone(self):
        made = decide([seeds(12, 12), seeds(0, 12)], RULES, only={SCORE})
        assert list(made.axes) == [SCORE]


class TestLooks:
    def test_between_looks_nothing_changes(self):
        groups = [seeds(9, 9), seeds(0, 9)]
        assert decide(groups, LOOKS).look == 0
        assert signs(decide(groups, LOOKS), CONVERGING) == [0]
        assert np.isnan(decide(groups, LOOKS).axes[CONVERGING].pairs[0].estimate)
        outcomes = [np.r_[np.ones(10), np.zeros(3)], np.zeros(13)]
        assert (
            decide(flags(*outcomes), LOOKS).axes[CONVERGING]
            == decide(flags(*(own[:10] for own in outcomes)), LOOKS).axes[CONVERGING]
        )

    def test_p_counts_all_looks(self):
        groups = flags([1] * 8 + [0] * 12, [0] * 20)
        pair = decide(groups, LOOKS).axes[CONVERGING].pairs[0]
        smaller = min(boschloo((8, 10), (0, 10)), boschloo((8, 20), (0, 20)))
        assert pair.p == pytest.approx(overall(smaller, (10, 20)))

    @pytest.mark.parametrize("estimates", [True, False])
    def test_the_sign_is_that_of_the_look_that_decided(self, estimates):
        """The first 10 are all of the one, the last 10 of the other."""
        rng = np.random.default_rng(0)
        one, other = np.repeat([1, 0], 10), np.repeat([0, 1], 10)
        groups = [Group(own.astype(bool), {SCORE: own + rng.random(20) / 10}) for own in (one, other)]
        made = decide(groups, LOOKS, estimates=estimates)
        assert signs(made, CONVERGING) == signs(made, SCORE) == [1]

    def test_an_interval_holds_over_all_looks(self):
        groups = flags(np.ones(20), np.arange(20) % 2)
        first = decide(groups, LOOKS, [1, 1]).axes[CONVERGING].pairs[0]
        both = decide(groups, LOOKS).axes[CONVERGING].pairs[0]
        assert first.low <= both.low < both.high <= first.high
        # One look of 20 asks for less.
        alone = decide(groups, RULES).axes[CONVERGING].pairs[0]
        assert alone.high - alone.low < both.high - both.low

    def test_a_pair_has_the_looks_of_the_one_that_left_first(self):
        groups = [seeds(20, 20), seeds(0, 20), seeds(10, 20)]
        made = decide(groups, LOOKS, [2, 1, 2]).axes[CONVERGING]
        assert made.pair(0, 1).estimate == 1
        early = decide([first_of(own, 10) for own in groups], LOOKS).axes[CONVERGING]
        assert made.pair(1, 2).p == early.pair(1, 2).p
        assert made.pair(0, 2).p < 1

    def test_one_look_is_none(self):
        groups = [seeds(9, 12), seeds(4, 12)]
        one = decide(groups, replace(RULES, sizes=(12,)))
        assert one.axes == decide(groups, RULES).axes

    def test_two_equal_keep_the_level_over_all_tables_there_are(self):
        """Boschloo's test at 5, 10 and 20 seeds; exact."""
        sizes, share = (5, 10, 20), 0.5
        level, inside, crossed, before = nominal(0.05, sizes), np.ones((1, 1)), 0.0, 0
        for size in sizes:
            step = stats.binom.pmf(np.arange(size - before + 1), size - before, share)
            inside = np.apply_along_axis(np.convolve, 0, np.apply_along_axis(np.convolve, 1, inside, step), step)
            every = range(size + 1)
            rejected = np.array([[boschloo((k, size), (l, size)) <= level for l in every] for k in every])
            crossed += inside[rejected].sum()
            inside, before = np.where(rejected, 0, inside), size
        assert 0.02 < crossed <= 0.05


def first_of(own, count):
    return Group(own.converged[:count], {axis: values[:count] for axis, values in own.scores.items()})


class TestPairsOfSeeds:
    paired = replace(RULES, method=SeedBySeed())

    def test_a_small_gain_on_each_seed(self):
        """That no test of independent seeds would find."""
        base = np.random.default_rng(0).random(12)
        groups = [Group(np.ones(12, bool), {SCORE: base + gain}) for gain in (0.02, 0.0, 0.01)]
        assert signs(decide(groups, RULES), SCORE) == [0, 0, 0]
        assert signs(decide(groups, self.paired), SCORE) == [1, 1, -1]

    @pytest.mark.slow
    def test_seeds_that_are_unlike_keep_the_level(self):
        """Each seed converges under exactly one of three equal configurations."""
        rng, found = np.random.default_rng(0), []
        for _ in range(150):
            winner = rng.integers(3, size=20)
            groups = [Group(winner == own, {SCORE: (winner == own) + rng.random(20) / 100}) for own in range(3)]
            made = decide(groups, self.paired, estimates=False)
            found.append(any(axis.differs for axis in made.axes.values()))
        assert np.mean(found) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)

    def test_few_large_gains_and_many_small_losses_are_no_direction(self):
        gains = np.r_[np.linspace(5, 9, 23), np.linspace(-2, -1, 24)]
        groups = [Group(np.ones(47, bool), {SCORE: own}) for own in (gains, np.zeros(47))]
        assert stats.wilcoxon(gains).pvalue < 0.05
        assert signs(decide(groups, replace(self.paired, shares={SCORE: 1.0})), SCORE) == [0]

    def test_a_shift_between_two_values_is_in_its_interval(self):
        """0 in 6 of 10 seeds, 1 in the others: the median is 0."""
        apart = np.tile([0, 1, 0, 1, 0], 8).astype(float)
        _, low, high = SeedBySeed().shift(apart, np.zeros(40), 0.8)
        assert low <= 0 <= high

    @pytest.mark.parametrize("draw", [lambda rng: rng.standard_normal(15), lambda rng: rng.integers(-2, 3, 15) * 1.0])
    def test_the_interval_of_a_shift_holds(self, draw):
        rng = np.random.default_rng(0)
        found = [SeedBySeed().shift(draw(rng), np.zeros(15), 0.8) for _ in range(120)]
        assert np.mean([low <= 0 <= high for _, low, high in found]) >= 0.8

    @pytest.mark.parametrize("seed", range(3))
    def test_within_seeds_against_scipys(self, seed):
        """Of two configurations, and of flags by Cochran's Q, whose chi-square is near with 60 seeds."""
        values = np.random.default_rng(seed).random((4, 60)) < 0.5
        columns, rows = values.sum(1), values.sum(0)
        q = 3 * (4 * (columns**2).sum() - columns.sum() ** 2) / (4 * rows.sum() - (rows**2).sum())
        assert same_within_seeds(list(values)) == pytest.approx(stats.chi2.sf(q, 3), abs=0.04)
        assert same_within_seeds([values[0], values[0]]) == 1
        assert same_within_seeds([values[0]]) == 1


class TestAfterEverySeed:
    rules = replace(RULES, method=AfterEverySeed(), sizes=(40,))

    def test_it_decides_whenever(self):
        groups = [seeds(15, 15), seeds(0, 15)]
        assert signs(decide(groups, self.rules), CONVERGING) == [1]
        assert decide(groups, self.rules).looks == 1

    def test_more_seeds_take_nothing_back(self):
        one, other = np.repeat([1, 0], [15, 25]), np.repeat([0, 1], [15, 25])
        for count in range(15, 41):
            assert signs(decide(flags(one[:count], other[:count]), self.rules, estimates=False), CONVERGING)[0] == 1


class TestAttainable:
    @pytest.mark.parametrize("count", range(2, 6))
    def test_against_every_table_there_is(self, count):
        rules = replace(RULES, shares={CONVERGING: 1.0}, level=0.025)
        found = any(
            any(signs(decide(flags(*(np.arange(count) < k for k in table)), rules, estimates=False), CONVERGING))
            for table in itertools.product(range(count + 1), repeat=3)
        )
        assert attainable(rules, 3, count)[CONVERGING] == found

    def test_too_few(self):
        assert attainable(RULES, 2, 1) == {CONVERGING: False, SCORE: False}
        assert attainable(RULES, 1, 40) == {CONVERGING: False, SCORE: False}
        assert not attainable(RULES, 20, 6)[CONVERGING]
        assert attainable(RULES, 2, 12) == {CONVERGING: True, SCORE: True}

    def test_all_looks_are_counted(self):
        """5 of 5 against none is enough by itself, and not as one of many looks."""
        many = replace(RULES, level=0.004, sizes=(5, 10, 20, 40))
        assert attainable(replace(many, sizes=(5,)), 2, 5)[CONVERGING]
        assert not attainable(many, 2, 5)[CONVERGING]
        assert not attainable(many, 2, 4)[CONVERGING]


class TestRecords:
    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"looks": (-5, 12)}, "does not grow"),
            ({"looks": (12, 5)}, "does not grow"),
            ({"looks": (5, 10)}, "the last is 10; it must be seeds.compare, 12"),
            ({"until": "decided", "least": 20}, "is more than seeds.compare"),
            ({"most": 40}, "applies only with until: decided"),
        ],
    )
    def test_seeds_that_make_no_sense(self, given, words):
        with pytest.raises(ValueError, match=words):
            SeedCounts(**given)

    @pytest.mark.parametrize(
        ("given", "sizes"),
        [
            ({}, (12,)),
            ({"looks": (5, 12)}, (5, 12)),
            ({"until": "decided", "most": 80}, (6, 12, 24, 48, 80)),
            ({"until": "decided", "looks": (3, 5), "compare": 5}, (3, 5)),
            ({"until": "decided", "looks": "any", "least": 5}, (5, 10, 12)),
            ({"looks": "any"}, (12,)),
        ],
    )
    def test_sizes(self, given, sizes):
        assert SeedCounts(**given).sizes == sizes

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"alike": ("a", "b")}, "alike within which difference"),
            ({"alike": ("a", "b"), "margin": 5}, "is no difference of shares"),
            ({"best": "a", "better": ("a", "b")}, "exactly one of"),
            ({"better": ("a", "a")}, "twice"),
            ({"below": ("a", 20)}, "is no share"),
        ],
    )
    def test_claims_that_make_no_sense(self, given, words):
        with pytest.raises(ValueError, match=words):
            Claim(**given)

    def test_shares_of_axes(self):
        claims = (Claim(better=("a", "b"), measure="auc"),)
        axes = axes_of(claims, "f1")
        assert axes == (CONVERGING, SCORE, "auc")
        assert Decision().shares_of(axes) == {CONVERGING: 0.5, SCORE: 0.25, "auc": 0.25}
        assert Decision(shares={SCORE: 3, "auc": 1}).shares_of(axes) == {CONVERGING: 0, SCORE: 0.75, "auc": 0.25}
