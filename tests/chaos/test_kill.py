"""kill -9 of the driver, of a worker, and of everything, at several moments of a launch: the same command again ends
in a ledger that equals an undisturbed run's to the bit."""

import contextlib
import signal

import psutil
import pytest
from tests.sweeps.test_launch import wait_for

from tests.conftest import SMALL_STUDY
from tests.sweeps.launching import assert_view_agrees, contents, run, start

#: Long enough that a kill hits a cohort in the middle.
SETTINGS = ["--set", "training.steps=96", "--set", "training.evaluate_every=8"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "small.yaml"
    path.write_text(SMALL_STUDY)
    return path


@pytest.fixture(scope="module")
def undisturbed(study, tmp_path_factory):
    runs = tmp_path_factory.mktemp("undisturbed")
    run(study, "--runs", runs, *SETTINGS)
    return contents(runs / "small")


def first_checkpoint(folder):
    return list(folder.glob("cohorts/*/*/checkpoint.*.pt"))


def third_outcome(folder):
    """Of ten: some are explored, some wait, the comparison runs beside."""
    return len(list(folder.glob("cohorts/*/*/outcome.json"))) >= 3


def late(folder):
    return len(list(folder.glob("cohorts/*/*/outcome.json"))) >= 8


def first_cohort(folder):
    return list(folder.glob("cohorts/*/*/cohort.json"))


def family(pid):
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


def kill(processes):
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize(
    ("what", "moment"),
    [
        ("everything", first_cohort),
        ("driver", first_checkpoint),
        ("everything", first_checkpoint),
        ("driver", third_outcome),
        ("everything", late),
    ],
)
def test_killed_and_launched_again(study, undisturbed, tmp_path, what, moment):
    process = start(study, "--runs", tmp_path, *SETTINGS)
    wait_for(lambda: moment(tmp_path / "small"))
    processes = family(process.pid)
    kill(processes if what == "everything" else [psutil.Process(process.pid)])
    process.wait(30)
    assert len(undisturbed) > sum(outcome is not None for *_, outcome in contents(tmp_path / "small").values())
    done = run(study, "--runs", tmp_path, *SETTINGS)
    assert "10/10 cohorts, 20/20 members" in done.stdout
    assert contents(tmp_path / "small") == undisturbed
    assert_view_agrees(tmp_path, "small")
    # The killed driver's Ray went with it (its agents look for their parent once in a while).
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert not alive


def workers(pid, busy):
    """Trial actors of a launch: Ray names them after what they do, and after their class when they do nothing."""
    title = "ray::ResourceTrainable.train" if busy else "ray::CohortTrial"
    with contextlib.suppress(psutil.NoSuchProcess):
        return [p for p in family(pid) if " ".join(p.cmdline()).startswith(title)]
    return []


@pytest.mark.parametrize("busy", [True, False], ids=["training", "between two tasks"])
def test_a_killed_worker_is_replaced_within_the_launch(study, undisturbed, tmp_path, busy):
    process = start(study, "--runs", tmp_path, *SETTINGS)
    wait_for(lambda: first_checkpoint(tmp_path / "small"))
    kill(wait_for(lambda: workers(process.pid, busy))[:1])
    assert process.wait(120) == 0
    assert contents(tmp_path / "small") == undisturbed
    assert_view_agrees(tmp_path, "small")
