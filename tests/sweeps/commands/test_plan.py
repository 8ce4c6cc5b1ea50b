"""What `seedsweep plan` says of a study before it runs."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from seedsweep.core.errors import UserError
from seedsweep.core.records.paths import RunPaths
from seedsweep.sweeps.commands import plan
from seedsweep.sweeps.commands.plan import OneSeed, Plan, show
from seedsweep.sweeps.commands.power import lines
from seedsweep.sweeps.commands.truths import Assumed, assumed
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.study.loading import load
from tests.sweeps import toy


def words(study, asked=None):
    """What is said of a study's power, its cost being a day."""
    console = Console(file=io.StringIO(), width=100)
    for line in lines(study, asked or Assumed(), lambda seeds: (f"{seeds} days", f"{24 * seeds}")):
        console.print(line)
    return " ".join(console.file.getvalue().split())


def shares(said):
    """By the number of seeds, how many percent of studies tell the pair apart."""
    return {int(seeds): int(share) for seeds, share in re.findall(r"│ (\d+)[^│]*│ in (\d+) %", said)}


@pytest.mark.slow
def test_the_whole_plan(study_file, tmp_path):
    condition = "search.space.schedules.lr.every={if: {schedules.lr.name: step}}"
    study = load(study_file, None, ["criterion.hold=6", condition], None, "inline")
    console = Console(file=io.StringIO(), width=80)
    show(study, RunDirectory(RunPaths.of(tmp_path / "runs", study.name)), "inline", console)
    said = " ".join(console.file.getvalue().split())
    for part in (
        "4 by tpe",
        "2 named and the best found",
        "search alpha: 0 to 1 search schedules.lr.every: 4 to 24, if schedules.lr.name is step",
        "s, of which start and report about 20 s",
        "hold 6 of 6 evaluations: a seed must be good at every one of them",
        "power: 3 configurations, adjusted for all 3 pairs and both axes",
        "up to 3 │ never",
        "0.9 from 0.6",
        "node hours",
        "That alpha 1 is the best, if it converges in 90 % and the others in 60 %",
    ):
        assert part in said
    assert max(shares(said).values()) >= 78


@pytest.mark.slow
def test_one_seed_has_no_row_of_its_own(study_file, tmp_path):
    study = load(study_file, None, ["seeds.compare=1"], None, "inline")
    console = Console(file=io.StringIO(), width=200)
    show(study, RunDirectory(RunPaths.of(tmp_path / "runs", study.name)), "inline", console)
    said = console.file.getvalue()
    assert "up to 3" in said
    assert min(shares(said)) > 3


@pytest.mark.parametrize(
    ("of_one", "words"),
    [
        ([("a", 1, 60.0), ("b", 1, 70.0)], "a worker 70 s; seeds train one after another;"),
        ([("a", 1, 600.0), ("b", 8, 60.0)], "a worker 60 s (b) to 10 min (a); seeds train 1 to 8 together;"),
        ([("a", 8, 60.0)], "a worker 60 s; seeds train 8 together;"),
    ],
)
def test_what_a_seed_takes_is_said_of_the_fastest_and_the_slowest(study_file, tmp_path, monkeypatch, of_one, words):
    one_seed = tuple(OneSeed(name, "fused", together, seconds) for name, together, seconds in of_one)
    found = Plan(
        *("small", "", "Why?", (), {}, {}, "inline", 2, 1, str(tmp_path), 0, {}),
        *(4000.0, None, False, one_seed, None, None),
    )
    monkeypatch.setattr(plan, "_find", lambda *given: (found, None))
    console = Console(file=io.StringIO(), width=200)
    study = load(study_file, None, [], None, "inline")
    plan.show(study, RunDirectory(RunPaths.of(tmp_path, study.name)), "inline", console)
    said = console.file.getvalue()
    assert "estimated time: 67 min\n" in said
    assert f"  a seed takes {words} a few steps were timed just now\n" in said


