"""Members that another run of the same folder has trained: taken where they are equals, and the same to the bit."""

import io
import json
import shutil

import pytest
from rich.console import Console

from seedsweep.analysis import methods, tables
from seedsweep.analysis.together import together
from seedsweep.core.records.claim import Claim
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.verified import verified
from seedsweep.core.training import checkpoint
from seedsweep.sweeps.commands.status import show
from seedsweep.sweeps.running import environment
from seedsweep.sweeps.running.cohort_run import CohortRun
from tests.sweeps import toy
from tests.sweeps.launching import contents, run_inline

SMALL = ("search.explore=0", "seeds.compare=3")


@pytest.fixture
def study(tmp_path):
    return toy.write(tmp_path / "mine")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(study file, runs folder with the run `first`); nobody changes either."""
    folder = tmp_path_factory.mktemp("trained")
    study = toy.write(folder / "mine")
    run_inline(study, folder / "runs", *SMALL, name="first")
    return study, folder / "runs"


@pytest.fixture
def runs(trained, tmp_path):
    """A copy of that runs folder."""
    return shutil.copytree(trained[1], tmp_path / "runs", symlinks=True)


def origins(run) -> dict:
    """Of each finished cohort of the comparison, by configuration and first seed."""
    records = [record for record in run.ledger.records() if record.finished]
    return {(spec.name, spec.seeds[0]): r.taken_from() for r in records if (spec := r.spec()).phase == "compare"}


def results(run) -> dict:
    """What became of each member, and all its evaluations, without where, when and in which cohort."""
    found = {}
    for record in run.ledger.records():
        spec = record.spec()
        outcomes, curves = verified(record, run.study().criterion)
        for place, outcome in enumerate(outcomes):
            found[spec.configuration, outcome.seed] = outcome, curves.steps, curves.values[:, place].tobytes()
    return found


@pytest.mark.slow
def test_what_another_run_has_trained_is_taken_and_is_the_same_to_the_bit(study, tmp_path):
    first, _, printed = run_inline(study, tmp_path / "runs", name="first")
    assert "taken" not in printed
    second, failed, printed = run_inline(study, tmp_path / "runs", name="second")
    alone, *_ = run_inline(study, tmp_path / "elsewhere", name="second")
    assert failed == []
    # The search asks the same, of what was taken too.
    assert contents(second.paths.folder) == contents(alone.paths.folder) == contents(first.paths.folder)
    assert f"\n{toy.MEMBERS} members taken from first\n" in printed
    assert set(origins(second).values()) == {"first"}
    assert set(origins(alone).values()) == {""}
    (origin,) = second.ledger.records()[0].run()["taken_from"]
    source = first.ledger.records()[0]
    assert origin["cohort"] == "/".join(source.spec().key)
    assert (origin["curves_sha256"], origin["seconds"]) == (source.curves_hash(), source.run()["seconds"])
    # Who takes from it names the run that trained them.
    shutil.rmtree(first.paths.folder)
    third, _, printed = run_inline(study, tmp_path / "runs", name="third")
    assert f"{toy.MEMBERS} members taken from first" in printed
    assert contents(third.paths.folder) == contents(alone.paths.folder)


@pytest.mark.slow
def test_they_are_counted_apart_wherever_members_are_told(trained, runs):
    run, *_ = run_inline(trained[0], runs, "search.explore=0", "seeds.compare=5", name="second")
    read = tables.read(run.paths.folder)
    assert read.members.groupby("taken_from").size().to_dict() == {"": 4, "first": 6}
    assert (read.members.taken_from == "first").tolist() == (read.members.seed < 3).tolist()
    when = read.registered.when
    assert methods.registration(read)[:2] == [
        f"Registered before the first of its own 4 members finished ({when}).",
        "6 members taken from first: what became of these may have been known before.",
    ]
    console = Console(file=io.StringIO(), width=200)
    show(run, [], console)
    assert "6 members taken from first" in console.file.getvalue()
    first = tables.read(runs / "first")
    assert "taken_from" not in first.members
    # Beside the run that they were taken from they are no second sample.
    both = together([first, read])
    assert both.changes[0] == "Left out, because second has the same members: first: plain, first: shrunk."
    assert not {"first: plain", "first: shrunk"} & set(both.members.label)


def test_they_are_judged_by_the_studys_own_criterion(study, tmp_path):
    first, *_ = run_inline(study, tmp_path, *SMALL, "criterion.threshold=10", name="first")
    second, *_ = run_inline(study, tmp_path, *SMALL, "criterion.threshold=0.000001", name="second")
    assert set(origins(second).values()) == {"first"}
    assert {outcome.outcome for outcome, *_ in results(first).values()} == {"converged"}
    assert {outcome.outcome for outcome, *_ in results(second).values()} == {"never"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "other",
    [
        ("training.steps=28",),
        ("resources.engine=loop",),
        ("resources.cohort=2",),
        ("resources.cpus=2",),
        ("seeds.vary=[init]",),
        ("resources.reuse=false",),
        ("configurations={plain: {shrink: 0.1}, shrunk: {shrink: 0.6}}",),
        ("data={name: 'toy.py:Points', seed: 1}",),
    ],
    ids=lambda other: other[0].split("=")[0],
)
def test_what_is_no_equal_is_trained(trained, runs, other):
    run, _, printed = run_inline(trained[0], runs, *SMALL, *other, name="second")
    assert set(origins(run).values()) == {""}
    assert "taken" not in printed
    assert "warning" not in printed


def test_of_other_code_nothing_is_taken(study, runs):
    (study.parent / "toy.py").write_text(toy.MODULE.replace("nn.Tanh()", "nn.ReLU()"))
    run, *_ = run_inline(study, runs, *SMALL, name="second")
    assert set(origins(run).values()) == {""}


@pytest.mark.parametrize("what", ["versions", "program_hash"])
def test_of_another_version_of_what_trains_nothing_is_taken(trained, runs, monkeypatch, what):
    other = {"versions": lambda: {"torch": "0.4"}, "program_hash": lambda: "another"}[what]
    monkeypatch.setattr(environment, what, other)
    run, *_ = run_inline(trained[0], runs, *SMALL, name="second")
    assert set(origins(run).values()) == {""}


def edit(record):
    path = record.folder / "outcome.json"
    written = json.loads(path.read_text())
    written["members"][0]["final"] = 0.0
    path.write_text(json.dumps(written))


def damage(record):
    path = next(record.folder.glob("curves.*.npz"))
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def tear(record):
    (record.folder / "outcome.json").write_text("{")


def criterion_of(record):
    path = record.folder.parents[2] / "study.json"
    values = json.loads(path.read_text())
    values["criterion"]["threshold"] = 0.123
    path.write_text(json.dumps(values))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (edit, "outcome.json was changed after it was written"),
        (damage, "is not what its outcome.json was written for"),
        (tear, "outcome.json cannot be read"),
        (criterion_of, "outcome.json or the study's criterion was changed"),
    ],
)
def test_what_is_damaged_or_was_edited_is_not_believed_and_said_in_a_line(trained, runs, harm, words):
    undisturbed = contents(runs / "first")
    for record in Ledger(RunPaths(runs / "first").cohorts).records():
        harm(record)
    second, failed, printed = run_inline(trained[0], runs, *SMALL, name="second")
    assert failed == []
    assert set(origins(second).values()) == {""}
    (line,) = [line for line in printed.splitlines() if "nothing was taken from first" in line]
    assert words in line
    assert contents(second.paths.folder) == undisturbed


def test_what_is_not_finished_is_not_waited_for(trained, runs):
    for record in Ledger(RunPaths(runs / "first").cohorts).records():
        if record.spec().name == "plain":
            (record.folder / "outcome.json").unlink()
    run, *_ = run_inline(trained[0], runs, *SMALL, name="second")
    assert origins(run) == {("plain", 0): "", ("shrunk", 0): "first"}


def test_a_fresh_start_takes_nothing_of_what_it_sets_aside(trained, runs):
    run_inline(trained[0], runs, *SMALL, name="second")
    # The second one's are copies of the first one's own.
    run, *_ = run_inline(trained[0], runs, *SMALL, name="first", fresh=True)
    assert set(origins(run).values()) == {""}


class Died(BaseException):
    """As by SIGKILL: nothing that follows in the worker runs."""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["before the outcome", "while the files are written"])
@pytest.mark.parametrize("lost", [True, False], ids=["source lost", "source there"])
def test_killed_in_the_middle_of_a_copy_it_ends_as_if_undisturbed(study, tmp_path, monkeypatch, where, lost):
    keep = (*SMALL, "resources.keep_weights=true")
    first, *_ = run_inline(study, tmp_path / "runs", *keep, name="first")

    def die(*given, **named):
        raise Died

    with monkeypatch.context() as patched:
        if where == "before the outcome":
            patched.setattr(Claim, "commit", die)
        else:
            whole = checkpoint.replace

            def torn(path, content):
                whole(path, content)
                die()

            patched.setattr(checkpoint, "replace", torn)
        with pytest.raises(Died):
            run_inline(study, tmp_path / "runs", *keep, name="second")
    if lost:
        shutil.rmtree(first.paths.folder)
    run, failed, _ = run_inline(study, tmp_path / "runs", *keep, name="second")
    anew, *_ = run_inline(study, tmp_path / "elsewhere", *keep, name="second")
    assert failed == []
    assert set(origins(run).values()) == {"" if lost else "first"}
    assert contents(run.paths.folder) == contents(anew.paths.folder)
    for one, other in zip(run.ledger.records(), anew.ledger.records(), strict=True):
        assert one.weights.read_bytes() == other.weights.read_bytes()
    assert not list(run.paths.cohorts.rglob(".*"))


@pytest.mark.slow
def test_weights_come_along_or_the_members_are_trained(study, tmp_path):
    keep = "resources.keep_weights=true"
    run_inline(study, tmp_path, *SMALL, name="first")
    second, *_ = run_inline(study, tmp_path, *SMALL, keep, name="second")
    assert set(origins(second).values()) == {""}
    third, *_ = run_inline(study, tmp_path, *SMALL, keep, name="third")
    assert set(origins(third).values()) == {"second"}
    for one, other in zip(third.ledger.records(), second.ledger.records(), strict=True):
        assert one.weights.read_bytes() == other.weights.read_bytes()
    # From a copy's state training goes on.
    grown, failed, _ = run_inline(study, tmp_path, *SMALL, keep, "training.steps=48", name="third")
    anew, *_ = run_inline(study, tmp_path / "elsewhere", *SMALL, keep, "training.steps=48", name="third")
    assert failed == []
    assert set(origins(grown).values()) == {""}
    assert results(grown) == results(anew)
    for record in second.ledger.records():
        record.weights.write_bytes(record.weights.read_bytes()[:100])
    fourth, *_ = run_inline(study, tmp_path, *SMALL, keep, "resources.retries=0", name="fourth")
    assert set(origins(fourth).values()) == {""}


@pytest.mark.slow
def test_only_whole_trials_are_taken_where_company_changes_rounding(study, tmp_path):
    searched = ("search.explore=4", "search.together=2", "search.window=2", "search.sampler=random", "seeds.compare=1")
    first, *_ = run_inline(study, tmp_path / "runs", *searched, name="first")
    explored = [record for record in first.ledger.records() if record.spec().phase == "explore"]
    together = {record.spec().number: record.run()["together"] for record in explored}
    assert together == {0: 2, 1: 2, 2: 2, 3: 2}
    next(record for record in explored if record.spec().number == 2).folder.rename(tmp_path / "gone")
    second, failed, _ = run_inline(study, tmp_path / "runs", *searched, name="second")
    anew, *_ = run_inline(study, tmp_path / "elsewhere", *searched, name="second")
    assert failed == []
    taken = {r.spec().number: r.taken_from() for r in second.ledger.records() if r.spec().phase == "explore"}
    assert taken == {0: "first", 1: "first", 2: "", 3: ""}
    assert contents(second.paths.folder) == contents(anew.paths.folder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["function", "command"])
def test_members_of_a_users_own_loop_are_taken_with_their_files(tmp_path, kind):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "own.py").write_text(
        """
