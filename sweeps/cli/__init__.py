"""The command line: `seedsweep launch | plan | check | status | report | compare | export | cancel | ...`."""

from __future__ import annotations

import errno
import importlib.metadata
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from seedsweep.core.errors import SeedsweepError
from seedsweep.sweeps.cli import reading, running

EXIT_CODES = (
    "Exit codes: 0 all is done; 1 something failed, or not all that was asked for is finished; 2 a mistake in the "
    "command, the study or the machine's set-up, which one line names; 75 another launch took over; 130 interrupted."
)
#: Typer's error for a word that it does not take, which it would show in a box of several lines.
_WRONG_WORD: Any = typer.BadParameter.__base__
app = typer.Typer(
    help="Tell a better configuration from a luckier seed.", no_args_is_help=True, pretty_exceptions_enable=False,
    rich_markup_mode="rich", context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES,
)  # fmt: skip


@app.callback(invoke_without_command=True)
def _version(
    *,
    version: Annotated[bool, typer.Option("--version", help="Say which version this is.")] = False,
) -> None:
    if version:
        print(f"seedsweep {importlib.metadata.version('seedsweep')}")
        raise typer.Exit


#: In the order of the help.
for command in (
    running.launch, running.plan, running.check, reading.new, reading.list_, reading.status, reading.report,
    reading.compare, reading.export, reading.weights, reading.logs, running.cancel, running.retry, reading.rm,
    running.doctor,
):  # fmt: skip
    # Its paragraphs, to be wrapped anew in whatever width.
    words = "\n\n".join(" ".join(part.split()) for part in (command.__doc__ or "").split("\n\n"))
    app.command(command.__name__.rstrip("_"), help=words)(command)


def main() -> None:
    """Run the command line; a user's mistake ends in one line and exit code 2."""
    try:
        sys.exit(app(prog_name="seedsweep", standalone_mode=False) or 0)
    except _WRONG_WORD as error:
        # Empty where no word was given: the help is printed already.
        if said := " ".join(error.format_message().split()):
            _stop(f"{said} ({error.ctx.command_path if error.ctx else 'seedsweep'} -h says more)")
        sys.exit(error.exit_code)
    except SeedsweepError as error:
        _stop(str(error), getattr(error, "exit_code", 2))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = error.filename or "the run directory"
            # No mistake of the command.
            _stop(f"no space left on the device of {where}: free some and launch again", 1)
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            _stop(f"{error.filename}: {error.strerror}; choose another folder with --runs")
        raise
    except KeyboardInterrupt:
        sys.exit(130)


def _stop(text: str, code: int = 2) -> None:
    Console(stderr=True, emoji=False, highlight=False, soft_wrap=True).print(f"[bold red]error[/]: {escape(text)}")
    sys.exit(code)
