"""How large cohorts are, which engine trains them, and what is kept of the measuring."""

import json

import pytest
import torch

from seedsweep.core.errors import UserError
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.training import memory
from seedsweep.core.training.probe import Rate
from seedsweep.sweeps.running import engines, slots
from seedsweep.sweeps.running import group_size as sizing
from seedsweep.sweeps.running.engines import Measured
from seedsweep.sweeps.study.loading import load
from tests.sweeps import toy
from tests.sweeps.launching import run_inline

AUTO = ["resources.cohort=auto", "resources.engine=auto"]
LOOP = Measured("loop", "it asks for it", [Rate(1, 1.0, 0)])


def measured(*rates: float) -> Measured:
    return Measured("fused", "the same as alone", [Rate(2**k, rate, 0) for k, rate in enumerate(rates)])


@pytest.fixture
def study(tmp_path):
    return toy.write(tmp_path / "mine")


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
        (2, 12, [LOOP], 12),
        # Convolutions on a CPU: groups of one, but cohorts of many.
        (2, 12, [measured(100, 90, 80)], 12),
    ],
)
def test_the_size_with_which_the_comparison_takes_least(study, named, seeds, found, size):
    names = [f"{{lr: {index / 100 + 0.5}}}" for index in range(named)]
    configurations = [f"configurations.c{index}={values}" for index, values in enumerate(names)]
    loaded = load(str(study), None, [*AUTO, "claims=[]", "search.explore=0", f"seeds.compare={seeds}", *configurations])
    kept = {name: values for name, values in loaded.configurations.items() if name.startswith("c")}
    assert sizing.cohort_size(found, loaded.model_copy(update={"configurations": kept}), slots=2) == size


def test_on_a_cluster_all_nodes_count(study):
    """Two nodes of four GPUs: 8 slots, where more members take no longer, or as much longer."""
    asked = ["resources.gpus=1", "resources.allocation={nodes: 2, gpus: 4, cpus: 8}", "seeds.compare=40"]
    loaded = load(str(study), None, [*AUTO, *asked])
    assert slots.slots_of_allocation(loaded) == 8
    assert slots.device_share(loaded) == 1
    launch_bound = Measured("fused", "", [Rate(2**k, 100.0 * 2**k, 0) for k in range(7)])
    assert sizing.cohort_size([launch_bound], loaded, 8) == 40
    flat = Measured("fused", "", [Rate(1, 100.0, 0), Rate(2, 100.0, 0)])
    assert sizing.cohort_size([flat], loaded, 8) == 5
    # A device that holds no more takes cohorts of no more.
    assert sizing.cohort_size([launch_bound], loaded, 8, held=15) == 14
    assert slots.device_share(load(str(study), None, [*asked, "resources.gpus=0.25"])) == 0.25


def test_an_allocation_that_is_not_described_is_what_one_trial_needs(study):
    loaded = load(str(study), None, ["resources.cpus=2", "resources.allocation={nodes: 3}"])
    assert slots.slots_of_allocation(loaded) == 3


@pytest.mark.slow
def test_measured_once_in_a_run_and_kept(study, tmp_path, monkeypatch):
    small = (*AUTO, "search.explore=0", "seeds.compare=4")
    run, _, said = run_inline(study, tmp_path, *small)
    assert "engine: " in said
    (file,) = run.paths.probe.iterdir()
    kept = json.loads(file.read_text())
    assert [rate["members"] for rate in kept["rates"]][:2] == [1, 2]
    assert kept["engine"] in kept["reason"] or "members" in kept["reason"]

    def never(*arguments, **named):
        raise AssertionError("measured again")

    with monkeypatch.context() as patch:
        patch.setattr(engines, "probe", never)
        patch.setattr(engines, "choose_engine", never)
        assert run_inline(study, tmp_path, *small, "resources.retries=1")[1] == []
    file.write_bytes(file.read_bytes()[:-20])
    assert run_inline(study, tmp_path, *small)[1] == []
    assert json.loads(file.read_text())["engine"] == kept["engine"]


@pytest.mark.slow
def test_what_is_searched_together_trains_together_where_that_is_faster(study, tmp_path, monkeypatch):
    """Three configurations of two seeds, though no cohort has more than two members."""

    def probe(task, member, training, optimizer, most, share):
        return [Rate(members, 100.0 * members, 0) for members in range(1, most + 1)]

    monkeypatch.setattr(engines, "probe", probe)
    asked = ("search.explore=3", "search.together=3", "search.window=3", "seeds.search=2", "seeds.compare=2")
    run, failed, _ = run_inline(study, tmp_path, *AUTO, *asked)
    assert failed == []
    at_once = {(record.spec().phase, record.run()["at_once"]) for record in run.ledger.records()}
    assert at_once == {("explore", 6), ("compare", 2)}


def test_what_the_study_says_is_not_measured(study, tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "probe", None)
    monkeypatch.setattr(engines, "choose_engine", None)
    for engine, at_once in (("loop", 1), ("fused", 2)):
        settings = (f"resources.engine={engine}", "search.explore=0", "seeds.compare=2")
        run, _, said = run_inline(study, tmp_path, *settings, name=engine)
        assert f"engine: {engine}: the study says so" in said
        facts = [record.run() for record in run.ledger.records()]
        assert {(each["engine"], each["at_once"]) for each in facts} == {(engine, at_once)}


def test_why_members_go_one_after_another_is_said(study, tmp_path):
    (study.parent / "toy.py").write_text(
        toy.MODULE.replace("time.sleep(self.settings.pause)", 'batch["x"].sum().item()')
    )
    _, failed, said = run_inline(study, tmp_path, *AUTO, "search.explore=0", "seeds.compare=2")
    assert failed == []
    (line,) = [line for line in said.splitlines() if line.startswith("engine: ")]
    assert line.startswith("engine: loop: members go one after another")
    assert ".item()" in line


def test_what_does_not_fit_is_one_line(study, tmp_path, monkeypatch):
    def refusing(*arguments, **named):
        raise memory.OutOfMemoryError("one member alone needs more memory than there is")

    monkeypatch.setattr(engines, "probe", refusing)
    with pytest.raises(UserError, match="one member alone"):
        run_inline(study, tmp_path, *AUTO)


@pytest.mark.slow
def test_a_gpu_is_measured_in_a_process_that_ends(study, tmp_path, monkeypatch):
    """Where there is none, that process measures the CPU."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    settings = (*AUTO, "resources.gpus=0.5", "search.explore=0", "seeds.compare=2")
    run, failed, _ = run_inline(study, tmp_path, *settings)
    assert failed == []
    assert len(list(RunPaths(run.paths.folder).probe.iterdir())) == 1
