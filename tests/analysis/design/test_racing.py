"""Racing names the best as often as all seeds do, with half of them."""

import numpy as np
import pytest

from seedsweep.analysis.design.racing import seeds_of_each
from seedsweep.core.records.study import SeedCounts


def seeds_wanted(converged, start, most, *, entered=True):
    """Of a race; whether each of the first seeds converged, None: not known yet."""
    known = {key: {s: one for s, one in enumerate(seeds) if one is not None} for key, seeds in converged.items()}
    return seeds_of_each(known, SeedCounts(compare=most, race=True, start=start), entered=entered)


def test_a_race_by_hand():
    good, middle, bad = [True] * 40, [True, False] * 20, [False] * 40
    assert seeds_wanted({0: [], 1: [], 2: []}, 4, 40) == {0: 4, 1: 4, 2: 4}
    # 4 of 4 against 0 of 4: the interval of the difference leaves out 0; against 2 of 4 it does not.
    assert seeds_wanted({0: good[:4], 1: middle[:4], 2: bad[:4]}, 4, 40) == {0: 8, 1: 8, 2: 4}
    assert seeds_wanted({0: good[:8], 1: middle[:4], 2: bad[:4]}, 4, 40) == {0: 8, 1: 8, 2: 4}
    # 8 of 8 against 4 of 8: decided.
    assert seeds_wanted({0: good[:8], 1: middle[:8], 2: bad[:4]}, 4, 40) == {0: 8, 1: 8, 2: 4}
    assert seeds_wanted({0: good, 1: good, 2: bad}, 4, 30) == {0: 30, 1: 30, 2: 4}


def test_nobody_is_dropped_before_everybody_is_there():
    assert seeds_wanted({0: [True] * 4, 1: [False] * 4}, 4, 40, entered=False) == {0: 4, 1: 4}
    assert seeds_wanted({0: [True] * 4, 1: [False, None, False, False]}, 4, 40) == {0: 4, 1: 4}


def test_a_round_is_judged_by_its_own_seeds():
    """Seeds from beyond, of an earlier and larger race, change nothing."""
    assert seeds_wanted({0: [True] * 40, 1: [False] * 4 + [True] * 36}, 4, 40) == {0: 4, 1: 4}


def raced(outcomes, start):
    """Outcomes [configurations, seeds] -> seeds of each at the race's end."""
    known = {number: [] for number in range(len(outcomes))}
    while True:
        wanted = seeds_wanted(known, start, outcomes.shape[1])
        if all(len(known[number]) == goal for number, goal in wanted.items()):
            return np.array([wanted[number] for number in known])
        known = {number: outcomes[number, :goal].tolist() for number, goal in wanted.items()}


@pytest.mark.parametrize(
    "shares", [None, (0.67, 0.67, 0.67, 0.42, 0, 0.95), (0.8, *[0.4] * 7)], ids=["spread", "the report's", "one good"]
)
def test_half_of_the_members_name_the_best_as_often(shares):
    rng = np.random.default_rng(0)
    all_named, race_named, used = [], [], []
    for _ in range(400):
        p = rng.random(6) if shares is None else np.array(shares)
        outcomes = rng.random((len(p), 40)) < p[:, None]
        seeds = raced(outcomes, start=5)
        last = np.flatnonzero(seeds == seeds.max())
        rates = [outcomes[number, : seeds[number]].mean() for number in last]
        all_named.append(p[outcomes.mean(1).argmax()] == p.max())
        race_named.append(p[last[np.argmax(rates)]] == p.max())
        used.append(seeds.sum() / outcomes.size)
    assert np.mean(race_named) >= np.mean(all_named) - 0.02
    assert np.mean(used) <= 0.52


def test_a_study_that_does_not_race_wants_every_seed():
    outcomes = {"a": dict.fromkeys(range(4), True), "b": dict.fromkeys(range(4), False)}
    assert seeds_of_each(outcomes, SeedCounts(compare=40)) == {"a": 40, "b": 40}


def test_a_race_goes_by_the_order_of_the_comparison_and_not_by_names():
    seeds = SeedCounts(compare=40, race=True, start=4)
    outcomes = {"b": dict.fromkeys(range(4), True), "a": dict.fromkeys(range(4), False)}
    assert list(seeds_of_each(outcomes, seeds).items()) == [("b", 4), ("a", 4)]
    assert seeds_of_each({**outcomes, "a": {0: True, 1: False, 3: True}}, seeds) == {"b": 4, "a": 4}
    assert seeds_of_each({**outcomes, "a": {0: True, 1: False, 2: True, 3: True}}, seeds) == {"b": 8, "a": 8}
    assert seeds_of_each({**outcomes, "a": {0: True, 1: False, 2: True, 3: True}}, seeds, entered=False) == {
        "b": 4,
        "a": 4,
    }
