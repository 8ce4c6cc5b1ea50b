"""A line at the end of a launch: posted to a webhook, or given to a command."""

from __future__ import annotations

import json
import shlex
import subprocess
import urllib.request

from rich.console import Console
from rich.markup import escape

from seedsweep.core.errors import UserError

#: Seconds that a webhook or a command may take.
PATIENCE = 20.0
_WEB = ("http://", "https://")


def check(to: str) -> None:
    """Errors: UserError for what cannot be a command."""
    if to.startswith(_WEB):
        return
    try:
        words = shlex.split(to)
    except ValueError as error:
        raise UserError(f"--notify {to}: {str(error).lower()}") from None
    if not words:
        raise UserError("--notify: is empty; give an http(s) address, or a command")


def notify(to: str, line: str, console: Console) -> None:
    """Tell somebody how a launch ended. A failure to do so is one line, and no failure of the launch.

    to: an http(s) address, which is posted {"text": line} as Slack and Mattermost take it; else a command, split as by
    a shell and run without one, with the line as its last argument and on its standard input.
    """
    try:
        if to.startswith(_WEB):
            _post(to, line)
        else:
            _run(to, line)
    # Whatever goes wrong with it, the study has ended.
    except Exception as error:
        said = str(error) or type(error).__name__
        # The address of a webhook is a secret: who knows it can post.
        what = "the webhook" if to.startswith(_WEB) else to
        console.print(f"[yellow]warning[/]: --notify: {escape(what)}: {escape(' '.join(said.split()))}")


def _post(to: str, line: str) -> None:
    content = {"Content-Type": "application/json"}
    request = urllib.request.Request(to, json.dumps({"text": line}).encode(), content, method="POST")
    with urllib.request.urlopen(request, timeout=PATIENCE):
        pass


def _run(to: str, line: str) -> None:
    command = [*shlex.split(to), line]
    try:
        done = subprocess.run(command, input=line, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except FileNotFoundError:
        raise UserError("there is no such command") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"takes longer than {PATIENCE:g} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise UserError(f"ended with code {done.returncode}" + (f": {said[-1]}" if said else ""))
