"""Which engine is chosen where the study leaves it open, or where it cannot have what it names."""

import json

import pytest

from seedsweep.core.training.compiled import CompileError
from seedsweep.sweeps.running import engines
from tests.sweeps import toy
from tests.sweeps.launching import run_inline

SMALL = ("search.explore=0", "seeds.compare=2")


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("SEEDSWEEP_CACHE", str(tmp_path / "cache"))
    compiler = engines.compiler
    compiler.cache_clear()
    yield toy.write(tmp_path / "mine")
    compiler.cache_clear()


@pytest.fixture
def fake(monkeypatch):
    """Compiling takes no time; `rate` is how fast what is compiled then is, beside 100."""

    def faked(rate: float) -> None:
        class Same(engines.Cohort):
            def __init__(self, *arguments, compiler=None):
                super().__init__(*arguments)

        monkeypatch.setattr(engines, "Cohort", Same)
        monkeypatch.setattr(engines, "compiler", lambda: None)
        monkeypatch.setattr(engines, "COMPILE_SECONDS", 0.0)
        monkeypatch.setattr(engines, "probe", lambda *given, **named: [engines.Rate(1, 100.0, 0)])
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


def test_compiling_is_not_tried_for_few_steps(study, tmp_path):
    _, said = measured(study, tmp_path, "resources.engine=auto")
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
    assert {record.run()["engine"] for record in again.ledger.records()} == {"fused"}
    assert kept(again) == before
