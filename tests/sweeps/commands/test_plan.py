"""What `seedsweep plan` says of a study before it runs."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from seedsweep.core.errors import UserError
from seedsweep.core.records.paths import RunPaths
from seedsweep.sweeps.commands.plan import show
from seedsweep.sweeps.commands.power import lines, pair_of
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.study.loading import load


def words(study, pair=(0.9, 0.6)):
    """What is said of a study's power, its cost being a day."""
    console = Console(file=io.StringIO(), width=100)
    for line in lines(study, pair, lambda seeds: (f"{seeds} days", f"{24 * seeds}")):
        console.print(line)
    return " ".join(console.file.getvalue().split())


def shares(said):
    """By the number of seeds, how many percent of studies tell the pair apart."""
    return {int(seeds): int(share) for seeds, share in re.findall(r"│ (\d+)[^│]*│ in (\d+) % of studies", said)}


def test_the_whole_plan(study_file, tmp_path):
    study = load(study_file, None, [], None, "inline")
    console = Console(file=io.StringIO(), width=80)
    show(study, RunDirectory(RunPaths.of(tmp_path / "runs", study.name)), "inline", console)
    said = " ".join(console.file.getvalue().split())
    for part in (
        "4 by tpe",
        "2 named and the best found",
        "estimated time:",
        "power: 3 configurations, adjusted for all 3 pairs and both axes",
        "up to 3 │ never: can show nothing",
        "0.9 told from 0.6",
        "node hours",
        "That alpha 1 is the best, if it converges in 90 % and the others in 60 %",
    ):
        assert part in said
    assert max(shares(said).values()) >= 78


@pytest.mark.parametrize("pair", [(0.9, 0.6), (0.95, 0.3)])
def test_power_grows_with_seeds_to_what_is_asked(study_file, pair):
    said = words(load(study_file, None, ["seeds.compare=12"], None, "here"), pair)
    found = shares(said)
    assert {12, 24} < found.keys()
    assert list(found.values()) == sorted(found.values())
    assert any(78 <= share <= 84 for share in found.values())
    assert f"{pair[0]:g} told from {pair[1]:g}" in said
    assert re.search(r"│ 24 days +│ 576 ", said)


def test_stopping_when_decided_saves_seeds(study_file):
    settings = ["seeds.until=decided", "seeds.least=6", "seeds.most=48"]
    said = words(load(study_file, None, settings, None, "here"), (0.95, 0.3))
    mean = re.search(r"Until decided, in that case: (\d+) seeds each in the mean \(looks at 6, 12, 24, 48\)", said)
    assert mean
    assert 6 < int(mean[1]) < 40
    assert f"{mean[1]} days in place of 48 days" in said


def test_looks_are_simulated(study_file):
    said = words(load(study_file, None, ["seeds.compare=24", "seeds.looks=[12, 24]"], None, "here"))
    one, two = (int(re.search(rf"24, {looks} +│ in (\d+) %", said)[1]) for looks in ("one look", "2 looks"))
    assert two < one


def test_nothing_is_said_of_one_configuration(study_file):
    study = load(study_file, None, ["search.explore=0"], None, "here")
    alone = study.model_copy(update={"configurations": {"alpha 1": {}}})
    assert lines(alone, (0.9, 0.6), None) == []


def test_what_is_asked_together_takes_less_time(study_file, tmp_path, monkeypatch):
    from seedsweep.sweeps.commands import plan

    seen = []
    monkeypatch.setattr(plan, "duration", lambda seconds: seen.append(seconds) or "some time")
    # Of each configuration the same rates, twice as high with twice the members.
    monkeypatch.setattr(plan, "probe", lambda *_, **__: [plan_rate(size) for size in (1, 2, 4)])
    for together in ("1", "2"):
        study = load(study_file, None, [f"search.together={together}", "search.window=2"], None, "inline")
        show(study, RunDirectory(RunPaths.of(tmp_path / "runs", study.name)), "inline", Console(file=io.StringIO()))
        seen.append(None)
    first, second = seen[0], seen[seen.index(None) + 1]
    assert second < first


def plan_rate(size):
    from seedsweep.core.training.probe import Rate

    return Rate(size, 2.0 * size, 0)


@pytest.mark.parametrize(("text", "pair"), [("0.9,0.6", (0.9, 0.6)), ("[.5, 1]", (1.0, 0.5))])
def test_two_shares_are_read(text, pair):
    assert pair_of(text) == pair


@pytest.mark.parametrize("text", ["0.9", "0.9,0.9", "90,60", "a,b", "nan,0.5", "0.1,0.2,0.3"])
def test_what_are_no_two_shares_is_refused(text):
    with pytest.raises(UserError, match="--power"):
        pair_of(text)