import json, sys
from pathlib import Path

def train(run):
    (run.folder / "kept.txt").write_text(f"{run.seed} {run.hp.lr}")
    for step in (1, 2, 3):
        run.report(step, accuracy=run.hp.lr * step, loss=1.0)

if __name__ == "__main__":
    seed, lr, out = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    (out / "kept.txt").write_text(f"{seed} {lr}")
    for step in (1, 2, 3):
        print(json.dumps({"step": step, "accuracy": lr * step, "loss": 1.0}))
"""
    )
    what = {"function": "task: own.py:train", "command": "command: python own.py {seed} {lr} {folder}"}[kind]
    path = folder / "own.yaml"
    path.write_text(
        f"""
{what}
metrics: {{accuracy: max, loss: min}}
files: ["*.py"]
configurations: {{low: {{lr: 0.1}}, high: {{lr: 0.3}}}}
hyperparameters: {{lr: 0.1}}
seeds: {{compare: 2}}
criterion: {{metric: accuracy, threshold: 0.5, hold: 1}}
"""
    )
    runs = tmp_path / "runs"
    first, failed, _ = run_inline(path, runs, name="first")
    assert failed == []
    second, _, printed = run_inline(path, runs, name="second")
    assert "4 members taken from first" in printed
    assert contents(second.paths.folder) == contents(first.paths.folder)
    for one, other in zip(second.ledger.records(), first.ledger.records(), strict=True):
        (mine,), (theirs,) = (list(each.folder.rglob("kept.txt")) for each in (one, other))
        assert mine.read_text() == theirs.read_text()
    # What is reported of a step depends on which metric is the criterion's.
    third, *_ = run_inline(path, runs, "criterion={metric: loss, threshold: 2, hold: 1}", name="third")
    assert set(origins(third).values()) == {""}


def test_a_member_that_went_on_elsewhere_than_it_began_is_taken_by_none(study, tmp_path, monkeypatch):
    """Its second half is of another version than its first."""
    whole = CohortRun._save

    def killed(run, seconds):
        whole(run, seconds)
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(CohortRun, "_save", killed)
        with pytest.raises(Died):
            run_inline(study, tmp_path, *SMALL, name="first")
    with monkeypatch.context() as patched:
        patched.setattr(environment, "program_hash", lambda: "later")
        first, failed, _ = run_inline(study, tmp_path, *SMALL, name="first")
        assert failed == []
        half, other = sorted(first.ledger.records(), key=lambda record: -len(record.run()["environments"]))
        assert [len(record.run()["environments"]) for record in (half, other)] == [2, 1]
        second, *_ = run_inline(study, tmp_path, *SMALL, name="second")
    names = {record.spec().name: record.taken_from() for record in second.ledger.records()}
    assert names == {half.spec().name: "", other.spec().name: "first"}


def test_the_ledger_of_a_run_with_copies_needs_the_other_no_more(trained, runs):
    run_inline(trained[0], runs, *SMALL, name="second")
    shutil.rmtree(runs / "first")
    again, failed, printed = run_inline(trained[0], runs, *SMALL, name="second")
    assert failed == []
    assert "taken" not in printed
    assert len(Ledger(again.paths.cohorts).records()) == 2
