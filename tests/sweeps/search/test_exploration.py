"""What is asked depends on the study and on the values told, never on when, in which order, or after what accident."""

import importlib
import itertools
import warnings

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from seedsweep.core.errors import UserError
from seedsweep.sweeps.search import exploration as module
from seedsweep.sweeps.search.exploration import SAMPLERS, Exploration
from seedsweep.sweeps.search.space import Parameter, Space

FLAT = Space(
    [
        Parameter("alpha", FloatDistribution(0, 1), (0.0, 0.5, 1.0)),
        Parameter("steps", IntDistribution(1, 100, log=True), (1, 10, 100)),
    ]
)
FLAT_FIRST = [{"alpha": 1.0, "steps": 10}, {"alpha": 0.0, "steps": 10}]
#: Every kind of parameter, and some that are not always there.
MIXED = Space(
    [
        Parameter("alpha", FloatDistribution(0, 1, step=0.125), (0.0, 0.5)),
        Parameter("name", CategoricalDistribution(["sgd", "adam"]), ("sgd", "adam")),
        Parameter("momentum", FloatDistribution(0.5, 0.99), (0.5, 0.9), {"name": "sgd"}),
        Parameter("nesterov", CategoricalDistribution([False, True]), (False, True), {"name": "sgd"}),
        Parameter("layers", IntDistribution(1, 9, step=2), (1, 5), {"name": "adam"}),
    ]
)
MIXED_FIRST = [{"alpha": 0.5, "name": "adam", "layers": 5}]
#: A search of each kind; those that know no conditions are refused with one.
SEARCHES = [
    *((sampler, FLAT, FLAT_FIRST) for sampler in SAMPLERS),
    *((sampler, MIXED, MIXED_FIRST) for sampler in ("tpe", "random", "grid")),
]
every_search = pytest.mark.parametrize(
    ("sampler", "space", "first"),
    SEARCHES,
    ids=[f"{s}{'-mixed' if space is MIXED else ''}" for s, space, _ in SEARCHES],
)


def exploration(sampler="tpe", space=FLAT, first=FLAT_FIRST, seed=0, window=3, together=1) -> Exploration:
    return Exploration(sampler, seed, window, space, first, together)


def value_of(point) -> float:
    return 1 - (point["alpha"] - 0.7) ** 2 - 0.001 * point.get("steps", 0) + 0.1 * point.get("nesterov", 0)


def explored(search: Exploration, count: int, late=lambda number: 0) -> list[dict]:
    """Ask and tell until `count` are asked; configuration n is told `late(n)` asks later than it could be."""
    asked: list[dict] = []
    untold: list[int] = []
    while len(asked) < count:
        for number in list(untold):
            if not search.ready or len(asked) - number > late(number):
                search.tell(number, value_of(asked[number]))
                untold.remove(number)
        asked.append(search.ask())
        untold.append(len(asked) - 1)
    for number in untold:
        search.tell(number, value_of(asked[number]))
    return asked


@every_search
def test_a_batch_depends_on_what_was_told_before_it_alone(sampler, space, first):
    def asked(*, early: bool) -> list[dict]:
        search, points = exploration(sampler, space, first, window=6, together=3), []
        for number in range(9):
            for before in range(number):
                # All that the batch waits for; or whatever else there is.
                if early or before <= number // 3 * 3 - 6:
                    search.tell(before, value_of(points[before]))
            assert search.ready
            assert search.within_batch == (number % 3 > 0)
            points.append(search.ask())
        assert search.ready == early
        return points

    assert asked(early=True) == asked(early=False)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_named_ones_first_then_within_range_and_without_an_end(sampler):
    asked = explored(exploration(sampler), 8)
    assert asked[:2] == FLAT_FIRST
    assert len({tuple(point.items()) for point in asked}) == 8
    for point in asked:
        assert 0 <= point["alpha"] <= 1
        assert 1 <= point["steps"] <= 100
        assert isinstance(point["steps"], int)


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_a_point_names_what_is_there_and_nothing_else(sampler):
    asked = explored(exploration(sampler, MIXED, MIXED_FIRST), 11)
    assert {point["name"] for point in asked} == {"sgd", "adam"}
    for point in asked:
        mine = {"momentum", "nesterov"} if point["name"] == "sgd" else {"layers"}
        assert set(point) == {"alpha", "name"} | mine
        assert isinstance(point.get("nesterov", True), bool)
        assert isinstance(point.get("layers", 1), int)
        assert all(each.within(point[each.path]) for each in MIXED.parameters if each.path in point)


