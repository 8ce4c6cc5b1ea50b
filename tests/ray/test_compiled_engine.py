"""A study whose members train one after another with a compiled step."""

import json

import pytest

from tests.sweeps import toy
from tests.sweeps.launching import contents, run, run_inline

COMPILED = ("resources.engine=compiled", "claims=[]")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEEDSWEEP_CACHE", str(tmp_path / "cache"))


def test_with_ray_and_in_this_process_it_leaves_the_same_ledger_to_the_bit(tmp_path):
    study = toy.write(tmp_path / "mine")
    inline, failed, printed = run_inline(study, tmp_path / "inline", *COMPILED)
    assert not failed
    assert "compiled: the study says so" in printed
    run(study, "--runs", tmp_path / "ray", *[word for setting in COMPILED for word in ("--set", setting)])
    assert contents(inline.paths.folder) == contents(tmp_path / "ray" / "toy")
    outcomes = [json.loads(file.read_text()) for file in inline.paths.cohorts.glob("*/*/outcome.json")]
    assert {outcome["run"]["engine"] for outcome in outcomes} == {"compiled"}


def test_without_a_compiler_each_cohort_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    _, failed, _ = run_inline(toy.write(tmp_path / "mine"), tmp_path, *COMPILED, "resources.retries=0")
    assert failed
    assert all("there is no C++ compiler no-such-compiler: install g++" in line for line in failed)
