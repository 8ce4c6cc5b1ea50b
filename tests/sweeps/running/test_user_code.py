"""The copy of the user's files: that only it runs, what it is told by, and that nothing damaged is believed."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from seedsweep.core.component import resolve
from seedsweep.core.errors import UserError
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import Study
from seedsweep.core.user_modules import use_folder
from seedsweep.sweeps.running import user_code
from tests.sweeps.own_files import a_study, write

HOME = "seedsweep.core.errors"


@pytest.fixture(autouse=True)
def no_copy_stays(run: RunPaths, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    user_code.use(run, "")
    for name in set(sys.modules) - before:
        del sys.modules[name]


def identity(study: Study, folder: Path, run: RunPaths) -> dict[str, str]:
    """Of a launch now."""
    user_code.use(run, user_code.take(study, folder, run))
    return user_code.identity_of(run, user_code.code_in_use())


# The copy


def test_equal_files_are_one_copy_and_an_edit_is_another(folder, run):
    write(folder, own="x = 1")
    study = a_study(task="own.py:Net")
    first = user_code.take(study, folder, run)
    assert user_code.take(study, folder, run) == first
    assert [path.name for path in run.code.iterdir()] == [first]
    write(folder, own="x = 2")
    assert user_code.take(study, folder, run) != first
    assert (run.code / first / "own.py").read_text() == "x = 1"


def test_a_copy_is_read_only_and_runs_what_ran(folder, run):
    write(folder, own="")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    copy = run.code / user_code.take(a_study(command="./run.sh {seed}"), folder, run)
    assert not copy.stat().st_mode & 0o222
    assert not (copy / "own.py").stat().st_mode & 0o333
    assert (copy / "run.sh").stat().st_mode & 0o100


def test_inputs_are_linked_and_their_content_counts(folder, run):
    write(folder, own="")
    (folder / "data").mkdir()
    (folder / "data/x.npz").write_bytes(b"one")
    study = a_study(task="own.py:Net", inputs=("data", "data/x.npz"))
    first = user_code.take(study, folder, run)
    assert (run.code / first / "data").readlink() == folder / "data"
    (folder / "data/x.npz").write_bytes(b"two")
    assert user_code.take(study, folder, run) != first
    # The original was neither written to nor made read-only.
    assert (folder / "data/x.npz").stat().st_mode & 0o200


@pytest.mark.parametrize("harm", ["edited", "lost", "manifest"])
def test_a_damaged_copy_is_not_believed(harm, folder, run):
    write(folder, own="x = 1")
    code = user_code.take(a_study(task="own.py:Net"), folder, run)
    copy = run.code / code
    copy.chmod(0o755)
    if harm == "edited":
        (copy / "own.py").chmod(0o644)
        (copy / "own.py").write_text("x = 2")
    elif harm == "lost":
        (copy / "own.py").unlink()
    else:
        manifest = copy / user_code.MANIFEST
        manifest.chmod(0o644)
        manifest.write_text(manifest.read_text()[:-20])
    with pytest.raises(UserError, match="remove"):
        user_code.use(run, code)


# Only the copy runs


def test_an_edit_after_the_copy_reaches_nothing_that_runs(folder, run, monkeypatch):
    write(folder, own="import layers\nimport package.part\nvalue = layers.value + package.part.value")
    write(folder, layers="value = 1", package__part="value = 10")
    # As a launch has it: the study's folder first on the path, and its modules imported to check the study.
    monkeypatch.syspath_prepend(str(folder))
    use_folder(folder)
    assert resolve("own.py:value", HOME) == 11
    code = user_code.take(a_study(task="own.py:value"), folder, run)
    write(folder, layers="value = 2", own="value = 99", package__part="value = 20")
    user_code.use(run, code)
    assert resolve("own.py:value", HOME) == 11
    assert Path(importlib.import_module("layers").__file__ or "").is_relative_to(run.code / code)
    assert user_code.folder_in_use(run) == run.code / code
    assert user_code.folder_in_use(RunPaths(run.folder.with_name("another"))) is None


def test_a_newer_copy_takes_the_place_of_an_older_one(folder, run):
    study = a_study(task="own.py:value")
    values = []
    for number in (1, 2):
        write(folder, own="import layers\nvalue = layers.value", layers=f"value = {number}")
        user_code.use(run, user_code.take(study, folder, run))
        values.append(resolve("own.py:value", HOME))
    assert values == [1, 2]


def test_a_look_at_the_study_in_between_changes_nothing(folder, run):
    """A notebook reads the study again between two launches of it."""
    study = a_study(task="own.py:value")
    write(folder, own="import layers\nvalue = layers.value", layers="value = 1")
    code = user_code.take(study, folder, run)
    user_code.use(run, code)
    write(folder, own="value = 2")
    use_folder(folder)
    assert resolve("own.py:value", HOME) == 2
    user_code.use(run, code)
    assert resolve("own.py:value", HOME) == 1


def test_a_users_core_and_random_stand_beside_ours_and_pythons(folder, run):
    import random

    write(folder, core__nets="value = 7", own="from core.nets import value\nimport random", random="value = 0")
    user_code.use(run, user_code.take(a_study(task="own.py:value"), folder, run))
    assert resolve("own.py:value", HOME) == 7
    assert sys.modules["random"] is random


# Identity


@pytest.mark.slow
@pytest.mark.parametrize(
    ("counted", "others"),
    [
        ({"own.py": "import layers", "layers.py": "from lib.deep import block", "lib/deep/block.py": ""}, "lib/b.py"),
        ({"own.py": "def train(run):\n    from lib import a", "lib/a.py": ""}, "lib/b.py"),
        (
            {"own.py": "from lib.a import x", "lib/__init__.py": "from . import b", "lib/a.py": "", "lib/b.py": ""},
            "c.py",
        ),
        ({"own.py": "import torch, core.nets", "core/nets.py": "from .blocks import *", "core/blocks.py": ""}, "nn.py"),
        ({"own.py": "sys.path.append('lib')\nimport a", "lib/a.py": ""}, "lib/b.py"),
        ({"own.py": "subprocess.run(['python', 'tools/score.py'])", "tools/score.py": ""}, "tools/other.py"),
        ({"own.py": "importlib.import_module(name)", "a.py": "", "lib/b.py": ""}, ""),
        ({"own.py": "import a", "a.py": "import own"}, "b.py"),
    ],
    ids=["in turn", "lazy", "package", "own core", "path", "run", "computed", "circle"],
)
def test_the_identity_is_of_what_is_imported_wherever_the_import_stands(counted, others, folder, run):
    files = {**counted, **({others: "no Python"} if others else {})}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    study = a_study(task="own.py:train")
    before = identity(study, folder, run)
    assert set(before) == set(counted)
    for name, text in files.items():
        (folder / name).write_text(f"# edited\n{text}")
        now = identity(study, folder, run)
        assert [each for each in before if before[each] != now[each]] == [name] * (name in counted)
        (folder / name).write_text(text)


def test_what_travels_and_is_no_python_counts(folder, run):
    write(folder, own="", other="")
    (folder / "words.txt").write_text("a")
    assert sorted(identity(a_study(task="own.py:Net", files=("*.txt",)), folder, run)) == ["own.py", "words.txt"]


def test_of_a_command_all_files_count_and_so_do_inputs(folder, run):
    write(folder, own="", layers="")
    (folder / "x.npz").write_bytes(b"one")
    study = a_study(command="python own.py {seed}", inputs=("x.npz",))
    before = identity(study, folder, run)
    assert sorted(before) == ["layers.py", "own.py", "x.npz"]
    (folder / "x.npz").write_bytes(b"two")
    assert before.items() - identity(study, folder, run).items() == {("x.npz", before["x.npz"])}


def test_a_data_set_is_told_from_the_model_beside_it(folder, run):
    """Else each edit of a model packs the data again."""
    write(folder, own="import layers", faces="import pixels", pixels="", layers="")
    study = a_study(task="own.py:Net", data={"name": "faces.py:Faces"})

    def code_of_data() -> str:
        identity(study, folder, run)
        return user_code.code_of("faces.py:Faces")

    before = code_of_data()
    write(folder, layers="# edited")
    assert code_of_data() == before != ""
    write(folder, pixels="# edited")
    assert code_of_data() != before
    assert user_code.code_of("pattern1") == ""


def test_without_files_of_the_users_there_is_no_identity(folder, run):
    assert identity(a_study(task="seedsweep.core.models.standard:Standard"), folder, run) == {}
    assert user_code.code_in_use() == ""


def test_a_module_elsewhere_counts_with_what_it_imports_of_its_package(folder, run, tmp_path, monkeypatch):
    """A package that is installed from a checkout, and that the study's folder does not hold."""
    monkeypatch.syspath_prepend(tmp_path / "checkout")
    study = a_study(task="own_nets.net:train")
    write(tmp_path / "checkout", own_nets__net="from own_nets import layers", own_nets__layers="", own_nets__other="")
    before = identity(study, folder, run)
    assert list(before) == ["own_nets.net:train"]
    write(tmp_path / "checkout", own_nets__other="# edited")
    assert identity(study, folder, run) == before
    write(tmp_path / "checkout", own_nets__layers="# edited")
    assert identity(study, folder, run) != before


