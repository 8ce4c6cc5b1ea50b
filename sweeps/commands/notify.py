"""A line at the end of a launch: posted to a webhook, or given to a command."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from rich.console import Console
from rich.markup import escape

from seedsweep.core.errors import UserError

#: Whom all launches tell that name nobody else: unlike a command line, no other user can read it.
VARIABLE = "SEEDSWEEP_NOTIFY"
#: Seconds that a webhook or a command may take.
PATIENCE = 20.0
#: Among a command's words, where the line is put.
PLACE = "{}"
_WEB = ("http://", "https://")


def wanted(given: str) -> str:
    """Whom to tell: as given, else as the environment says; empty: nobody. Errors: UserError, as of `check`."""
    if to := given or os.environ.get(VARIABLE, ""):
        check(to)
    return to


def check(to: str) -> None:
    """Errors: UserError for what cannot be an address, whose words it does not repeat, nor a command."""
    if _is_address(to):
        if not _can_be_posted_to(to):
            raise UserError(
                "--notify: an address has a host, no blank, and neither name nor password: https://host/path"
            )
        return
    try:
        words = shlex.split(to)
    except ValueError as error:
        raise UserError(f"--notify {to}: {str(error).lower()}") from None
    if not words:
        raise UserError("--notify: is empty; give an http(s) address, or a command")
    if "://" in words[0]:
        raise UserError("--notify: an address begins with http:// or https://")


def notify(to: str, line: str, console: Console) -> None:
    """Tell somebody how a launch ended. A failure to do so is one line, and no failure of the launch.

    to: an http(s) address, which is posted {"text": line} as Slack and Mattermost take it; else a command, split as by
    a shell and run without one, with the line on its standard input, and in place of `{}` in its words.
    """
    try:
        if _is_address(to):
            _post(to, line)
        else:
            _run(to, line)
    # Whatever goes wrong with it, the study has ended.
    except Exception as error:
        # The address of a webhook is a secret, which errors may repeat: who knows it can post.
        what, said = ("the webhook", _kind(error)) if _is_address(to) else (shlex.split(to)[0], str(error))
        line = " ".join((said or type(error).__name__).split())
        console.print(f"[yellow]warning[/]: --notify: {escape(what)}: {escape(line)}")


def _is_address(to: str) -> bool:
    return to.lower().startswith(_WEB)


def _can_be_posted_to(address: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(address)
        # Raises for what is no number.
        _ = parts.port
    except ValueError:
        return False
    return bool(parts.hostname) and "@" not in parts.netloc and all("!" <= letter <= "~" for letter in address)


def _kind(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    reason = getattr(error, "reason", None)
    return type(reason if isinstance(reason, Exception) else error).__name__


def _post(to: str, line: str) -> None:
    content = {"Content-Type": "application/json"}
    request = urllib.request.Request(to, json.dumps({"text": line}).encode(), content, method="POST")
    with urllib.request.urlopen(request, timeout=PATIENCE):
        pass


def _run(to: str, line: str) -> None:
    command = [word.replace(PLACE, line) for word in shlex.split(to)]
    try:
        done = subprocess.run(command, input=f"{line}\n", capture_output=True, text=True, timeout=PATIENCE, check=False)
    except FileNotFoundError:
        raise UserError("there is no such command") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"takes longer than {PATIENCE:g} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise UserError(f"ended with code {done.returncode}" + (f": {said[-1]}" if said else ""))
