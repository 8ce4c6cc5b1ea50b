"""A component is named by a short name or an import path; its settings are typed and bounded where they are written."""

from __future__ import annotations

import dataclasses
import math
import sys
from dataclasses import dataclass
from typing import Annotated

import pytest

from seedsweep.core.component import Choice, Chosen, Metric, Named, Range, resolve, settings_from, short_names, spread
from seedsweep.core.errors import UserError
from seedsweep.core.training.optimisers import AdamW, Optimizer
from seedsweep.core.training.schedules import MultiStep, Schedule
from seedsweep.core.user_modules import use_folder

OPTIMISERS = "seedsweep.core.training.optimisers"
SCHEDULES = "seedsweep.core.training.schedules"


@pytest.fixture(autouse=True)
def own_path(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", list(sys.path))
    use_folder(tmp_path)


@dataclass(frozen=True)
class Settings:
    width: Annotated[int, Range(1, 4096)] = 128
    rate: Annotated[float, Range(0)] = 0.1
    kind: Annotated[str, Choice("small", "large")] = "small"
    layers: Annotated[tuple[int, ...], Range(1, 9)] = (2, 3)
    optimiser: Annotated[Named, Chosen(OPTIMISERS, Optimizer)] = "adamw"


@pytest.mark.parametrize("name", ["adamw", "AdamW", "adam_w", f"{OPTIMISERS}:AdamW"])
def test_a_name_in_any_spelling_or_a_path(name):
    assert resolve(name, OPTIMISERS, Optimizer) is AdamW


def test_a_home_has_what_is_written_in_it_and_nothing_else():
    assert short_names(OPTIMISERS, Optimizer) == ["adam", "adamw", "sgd"]
    assert short_names(SCHEDULES, Schedule) == ["constant", "cosine", "linear", "multi_step", "one_cycle", "step"]
    assert resolve("multi_step", SCHEDULES, Schedule) is MultiStep


def test_a_file_of_the_users_and_what_it_imports(tmp_path):
    """Also where a folder of theirs has the name of one of ours."""
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "nets.py").write_text("WIDTH = 7\n")
    (tmp_path / "mine.py").write_text(
        "from core.nets import WIDTH\nclass Net:\n    width = WIDTH\n    class Inner: pass\n"
    )
    assert resolve("mine.py:Net", OPTIMISERS).width == 7
    assert resolve("mine.py:Net.Inner", OPTIMISERS).__name__ == "Inner"
    assert resolve("mine.py:Net", OPTIMISERS) is resolve("mine.py:Net", OPTIMISERS)


def test_a_users_module_hides_none_of_pythons(tmp_path):
    (tmp_path / "json.py").write_text("raise RuntimeError('hidden')\n")
    assert resolve("json:loads", OPTIMISERS)("1") == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("adamm", r"there is no 'adamm'; did you mean adam or adamw\?; your own is named file\.py:Name"),
        ("", "'' is no name; known are adam, adamw, sgd"),
        ("nowhere.py:Net", "there is no file .*nowhere.py"),
        ("mine.py:Nett", "mine.py has no 'Nett'; did you mean Net"),
        ("no_such_package.nets:Net", "no_such_package.nets cannot be imported: ModuleNotFoundError: No module named"),
        ("broken.py:Net", r"broken\.py cannot be imported: ZeroDivisionError: division by zero \(broken\.py line 2\)"),
        ("wrong.py:Net", r"wrong\.py cannot be imported: SyntaxError"),
        ("up.py:Net", r"ValueError: a metric's direction is max or min, not 'up' \(up\.py line 2\)"),
        (
            "ends.py:Net",
            r"^ends\.py ends the program when it is imported \(ends\.py line 2\); put that under `if",
        ),
        ("ends:Net", r"^ends ends the program when it is imported \(ends\.py line 2\)"),
    ],
)
def test_a_wrong_name_is_one_line(tmp_path, name, words):
    (tmp_path / "mine.py").write_text("class Net: pass\n")
    (tmp_path / "broken.py").write_text("x = 0\ny = 1 / x\n")
    (tmp_path / "wrong.py").write_text("class Net\n")
    (tmp_path / "up.py").write_text("from seedsweep import Metric\nmetrics = {'score': Metric('up')}\n")
    (tmp_path / "ends.py").write_text("import argparse\nargparse.ArgumentParser().parse_args(['--nothing'])\n")
    with pytest.raises(UserError, match=words) as refused:
        resolve(name, OPTIMISERS, Optimizer)
    assert "\n" not in str(refused.value)


