"""How far a study is, on a terminal."""

import io
import os

import numpy as np
import pytest
from rich.console import Console

from seedsweep.analysis import tables
from seedsweep.analysis.comparison import compare
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Criterion, judge
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.decision import Claim, SeedCounts
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.registration import register
from seedsweep.core.records.study import Dimension, Search, Study
from seedsweep.sweeps.commands.status import show
from seedsweep.sweeps.running.run_directory import RunDirectory

NAME = "learning_rate_of_the_backbone"


@pytest.fixture
def run(tmp_path):
    paths = RunPaths(tmp_path / "made")
    paths.folder.mkdir()
    search = Search(explore=1000, space={NAME: Dimension(low=0, high=1)})
    study = Study(
        name="made", configurations={"a name as long as names are": {}}, search=search, criterion=Criterion("f1", 0.9)
    )
    paths.study.write_text(study.to_json())
    for phase, number, name in (("explore", 999, ""), ("compare", 0, "a name as long as names are")):
        values = {NAME: 0.427}
        spec = CohortSpec(phase, number, phase, name, values, values, tuple(range(100)), 100000)
        Ledger(paths.cohorts).record(spec).create(spec)
    return RunDirectory(paths)


def table(run, width, *, terminal):
    console = Console(file=io.StringIO(), width=width, soft_wrap=True, force_terminal=terminal, color_system=None)
    show(run, [], console)
    assert console.width == width
    return console.file.getvalue()


def test_the_table_fits_80_columns_and_a_wider_terminal_shows_whole_names(run):
    shown = {width: table(run, width, terminal=True) for width in (80, 200)}
    rows = [line for line in shown[80].splitlines() if line.startswith(("explore", "compare"))]
    assert [row.split()[:2] for row in rows] == [["explore", "999"], ["compare", "0"]]
    assert all(row.split()[-5:] == ["0/100", "0", "0", "0", "0"] for row in rows)
    assert "diverged step" in shown[80]
    assert all(len(row) <= 80 for row in rows)
    assert f"{NAME} 0.427 " in shown[200]
    assert "a name as long as names are " in shown[200]


def test_the_table_is_whole_where_it_is_no_terminal(run):
    said = table(run, 40, terminal=False)
    assert f"{NAME} 0.427 " in said
    assert "a name as long as names are " in said


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        (["7 pending"], "waiting in the queue; 0 of 3024 members done\njob 7 pending\n"),
        ([], "stopped; 0 of 3024 members done\n"),
        # SLURM's own words are no job.
        (["squeue: error"], "stopped; 0 of 3024 members done\njob squeue: error\n"),
    ],
)
def test_a_run_waits_stops_or_runs(run, jobs, words):
    console = Console(file=io.StringIO(), width=80, soft_wrap=True)
    show(run, jobs, console)
    assert f"\nnot running: {words}" in console.file.getvalue()
    assert "report: none yet (seedsweep report made)" in console.file.getvalue()
    with run.hold():
        show(run, jobs, console)
    assert "\nrunning: process " in console.file.getvalue()


def test_a_job_that_lingers_does_not_make_a_finished_run_wait(kept):
    said = said_of(kept, "7 completing")
    assert "\nnot running: finished; 6 of 6 members done\njob 7 completing\n" in said


def test_open_cohorts_are_named_as_logs_takes_them(run):
    console = Console(file=io.StringIO(), width=200)
    show(run, [], console)
    said = console.file.getvalue()
    assert "open    compare/compare-000000-000099: compare a name as long as names are, seeds 0 to 99\n" in said
    assert "look:   seedsweep logs made compare/compare-000000-000099\n" in said
    # Nothing has ended: nothing is ahead.
    assert "most converged so far" not in said


def said_of(run, *jobs):
    console = Console(file=io.StringIO(), width=200)
    show(run, jobs, console)
    return console.file.getvalue()


def test_of_several_nodes_the_one_is_named_where_a_cohort_runs(run):
    first, second = run.ledger.records()
    host, queue = second.claim(1).record.owner()["host"], "7 running on n[1-2], 59:00 left"
    first.claim(0)
    with run.hold():
        runs, waits = (line for line in said_of(run, queue).splitlines() if line.startswith("open"))
        assert runs.endswith(f", seeds 0 to 99, on {host}")
        # Begun by an earlier launch alone.
        assert waits.endswith(", seeds 0 to 99, waiting")
        assert f" on {host}\n" not in said_of(run)
    assert f" on {host}\n" not in said_of(run, queue)


def test_what_failed_and_is_tried_again_is_open(run):
    record = run.ledger.records()[0]
    record.claim(1)
    record.fail("a node went down")
    with run.hold():
        assert "failed  " in said_of(run)
        assert "a node went down" in said_of(run)
        itself = "the launch tries again by itself (resources.retries: 2); then "
        assert f"retry:  {itself}seedsweep retry made\n" in said_of(run)
        # Some seconds ago, as the next attempt begins by a clock of whole seconds.
        os.utime(record.folder / "error.txt", (0, 0))
        assert "failed  " not in said_of(run)
        assert "retry:" not in said_of(run)
    # Nothing tries it any more.
    assert "failed  " in said_of(run)
    assert "retry:  seedsweep retry made\n" in said_of(run)


