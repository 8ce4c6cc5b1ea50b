"""What a study needs on disk is made again where what makes it has changed."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from rich.console import Console

from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Study
from seedsweep.sweeps.running.inputs import Inputs
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.study.configuration import configuration
from seedsweep.sweeps.study.loading import load
from tests.sweeps import toy
from tests.sweeps.launching import contents, run_inline

ONES = """
import numpy as np
from seedsweep.shards.data_set import DataSet

STEPS = {steps}

def drawn():
    return np.full((16, 4), {value}, np.float32)

class Ones(DataSet):
    def samples(self, split):
        return {{"x": drawn()}}
"""


@pytest.mark.parametrize("module", ["__main__", "installed_ones"])
def test_a_data_set_that_was_edited_is_packed_again(module, tmp_path, monkeypatch):
    """Of a notebook, and of a module that the study's folder does not hold."""
    monkeypatch.syspath_prepend(tmp_path)
    # Two edits within a second have one time.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    study = Study(name="own", criterion=Criterion("accuracy", 0.9), data={"name": f"{module}:Ones"})

    def packed(value: int, steps: int = 1) -> tuple[str, str]:
        text = ONES.format(value=value, steps=steps)
        if module == "__main__":
            monkeypatch.setitem(sys.modules, module, ModuleType(module))
            sys.modules[module].In = [text]
            exec(text, vars(sys.modules[module]))
        else:
            (tmp_path / f"{module}.py").write_text(text)
            monkeypatch.delitem(sys.modules, module, raising=False)
            importlib.invalidate_caches()
        inputs = Inputs(RunDirectory(RunPaths(tmp_path / "runs" / "own")), Console(quiet=True))
        return inputs.data_of(study), inputs.fingerprint_of(study)

    first = packed(1)
    assert packed(1) == first
    assert packed(1, steps=2)[1] == first[1]
    assert all(one != other for one, other in zip(packed(2), first, strict=True))


FROM_FILE = """

class FromFile(DataSet):
    @dataclass(frozen=True)
    class Settings:
        root: str = ""

    def samples(self, split):
        x = np.load(self.settings.root)
        return None if split == "test" else {"x": x, "y": x.sum(1, keepdims=True)}
"""


def test_the_identity_of_data_is_what_was_packed_wherever_it_came_from(tmp_path):
    """A file that a data set reads counts by what its samples held: they are what members train on."""
    written = toy.write(
        tmp_path / "home", toy.MODULE + FROM_FILE, toy.STUDY.replace("toy.py:Points", "toy.py:FromFile")
    )
    roots = tmp_path / "one.npy", tmp_path / "two.npy"

    def identity(root: Path) -> str:
        study = load(str(written), overrides=[f"data.root={root}"])
        inputs = Inputs(RunDirectory(RunPaths(tmp_path / "runs" / "own")), Console(quiet=True))
        return configuration(study).identity(inputs.fingerprint_of(study), "", 24)

    for root in roots:
        np.save(root, np.zeros((8, 4), np.float32))
    assert identity(roots[0]) == identity(roots[1])
    np.save(roots[1], np.ones((8, 4), np.float32))
    # What was packed is trained on, until its folder is removed.
    assert identity(roots[0]) == identity(roots[1])
    shutil.rmtree(tmp_path / "runs" / "_data")
    assert identity(roots[0]) != identity(roots[1])


#: The data set reads a file.
MOVED = toy.MODULE.replace("class Settings:\n        count", "class Settings:\n        root: str\n        count")
MOVED = MOVED.replace(
    "np.random.default_rng([self.settings.seed, len(split)]).random((self.settings.count, 4), np.float32)",
    "np.load(self.settings.root)[split]",
)


@pytest.mark.slow
@pytest.mark.parametrize("changed", [False, True], ids=["equal", "changed"])
def test_data_that_moved_are_known_by_their_content(changed, tmp_path):
    rng = np.random.default_rng(0)
    splits = {split: rng.random((48, 4), np.float32) for split in ("train", "validation")}
    text = toy.STUDY.replace('"toy.py:Points"', f'"toy.py:Points", root: {tmp_path}/old/points.npz')
    study = toy.write(tmp_path / "mine", MOVED, text)
    (tmp_path / "old").mkdir()
    np.savez(tmp_path / "old" / "points.npz", **splits)
    small = ("search.explore=0", "seeds.compare=2")
    first, failed, _ = run_inline(study, tmp_path, *small)
    before = contents(first.paths.folder)
    assert not failed
    (tmp_path / "old").rename(tmp_path / "new")
    if changed:
        np.savez(tmp_path / "new" / "points.npz", **{**splits, "train": splits["train"][::-1]})
    again, failed, said = run_inline(study, tmp_path, *small, f"data.root={tmp_path}/new/points.npz")
    assert not failed
    after = contents(again.paths.folder)
    assert len(after) == len(before)
    if changed:
        assert not after.keys() & before.keys()
        assert f"left out: {len(before)} cohorts whose data, start weights or defaults have changed since" in said
    else:
        assert after == before
