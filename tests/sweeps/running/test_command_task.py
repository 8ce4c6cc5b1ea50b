"""A user's program as a member: its arguments, its lines, its folder, its end, and that it dies with its owner."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from seedsweep.core.records.claim import FencedError
from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.lease import start_ticks
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.resources import Resources
from seedsweep.core.records.study import Study
from seedsweep.sweeps.running import user_code
from seedsweep.sweeps.running.command_task import CommandRun
from seedsweep.sweeps.running.evaluations import OwnCodeError
from tests.waiting import wait_for

VALUES = {"lr": 1e-05, "settings.width": 64, "settings.note": "two words; $(rm -rf /) '", "nesterov": True}
SPEC = CohortSpec(
    phase="compare",
    number=0,
    configuration="0123456789abcdef",
    name="mine",
    overrides={"lr": 1e-05},
    values=VALUES,
    seeds=(7,),
    steps=30,
)


class Bench:
    """A run directory with one cohort of a program whose source the test gives."""

    def __init__(self, folder: Path):
        self.home = folder / "home"
        self.home.mkdir()
        self.paths = RunPaths(folder / "runs" / "own")
        self.record: CohortRecord = Ledger(self.paths.cohorts).record(SPEC)
        self.record.create(SPEC)

    def open(self, source: str, command: str = "python train.py {folder}", **given: Any) -> CommandRun:
        (self.home / "train.py").write_text(f"import json, os, sys, time\nfolder = sys.argv[-1]\n{source}\n")
        study = Study(
            name="own",
            command=command,
            metrics={"accuracy": "max", "loss": "min"},
            criterion=Criterion("accuracy", 0.9, hold=1),
            resources=Resources(checkpoint_seconds=0),
            **given,
        )
        user_code.use(self.paths, user_code.take(study, self.home, self.paths))
        return CommandRun(self.record.claim(1), SPEC, study, user_code.folder_in_use(self.paths))

    def train(self, source: str, command: str = "python train.py {folder}", **given: Any) -> CommandRun:
        run = self.open(source, command, **given)
        while not run.advance(1.0):
            pass
        run.close()
        return run

    def files(self) -> Path:
        """Of the last owner."""
        return max(self.record.folder.glob("files.*"))


@pytest.fixture
def bench(tmp_path: Path):
    made = Bench(tmp_path)
    yield made
    user_code.use(made.paths, "")


# Its process


def test_a_program_is_given_its_member_and_runs_in_the_copy(bench):
    (bench.home / "data.txt").write_text("rows")
    run = bench.train(
        "print(json.dumps({'step': 1, 'accuracy': 1}))\n"
        "seen = [sys.argv[1:3], os.getcwd(), os.path.isdir(folder), open('data.txt').read(), sys.stdin.read()]\n"
        "open(folder + '/seen', 'w').write(json.dumps(seen))",
        "python train.py {seed} {settings.note} {folder}",
        inputs=("data.txt",),
    )
    copy = user_code.folder_in_use(bench.paths)
    expected = [["7", VALUES["settings.note"]], str(copy), True, "rows", ""]
    assert json.loads((bench.files() / "folder/seen").read_text()) == expected
    assert run.facts["engine"] == "command"


# Its lines


def test_lines_with_a_step_are_evaluations_and_all_is_kept(bench):
    run = bench.train(
        "print('epoch 1'); print('{broken'); print('[1, 2]'); print(json.dumps({'accuracy': 9}))\n"
        "print(json.dumps({'step': 10, 'accuracy': 0.25, 'loss': 2, 'time': 'noon', 'kind': [1]}))\n"
        "sys.stderr.write('\\rstep 15...')\n"
        "sys.stdout.write('\\r50 %\\r' + json.dumps({'step': 20.0, 'accuracy': 0.5}) + '\\n')\n"
        "print(json.dumps({'step': 25, 'loss': 1}))\n"
        "print(json.dumps({'step': 10, 'accuracy': 0.3}))\n"
        "sys.stdout.write(json.dumps({'step': 30, 'accuracy': 1}))"
    )
    assert run.curves().steps == [10, 20, 30]
    assert run.curves().column("accuracy")[:, 0].tolist() == [0.3, 0.5, 1.0]
    assert run.curves().column("loss")[0, 0] == 2
    output = (bench.files() / "output.txt").read_text()
    assert output.startswith("epoch 1")
    assert (bench.files() / "errors.txt").read_bytes() == b"\rstep 15..."


@pytest.mark.parametrize("value", ["NaN", "Infinity", "null"])
def test_a_criterions_metric_that_is_not_finite_is_diverged(bench, value):
    lines = "".join(
        f'print(\'{{"step": {step}, "accuracy": {v}}}\')\n' for step, v in ((1, 0.5), (2, value), (3, value))
    )
    run = bench.train(lines)
    assert run.curves().steps == [1, 2, 3]
    assert run.diverged_at == [2]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"step": 1.5, "accuracy": 1}', "step 1.5 is no whole number"),
        ('{"step": "1", "accuracy": 1}', "step '1' is no whole number"),
        ('{"step": 1, "accuracy": "high"}', "accuracy is 'high'; it must be a number"),
    ],
)
def test_a_line_that_cannot_be_an_evaluation_is_shown(bench, line, said):
    with pytest.raises(OwnCodeError, match=said) as caught:
        bench.train(f"print('{line}')")
    assert line in str(caught.value)


def test_a_very_long_line_is_no_evaluation_and_costs_no_other(bench):
    run = bench.train(
        "sys.stdout.write('x' * 5_000_000)\nprint()\nprint(json.dumps({'step': 1, 'accuracy': 0.5}))",
    )
    assert run.curves().steps == [1]


def test_progress_shows_while_it_runs(bench):
    run = bench.open("print(json.dumps({'step': 1, 'accuracy': 0.5}))\ntime.sleep(600)")
    wait_for(lambda: run.advance(0.05) or run.step == 1)
    assert not run.advance(0.0)
    run.close()


# Its end


def test_a_program_that_fails_leaves_its_last_lines(bench):
    with pytest.raises(OwnCodeError) as caught:
        bench.train("print('epoch 1')\nraise ValueError('shapes differ')")
    assert str(caught.value) == "`python train.py` failed with exit status 1: ValueError: shapes differ"
    assert "epoch 1" in caught.value.detail
    assert "raise ValueError" in caught.value.detail


def test_a_program_that_a_signal_ends_says_which(bench):
    with pytest.raises(OwnCodeError, match=r"`python train\.py` failed with signal SIGKILL: it wrote nothing"):
        bench.train("os.kill(os.getpid(), 9)")


@pytest.mark.parametrize("source", ["pass", "print(json.dumps({'step': 3, 'loss': 1}))"])
def test_a_program_that_prints_no_metric_is_told(bench, source):
    with pytest.raises(
        OwnCodeError, match=r"^`python train.py` printed no accuracy: .* \{\"step\": 100, \"accuracy\": 0.5\}"
    ):
        bench.train(source)


def test_a_program_that_is_not_there_is_named(bench):
    with pytest.raises(OwnCodeError, match="no_such_program: there is no such program"):
        bench.train("", "no_such_program train.py")


# Going on


def test_a_new_owner_goes_on_from_a_copy_of_what_the_last_left(bench):
    source = (
        "path = folder + '/step'\n"
        "first = int(open(path).read()) if os.path.exists(path) else 0\n"
        "for step in range(first + 1, 6):\n"
        "    print(json.dumps({'step': step, 'accuracy': step / 10 + first / 100}))\n"
        '    if first == 0 and step == 3: sys.stdout.write(\'{"step": 4, "acc\'); sys.stdout.flush(); sys.exit(1)\n'
        "    open(path, 'w').write(str(step))"
    )
    with pytest.raises(OwnCodeError):
        bench.train(source)
    run = bench.train(source)
    assert run.facts["resumed_at"] == 3
    assert run.curves().steps == [1, 2, 3, 4, 5]
    # Step 3 was reported before the kill, and again after it.
    assert run.curves().column("accuracy")[:, 0].tolist() == pytest.approx([0.1, 0.2, 0.32, 0.42, 0.52])
    assert len(list(bench.record.folder.glob("files.*"))) == 1


def test_evaluations_that_nobody_read_before_the_kill_are_not_lost(bench):
    first = bench.open("print(json.dumps({'step': 1, 'accuracy': 0.5}))\nopen(folder + '/told', 'w')\ntime.sleep(600)")
    first.advance(0.0)
    wait_for((bench.files() / "folder/told").exists)
    first.close()
    second = bench.train("print(json.dumps({'step': 2, 'accuracy': 0.5}))")
    assert second.curves().steps == [1, 2]


def test_evaluations_are_on_record_while_it_runs(bench):
    run = bench.open("print(json.dumps({'step': 1, 'accuracy': 0.5}))\ntime.sleep(600)")
    wait_for(lambda: run.advance(0.05) or bench.record.curves())
    assert bench.record.curves().steps == [1]
    run.close()


# Dying with its owner

#: A program with a child of its own that has left the group: `pids` names both.
FAMILY = (
    "import subprocess\n"
    "code = 'import signal, time; print(1, flush=True); time.sleep(600)'\n"
    "child = subprocess.Popen([sys.executable, '-c', code], start_new_session=True, stdout=subprocess.PIPE)\n"
    "child.stdout.readline()\n"
    "open(folder + '/.pids', 'w').write(f'{os.getpid()} {child.pid}')\n"
    "os.rename(folder + '/.pids', folder + '/pids')\n"
)


def pids_of(bench: Bench) -> list[int]:
    path = bench.files() / "folder/pids"
    wait_for(path.exists)
    return [int(pid) for pid in path.read_text().split()]


@pytest.mark.slow
def test_closing_ends_the_program_and_its_children_that_ignore_it(bench):
    deaf = FAMILY.replace("print(1", "signal.signal(15, signal.SIG_IGN); print(1")
    run = bench.open(deaf + "time.sleep(600)")
    run.advance(0.0)
    pids = pids_of(bench)
    run.close()
    assert [start_ticks(pid) for pid in pids] == [None, None]


def test_a_program_is_told_to_end_before_it_is_killed(bench):
    run = bench.open(
        "import signal\n"
        "def save(*_):\n    open(folder + '/saved', 'w')\n    sys.exit()\n"
        "signal.signal(signal.SIGTERM, save)\nopen(folder + '/ready', 'w')\ntime.sleep(600)"
    )
    run.advance(0.0)
    wait_for((bench.files() / "folder/ready").exists)
    run.close()
    assert (bench.files() / "folder/saved").exists()


def test_children_do_not_outlive_a_program_that_ends(bench):
    run = bench.train(FAMILY + "print(json.dumps({'step': 1, 'accuracy': 0.5}))")
    assert run.curves().steps == [1]
    assert start_ticks(pids_of(bench)[1]) is None


def test_a_fenced_worker_ends_its_program(bench):
    run = bench.open(FAMILY + "time.sleep(600)")
    run.advance(0.0)
    pids = pids_of(bench)
    bench.record.claim(2)
    with pytest.raises(FencedError):
        run.advance(0.1)
    run.close()
    assert [start_ticks(pid) for pid in pids] == [None, None]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_program_dies_with_its_owner(bench, number):
    """The owner is a process of its own, and a fork of it holds all that it had open."""
    owner = os.fork()
    if owner == 0:
        try:
            run = bench.open(FAMILY + "time.sleep(600)")
            run.advance(0.0)
            if os.fork() == 0:
                time.sleep(5)
                os._exit(0)
            run.advance(60.0)
        finally:
            os._exit(0)
    wait_for(lambda: list(bench.record.folder.glob("files.*/folder/pids")))
    pids = pids_of(bench)
    os.kill(owner, number)
    os.waitpid(owner, 0)
    wait_for(lambda: all(start_ticks(pid) is None for pid in pids))


def test_the_program_dies_with_a_launcher_that_is_killed(bench):
    run = bench.open("open(folder + '/pid', 'w').write(f'{os.getpid()} {os.getppid()}')\ntime.sleep(600)")
    run.advance(0.0)
    path = bench.files() / "folder/pid"
    wait_for(lambda: path.exists() and path.read_text())
    program, launcher = map(int, path.read_text().split())
    os.kill(launcher, signal.SIGKILL)
    with pytest.raises(OwnCodeError, match="SIGKILL"):
        run.advance(10.0)
    wait_for(lambda: start_ticks(program) is None)


def test_what_a_node_gives_is_inherited(bench, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    bench.train(
        "open(folder + '/seen', 'w').write(os.environ['CUDA_VISIBLE_DEVICES'] + os.environ['OMP_NUM_THREADS'])\n"
        "print(json.dumps({'step': 1, 'accuracy': 0.5}))"
    )
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    assert (bench.files() / "folder/seen").read_text() == f"3{threads}"


def test_to_the_end_in_one_call(bench):
    run = bench.open("print(json.dumps({'step': 1, 'accuracy': 0.5}))")
    assert run.advance(math.inf)
    assert run.advance(0.0)


def test_a_program_is_no_shell(bench):
    bench.train("print(json.dumps({'step': 1, 'accuracy': 0.5}))", "python train.py {settings.note} '$HOME' {folder}")
    shown = subprocess.run(["ls", bench.home], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["train.py"]
