"""How large cohorts are, and what is kept of the measuring."""

import json
import os

import pytest

from seedsweep.core.errors import UserError
from seedsweep.core.records.ledger import CohortRecord
from seedsweep.core.training import memory, probe
from seedsweep.core.training.probe import Rate
from seedsweep.shards.pack import pack
from seedsweep.sweeps.running import group_size as sizing
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.trainable import within_memory
from seedsweep.sweeps.study.schema import load

AUTO = ["resources.cohort=auto", "resources.engine=auto"]


def measured(*rates: float) -> list[Rate]:
    return [Rate(2**k, rate, 0) for k, rate in enumerate(rates)]


@pytest.fixture
def two_slots(monkeypatch):
    monkeypatch.setattr(sizing, "cores", lambda: 2)


@pytest.mark.parametrize(
    ("named", "seeds", "found", "size"),
    [
        # Six cohorts of 12 are three rounds of two; twelve of 6 are as many members a slot, at a lower rate.
        (6, 12, [measured(110, 125, 160, 200, 230)], 12),
        # Of five cohorts of 12 the last would have one slot idle.
        (5, 12, [measured(110, 125, 160, 200, 210)], 6),
        # Alone: half of the seeds on either slot.
        (1, 12, [measured(110, 125, 160, 180)], 6),
        # One after another: any size takes as long, and one cohort is least to look after.
        (2, 12, [[Rate(1, 1.0, 0)]], 12),
        # Convolutions on a CPU: groups of one, but cohorts of many.
        (2, 12, [measured(100, 90, 80)], 12),
    ],
)
def test_the_size_with_which_the_comparison_takes_least(study_file, two_slots, named, seeds, found, size):
    first = ", ".join(f"{{alpha: {index / 10}}}" for index in range(named))
    changes = [f"search.first=[{first}]", f"search.explore={named}", f"seeds.compare={seeds}", "claimed_best={}"]
    assert sizing.cohort_size(found, load(study_file, "laptop", [*AUTO, *changes])) == size


def test_on_a_cluster_all_nodes_count(study_file):
    """Two nodes of four GPUs: 120 members on 8 slots, where more of them take no longer, or as much longer."""
    asked = ["resources.gpus=1", "resources.allocation={nodes: 2, gpus: 4, cpus: 8}", "seeds.compare=40"]
    study = load(study_file, "cluster", [*AUTO, *asked])
    assert sizing.slots_of_node(study) == 4
    assert sizing.device_share(study) == 1
    launch_bound = [Rate(2**k, 100.0 * 2**k, 0) for k in range(7)]
    assert sizing.cohort_size([launch_bound], study) == 40
    flat = [Rate(1, 100.0, 0), Rate(2, 100.0, 0)]
    assert sizing.cohort_size([flat], study) == 5
    # A device that holds no more takes cohorts of no more.
    assert sizing.cohort_size([launch_bound], study, held=15) == 14
    assert sizing.device_share(load(study_file, "cluster", [*asked, "resources.gpus=0.25"])) == 0.25


def test_measured_once_and_kept(study_file, tmp_path, monkeypatch):
    study = load(study_file, "laptop", AUTO)
    run = RunDirectory(tmp_path, "small")
    run.begin(study, fresh=False)
    data = {study.data: pack(study.data, run.data_root)}
    sized = sizing.sized(study, run, data)
    assert isinstance(sized.resources.cohort, int)
    (file,) = run.probe.iterdir()
    kept = json.loads(file.read_text())["rates"]
    assert [rate["members"] for rate in kept] == [1, 2, 4]
    monkeypatch.setattr(probe, "probe", None)
    monkeypatch.setattr(sizing, "probe", None)
    assert sizing.sized(study, run, data) == sized
    task = sizing.load_task(study.task, data[study.data], "cpu")
    assert sizing.group_size(run, study, task, 1) == 1
    assert 1 <= sizing.group_size(run, study, task, 4) <= 4
    # What the user says is not measured.
    for engine, size in (("loop", 1), ("fused", 3)):
        said = load(study_file, "laptop", [f"resources.engine={engine}"])
        assert sizing.group_size(run, said, task, 3) == size
        assert sizing.sized(said, run, data) is said


def test_what_does_not_fit_is_one_line(study_file, tmp_path, monkeypatch):
    study = load(study_file, "laptop", AUTO)
    run = RunDirectory(tmp_path, "small")
    run.begin(study, fresh=False)
    data = {study.data: pack(study.data, run.data_root)}

    def refusing(*arguments):
        raise memory.OutOfMemoryError("one member alone needs more memory than there is")

    monkeypatch.setattr(sizing, "probe", refusing)
    with pytest.raises(UserError, match="one member alone"):
        sizing.sized(study, run, data)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("many", r"resources\.cohort: 'many' is no number of members, nor auto"),
        ("0", r"resources\.cohort: 0 is out of range"),
        ("2.5", r"resources\.cohort"),
    ],
)
def test_a_size_that_is_none_is_refused(study_file, given, line):
    with pytest.raises(UserError, match=line):
        load(study_file, "laptop", [f"resources.cohort={given}"])


def test_half_as_many_at_once_after_each_death_for_want_of_memory(tmp_path):
    """Ray ends a worker before the system does, and says so; another reason, or the same one again, changes nothing."""
    record = CohortRecord(tmp_path)
    assert within_memory(record, 12) == 12
    record.fail("Failure # 1 1 worker(s) were killed due to the node running low on memory. Memory on the node was ...")
    assert [within_memory(record, 12), within_memory(record, 12)] == [6, 6]
    os.utime(tmp_path / "limit.txt", (0, 0))
    assert within_memory(record, 12) == 3
    record.fail("ValueError: something else")
    os.utime(tmp_path / "limit.txt", (0, 0))
    assert within_memory(record, 12) == 3
    assert within_memory(record, 2) == 2


def test_a_gpu_is_measured_in_a_process_that_ends(study_file, tmp_path):
    """Where there is none, that process measures the CPU."""
    study = load(study_file, "laptop", [*AUTO, "resources.gpus=0.5"])
    run = RunDirectory(tmp_path, "small")
    run.begin(study, fresh=False)
    sized = sizing.sized(study, run, {study.data: pack(study.data, run.data_root)})
    assert sized.most_together >= 1
    (file,) = run.probe.iterdir()
    assert [rate["members"] for rate in json.loads(file.read_text())["rates"]] == [1, 2, 4]