def test_a_chooser_may_have_names_of_its_own():
    chosen = Chosen(OPTIMISERS, Optimizer, besides=("none",))
    assert chosen.read("none") == chosen.read({"name": "none"}) == ("none", None, None)
    assert chosen.read("adamw")[1] is AdamW
    with pytest.raises(UserError, match=r"settings\.rate: none has no settings"):
        chosen.read({"name": "none", "rate": 1})
    with pytest.raises(UserError, match=r"settings: there is no 'non'; did you mean none\?"):
        chosen.read("non")


def test_settings_with_their_defaults():
    assert settings_from(Settings, {}, "settings") == Settings()
    made = settings_from(Settings, {"width": 7, "layers": [4, 5], "rate": 1}, "settings")
    assert (made.width, made.layers, made.rate) == (7, (4, 5), 1.0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"widht": 3}, r"settings\.widht: there is no such field; did you mean width\?"),
        ({"width": 0}, r"settings\.width: 0 is out of range; it must be from 1 to 4096"),
        ({"rate": -1}, r"settings\.rate: -1 is out of range; it must be at least 0"),
        ({"width": "many"}, r"settings\.width: .*integer.*'many'"),
        ({"kind": "smal"}, r"settings\.kind: there is no 'smal'; did you mean small\?"),
        ({"layers": [2, 0]}, r"settings\.layers: 0 is out of range"),
        ({"optimiser": "addam"}, r"settings\.optimiser: there is no 'addam'"),
        ({"optimiser": {"name": "addam"}}, r"settings\.optimiser\.name: there is no 'addam'"),
        (
            {"optimiser": {"epsilom": 1}},
            r"settings\.optimiser\.epsilom: there is no such field; did you mean epsilon\?",
        ),
        ({"optimiser": {"epsilon": "x"}}, r"settings\.optimiser\.epsilon: .*number.*'x'"),
        ({"optimiser": 3}, r"settings\.optimiser: 3 is no name; known are adam, adamw, sgd"),
        ({"optimiser": "math:sqrt"}, r"settings\.optimiser: math:sqrt is no subclass of .*optimisers\.Optimizer"),
    ],
)
def test_wrong_settings_name_the_field(values, words):
    with pytest.raises(UserError, match=words):
        settings_from(Settings, values, "settings")


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        ("Widht", r"^Own: an annotation fails: NameError: name 'Widht' is not defined$"),
        (type(sys), r"^Own\.width: module is no type of a setting; a study can write numbers"),
    ],
)
def test_an_annotation_of_no_setting_is_one_line(hint, words):
    with pytest.raises(UserError, match=words):
        settings_from(dataclasses.make_dataclass("Own", [("width", hint, 3)]), {}, "settings")


@pytest.mark.parametrize(
    ("written", "recorded"),
    [
        ("AdamW", "adamw"),
        ({"name": "adam", "epsilon": 1e-8}, "adam"),
        ({"epsilon": 1}, {"name": "adamw", "epsilon": 1.0}),
        ({"name": f"{OPTIMISERS}:SGD", "nesterov": True}, {"name": "sgd", "nesterov": True}),
    ],
)
def test_a_chosen_component_is_recorded_in_one_way_however_it_was_written(written, recorded):
    settings = settings_from(Settings, {"optimiser": written}, "settings")
    assert settings.optimiser == recorded
    assert settings_from(Settings, {"optimiser": recorded}, "settings") == settings


def test_settings_of_a_chosen_component_have_dotted_paths():
    paths = spread(Settings, {"width": 7, "optimiser": {"name": "sgd", "nesterov": True}})
    assert paths == {"width": 7, "optimiser": "sgd", "optimiser.nesterov": True}
    assert spread(Settings, {"optimiser": "adam"}) == {"optimiser": "adam", "optimiser.epsilon": 1e-8}


@pytest.mark.parametrize("value", [math.nan, True, "1", None])
def test_what_is_no_number_is_in_no_range(value):
    assert Range(0, 1).problem(value)


def test_a_metric_has_a_direction():
    with pytest.raises(ValueError, match="max or min"):
        Metric("up")
