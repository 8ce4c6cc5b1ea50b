"""Studies that go on until they are decided: looks do not depend on arrival, nothing is taken back, estimates hold."""

import itertools

import numpy as np
import pytest
from scipy import stats

from seedsweep.analysis.decisions import Group, Rules, decide
from seedsweep.analysis.design.in_bulk import Claims, stopped, told_apart
from seedsweep.analysis.design.stopping import Aims, progress
from seedsweep.analysis.pair_tests import Forecast, Independent
from seedsweep.analysis.verdicts import Compared, share_interval, verdict
from seedsweep.core.records.decision import CONVERGING, SCORE, Claim, Decision, SeedCounts

DECIDED = SeedCounts(until="decided", looks=(5, 10, 20, 40), compare=40)
NAMES = tuple("abcdefgh")


def rules_of(seeds, *claims):
    return Rules.of(seeds, Decision(), claims, "f1")


def group(converged, rng, high=0.95):
    converged = np.asarray(converged, bool)
    return Group(converged, {SCORE: np.where(converged, high, 0.3) + 0.04 * rng.random(len(converged))})


def drawn(rng, *shares, seeds=40):
    return [group(rng.random(seeds) < share, rng) for share in shares]


def first(own, seeds):
    return Group(own.converged[:seeds], {axis: values[:seeds] for axis, values in own.scores.items()})


def aims(count, *claims):
    return Aims(claims, NAMES[:count], range(count), "f1")


def asked(groups, *claims, seeds=DECIDED, entered=True):
    return progress(groups, rules_of(seeds, *claims), seeds, aims(len(groups), *claims), entered=entered)


def run(groups, *claims, seeds=DECIDED):
    """As a launch does it: what is wanted is run, and asked again; every answer on the way."""
    have, seen = [0] * len(groups), []
    while True:
        found = asked([first(own, size) for own, size in zip(groups, have, strict=True)], *claims, seeds=seeds)
        seen.append(found)
        if all(size >= wanted for size, wanted in zip(have, found.wanted, strict=True)):
            return seen
        have = [max(size, wanted) for size, wanted in zip(have, found.wanted, strict=True)]


def test_all_seeds_are_wanted_at_once_of_a_fixed_design():
    seeds = SeedCounts(compare=12)
    rng = np.random.default_rng(0)
    assert asked(drawn(rng, 0.5, 0.5, seeds=0), seeds=seeds).wanted == (12, 12)
    assert asked(drawn(rng, 0.5, 0.5, seeds=11), seeds=seeds).reached == (0, 0)
    assert asked(drawn(rng, 0.5, 0.5, seeds=12), seeds=seeds).reached == (1, 1)


def test_looks_of_a_fixed_number_of_seeds_never_stop_it():
    seeds, rng = SeedCounts(compare=40, looks=(10, 40)), np.random.default_rng(0)
    found = asked([group([1] * 10, rng), group([0] * 10, rng)], seeds=seeds)
    assert (found.reached, found.wanted, found.stopped) == ((1, 1), (40, 40), "")


def test_a_look_waits_for_all_that_take_part():
    rng = np.random.default_rng(0)
    groups = drawn(rng, 0.5, 0.5, 0.5)
    late = [groups[0], groups[1], first(groups[2], 4)]
    assert asked(late).reached == (0, 0, 0)
    assert asked(groups, entered=False).reached == (0, 0, 0)
    assert asked(groups, entered=False).wanted == (5, 5, 5)


@pytest.mark.parametrize("seed", range(2))
def test_the_order_of_arrival_does_not_matter(seed):
    """Whatever has come already of some, what was decided is that of the seeds that the looks took."""
    rng = np.random.default_rng(seed)
    groups, claims = drawn(rng, 0.9, 0.5, 0.2), (Claim(best="a"),)
    end = run(groups, *claims)[-1]
    for sizes in itertools.product((5, 12, 40), repeat=3):
        found = asked([first(own, size) for own, size in zip(groups, sizes, strict=True)], *claims)
        assert all(own <= last for own, last in zip(found.reached, end.reached, strict=True))
        assert all(own <= last for own, last in zip(found.wanted, end.wanted, strict=True))
    assert asked(groups, *claims) == end


@pytest.mark.parametrize("seed", range(2))
def test_the_order_of_configurations_does_not_matter(seed):
    groups = drawn(np.random.default_rng(seed), 0.9, 0.5, 0.4)
    found = asked(groups)
    turned = progress(groups[::-1], rules_of(DECIDED), DECIDED, Aims((), NAMES[:3][::-1], range(3), "f1"))
    assert found.reached == turned.reached[::-1]
    assert found.stopped == turned.stopped


