"""A user's function as a member: what it is given, what is recorded, how it goes on after a kill, how it fails."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from seedsweep.core.errors import UserError
from seedsweep.core.records.claim import Claim, FencedError
from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Criterion, judge
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.resources import Resources
from seedsweep.core.records.study import Study
from seedsweep.sweeps.running import user_code
from seedsweep.sweeps.running.evaluations import OwnCodeError
from seedsweep.sweeps.running.function_task import FunctionRun

SPEC = CohortSpec(
    phase="compare",
    number=0,
    configuration="0123456789abcdef",
    name="mine",
    overrides={"lr": 0.1},
    values={"lr": 0.1, "decay": 0, "task": "train.py:train", "training.batch": 8},
    seeds=(7,),
    steps=30,
)


class Bench:
    """A run directory with one cohort of a function whose source the test gives."""

    def __init__(self, folder: Path):
        self.home = folder / "home"
        self.home.mkdir()
        self.paths = RunPaths(folder / "runs" / "own")
        self.record: CohortRecord = Ledger(self.paths.cohorts).record(SPEC)
        self.record.create(SPEC)

    def open(self, source: str, launch: int = 1, *, same_thread: bool = False) -> FunctionRun:
        (self.home / "train.py").write_text(source)
        study = Study(
            name="own",
            task="train.py:train",
            hyperparameters={"lr": 0.1, "decay": 0},
            metrics={"accuracy": "max", "loss": "min"},
            criterion=Criterion("accuracy", 0.9, hold=1),
            resources=Resources(checkpoint_seconds=0),
        )
        user_code.use(self.paths, user_code.take(study, self.home, self.paths))
        self.claim: Claim = self.record.claim(launch)
        code = user_code.folder_in_use(self.paths)
        return FunctionRun(self.claim, SPEC, study, code, same_thread=same_thread)

    def train(self, source: str) -> FunctionRun:
        run = self.open(source)
        while not run.advance(1.0):
            pass
        return run


@pytest.fixture
def bench(tmp_path: Path):
    made = Bench(tmp_path)
    yield made
    user_code.use(made.paths, "")


def test_a_function_is_given_its_member(bench):
    run = bench.train(
        "import json\n"
        "def train(run):\n"
        "    (run.folder / 'seen.json').write_text(json.dumps([run.seed, run.hp.lr, run.hp['decay'], sorted(run.hp),"
        " run.values['training.batch'], run.steps, run.device,"
        " run.load()]))\n"
        "    run.report(10, accuracy=0.5)\n"
    )
    seen = next(bench.record.folder.glob("files.*/seen.json")).read_text()
    assert seen == '[7, 0.1, 0, ["decay", "lr"], 8, 30, "cpu", null]'
    assert run.facts["engine"] == "function"


def test_reports_are_recorded_as_evaluations(bench):
    run = bench.train(
        "import numpy as np, torch\n"
        "def train(run):\n"
        "    run.report(0, accuracy=0.1, loss=torch.tensor(2.0))\n"
        "    run.report(5, loss=1.5)\n"
        "    run.report(np.int64(10), accuracy=np.float32(0.5))\n"
        "    run.report(30, accuracy=1)\n"
        "    run.report(30, loss=0.25)\n"
    )
    curves = run.curves()
    assert curves.steps == [0, 10, 30]
    assert curves.column("accuracy")[:, 0].tolist() == [0.1, 0.5, 1.0]
    np.testing.assert_array_equal(curves.column("loss")[:, 0], [2.0, math.nan, 0.25])
    assert (curves.seeds, run.step, run.diverged_at) == ([7], 30, [None])


def test_a_repeated_step_replaces_the_earlier_one(bench):
    run = bench.train(
        "def train(run):\n    run.report(10, accuracy=float('nan'))\n    run.report(20, accuracy=0.5)\n"
        "    run.report(10, accuracy=0.25)\n"
    )
    assert run.curves().steps == [10, 20]
    assert run.curves().column("accuracy")[:, 0].tolist() == [0.25, 0.5]
    assert run.diverged_at == [None]


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_criterions_metric_that_is_not_finite_is_diverged(bench, value):
    run = bench.train(
        "def train(run):\n"
        "    run.report(10, accuracy=0.95, loss=float('nan'))\n"
        f"    for step in (20, 30):\n        run.report(step, accuracy=float('{value}'))\n"
    )
    assert run.diverged_at == [20]
    scores = run.curves().column("accuracy")[:, 0]
    outcome = judge(7, run.curves().steps, scores, run.diverged_at[0], Criterion("a", 0.9))
    assert outcome.outcome == "diverged"


def test_the_seed_decides_all_draws(bench):
    source = (
        "import random, numpy as np, torch\n"
        "def train(run):\n"
        "    run.report(1, accuracy=random.random())\n"
        "    run.report(2, accuracy=np.random.rand())\n"
        "    run.report(3, accuracy=torch.rand(()))\n"
    )
    first = bench.train(source).curves().column("accuracy")
    np.random.rand(3)
    torch.rand(3)
    assert np.array_equal(bench.train(source).curves().column("accuracy"), first)


# Kill and resume

COUNTS = (
    "import torch\n"
    "def train(run):\n"
    "    state = run.load() or {'step': 0, 'weights': torch.zeros(2), 'names': ['a', ('b', None)]}\n"
    "    assert state['names'] == ['a', ('b', None)]\n"
    "    for step in range(state['step'] + 1, 6):\n"
    "        if step == {stop} + 1 and not (run.folder / 'killed').exists():\n"
    "            (run.folder / 'killed').touch()\n"
    "            raise RuntimeError('killed')\n"
    "        state['weights'] += step\n"
    "        run.report(step, accuracy=float(state['weights'][0]))\n"
    "        if step != {stop}:\n"
    "            run.save({**state, 'step': step})\n"
)


def test_a_second_owner_goes_on_from_what_the_last_saved(bench):
    source = COUNTS.replace("{stop}", "3")
    first = bench.open(source)
    with pytest.raises(OwnCodeError, match="killed"):
        first.advance(10.0)
    first.close()
    recorded = bench.record.curves()
    assert recorded is not None
    assert recorded.steps == [1, 2]
    second = bench.open(source, launch=2)
    assert second.facts["resumed_at"] == 2
    assert second.advance(10.0)
    # Undisturbed: the sums of 1 to 5.
    assert second.curves().steps == [1, 2, 3, 4, 5]
    assert second.curves().column("accuracy")[:, 0].tolist() == [1, 3, 6, 10, 15]


def test_what_was_recorded_before_a_kill_and_not_saved_stays(bench):
    first = bench.open("def train(run):\n    run.report(10, accuracy=0.5)\n    raise ValueError\n")
    with pytest.raises(OwnCodeError):
        first.advance(10.0)
    bench.claim.write_curves(first.curves())
    second = bench.open("def train(run):\n    run.report(20, accuracy=0.75)\n")
    assert second.advance(10.0)
    assert second.curves().steps == [10, 20]


def test_evaluations_are_on_record_before_the_state_that_follows_them(bench):
    run = bench.open(
        "def train(run):\n    run.report(10, accuracy=0.5)\n    run.save({'step': 10})\n    raise MemoryError\n"
    )
    with pytest.raises(OwnCodeError, match="MemoryError"):
        run.advance(10.0)
    assert bench.record.curves().steps == [10]


def test_a_damaged_state_is_passed_over(bench):
    bench.train("def train(run):\n    run.save([1.5])\n    run.report(1, accuracy=1)\n")
    bench.claim.checkpoint.write_bytes(b"torn")
    run = bench.train("def train(run):\n    run.report(2, accuracy=float(run.load() is None))\n")
    assert run.curves().column("accuracy")[-1, 0] == 1.0


def test_nothing_that_would_be_unpickled_is_saved(bench):
    run = bench.open("def train(run):\n    run.save({'best': {'model': run.save}})\n")
    with pytest.raises(
        OwnCodeError, match=r"run.save: state\['best'\]\['model'\] is of type method; save tensors"
    ) as e:
        run.advance(10.0)
    assert "(train.py line 2)" in str(e.value)
    assert not bench.claim.checkpoint.exists()


def test_numbers_of_numpy_are_saved_as_numbers(bench):
    run = bench.train(
        "import numpy as np\n"
        "def train(run):\n    run.save({'best': np.float64(0.5)})\n    run.report(1, accuracy=run.load()['best'])\n"
    )
    assert run.curves().column("accuracy")[0, 0] == 0.5


# What goes wrong


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run.report(1, acuracy=1)", r"no metric 'acuracy' in the study's `metrics`; did you mean accuracy\?"),
        ("run.report(1.5, accuracy=1)", "step 1.5 is no whole number"),
        ("run.report(True, accuracy=1)", "step True is no whole number"),
        ("run.report(-1, accuracy=1)", "step -1 is no whole number"),
        ("run.report(1, accuracy='high')", "accuracy is 'high'; it must be a number"),
        ("run.report(1, accuracy=[1, 2])", r"accuracy is \[1, 2\]; it must be a number"),
        ("run.hp.lrr", "AttributeError: there is no hyperparameter 'lrr'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(bench, line, said):
    run = bench.open(f"def train(run):\n    help_with(run)\n\ndef help_with(run):\n    {line}\n")
    with pytest.raises(OwnCodeError, match=said) as caught:
        run.advance(10.0)
    text = str(caught.value)
    assert text.startswith("train.py:train: ")
    assert text.endswith("(train.py line 5)")
    assert "\n" not in text
    assert "in help_with" in caught.value.detail
    assert "function_task.py" not in caught.value.detail


@pytest.mark.parametrize("body", ["pass", "run.report(1, loss=0.5)"])
def test_a_function_that_never_reports_the_criterions_metric_is_told(bench, body):
    run = bench.open(f"def train(run):\n    {body}\n")
    with pytest.raises(
        OwnCodeError, match=r"train.py:train never reported accuracy in 30 steps .*: call run.report\(step, accuracy"
    ):
        run.advance(10.0)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("train = 3\n", "task: train.py:train is int; it must be a function"),
        ("def train():\n    pass\n", r"task: train.py:train\(\) must take one argument"),
        ("def train(run, lr):\n    pass\n", "must take one argument"),
        ("import no_such_module\n", "task: train.py cannot be imported: ModuleNotFoundError"),
        ("def trian(run):\n    pass\n", r"train.py has no 'train'; did you mean trian\?"),
    ],
)
def test_a_function_that_cannot_be_called_is_refused_before(bench, source, said):
    with pytest.raises(UserError, match=said):
        bench.open(source)


# Driving it

WAITS = (
    "import time\n"
    "def train(run):\n"
    "    for step in range(1, 100000):\n"
    "        run.report(step, accuracy=0.5)\n"
    "        time.sleep(0.01)\n"
)


def test_the_caller_sees_progress_while_it_runs(bench):
    run = bench.open(WAITS)
    assert not run.advance(0.05)
    seen = run.step
    while run.step == seen:
        assert not run.advance(0.05)
    assert run.curves().steps
    run.close()


@pytest.mark.parametrize(
    "source", [WAITS, "def train(run):\n    while True:\n        pass\n"], ids=["reports", "spins"]
)
def test_closing_ends_the_function(bench, source):
    before = threading.active_count()
    run = bench.open(source)
    run.advance(0.05)
    run.close()
    assert threading.active_count() == before


def test_a_fenced_worker_ends(bench):
    run = bench.open(WAITS)
    run.advance(0.05)
    bench.record.claim(2)
    with pytest.raises(FencedError):
        run.advance(0.05)
    run.close()


def test_it_runs_in_the_callers_thread_to_its_end_if_asked(bench):
    run = bench.open(
        "import threading\ndef train(run):\n    run.report(1, accuracy=threading.get_ident() % 1000)\n",
        same_thread=True,
    )
    assert run.advance(0.0)
    assert run.curves().column("accuracy")[0, 0] == threading.get_ident() % 1000


def test_the_folder_is_its_owners_and_begins_as_a_copy(bench):
    grows = "def train(run):\n    log = run.folder / 'log'\n    log.open('a').write('x')\n"
    grows += "    run.report(1, accuracy=log.stat().st_size)\n"
    for owner in (1, 2, 3):
        run = bench.train(grows)
        assert run.curves().column("accuracy")[0, 0] == owner
    # What the earlier owners had is gone.
    assert len(list(bench.record.folder.glob("files.*"))) == 1


def test_a_killed_process_leaves_what_it_recorded(bench):
    source = (
        "import time\n"
        "def train(run):\n"
        "    first = (run.load() or {'step': 0})['step']\n"
        "    for step in range(first + 1, 6):\n"
        "        run.report(step, accuracy=step)\n"
        "        run.save({'step': step})\n"
        "        while first == 0 and step == 3:\n"
        "            time.sleep(0.01)\n"
    )
    child = os.fork()
    if child == 0:
        try:
            bench.open(source).advance(60.0)
        finally:
            os._exit(0)
    limit = time.monotonic() + 60
    while not (bench.record.checkpoints() and (c := bench.record.curves()) and c.steps == [1, 2, 3]):
        assert time.monotonic() < limit
        time.sleep(0.01)
    # The state follows its evaluations at once; either may be the last that the kill leaves.
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    run = bench.train(source)
    assert run.curves().column("accuracy")[:, 0].tolist() == [1, 2, 3, 4, 5]
