"""A command's arguments, without a shell."""

import sys

import pytest

from seedsweep.core.errors import UserError
from seedsweep.sweeps.study.command_line import arguments, check_command, script_of

VALUES = {"lr": 1e-05, "settings.width": 64, "settings.note": "two words; $(rm -rf /) '", "nesterov": True}


def test_values_stay_within_single_arguments():
    made = arguments("run --lr={lr} '{settings.note}' {settings.width} {nesterov} '{{\"a\": 1}}' 'a b'", VALUES)
    assert made == ["run", "--lr=1e-05", VALUES["settings.note"], "64", "true", '{"a": 1}', "a b"]


def test_a_value_with_braces_is_not_read_again():
    assert arguments("run {a}", {"a": "{b}", "b": "c"}) == ["run", "{b}"]


def test_python_is_this_interpreter():
    assert arguments("python a.py", {})[0] == sys.executable
    assert arguments("bash python", {}) == ["bash", "python"]


def test_a_good_command_passes_the_check():
    check_command("python train.py --seed {seed} --lr {lr} --out {folder} --steps {steps}", ["lr"])


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("python a.py {lrr}", r"command: there is no \{lrr\}; did you mean lr\?"),
        ("python a.py {settings.widht}", r"there is no \{settings.widht\}; did you mean settings.width"),
        ("python a.py {seed", r"command: '\{' is no \{name\}"),
        ("python a.py seed}", r"command: '\}' is no \{name\}"),
        ("python a.py {}", r"command: '\{\}' is no \{name\}"),
        ("python a.py '{\"a\": 1}'", "for a brace as such"),
        ("python 'a.py", "command: no closing quotation"),
        ("", "command: is empty"),
        ("python a.py && rm b", "command: '&&' needs a shell"),
        ("python a.py | tee b", r"command: '\|' needs a shell"),
        ("python a.py 2>&1", "command: '2>&1' needs a shell"),
        ("A=1 python a.py", "command: 'A=1' needs a shell"),
    ],
)
def test_a_slip_in_a_command_is_a_line(command, said):
    with pytest.raises(UserError, match=said) as caught:
        check_command(command, ["lr", "settings.width"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("python train.py --lr {lr}", "train.py"),
        ("python3.12 -u src/train.py x.py", "src/train.py"),
        ("bash run.sh", "run.sh"),
        ("./run {lr}", "./run"),
        ("python -m train", ""),
        ("python {name}.py", ""),
        ("torchrun --nproc 2 train.py", ""),
        ("python", ""),
    ],
)
def test_the_script_of_a_command(command, script):
    assert script_of(command) == script
