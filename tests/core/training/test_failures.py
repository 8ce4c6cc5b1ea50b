"""A user's own error as a line that begins with the file, where there is one."""

import sys
from types import ModuleType

import pytest
import torch

from seedsweep.core.errors import UserError
from seedsweep.core.training.failures import named, told


class Own:
    def method(self, x):
        raise NotImplementedError

    def other(self):
        raise ValueError("a\n  b")


def test_it_names_file_line_class_and_method_in_one_line():
    words = r"^test_failures\.py line \d+: Own\.method: ValueError: a b$"
    with pytest.raises(UserError, match=words) as refused, told(Own(), "method"):
        Own().other()
    assert isinstance(refused.value.__cause__, ValueError)


def test_a_method_that_is_not_there():
    with pytest.raises(UserError, match=r"^test_failures\.py: Own has no method\(x\)$"), told(Own(), "method"):
        Own().method(1)


@pytest.mark.parametrize("error", [UserError("as it is"), torch.OutOfMemoryError("out of memory")])
def test_our_own_errors_and_those_of_memory_pass(error):
    with pytest.raises(type(error), match=str(error)), told(Own(), "method"):
        raise error


@pytest.mark.parametrize("module", ["__main__", "typed_in"])
def test_what_was_typed_in_has_no_file(module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, ModuleType(module))
    typed = {"__name__": module}
    exec("class Typed: ...", typed)
    assert named(typed["Typed"](), "loss") == "Typed.loss"