@pytest.mark.slow
@pytest.mark.parametrize("claims", [(), (Claim(best="a"),), (Claim(better=("a", "b"), axis="score"),)])
@pytest.mark.parametrize("seed", range(3))
def test_more_seeds_later_do_not_change_an_earlier_look(seed, claims):
    rng = np.random.default_rng(seed)
    groups = drawn(rng, 0.8, 0.5, 0.3)
    seen = run(groups, *claims)
    for before, after in itertools.pairwise(seen):
        assert all(own <= other for own, other in zip(before.reached, after.reached, strict=True))
        assert all(own <= other for own, other in zip(before.wanted, after.wanted, strict=True))
        # Who stopped stays so.
        assert all(
            own == other
            for own, other, size, look in zip(before.wanted, after.wanted, before.wanted, before.reached, strict=True)
            if look and DECIDED.sizes[look - 1] == size
        )
    assert asked(groups, *claims) == seen[-1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_decided_pair_stays_decided(seed):
    rng = np.random.default_rng(seed)
    groups = drawn(rng, 0.95, 0.5, 0.4, 0.1)
    known = {}
    for found in run(groups):
        made = decide(groups, rules_of(DECIDED), found.reached, estimates=False)
        for axis in made.axes.values():
            for pair in axis.pairs:
                place = axis.name, pair.first, pair.second
                assert known.get(place, 0) in (0, pair.differs)
                known[place] = pair.differs


def test_a_difference_stops_it_at_the_first_look():
    rng = np.random.default_rng(0)
    groups = [group([1] * 40, rng), group([0] * 40, rng)]
    for claims in ((), (Claim(best="a"),), (Claim(better=("b", "a")),)):
        found = asked(groups, *claims)
        assert (found.reached, found.wanted, found.stopped) == ((1, 1), (5, 5), "decided")


def test_what_cannot_be_decided_any_more_stops():
    """Two that are alike to the seed at 20 of 40 will not be told apart."""
    rng = np.random.default_rng(0)
    groups = [group([1, 0] * 20, rng, 0.9), group([1, 0] * 20, rng, 0.9)]
    found = asked(groups, Claim(better=("a", "b")))
    assert found.stopped == "futile"
    assert max(found.wanted) <= 20


def test_who_is_decided_leaves_and_the_others_go_on():
    rng = np.random.default_rng(1)
    groups = [group([0] * 40, rng), group([1, 1, 1, 1, 0] * 8, rng), group([1, 0, 1, 1, 1, 0, 0, 1] * 5, rng)]
    found = asked(groups, Claim(better=("b", "a")), Claim(better=("b", "c")))
    assert found.wanted[0] < max(found.wanted)


def test_claims_of_both_axes_and_of_a_share():
    """One is decided at once; the other goes on."""
    rng = np.random.default_rng(0)
    scores = [rng.random(40) + 0.25, rng.random(40)]
    groups = [Group(np.full(40, ok), {SCORE: own}) for ok, own in zip((True, False), scores, strict=True)]
    both = asked(groups, Claim(better=("a", "b")), Claim(better=("a", "b"), axis="score"))
    assert both.reached >= (2, 2)
    share = asked(groups, Claim(better=("a", "b")), Claim(below=("b", 0.3)))
    # None of 5 is below .3 not yet; none of 20 is.
    assert share.reached[1] > 1
    assert share.reached[0] == 1
    assert share.stopped == "decided"


def test_a_claim_of_scores_is_open_until_one_is_better():
    """That scores differ decides nothing: 0 and 1 by halves against always .5."""
    wide, narrow = np.tile([0.0, 1.0, 1.0], 14)[:40], np.full(40, 0.5)
    groups = [Group(np.zeros(40, bool), {SCORE: own}) for own in (wide, narrow)]
    for seeds in (SeedCounts(until="decided", least=20, most=40), SeedCounts(until="decided", least=10, most=40)):
        found = asked(groups, Claim(better=("a", "b"), axis="score"), seeds=seeds)
        made = decide(groups, rules_of(seeds), found.reached)
        assert made.axes[SCORE].pairs[0].better or found.stopped != "decided"


@pytest.mark.slow
def test_one_that_left_is_not_waited_for():
    """Nothing goes on for a pair whose other one has stopped."""
    for seed in range(5):
        groups = drawn(np.random.default_rng(seed), 0.6, 0.55, 0.1)
        for found in run(groups, Claim(best="a")):
            if not found.stopped and max(found.reached) < 4:
                going = [place for place, wanted in enumerate(found.wanted) if wanted == max(found.wanted)]
                assert len(going) != 1


@pytest.mark.parametrize("margin", [0.3, 0.6])
def test_alike_is_a_claim_that_can_be_decided(margin):
    rng = np.random.default_rng(0)
    groups = [group([1] * 40, rng), group([1] * 40, rng)]
    found = asked(groups, Claim(alike=("a", "b"), margin=margin))
    assert found.stopped == "decided"
    # A wider margin needs fewer seeds.
    assert max(found.wanted) == {0.3: 20, 0.6: 10}[margin]


EASY, HOPELESS = Claim(best="a"), Claim(alike=("a", "b"), margin=0.35)


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, -1])
def test_a_hopeless_claim_about_the_same_pair_takes_nothing_from_an_easy_one(order):
    said = []
    for seed in range(12):
        groups, claims = drawn(np.random.default_rng(seed), 0.95, 0.55), (EASY, HOPELESS)[::order]
        found = asked(groups, *claims)
        made = decide(groups, rules_of(DECIDED, *claims), found.reached)
        compared = Compared(NAMES[:2], range(2), groups, rules_of(DECIDED, *claims), found.reached, made)
        said.append(verdict(EASY, compared, "f1"))
    assert said.count("supported") >= 10


