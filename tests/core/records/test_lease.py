import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records import lease

ROOT = Path(__file__).parents[3]


def another_host(**changes):
    return {**lease.this_process(), "host": "elsewhere", "pids": "others", "job": None, "restart": 0, **changes}


def test_each_lease_fences_the_one_before(tmp_path):
    first = lease.take(tmp_path, "owner", {"who": 1})
    assert first.held
    second = lease.take(tmp_path, "owner", {"who": 2})
    assert (first.held, second.held) == (False, True)
    assert lease.newest(tmp_path, "owner") == (second.number, {"who": 2})
    assert second.number == first.number + 1
    assert [path.name for path in tmp_path.iterdir()] == ["owner.000002"]


def test_rows_of_one_folder_do_not_mix(tmp_path):
    lease.take(tmp_path, "leader.5", {})
    assert lease.numbers(tmp_path, "leader") == []
    lease.take(tmp_path, "leader.5.0", {})
    assert lease.numbers(tmp_path, "leader.5") == [1]


def test_many_who_take_at_once_get_different_numbers(tmp_path):
    taken = []
    threads = [
        threading.Thread(target=lambda: taken.append(lease.take(tmp_path, "owner", {}).number)) for _ in range(32)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 32
    assert lease.numbers(tmp_path, "owner")[-1] == max(taken)


def test_a_released_lease_is_nobodys_and_its_number_is_not_given_again(tmp_path):
    first = lease.take(tmp_path, "launch", lease.this_process())
    assert lease.alive(tmp_path, "launch")["pid"] == lease.this_process()["pid"]
    first.release()
    assert lease.alive(tmp_path, "launch") is None
    assert lease.take(tmp_path, "launch", lease.this_process()).number == first.number + 1


def test_a_fenced_holder_releases_nothing(tmp_path):
    first = lease.take(tmp_path, "launch", lease.this_process())
    lease.take(tmp_path, "launch", lease.this_process())
    first.release()
    assert lease.alive(tmp_path, "launch")


def test_a_process_of_this_host_that_died_holds_nothing_at_once(tmp_path):
    code = (
        "import sys; from pathlib import Path; from seedsweep.core.records import lease\n"
        "lease.take(Path(sys.argv[1]), 'launch', lease.this_process()); print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    with other:
        assert other.stdout.readline() == b"held\n"
        assert lease.alive(tmp_path, "launch")["pid"] == other.pid
        other.kill()
    assert lease.alive(tmp_path, "launch") is None


def test_a_reused_process_number_is_another_process(tmp_path):
    lease.take(tmp_path, "launch", {**lease.this_process(), "started": 1})
    assert lease.alive(tmp_path, "launch") is None


def test_another_host_lives_while_it_shows_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.02)
    monkeypatch.setattr(lease, "PATIENCE", 1.0)
    lease.take(tmp_path, "launch", another_host())
    path = tmp_path / "launch.000001"
    old = path.stat().st_mtime - 5
    import os

    os.utime(path, (old, old))
    assert lease.alive(tmp_path, "launch") is None
    held = lease.Lease(tmp_path, "launch", 1)
    held.beat(fenced=lambda: None)
    for _ in range(500):
        if lease.alive(tmp_path, "launch"):
            break
        threading.Event().wait(0.01)
    assert lease.alive(tmp_path, "launch")["host"] == "elsewhere"
    held.release()


def test_a_beating_holder_is_told_when_it_is_fenced(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.02)
    fenced = threading.Event()
    lease.take(tmp_path, "launch", lease.this_process()).beat(fenced.set)
    assert not fenced.wait(0.2)
    lease.take(tmp_path, "launch", another_host())
    assert fenced.wait(10)


def test_one_that_rests_is_told_nothing_and_keeps_its_lease(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.02)
    fenced, held = threading.Event(), lease.take(tmp_path, "launch", lease.this_process())
    held.beat(fenced.set)
    held.rest()
    assert held.held
    lease.take(tmp_path, "launch", another_host())
    assert not fenced.wait(0.2)


@pytest.mark.parametrize(("restart", "lives"), [(0, False), (1, True), (2, True)])
def test_an_earlier_run_of_the_same_job_is_dead(tmp_path, monkeypatch, restart, lives):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    lease.take(tmp_path, "launch", another_host(job="7", restart=restart))
    assert (lease.alive(tmp_path, "launch") is not None) is lives


def test_leases_are_json(tmp_path):
    lease.take(tmp_path, "owner", lease.this_process())
    assert json.loads((tmp_path / "owner.000001").read_text())["pid"] > 0


def test_a_damaged_lease_is_named_in_one_line(tmp_path):
    lease.take(tmp_path, "owner", lease.this_process())
    (tmp_path / "owner.000001").write_text("{")
    with pytest.raises(SeedsweepError, match=r"owner\.000001 is damaged .* remove it once nothing runs"):
        lease.newest(tmp_path, "owner")
