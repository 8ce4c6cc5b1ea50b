"""Several tests at one level: numbers of hypotheses that can be true, and how often a true one is rejected."""

import itertools

import numpy as np
import pytest
from scipy import stats

from seedsweep.analysis.statistics.multiplicity import adjusted_pairs, most_true, passed_on


def partitions(groups):
    """Every way to part so many groups into clusters of equal ones, as the sizes of the clusters."""

    def parts(left, largest):
        if not left:
            yield ()
        for size in range(min(left, largest), 0, -1):
            yield from ((size, *rest) for rest in parts(left - size, size))

    return parts(groups, groups)


def pairs_of(groups):
    return list(itertools.combinations(range(groups), 2))


def holm(p_values):
    """By its definition (1979)."""
    order = np.argsort(p_values, kind="stable")
    steps = np.minimum(1, (len(p_values) - np.arange(len(p_values))) * np.asarray(p_values)[order])
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(steps)
    return adjusted


@pytest.mark.parametrize("groups", range(2, 9))
def test_numbers_of_pairs_that_can_be_true_by_enumeration(groups):
    pairs = groups * (groups - 1) // 2
    possible = {sum(size * (size - 1) // 2 for size in sizes) for sizes in partitions(groups)}
    for false in range(pairs + 1):
        assert most_true(groups, false) == max(number for number in possible if number <= pairs - false)


@pytest.mark.parametrize(
    ("groups", "numbers"),
    [
        # Shaffer 1986, table 2: for 3, 4, 5 groups
        (3, [3, 1, 1, 0]),
        (4, [6, 3, 3, 3, 2, 1, 0]),
        (5, [10, 6, 6, 6, 6, 4, 4, 3, 2, 1, 0]),
    ],
)
def test_numbers_that_were_published(groups, numbers):
    assert [most_true(groups, false) for false in range(len(numbers))] == numbers


@pytest.mark.parametrize("groups", [3, 4, 6, 9])
@pytest.mark.parametrize("seed", range(5))
def test_what_holm_rejects_is_rejected(groups, seed):
    rng = np.random.default_rng([groups, seed])
    p_values = rng.random(groups * (groups - 1) // 2) ** 4
    adjusted = np.array(adjusted_pairs(p_values, groups, omnibus=0.0))
    assert (adjusted <= holm(p_values) + 1e-15).all()
    assert (adjusted >= p_values).all()
    assert (np.diff(adjusted[np.argsort(p_values)]) >= 0).all()


def test_no_pair_is_rejected_where_the_omnibus_test_is_not():
    assert adjusted_pairs([0.001, 0.2, 0.3], 3, omnibus=0.07) == pytest.approx([0.07, 0.2, 0.3])
    assert adjusted_pairs([0.3], 2, omnibus=0.9) == [0.3]


def test_three_groups_need_no_more_than_the_omnibus_test():
    """Fisher's least significant difference: if one pair differs, one is equal at most."""
    assert adjusted_pairs([0.04, 0.03, 0.001], 3, omnibus=0.01) == pytest.approx([0.04, 0.03, 0.01])


def test_a_number_of_p_values_that_no_groups_have():
    with pytest.raises(ValueError, match="2 p-values for the 3 pairs of 3 groups"):
        adjusted_pairs([0.1, 0.2], 3, omnibus=0.1)


def test_many_groups_are_quick():
    p_values = np.linspace(1e-9, 1, 19900)
    assert len(adjusted_pairs(p_values, 200, omnibus=0.0)) == 19900


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(4,), (3, 1), (2, 2), (2, 1, 1), (5,), (3, 2), (4, 1)])
def test_a_true_pair_is_rejected_at_most_at_the_level(sizes):
    """Means of known variance: clusters of equal groups, far apart or near each other."""
    rng, groups, rounds = np.random.default_rng(len(sizes)), sum(sizes), 4000
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    true = np.array([cluster[i] == cluster[j] for i, j in pairs_of(groups)])
    for apart in (1.5, 3.0, 30.0):
        means = cluster * apart + rng.standard_normal((rounds, groups))
        differences = np.stack([means[:, i] - means[:, j] for i, j in pairs_of(groups)], 1)
        p_values = 2 * stats.norm.sf(np.abs(differences) / np.sqrt(2))
        omnibus = stats.chi2.sf(((means - means.mean(1, keepdims=True)) ** 2).sum(1), groups - 1)
        found = [
            (np.array(adjusted_pairs(own, groups, every))[true] <= 0.05).any()
            for own, every in zip(p_values, omnibus, strict=True)
        ]
        assert np.mean(found) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / rounds)


