"""kill -9 of the driver, of a worker, of Ray's own processes, and of everything, at several moments of a launch: the
same command again, or the launch itself, ends in a ledger that equals an undisturbed run's to the bit."""

import contextlib
import signal

import psutil
import pytest

from tests.sweeps import toy
from tests.sweeps.launching import assert_view_agrees, contents, run, run_inline, start
from tests.waiting import PATIENCE, wait_for

#: Long enough that a kill hits a cohort in the middle.
SETTINGS = ["--set", "training.steps=96", "--set", "training.evaluate_every=8", "--set", "settings.pause=0.005"]
ALL = f"{toy.COHORTS}/{toy.COHORTS} cohorts, {toy.MEMBERS}/{toy.MEMBERS} members"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return toy.write(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def undisturbed(study, tmp_path_factory):
    """Without Ray, which leaves the same."""
    directory, failed, _ = run_inline(study, tmp_path_factory.mktemp("undisturbed"), *SETTINGS[1::2])
    assert failed == []
    return contents(directory.paths.folder)


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
    with contextlib.suppress(psutil.NoSuchProcess):
        return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return []


def kill(processes):
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize(
    ("what", "moment"),
    [
        ("everything", first_cohort),
        ("driver", first_checkpoint),
        ("driver", third_outcome),
        ("everything", late),
    ],
    ids=["everything, at once", "driver, early", "driver, midway", "everything, late"],
)
def test_killed_and_launched_again(study, undisturbed, tmp_path, what, moment):
    process = start(study, "--runs", tmp_path, *SETTINGS)
    wait_for(lambda: moment(tmp_path / "toy"))
    processes = family(process.pid)
    kill(processes if what == "everything" else [psutil.Process(process.pid)])
    process.wait(PATIENCE)
    assert len(undisturbed) > sum(outcome is not None for *_, outcome in contents(tmp_path / "toy").values())
    # Where a launch goes on is all the same; with Ray once.
    on = "here" if (what, moment) == ("driver", first_checkpoint) else "inline"
    done = run(study, "--runs", tmp_path, "--on", on, *SETTINGS)
    assert ALL in done.stdout
    assert contents(tmp_path / "toy") == undisturbed
    assert_view_agrees(tmp_path, "toy")
    # The killed driver's Ray went with it (its agents look for their parent once in a while).
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE)
    assert not alive


def workers(pid, busy):
    """Trial actors of a launch: Ray names them after what they do, and after their class when they do nothing."""
    title = "ray::ResourceTrainable.train" if busy else "ray::CohortTrial"
    found = []
    for process in family(pid):
        with contextlib.suppress(psutil.Error):
            found += [process] if " ".join(process.cmdline()).startswith(title) else []
    return found


@pytest.mark.parametrize("busy", [True, False], ids=["training", "between two tasks"])
def test_a_killed_worker_is_replaced_within_the_launch(study, undisturbed, tmp_path, busy):
    process = start(study, "--runs", tmp_path, *SETTINGS)
    wait_for(lambda: first_checkpoint(tmp_path / "toy"))
    kill(wait_for(lambda: workers(process.pid, busy))[:1])
    assert process.wait(PATIENCE) == 0
    assert contents(tmp_path / "toy") == undisturbed
    assert_view_agrees(tmp_path, "toy")


def of_ray(pid, name):
    """Ray's own processes of a launch, by their name or, of an agent that has not named itself yet, its program."""
    found = []
    for process in family(pid):
        with contextlib.suppress(psutil.Error):
            if process.name() == name or f"ray::{name}" in (process.name(), *process.cmdline()):
                found.append(process)
    return found


@pytest.mark.parametrize("name", ["raylet", "DashboardAgent", "RuntimeEnvAgent"])
def test_a_launch_whose_ray_dies_goes_on_with_another(study, undisturbed, tmp_path, name):
    process = start(study, "--runs", tmp_path, *SETTINGS)
    wait_for(lambda: first_checkpoint(tmp_path / "toy"))
    before = family(process.pid)[1:]
    kill(wait_for(lambda: of_ray(process.pid, name)))
    assert process.wait(PATIENCE) == 0
    assert contents(tmp_path / "toy") == undisturbed
    _, alive = psutil.wait_procs(before, timeout=PATIENCE)
    assert not alive


def test_a_launch_whose_ray_dies_twice_ends_with_a_line_and_exit_status_1(study, tmp_path):
    with open(tmp_path / "said.txt", "w") as said:
        process = start(study, "--runs", tmp_path, *SETTINGS, "--set", "training.steps=4000", output=said)
        raylets = wait_for(lambda: first_checkpoint(tmp_path / "toy") and of_ray(process.pid, "raylet"))
        kill(raylets)
        again = wait_for(lambda: [each for each in of_ray(process.pid, "raylet") if each not in raylets])
        wait_for(lambda: workers(process.pid, busy=True))
        kill(again)
        assert process.wait(PATIENCE) == 1
    lines = (tmp_path / "said.txt").read_text().splitlines()
    (error,) = [line for line in lines if line.startswith("error: ")]
    assert error.startswith("error: Ray has died")
    assert "for the second time" in error
    assert "Traceback" not in "".join(lines)


def test_without_its_gcs_server_a_launch_ends_with_a_line_and_exit_status_1(study, undisturbed, tmp_path):
    """Some of Ray's calls never return then, so that this process has no other way."""
    with open(tmp_path / "said.txt", "w") as said:
        process = start(study, "--runs", tmp_path, *SETTINGS, "--set", "training.steps=4000", output=said)
        wait_for(lambda: first_checkpoint(tmp_path / "toy"))
        processes = family(process.pid)
        kill(wait_for(lambda: of_ray(process.pid, "gcs_server")))
        assert process.wait(PATIENCE) in (0, 1)
    assert process.returncode == 1
    assert "error: Ray has died" in (tmp_path / "said.txt").read_text()
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE)
    assert not alive