@pytest.mark.slow
@pytest.mark.parametrize("second", [HOPELESS, Claim(better=("a", "b")), Claim(best="b", margin=0.2)])
@pytest.mark.parametrize("first", [EASY, Claim(better=("a", "b"), margin=0.5), Claim(better=("c", "b"))])
def test_a_second_claim_never_shortens_the_first(first, second):
    for seed in range(4):
        groups = drawn(np.random.default_rng(seed), 0.95, 0.55, 0.8)
        alone, both = asked(groups, first), asked(groups, first, second)
        assert all(own <= other for own, other in zip(alone.reached, both.reached, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    "claims",
    [(EASY, HOPELESS), (Claim(best="a", margin=0.5), Claim(below=("b", 0.7))), (EASY, Claim(better=("a", "b")))],
)
def test_studies_at_once_stop_as_each_one(claims):
    """But where a simulated continuation more or less decides that it is futile."""
    rng, level, sizes = np.random.default_rng(0), 0.025, DECIDED.sizes
    drawn_ones = rng.random((30, 2, 40)) < np.array([0.95, 0.55])[:, None]
    counts = np.stack([drawn_ones[:, :, :size].sum(2) for size in sizes], 2)
    rules = Rules(2 * level, {CONVERGING: 1.0}, sizes, below=level)
    about = Claims(claims, "ab", range(2), level, rules.error_below(2))
    reached, _ = stopped(counts, sizes, level, about)
    signs, _ = told_apart(counts, sizes, level, reached)
    judged = [about.judged(claim, signs, counts, sizes, reached) for claim in claims]
    same = 0
    for number, study in enumerate(drawn_ones):
        groups = [Group(own, {}) for own in study]
        found = progress(groups, rules, DECIDED, Aims(claims, "ab", range(2), "f1"))
        same += found.reached == tuple(reached[number])
        compared = Compared("ab", range(2), groups, rules, reached[number], decide(groups, rules, reached[number]))
        for claim, (supported, refuted) in zip(claims, judged, strict=True):
            said = "supported" if supported[number] else "refuted" if refuted[number] else "undecided"
            assert verdict(claim, compared, "f1") == said
    assert same >= 24


def test_looks_any_goes_on_in_steps():
    seeds, rng = SeedCounts(until="decided", looks="any", least=8, compare=40), np.random.default_rng(0)
    rules = Rules.of(seeds, Decision(), (), "f1")
    groups = [group([1] * 40, rng), group([0] * 40, rng)]
    found = progress(groups, rules, seeds, aims(2, Claim(best="a")))
    assert found.stopped == "decided"
    assert found.wanted[0] in (8, 16)


@pytest.mark.slow
def test_intervals_of_what_left_early_hold():
    """P(converge) of each, and all differences, of studies that stopped whenever they were decided; few of them here,
    many in the calibration."""
    rng, shares, held, together = np.random.default_rng(0), (0.9, 0.5, 0.4), [], []
    counts = SeedCounts(until="decided", looks=(5, 10, 20), compare=20)
    rules = rules_of(counts)
    for _ in range(30):
        groups = drawn(rng, *shares, seeds=20)
        found = asked(groups, Claim(best="a"), seeds=counts)
        made = decide(groups, rules, found.reached)
        compared = Compared(NAMES[:3], range(3), groups, rules, found.reached, made)
        for place, share in enumerate(shares):
            low, high = share_interval(compared, place, 0.05)
            held.append(low <= share <= high)
        pairs = made.axes[CONVERGING].pairs
        together.append(all(one.low <= shares[one.first] - shares[one.second] <= one.high for one in pairs))
    assert np.mean(held) >= 0.9
    assert np.mean(together) >= 0.83


def test_what_the_search_found_may_have_any_name():
    """A page and a launch call it differently, and stop at the same look."""
    for seed in range(4):
        groups = drawn(np.random.default_rng(seed), 0.7, 0.5, 0.6)
        rules, claims = rules_of(DECIDED), (Claim(best="a"),)
        ways = [Aims(claims, ("a", "b", found), (0, 1), "f1") for found in ("2", "best found (no. 8)")]
        assert progress(groups, rules, DECIDED, ways[0]) == progress(groups, rules, DECIDED, ways[1])


@pytest.mark.parametrize("digits", [1, 12])
def test_what_may_still_be_seen_is_tested_by_kruskal_and_wallis(digits):
    """With ties, and members that diverged below all others."""
    rng, method = np.random.default_rng(0), Forecast(Independent())
    for sizes in ((12, 12), (5, 9), (6, 12, 7)):
        groups = [np.round(rng.random(size), digits) for size in sizes]
        groups[0][0] = np.nan
        expected = stats.kruskal(*(np.nan_to_num(own, nan=-1.0) for own in groups)).pvalue
        assert method.p_all(SCORE, groups) == pytest.approx(expected)
        if len(groups) == 2:
            assert method.p(SCORE, *groups) == pytest.approx(expected)