@pytest.mark.parametrize("pair", [(0.9, 0.6), (0.95, 0.3)])
def test_power_grows_with_seeds_to_what_is_asked(study_file, pair):
    said = words(load(study_file, None, ["seeds.compare=12"], None, "here"), Assumed(*pair))
    found = shares(said)
    assert {12, 24} < found.keys()
    assert list(found.values()) == sorted(found.values())
    assert any(78 <= share <= 84 for share in found.values())
    assert f"{pair[0]:g} from {pair[1]:g}" in said
    assert re.search(r"│ 24 days +│ 576 ", said)


@pytest.mark.slow
def test_stopping_when_decided_saves_seeds(study_file):
    settings = ["seeds.until=decided", "seeds.least=6", "seeds.most=48"]
    said = words(load(study_file, None, settings, None, "here"), Assumed(0.95, 0.3))
    mean = re.search(r"Until decided, in that case: (\d+) seeds each on average \(looks at 6, 12, 24, 48\)", said)
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
    assert lines(alone, Assumed(), None) == []


@pytest.mark.slow
@pytest.mark.parametrize(("on", "trials"), [("inline", 1), ("slurm", 6)])
def test_trials_at_once_are_those_of_where_it_runs(study_file, tmp_path, monkeypatch, on, trials):
    """Three nodes of two CPUs, whatever this machine has."""
    monkeypatch.setattr(plan, "probe", lambda *_, **__: [plan_rate(1)])
    given = ["resources.allocation.nodes=3", "resources.allocation.cpus=2"]
    study = load(study_file, None, given, None, on)
    run = RunDirectory(RunPaths.of(tmp_path, study.name))
    assert plan.find(study, run, on, Console(quiet=True)).trials == trials


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.9,0.6", Assumed(0.9, 0.6)),
        ("[.5, 1]", Assumed(1.0, 0.5)),
        ("0.8", Assumed(wins=0.8)),
        ("0.1,0.2,0.7", Assumed(0.2, 0.1, 0.7)),
    ],
)
def test_what_is_assumed_is_read(text, expected):
    assert assumed(text) == expected


@pytest.mark.parametrize(
    "text", ["0.5", "1", "0.9,0.9", "90,60", "a,b", "nan,0.5", "0.1,0.2,0.3", "0.1,0.2,0.8,0.9", ""]
)
def test_what_cannot_be_assumed_is_refused(text):
    with pytest.raises(UserError, match="--power"):
        assumed(text)


@pytest.mark.parametrize("wins", [0.8, 0.95])
def test_power_of_scores_grows_with_seeds_and_with_the_difference(study_file, wins):
    study = load(study_file, None, ["seeds.compare=12"], None, "here")
    said = words(study, Assumed(wins=wins))
    assert f"scores, {wins:g}" in said
    rows = re.findall(r"│ (\d+) +│ in (\d+) % +│ in (\d+) % ", said)
    found = [int(scores) for *_, scores in rows]
    assert len(found) > 2
    assert found == sorted(found)
    assert any(74 <= share <= 90 for share in found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("claim", "words_of_it"),
    [
        ("{alike: [alpha 1, alpha 0], margin: 0.3}", "are alike within 0.3, if both converge in 90 %"),
        (
            "{alike: [alpha 1, alpha 0], margin: 0.05, axis: score}",
            "by score within 0.05, if they are equal and the standard deviation of seeds is 0.05",
        ),
        ("{best: alpha 1, axis: score}", "by score, if a seed of it is better than one of another in 90 % of pairs"),
        ("{below: [alpha 0, 0.4]}", "alpha 0 converges in less than 40 %, if it does in 20 %"),
    ],
)
def test_each_claim_is_simulated_where_it_holds(study_file, claim, words_of_it):
    """Few seeds support it more rarely than many, and those that are named do in about 80 %."""
    shares_of_it = []
    for seeds in (8, 60):
        study = load(study_file, None, [f"claims=[{claim}]", f"seeds.compare={seeds}"], None, "here")
        said = words(study)
        assert words_of_it in said
        found = re.search(rf"{seeds} seeds support it in (\d+) % of studies, (?:(\d+) seeds|more than are tried)", said)
        shares_of_it.append(int(found[1]))
        if found[2]:
            assert (int(found[2]) <= seeds) == (int(found[1]) >= 79) or abs(int(found[1]) - 80) < 6
    assert shares_of_it[0] < shares_of_it[1]


