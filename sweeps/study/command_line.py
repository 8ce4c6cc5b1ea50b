"""A study's `command`: split into a program and its arguments, without a shell, and filled with a member's values."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seedsweep.core.component import choose
from seedsweep.core.errors import UserError

#: What a command may name beside the values of a configuration.
NAMES = ("seed", "folder", "steps")
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[\w.]+")
#: What a shell would read as its own: operators and redirections anywhere, assignments before the program.
_OPERATOR, _ASSIGNMENT = re.compile(r"[|&;<>]+|\d?>.*"), re.compile(r"\w+=.*")
#: Programs whose first argument that is no option is a file.
_INTERPRETERS = re.compile(r"python[\d.]*|bash|sh|zsh|Rscript|julia|perl|ruby")
#: Options of theirs that take nothing; what follows another one is not looked at.
_FLAGS = ("-u", "-O", "-OO", "-B", "-E", "-s", "-I", "-e", "-x")


def check_command(command: str, names: Iterable[str]) -> None:
    """names: dotted paths of a configuration's values. Errors: UserError that says what is wrong with the command."""
    arguments(command, dict.fromkeys((*names, *NAMES), ""))


def check_program(command: str, folder: Path, *, installed: bool) -> None:
    """folder: of the study's file.  installed: whether the program has to be on this machine, and not only on a
    cluster's nodes.  Errors: UserError for a program, or a file that it is to run, that is not there."""
    program, script = shlex.split(command)[0], script_of(command)
    if script and not (folder / script).exists():
        raise UserError(f"command: there is no file {folder / script}")
    if installed and program != script and "{" not in program and not shutil.which(program, path=search_path()):
        raise UserError(f"command: there is no program {program!r} on this machine's PATH")


def search_path() -> str:
    """PATH of a command. Programs of this environment, such as torchrun, are found whether it is activated or not."""
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


def arguments(command: str, values: Mapping[str, Any]) -> list[str]:
    """The program and its arguments. It is split before values are put in, so that each stays within one argument.

    Errors: UserError.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"command: {str(error).lower()}") from None
    if not words:
        raise UserError("command: is empty; it must be a program and its arguments")
    of_a_shell = [word for word in words if _OPERATOR.fullmatch(word)]
    of_a_shell += [words[0]] if _ASSIGNMENT.fullmatch(words[0]) else []
    if of_a_shell:
        raise UserError(
            f"command: {of_a_shell[0]!r} needs a shell, and none runs it; put it into a script: `bash run.sh`"
        )

    def put(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        name = match[1]
        if name is None or not _NAME.fullmatch(name):
            raise UserError(f"command: {match[0]!r} is no {{name}} of a value; write {{{{ or }}}} for a brace as such")
        if name not in values:
            raise UserError(f"command: there is no {{{name}}}; {choose(name, values)}")
        value = values[name]
        return value if isinstance(value, str) else json.dumps(value)

    filled = [_TOKEN.sub(put, word) for word in words]
    if filled[0] in ("python", "python3"):
        filled[0] = sys.executable
    return filled


def script_of(command: str) -> str:
    """The file that a command runs, as it names it; empty where that is not to be seen.

    It is a program with a folder in its name, or the first argument of an interpreter.
    """
    program, *words = shlex.split(command)
    if "/" in program:
        return "" if "{" in program else program
    given = next((word for word in words if word not in _FLAGS), "")
    interpreted = _INTERPRETERS.fullmatch(program) and not given.startswith("-")
    return given if interpreted and "{" not in given else ""