def test_before_the_first_cohort_there_is_no_table(run):
    assert "phase" in said_of(run)
    for record in run.ledger.records():
        (record.folder / "cohort.json").unlink()
    assert "phase" not in said_of(run)


def test_a_budget_stands_below_what_is_used(run):
    assert "budget:" not in said_of(run)
    study = run.study()
    resources = study.resources.model_copy(update={"most_hours": 40.0})
    run.paths.study.write_text(study.model_copy(update={"resources": resources}).to_json())
    assert "\nbudget: 40 core hours\n" in said_of(run)


def test_what_is_ahead_is_a_count(tmp_path):
    said = looked_at(tmp_path / "made", SeedCounts(compare=12), (3, 5), hold=1)
    assert "\nmost converged so far: a 3 of 3 (a count, no verdict)\n" in said
    assert "most converged" not in looked_at(tmp_path / "other", SeedCounts(compare=12), (3, 5))


def looked_at(folder, seeds, finished, claims=(), registered=2, before=0, hold=3):
    """What is said of a study of configurations of which so many seeds have finished; of the first all converged, of
    the others none.

    registered: of so many configurations, the others being named later.  before: seeds of the last one, in a cohort of
    fewer steps than it has by now.  hold: evaluations that must be good; each member has one.
    """
    paths = RunPaths(folder)
    paths.folder.mkdir()
    names = "abc"[: len(finished)]
    study = Study(
        name="made",
        configurations={name: {} for name in names[:registered]},
        claims=claims,
        seeds=seeds,
        criterion=Criterion("f1", 0.9, hold),
    )
    register(paths, study)
    study = study.model_copy(update={"configurations": {name: {} for name in names}})
    paths.study.write_text(study.to_json())
    blocks = [(number, 0, count, 10) for number, count in enumerate(finished)]
    if before:
        blocks.append((len(finished) - 1, finished[-1], before, 5))
    for number, start, count, steps in blocks:
        name = names[number]
        block = tuple(range(start, start + count))
        spec = CohortSpec("compare", number, f"c{number}", name, {}, {}, block, steps)
        record = Ledger(paths.cohorts).record(spec)
        record.create(spec)
        scores = np.full((1, count), 0.95 if name == "a" else 0.1)
        outcomes = [judge(seed, [steps], scores[:, at], None, study.criterion) for at, seed in enumerate(block)]
        where = {"host": "here", "device": "cpu", "engine": "fused", "seconds": 1.0}
        record.claim(1).commit(Curves([steps], scores[:, :, None], ["f1"], list(block)), outcomes, where)
    console = Console(file=io.StringIO(), width=100)
    show(RunDirectory(paths), [], console)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("seeds", "finished", "said"),
    [
        (SeedCounts(compare=40, looks=(12, 24, 40)), (12, 4), "before look 1 of 3 (at 12 of 40 seeds)"),
        (SeedCounts(compare=40, looks=(12, 24, 40)), (12, 12), "look 1 of 3 (12 of 40 seeds)"),
        (SeedCounts(compare=40, looks=(12, 24, 40)), (40, 30), "look 2 of 3 (24 of 40 seeds)"),
        (SeedCounts(until="decided", least=6, most=48), (5, 6), "before look 1 of 4 (at 6 of 48 seeds)"),
        (
            SeedCounts(until="decided", least=6, most=48),
            (6, 6),
            "look 1 of 4 (6 of 48 seeds); no more follows: all is decided",
        ),
    ],
)
def test_the_look_is_said(tmp_path, seeds, finished, said):
    assert f"\n{said}\n" in looked_at(tmp_path / "made", seeds, finished)


@pytest.mark.parametrize("seeds", [SeedCounts(compare=12), SeedCounts(compare=12, looks="any")])
def test_a_study_of_one_look_says_none(tmp_path, seeds):
    assert "\nlook " not in looked_at(tmp_path / "made", seeds, (12, 12))


@pytest.mark.slow
@pytest.mark.parametrize("finished", [(12, 12), (6, 6), (6, 5), (12, 12, 2), (6, 6, 3), (6, 6, 48), (5, 5, 6), (24, 6)])
@pytest.mark.parametrize("claims", [(), (Claim(alike=("a", "b"), margin=0.1),), (Claim(below=("b", 0.2)),)])
@pytest.mark.parametrize("before", [0, 6])
def test_status_and_page_say_the_same_look(tmp_path, finished, claims, before):
    """With a configuration that was named later, and with members that were not trained on."""
    seeds = SeedCounts(until="decided", least=6, most=48)
    said = looked_at(tmp_path / "made", seeds, finished, claims, before=before)
    progress = compare(tables.read(tmp_path / "made")).progress
    look = max(progress.reached)
    ends = {"": "\n", "decided": "; no more follows: all is decided\n", "futile": "; no more follows: more would not"}
    words = f"look {look} of 4 ({6 * 2 ** (look - 1)} of 48 seeds){ends[progress.stopped]}" if look else "before look 1"
    assert f"\n{words}" in said
