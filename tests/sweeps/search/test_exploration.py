"""What is asked depends on the study and on the values told, never on when, in which order, or after what accident."""

import optuna
import pytest
from optuna.trial import TrialState

from seedsweep.core.errors import UserError
from seedsweep.sweeps.search.exploration import SAMPLERS, Exploration, distribution, grid_points, objective

FIRST = [{"alpha": 1.0, "steps": 10}, {"alpha": 0.0, "steps": 10}]


def exploration(sampler="tpe", seed=0, window=3) -> Exploration:
    return Exploration(
        sampler,
        seed,
        window,
        {"alpha": distribution(0, 1, False, False), "steps": distribution(1, 100, True, True)},
        FIRST,
        {"alpha": grid_points(0, 1, False, False, 3), "steps": grid_points(1, 100, True, True, 3)},
    )


def value_of(values) -> float:
    return 1 - (values["alpha"] - 0.7) ** 2 - 0.001 * values["steps"]


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


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_named_ones_first_then_within_range_and_without_an_end(sampler):
    asked = explored(exploration(sampler), 8)
    assert asked[:2] == FIRST
    assert len({tuple(values.items()) for values in asked}) == 8
    for values in asked:
        assert 0 <= values["alpha"] <= 1
        assert 1 <= values["steps"] <= 100
        assert isinstance(values["steps"], int)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_order_of_arrival_changes_nothing(sampler):
    prompt = explored(exploration(sampler), 9)
    assert explored(exploration(sampler), 9, late=lambda number: (number * 7) % 3) == prompt
    assert explored(exploration(sampler, seed=1), 9) != prompt or sampler == "grid"


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("killed_after", [1, 4, 7])
def test_rebuilt_from_what_was_asked_it_goes_on_as_if_nothing_had_happened(sampler, killed_after):
    undisturbed = explored(exploration(sampler), 9)
    rebuilt = exploration(sampler)
    for number in range(killed_after):
        rebuilt.restore(undisturbed[number])
    for number in range(killed_after):
        rebuilt.tell(number, value_of(undisturbed[number]))
    later = []
    while rebuilt.asked < 9:
        later.append(rebuilt.ask())
        rebuilt.tell(rebuilt.asked - 1, value_of(later[-1]))
    assert undisturbed[:killed_after] + later == undisturbed


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


def test_tpe_learns():
    asked = explored(exploration("tpe"), 40)
    early = sum(value_of(v) for v in asked[2:10]) / 8
    late = sum(value_of(v) for v in asked[-8:]) / 8
    assert late > early


def test_a_grid_ends():
    search = exploration("grid")
    explored(search, 2 + 9 - 2)  # two of the nine are named ones
    assert search.exhausted


def test_the_objective_counts_seeds_first_and_breaks_ties_by_score():
    assert objective([True, False], [1.0, 0.0]) > objective([False, False], [1.0, 1.0])
    assert objective([True, False], [1.0, 0.8]) > objective([True, False], [1.0, 0.7])
    assert objective([True] * 3, [1.0] * 3) == pytest.approx(1 + 1 / 4)


def shown(path) -> list:
    study = optuna.load_study(study_name="s", storage=f"sqlite:///{path}")
    return [(t.number, t.state, t.params, t.value) for t in study.trials]


@pytest.mark.parametrize("damage", [None, "missing", "garbage", "foreign", "disagrees"])
def test_the_view_agrees_with_the_search_whatever_was_there(tmp_path, damage):
    path = tmp_path / "optuna.db"
    search = exploration()
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


def test_importances_of_a_search_in_which_one_parameter_decides():
    search = exploration("random")
    for _ in range(40):
        search.ask()
        search.tell(search.asked - 1, search.trials()[-1].params["alpha"])
    importances = search.importances()
    assert importances["alpha"] > importances["steps"]
    assert exploration().importances() == {}
