"""docs/commands.md from the command line itself: `python -m seedsweep.sweeps.cli.reference` puts it in order.

Of `seedsweep` itself and of each command the page has how it is called and its options, as its help says them. What is
written above the first section, and in a section below its options, stays as it is.
"""

from __future__ import annotations

import re
from typing import Any

import typer

from seedsweep.core.source import PACKAGE
from seedsweep.sweeps.cli import app

PROGRAM = "seedsweep"
PAGE = PACKAGE.parent / "docs" / "commands.md"
#: A section: the command's name, what is made, and what is written by hand.
_SECTION = re.compile(r"^## `(.*?)`\n(.*?^\| option \| what \|\n(?:^\|[^\n]*\n)+)(.*?)(?=^## `|\Z)", re.M | re.S)


def text(page: str) -> str:
    """The page with every command as it is now."""
    above = page.partition("\n## ")[0].rstrip()
    by_hand = {name: rest.strip() for name, _, rest in _SECTION.findall(page)}
    group: Any = typer.main.get_command(app)
    made = {PROGRAM: _made(PROGRAM, "COMMAND", options(group), group.help)}
    for name, command in group.commands.items():
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        called = [each.metavar + "..." * (each.nargs == -1) for each in arguments]
        words = [word if each.required else f"[{word}]" for word, each in zip(called, arguments, strict=True)]
        own = [each for each in options(command) if each.name != "help"]
        words += [f"{each.opts[0]} {each.metavar}" for each in own if each.required]
        made[name] = _made(name, " ".join([name, *words]), own, command.help)
    sections = ["\n\n".join(filter(None, [of_one, by_hand.get(name, "")])) for name, of_one in made.items()]
    return "\n\n".join([above, *sections]) + "\n"


def options(command: Any) -> list[Any]:
    """Those that its help shows."""
    found = command.get_params(command.make_context(PROGRAM, [], resilient_parsing=True))
    return [each for each in found if each.param_type_name == "option" and not each.hidden]


def _made(name: str, called: str, options: list[Any], help: str) -> str:
    rows = [f"| {_written(each)} | {_in_a_cell(each.help or '')} |" for each in options]
    table = "\n".join(["| option | what |", "| --- | --- |", *rows])
    return "\n\n".join([f"## `{name}`", f"`{PROGRAM} {called}`", help.strip(), table])


def _written(option: Any) -> str:
    """`--lines`, `-n`."""
    names = ", ".join(f"`{name}`" for name in sorted(option.opts, key=len, reverse=True))
    return f"{names} {_in_a_cell(option.metavar)}" if option.metavar else names


def _in_a_cell(words: str) -> str:
    """Without the marks of the terminal's library, and on one line."""
    plain = re.sub(r"\\?\[default: (.*?)\]$", r"(default: \1)", words).replace("\\[", "[")
    return " ".join(plain.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(text(PAGE.read_text()))
