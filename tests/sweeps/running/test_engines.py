"""Which engine is chosen where the study leaves it open, or where it cannot have what it names."""

import json
from types import SimpleNamespace

import pytest

from seedsweep.core.training.compiled import CompileError
from seedsweep.sweeps.running import cohort_run, engines
from tests.sweeps import toy
from tests.sweeps.launching import run_inline

SMALL = ("search.explore=0", "seeds.compare=2")


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("SEEDSWEEP_CACHE", str(tmp_path / "cache"))
    # How fast it is here is nothing that these tests ask.
    monkeypatch.setattr(engines, "probe", lambda *given, **named: [engines.Rate(1, 100.0, 0)])
    compiler = engines.compiler
    compiler.cache_clear()
    yield toy.write(tmp_path / "mine")
    compiler.cache_clear()


@pytest.fixture
def fake(monkeypatch):
    """Compiling takes no time; `rate` is how fast what is compiled then is, beside 100."""

    def faked(rate: float) -> None:
        class Same(engines.Cohort):
            def __init__(self, *arguments, compiler=None, **options):
                super().__init__(*arguments, **options)

        monkeypatch.setattr(engines, "Cohort", Same)
        monkeypatch.setattr(cohort_run, "Cohort", Same)
        monkeypatch.setattr(engines, "compiler", lambda: SimpleNamespace(version="none"))
        monkeypatch.setattr(engines, "COMPILE_SECONDS", 0.0)
        monkeypatch.setattr(engines, "LOAD_SECONDS", 0.0)
        monkeypatch.setattr(engines, "time_steps", lambda cohort, seconds: rate)

    return faked


def engine_line(said: str) -> str:
    (line,) = [line for line in said.splitlines() if line.startswith("engine: ")]
    return line


def kept(run) -> list[dict]:
    return [json.loads(file.read_text()) for file in run.paths.probe.iterdir()]


def measured(study, tmp_path, *more: str):
    """What a launch keeps; it trains nothing."""
    run, failed, said = run_inline(study, tmp_path, *SMALL, *more)
    assert failed == []
    return run, said


@pytest.mark.slow
@pytest.mark.parametrize("load_seconds", [10.0, 0.0], ids=["too few to look", "looked for and not kept"])
def test_compiling_is_not_tried_for_few_steps(study, tmp_path, monkeypatch, load_seconds):
    monkeypatch.setattr(engines, "LOAD_SECONDS", load_seconds)
    _, said = measured(study, tmp_path, "resources.engine=auto")
    assert not list(tmp_path.rglob("done"))
    assert "too few steps to come for compiling to pay" in engine_line(said)


def test_what_is_no_faster_is_not_taken(study, tmp_path, fake):
    fake(104.0)
    run, said = measured(study, tmp_path, "resources.engine=auto")
    line = "compiled it is no faster: 104 members' steps a second, 100 not compiled with 1 at once"
    assert line in engine_line(said)
    assert [each["engine"] for each in kept(run)] == ["fused"]


def test_what_gives_something_else_is_not_taken(study, tmp_path, fake, monkeypatch):
    fake(1000.0)
    monkeypatch.setattr(engines, "difference", lambda one, other: 0.5)
    run, said = measured(study, tmp_path, "resources.engine=auto")
    assert "differs by 50 %" in engine_line(said)
    assert [each["engine"] for each in kept(run)] == ["fused"]


def test_what_does_not_compile_is_said_and_trained_otherwise(study, tmp_path, fake, monkeypatch):
    fake(1000.0)

    def refusing():
        raise CompileError("the step does not compile: no such operation")

    monkeypatch.setattr(engines, "compiler", refusing)
    run, said = measured(study, tmp_path, "resources.engine=auto")
    assert "the step does not compile: no such operation" in engine_line(said)
    assert [each["engine"] for each in kept(run)] == ["fused"]


def test_without_a_compiler_a_run_goes_on_as_it_began(study, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("CXX", "no-such-compiler")
        run, said = measured(study, tmp_path, "resources.engine=compiled")
    assert "there is no C++ compiler no-such-compiler: install g++" in engine_line(said)
    before = kept(run)
    assert [each["engine"] for each in before] == ["fused"]
    # There is one now: the choice stays.
    again, said = measured(study, tmp_path, "resources.engine=compiled", "seeds.compare=4")
    assert "install g++" in engine_line(said)
    assert "compiled" not in {record.run()["engine"] for record in again.ledger.records()}
    assert kept(again) == before


@pytest.mark.slow
def test_a_node_without_a_compiler_trains_what_is_compiled_elsewhere_and_says_so(study, tmp_path, fake, monkeypatch):
    """On a Ray whose nodes do not say whether they have one."""
    fake(1000.0)
    run, said = measured(study, tmp_path, "resources.engine=auto")
    assert [each["engine"] for each in kept(run)] == ["compiled"]

    def refusing():
        raise CompileError("there is no C++ compiler g++")

    monkeypatch.setattr(engines, "compiler", refusing)
    again, said = measured(study, tmp_path, "resources.engine=auto", "seeds.compare=4")
    assert "trained with the engine loop in place of compiled: on " in said
    warned = [record for record in again.ledger.records() if record.warning()]
    assert len(warned) == 2
    assert all("there is no C++ compiler g++" in record.run()["engine_reason"] for record in warned)