@pytest.mark.slow
@every_search
def test_the_order_of_arrival_changes_nothing(sampler, space, first):
    prompt = explored(exploration(sampler, space, first), 9)
    assert explored(exploration(sampler, space, first), 9, late=lambda number: (number * 7) % 3) == prompt
    assert explored(exploration(sampler, space, first, seed=1), 9) != prompt or sampler == "grid"


@pytest.mark.slow
@every_search
@pytest.mark.parametrize("killed_after", [1, 4, 8])
def test_rebuilt_from_what_was_asked_it_goes_on_as_if_nothing_had_happened(sampler, space, first, killed_after):
    count = 11 if space is MIXED else 9
    undisturbed = explored(exploration(sampler, space, first), count)
    rebuilt = exploration(sampler, space, first)
    for number, point in enumerate(undisturbed[:killed_after]):
        rebuilt.restore(point, sampled=number >= len(first))
    for number, point in enumerate(undisturbed[:killed_after]):
        rebuilt.tell(number, value_of(point))
    later = []
    while rebuilt.asked < count:
        later.append(rebuilt.ask())
        rebuilt.tell(rebuilt.asked - 1, value_of(later[-1]))
    assert undisturbed[:killed_after] + later == undisturbed


@pytest.mark.parametrize(("space", "first"), [(FLAT, FLAT_FIRST), (MIXED, MIXED_FIRST)])
def test_killed_while_some_run_it_asks_the_same(space, first):
    """What runs is heeded by the sampler too: as asked, or as the ledger has it."""
    undisturbed = exploration("tpe", space, first, window=4)
    rebuilt = exploration("tpe", space, first, window=4)
    for number in range(16):
        point = undisturbed.ask()
        rebuilt.restore(point, sampled=number >= len(first))
        for search in (undisturbed, rebuilt):
            # Two are always on their way.
            if number >= 2:
                search.tell(number - 2, value_of(undisturbed.trials()[number - 2].params))
    assert undisturbed.ask() == rebuilt.ask()


def test_what_was_named_later_is_asked_next_and_once():
    search = exploration("random")
    asked = explored(search, 5)
    later = {"alpha": 0.25, "steps": 3}
    grown = exploration("random", first=[*FLAT_FIRST, later])
    for number, point in enumerate(asked):
        grown.restore(point, sampled=number >= 2)
        grown.tell(number, value_of(point))
    assert grown.ask() == later
    grown.tell(5, 0.5)
    search.tell(5, 0.5)
    assert grown.ask() == search.ask()


def test_it_waits_for_all_but_the_last_of_the_window():
    search = exploration(window=2)
    search.ask()
    assert search.ready  # one may run
    search.ask()
    assert not search.ready
    search.tell(1, 0.5)
    assert not search.ready  # number 0 is still open
    search.tell(0, 0.5)
    assert search.ready


@pytest.mark.slow
@pytest.mark.parametrize(("space", "first"), [(FLAT, FLAT_FIRST), (MIXED, MIXED_FIRST)])
def test_tpe_learns(space, first):
    asked = explored(exploration("tpe", space, first), 40)
    early = sum(value_of(point) for point in asked[2:10]) / 8
    late = sum(value_of(point) for point in asked[-8:]) / 8
    assert late > early


@pytest.mark.parametrize(("space", "first", "points"), [(FLAT, FLAT_FIRST, 9), (MIXED, MIXED_FIRST, 2 * 4 + 2 * 2)])
def test_a_grid_ends(space, first, points):
    search = exploration("grid", space, first)
    assert search.most == points  # the named ones are of them
    asked = explored(search, points)
    assert search.exhausted
    assert search.most == points
    assert sorted(map(str, map(dict.items, asked))) == sorted(map(str, map(dict.items, space.grid())))


def told(search: Exploration, points, values) -> Exploration:
    for number, (point, value) in enumerate(zip(points, values, strict=True)):
        search.restore(point, sampled=True)
        search.tell(number, value)
    return search


