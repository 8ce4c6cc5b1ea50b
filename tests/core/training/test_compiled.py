"""Compiled, a member's path is the same: to rounding that of the plain program, to the bit whatever its company."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._inductor.utils import clear_caches

from seedsweep.core.training.compiled import CompileError, Compiler, NotKeptError
from seedsweep.core.training.optimisers import SGD

#: They keep running statistics, draw, and have no batching rule.
KINDS = ("batch norm", "dropout", "lstm")


@pytest.fixture(scope="module")
def compiler(cache, tmp_path_factory) -> Compiler:
    return Compiler(cache(tmp_path_factory.mktemp("cache")) / "compiled")


def trained(one):
    while not one.done:
        one.advance()
    return one


@pytest.fixture(params=KINDS)
def task(request, make):
    return make(request.param, test=False)


@pytest.fixture
def run(task, members, cohort, compiler):
    """A trained cohort of some seeds, by SGD: Adam makes whole steps of rounding."""

    def made(*seeds: int, **changed):
        who = members(task, *seeds, optimizer=SGD(), lr=0.05)
        return cohort(task, who, 1, optimizer=SGD(), **{"compiler": compiler, **changed})

    return made


def test_it_agrees_with_the_plain_program_and_company_and_a_resumption_change_no_bit(run):
    """One test, as it compiles once."""
    together, plain = trained(run(3, 4)), trained(run(3, 4, compiler=None))
    torch.testing.assert_close(together.state()["weights"], plain.state()["weights"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(together.evaluations, plain.evaluations, rtol=1e-4, atol=1e-6)
    alone, first = trained(run(4)), run(3, 4)
    first.advance()
    second = run(3, 4)
    second.load(first.state())
    for other in (alone, trained(second)):
        assert torch.equal(other.state()["weights"][-1], together.state()["weights"][-1])
        assert np.array_equal(np.array(other.evaluations)[:, -1], np.array(together.evaluations)[:, -1])


@pytest.mark.parametrize("task", ["dropout"], indirect=True)
def test_one_graph_for_training_and_one_for_measuring_which_are_kept(run, cache, tmp_path):
    folder = cache(tmp_path) / "compiled"
    first, second = Compiler(folder), Compiler(folder)
    with first.only_kept(), pytest.raises(NotKeptError):
        trained(run(3, 4, 5, compiler=first))
    trained(run(3, 4, 5, compiler=first))
    with second.only_kept():
        trained(run(3, 4, 5, compiler=second))
    assert first.count == second.count == 2
    # Of a CUDA that is not used nothing is said.
    assert not logging.getLogger("torch.utils.cpp_extension").isEnabledFor(logging.WARNING)


@pytest.mark.parametrize("task", ["batch norm"], indirect=True)
def test_what_a_killed_process_has_left_is_not_loaded_and_compiled_again_gives_equal_bits(run, tmp_path):
    folder = tmp_path / "own"
    # A header that this process has precompiled elsewhere would not be in this folder.
    clear_caches()
    before = trained(run(3, compiler=Compiler(folder)))
    whole = halved(folder)
    assert len(whole) == 3
    for done in whole:
        done.unlink()
    assert torch.equal(trained(run(3, compiler=Compiler(folder))).state()["weights"], before.state()["weights"])
    assert all(done.exists() for done in whole)
    # What was damaged later is compiled again, too.
    halved(folder)
    assert torch.equal(trained(run(3, compiler=Compiler(folder))).state()["weights"], before.state()["weights"])


def halved(folder: Path) -> list[Path]:
    """Leave half of all compiled code and headers; what says that each was whole. This process forgets what it has."""
    for file in [*folder.rglob("*.so"), *folder.rglob("*.gch")]:
        half = file.read_bytes()[:100]
        # Another file of this name: this process may still have the whole one in memory.
        file.unlink()
        file.write_bytes(half)
    clear_caches()
    return list(folder.rglob("done"))


def test_its_folder_is_one_users_alone(tmp_path):
    Compiler(tmp_path / "own")
    assert os.stat(tmp_path / "own").st_mode & 0o777 == 0o700
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path / "own")
    for name in ("open", "link"):
        with pytest.raises(CompileError, match=f"{name}: compiled code is only kept in a folder that is yours alone"):
            Compiler(tmp_path / name)


def test_without_a_compiler_a_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(CompileError, match=r"no C\+\+ compiler no-such-compiler: install g\+\+"):
        Compiler(tmp_path / "own")