BELOW, BY_LOSS = "{below: [alpha 0, 0.4]}", "{best: alpha 1, measure: loss}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("claim", "shared", "table"),
    [
        (BELOW, "{below: 1}", None),
        (BELOW, "{converging: 0, below: 1}", None),
        (BELOW, "{score: 1, below: 1}", "scores, 0.9"),
        (BY_LOSS, "{loss: 1}", "loss, 0.9"),
        (BY_LOSS, "{loss: 1, converging: 1}", "0.9 from 0.6 ┃ loss, 0.9"),
    ],
)
@pytest.mark.parametrize("looks", ["", "[4, 8]", "any"])
def test_axes_without_a_share_are_left_out(study_file, claim, shared, table, looks):
    settings = [f"claims=[{claim}]", f"decision.shares={shared}", "seeds.compare=8", f"seeds.looks={looks or '[]'}"]
    said = words(load(study_file, None, settings, None, "here"))
    assert ("seeds support it in" in said) == (looks != "any")
    assert (f"┃ {table} ┃" in said) if table else "no share of the level is left to compare them" in said


def needed(study_file, claim, shared):
    study = load(study_file, None, [f"claims=[{claim}]", f"decision.shares={shared}"], None, "here")
    return int(re.search(r"of studies, (\d+) seeds in 80 %", words(study))[1])


def test_a_claim_has_the_level_of_its_own_axis(study_file):
    by_score = "{best: alpha 1, axis: score}"
    least, most = (needed(study_file, BY_LOSS, f"{{loss: {share}, score: {1 - share}}}") for share in (0.875, 0.125))
    assert least < most
    assert most == needed(study_file, by_score, "{score: 0.125, converging: 0.875}")


def until_decided(study_file, *claims):
    """Seeds each on average, and what is said of it."""
    settings = [f"claims=[{', '.join(claims)}]", "seeds.until=decided", "seeds.least=4", "seeds.most=16"]
    settings.append("search.explore=0")
    said = words(load(study_file, None, settings, None, "here"), Assumed(0.99, 0.2, 0.99))
    found = re.search(r"Until decided, ([^:]+): (\d+) seeds each on average.*(with all 16.*)", said)
    assert found
    return int(found[2]), found[1]


BETTER, BEST = "{better: [alpha 1, alpha 0]}", "{best: alpha 1}"
BY_SCORE, ALIKE = "{best: alpha 1, axis: score}", "{alike: [alpha 1, alpha 0], margin: 0.5}"


@pytest.mark.slow
@pytest.mark.parametrize("claims", [(BETTER, BELOW), (BY_SCORE, BELOW), (BETTER, BY_SCORE)])
def test_any_claim_keeps_a_study_going(study_file, claims):
    """On one axis, or on both."""
    alone = [until_decided(study_file, claim) for claim in claims]
    seeds, case = until_decided(study_file, *claims)
    assert seeds > max(own for own, _ in alone)
    assert {of for _, of in alone} == {"in that case"}
    assert case == "if both claims hold so"


def test_claims_that_contradict_each_other_are_said(study_file):
    seeds, case = until_decided(study_file, BEST, ALIKE)
    assert case == "where 1 of them holds"
    assert 4 <= seeds <= 16


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("optimizer.no_decay=['*.bais']", "optimizer.no_decay: '*.bais' fits no trained parameter"),
        ("init_from={run: other}", "before a launch: init_from.run: there is no run 'other' in"),
    ],
)
def test_what_a_launch_would_refuse_is_said(tmp_path, setting, words):
    study = load(str(toy.write(tmp_path / "mine")), None, [setting])
    console = Console(file=io.StringIO(), width=200)
    try:
        show(study, RunDirectory(RunPaths.of(tmp_path / "runs", study.name)), "inline", console)
    except UserError as error:
        console.print(str(error))
    assert words in console.file.getvalue()
