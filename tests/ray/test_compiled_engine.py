"""A study whose members train one after another with a compiled step."""

import json

import pytest

from seedsweep.sweeps.running import engines
from tests.sweeps import toy
from tests.sweeps.launching import contents, run, run_inline

COMPILED = ("resources.engine=compiled", "claims=[]")


@pytest.fixture(autouse=True)
def own_cache(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("SEEDSWEEP_CACHE", str(cache(tmp_path / "cache")))
    engines.compiler.cache_clear()
    yield
    engines.compiler.cache_clear()


def test_with_ray_and_in_this_process_it_leaves_the_same_ledger_to_the_bit(tmp_path, monkeypatch):
    study = toy.write(tmp_path / "mine")
    # Ray first: it compiles ahead.
    run(study, "--runs", tmp_path / "ray", *[word for setting in COMPILED for word in ("--set", setting)])
    inline, failed, printed = run_inline(study, tmp_path / "inline", *COMPILED)
    assert not failed
    assert "compiled: the study says so" in printed
    assert contents(inline.paths.folder) == contents(tmp_path / "ray" / "toy")
    # The step and the measures: what was compiled before a worker came, and what others compiled, is the same.
    assert len(list((tmp_path / "cache" / "compiled").glob("*/done"))) == 2
    outcomes = [json.loads(file.read_text()) for file in inline.paths.cohorts.glob("*/*/outcome.json")]
    assert {outcome["run"]["engine"] for outcome in outcomes} == {"compiled"}
    # What is kept is loaded where compiling it would take longer than it saves.
    monkeypatch.setattr(engines, "LOAD_SECONDS", 0.0)
    _, failed, printed = run_inline(study, tmp_path / "auto", "resources.engine=auto", *COMPILED[1:])
    assert not failed
    assert "compiled" in printed
    assert engines.TOO_FEW not in printed