def test_what_is_installed_is_no_code_of_the_users(folder, run):
    assert identity(a_study(task="rich.console:Console"), folder, run) == {}


CELL = """
import notebook_layers
STUDY = {{"seeds": {seeds}}}
SIDE = {side}

def drawn():
    return SIDE {sign} notebook_layers.value

class Base:
    def samples(self):
        return drawn()

class Net(Base):
    width = {width}
"""


@pytest.mark.parametrize("change", [{"side": 9}, {"sign": "-"}, {"width": 4}, {"value": 2}])
def test_of_a_notebook_what_is_named_counts_and_what_it_uses(folder, run, tmp_path, monkeypatch, change):
    study = a_study(task="__main__:Net")
    values = {"seeds": 3, "side": 8, "sign": "+", "width": 2, "value": 1}
    monkeypatch.syspath_prepend(tmp_path / "beside")

    def run_cells(**changed) -> dict[str, str]:
        now = {**values, **changed}
        write(tmp_path / "beside", notebook_layers=f"value = {now.pop('value')}")
        notebook = ModuleType("__main__")
        # As IPython has it.
        notebook.In = ["", "Net = 3\n", CELL.format(**now), "%magic"]
        monkeypatch.setitem(sys.modules, "__main__", notebook)
        return identity(study, folder, run)

    assert run_cells() == run_cells(seeds=5) != run_cells(**change)


def test_a_copy_works_where_the_study_is_gone(folder, run):
    write(folder, own="value = 3")
    code = user_code.take(a_study(task="own.py:value"), folder, run)
    shutil.rmtree(folder)
    user_code.use(run, code)
    assert resolve("own.py:value", HOME) == 3
