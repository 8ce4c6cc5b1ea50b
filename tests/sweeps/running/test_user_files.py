"""Which of the user's files travel with a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Study
from seedsweep.sweeps.running import user_code, user_files
from tests.sweeps.own_files import a_study, write


def names(study: Study, folder: Path) -> list[str]:
    return [path.as_posix() for path in user_files.files_of(study, folder)]


def test_of_built_in_components_nothing_travels(folder, run):
    write(folder, train="x = 1")
    study = a_study(task="unet", data={"name": "pattern1"}, optimizer={"name": "adam"}, question="Is net.py:Net good?")
    assert names(study, folder) == []
    assert user_code.take(study, folder, run) == ""
    assert not run.code.exists()


@pytest.mark.parametrize(
    "given",
    [
        {"task": "own.py:Net"},
        {"data": {"name": "own.py:Faces"}},
        {"settings": {"backbone": {"name": "own.py:resnet"}}},
        {"optimizer": {"name": "own.py:Lion"}},
        {"schedules": {"lr": {"name": "own.py:ramp"}}},
        {"configurations": {"mine": {"optimizer.name": "own.py:Lion"}}},
        {"search": {"space": {"optimizer.name": {"choices": ["sgd", "own.py:Lion"]}}}},
        {"command": "python own.py --seed {seed}"},
        {"task": "own:Net"},
    ],
    ids=str,
)
def test_a_component_of_the_users_brings_its_file_and_those_beside_it(given, folder):
    write(folder, own="", layers="", lib__deep__block="")
    (folder / "data.csv").write_text("1,2")
    assert names(a_study(**given), folder) == ["layers.py", "lib/deep/block.py", "own.py"]


def test_environments_runs_caches_and_hidden_folders_stay(folder):
    write(folder, own="", env__lib__torch="", runs__x__code__old="", conda__y="", lib__a="")
    write(folder, **{".git__hook": "", ".secret": ""})
    (folder / "lib/__pycache__").mkdir()
    (folder / "lib/__pycache__/b.py").write_text("")
    (folder / "env/pyvenv.cfg").write_text("")
    (folder / "conda/conda-meta").mkdir()
    (folder / "runs/x/study.json").write_text("{}")
    assert names(a_study(task="own.py:Net"), folder) == ["lib/a.py", "own.py"]


def test_files_add_what_is_no_python_and_say_which_python(folder):
    write(folder, own="", other="", lib__a="", lib__deep__b="")
    (folder / "lib/table.json").write_text("{}")
    (folder / "words.txt").write_text("")
    study = a_study(task="own.py:Net", files=("*.txt",))
    assert names(study, folder) == ["lib/a.py", "lib/deep/b.py", "other.py", "own.py", "words.txt"]
    study = a_study(task="own.py:Net", files=("lib/",))
    assert names(study, folder) == ["lib/a.py", "lib/deep/b.py", "lib/table.json", "own.py"]
    study = a_study(task="own.py:Net", files=("lib/**/*.py",))
    assert names(study, folder) == ["lib/a.py", "lib/deep/b.py", "own.py"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"task": "../own.py:Net"}, r"task: \.\./own.py does not lie below"),
        ({"task": "none.py:Net"}, "task: there is no file .*none.py"),
        ({"task": "own.py:Net", "data": {"name": "none.py:Set"}}, "data.name: there is no file"),
        ({"task": "own.py:Net", "files": ("/etc",)}, "files: /etc does not lie below"),
        ({"task": "own.py:Net", "files": ("*.json",)}, r"files: '\*.json' matches no file below"),
        ({"task": "own.py:Net", "inputs": ("none.npz",)}, "inputs: there is no .*none.npz"),
        ({"task": "lib/own.py:Net", "inputs": ("lib",)}, "inputs: lib/own.py is code"),
    ],
)
def test_what_cannot_travel_is_named_with_its_field(given, said, folder, run):
    write(folder, own="", lib__own="")
    with pytest.raises(UserError, match=said):
        user_code.take(a_study(**given), folder, run)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"command": "python ../own.py"}, "command: ../own.py does not lie below"),
        ({"command": "python own.py", "inputs": ("../x",)}, "inputs: ../x does not lie below"),
        ({"task": "own.py:Net", "inputs": ("none",)}, "inputs: there is no .*none"),
        ({"task": "own.py:Net", "files": ("*.json",)}, r"files: '\*.json' matches no file below"),
    ],
)
def test_what_is_not_there_is_found_by_a_check(given, said, folder):
    (folder / "own.py").write_text("")
    with pytest.raises(UserError, match=said) as refused:
        user_files.files_of(a_study(**given), folder)
    assert "\n" not in str(refused.value)
    user_files.files_of(a_study(command="python own.py {seed}"), folder)


def test_a_home_full_of_files_is_refused_and_files_cure_it(folder, monkeypatch):
    write(folder, own="", a="", b="", c="")
    monkeypatch.setattr(user_files, "MOST_FILES", 3)
    with pytest.raises(UserError, match=r"more than 3 files .*name in `files:`"):
        names(a_study(task="own.py:Net"), folder)
    assert names(a_study(task="own.py:Net", files=("a.py",)), folder) == ["a.py", "own.py"]
    monkeypatch.setattr(user_files, "MOST_BYTES", 1 << 20)
    (folder / "own.py").write_text("#" * (1 << 20) + "#")
    with pytest.raises(UserError, match=r"more than 1 MB"):
        names(a_study(task="own.py:Net", files=("a.py",)), folder)