@pytest.mark.parametrize(
    "shares", [(0.4, 0.4, 0.4), (0.5, 0.5, 1.0), (0.2, 0.2, 0.9), (0.0, 1.0, 1.0), (0.7, 0.7, 0.3)]
)
def test_a_true_pair_is_rejected_at_most_at_the_level_by_every_table_there_is(shares):
    """Three groups of 5 seeds, tests of shares: exact."""
    from seedsweep.analysis.statistics.proportions import boschloo, same_share

    seeds, total = 5, 0.0
    chances = [stats.binom.pmf(np.arange(seeds + 1), seeds, share) for share in shares]
    for counts in itertools.product(range(seeds + 1), repeat=3):
        chance = np.prod([own[count] for own, count in zip(chances, counts, strict=True)])
        p_values = [boschloo((counts[i], seeds), (counts[j], seeds)) for i, j in pairs_of(3)]
        adjusted = adjusted_pairs(p_values, 3, same_share([(count, seeds) for count in counts]))
        wrong = [own <= 0.05 for own, (i, j) in zip(adjusted, pairs_of(3), strict=True) if shares[i] == shares[j]]
        total += chance * any(wrong)
    assert total <= 0.05


@pytest.mark.parametrize(
    ("exhausted", "levels"),
    [
        ({"a": False, "b": False, "c": False}, (0.02, 0.02, 0.01)),
        ({"a": True, "b": False, "c": False}, (0.02, 0.02 + 0.04 / 3, 0.01 + 0.02 / 3)),
        ({"a": True, "b": True, "c": False}, (None, None, 0.05)),
    ],
)
def test_level_that_is_left_is_shared_by_the_others(exhausted, levels):
    found = passed_on(0.05, {"a": 0.4, "b": 0.4, "c": 0.2}, exhausted)
    for own, level in zip(found.values(), levels, strict=True):
        assert level is None or own == pytest.approx(level)
    # Those that still test have no more than the whole.
    assert sum(level for axis, level in found.items() if not exhausted[axis]) <= 0.05 + 1e-12


def test_who_is_exhausted_keeps_at_least_its_own():
    found = passed_on(0.05, {"a": 0.5, "b": 0.5}, {"a": True, "b": True})
    assert all(0.025 <= level <= 0.05 + 1e-12 for level in found.values())


def test_an_axis_without_a_share_decides_nothing():
    assert passed_on(0.05, {"a": 1.0, "b": 0.0}, {"a": False, "b": False})["b"] == 0


def test_two_axes_keep_one_level_by_simulation():
    """The one has a difference and passes its level on, or has none, or has nothing that could differ."""
    rng, rounds = np.random.default_rng(0), 20_000
    for first_differs in (False, True):
        first = rng.random(rounds) * (1e-6 if first_differs else 1)
        second = rng.random(rounds)
        wrong = 0
        for own, other in zip(first, second, strict=True):
            levels = passed_on(0.05, {"a": 0.5, "b": 0.5}, {"a": own <= 0.025, "b": other <= 0.025})
            wrong += other <= levels["b"] or (not first_differs and own <= levels["a"])
        assert wrong / rounds <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / rounds)