def test_the_best_is_among_good_ones_and_not_a_lucky_one_among_bad_ones():
    alphas = np.linspace(0, 1, 31)
    points = [{"alpha": float(alpha), "steps": 10} for alpha in alphas]
    values = np.where(alphas > 0.6, 0.9, 0.1) + np.tile([0.0, 0.05, -0.05], 11)[:31]
    values[6] = 1.0
    search = told(exploration(first=[]), points, values.tolist())
    assert alphas[search.best(range(31))] > 0.6
    assert search.best(range(10)) in (5, 6, 7)
    assert search.best([]) is None
    # What is told anew counts.
    for number in range(31):
        search.tell(number, 1.0 - float(values[number]))
    assert alphas[search.best(range(31))] < 0.6


@pytest.mark.parametrize(("space", "first"), [(FLAT, FLAT_FIRST), (MIXED, MIXED_FIRST)])
def test_the_best_does_not_depend_on_the_order_of_arrival_and_of_equal_ones_is_the_first(space, first):
    points = explored(exploration("random", space, first), 12)
    values = [None, *np.random.default_rng(0).random(11).tolist()]
    one, other = told(exploration(first=[], space=space), points, values), exploration(first=[], space=space)
    for point in points:
        other.restore(point, sampled=True)
    for number in reversed(range(12)):
        other.tell(number, values[number])
    assert one.best(range(12)) == other.best(range(12)) != 0
    assert one.best([0]) is None
    assert told(exploration(first=[], space=space), points, [0.5] * 12).best([3, 2, 7]) == 2
    assert exploration(first=[], space=space).best([]) is None


def shown(path) -> list:
    study = optuna.load_study(study_name="s", storage=f"sqlite:///{path}")
    return [(t.number, t.state, t.params, t.value) for t in study.trials]


@pytest.mark.slow
@pytest.mark.parametrize(("space", "first"), [(FLAT, FLAT_FIRST), (MIXED, MIXED_FIRST)])
@pytest.mark.parametrize("damage", [None, "missing", "garbage", "foreign", "disagrees"])
def test_the_view_agrees_with_the_search_whatever_was_there(tmp_path, damage, space, first):
    path = tmp_path / "optuna.db"
    search = exploration("tpe", space, first)
    asked = explored(search, 5)
    search.tell(3, None)
    search.write_view(path, "s")
    if damage == "missing":
        path.unlink()
    elif damage == "garbage":
        path.write_bytes(b"not a database")
    elif damage == "foreign":
        path.unlink()
        optuna.create_study(study_name="other", storage=f"sqlite:///{path}")
    elif damage == "disagrees":
        search.tell(3, 0.25)
    search.ask()
    search.tell(5, 0.5)
    search.ask()  # number 6 is running: not shown
    search.write_view(path, "s")
    trials = shown(path)
    assert [number for number, *_ in trials] == list(range(6))
    assert [params for _, _, params, _ in trials[:5]] == asked
    expected = (TrialState.COMPLETE, 0.25) if damage == "disagrees" else (TrialState.FAIL, None)
    assert (trials[3][1], trials[3][3]) == expected


def test_a_view_that_cannot_be_written_is_said_in_one_line(tmp_path):
    with pytest.raises(UserError, match=r"nowhere/optuna\.db cannot be written: .*unable to open database file"):
        exploration().write_view(tmp_path / "nowhere" / "optuna.db", "s")


@pytest.mark.parametrize(("space", "first"), [(FLAT, FLAT_FIRST), (MIXED, MIXED_FIRST)])
def test_importances_of_a_search_in_which_one_parameter_decides(space, first):
    search = exploration("random", space, first)
    for _ in range(40):
        search.ask()
        search.tell(search.asked - 1, search.trials()[-1].params["alpha"])
    importances = search.importances()
    assert max(importances, key=importances.get) == "alpha"
    assert exploration().importances() == {}


def test_it_says_nothing_and_leaves_what_others_hear_as_it_was(tmp_path, recwarn, capfd):
    before = optuna.logging.get_verbosity(), list(warnings.filters)
    importlib.reload(module)
    # With few trials, some parameters are in one of them alone.
    for (sampler, space, first), count in itertools.product(SEARCHES, (4, 5, 8)):
        search = exploration(sampler, space, first)
        explored(search, count)
        search.importances()
    search.write_view(tmp_path / "optuna.db", "s")
    assert (optuna.logging.get_verbosity(), list(warnings.filters)) == before
    assert not recwarn.list
    assert capfd.readouterr().err == ""
