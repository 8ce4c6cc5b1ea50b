"""A line at the end of a launch, to a webhook or a command."""

import http.server
import io
import json
import threading

import pytest
from rich.console import Console

from seedsweep.core.errors import UserError
from seedsweep.core.records import lease
from seedsweep.core.records.paths import RunPaths
from seedsweep.slurm.detect import HEAD_VARIABLE
from seedsweep.sweeps.commands import cluster
from seedsweep.sweeps.commands.notify import check, notify
from seedsweep.sweeps.running.run_directory import LEASE, RunDirectory
from tests.sweeps import toy
from tests.sweeps.launching import run_here

SMALL = ["--set", "search.explore=0", "--set", "seeds.compare=1"]


@pytest.fixture
def study(tmp_path):
    return toy.write(tmp_path / "mine")


@pytest.fixture
def webhook():
    """Address, and what was posted; `/broken` answers 500."""
    posted = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append((self.headers["Content-Type"], json.loads(body)))
            self.send_response(500 if self.path == "/broken" else 200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", posted
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def told(tmp_path):
    """A command, with a space in its path, and the file in which it leaves its arguments and what it reads."""
    script, out = tmp_path / "my tools" / "tell.sh", tmp_path / "told.txt"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{out}"\ncat >> "{out}"\n')
    script.chmod(0o755)
    return f"'{script}' --to 'you and me'", out


def said_of(to: str, line: str = "toy: all well") -> str:
    console = Console(file=io.StringIO(), width=200)
    notify(to, line, console)
    return console.file.getvalue()


@pytest.mark.usefixtures("svg_alone")
def test_a_webhook_gets_the_verdict_and_its_address_is_not_on_record(study, tmp_path, webhook):
    address, posted = webhook
    done = run_here("launch", study, "--on", "inline", "--runs", tmp_path, *SMALL, "--notify", f"{address}/secret")
    ((kind, content),) = posted
    assert kind == "application/json"
    assert list(content) == ["text"]
    assert content["text"].startswith("toy: ")
    assert "plain is the best of the named" in content["text"]
    assert "warning" not in done.stdout
    assert "secret" not in (tmp_path / "toy" / "provenance.json").read_text()


def test_a_command_gets_the_line_as_its_last_argument_and_to_read(told):
    command, out = told
    assert said_of(command, 'toy: it\'s $HOME; "quoted"') == ""
    line = 'toy: it\'s $HOME; "quoted"'
    assert out.read_text() == f"--to\nyou and me\n{line}\n{line}"


@pytest.mark.usefixtures("svg_alone")
def test_what_failed_is_told_too(study, tmp_path, told):
    command, out = told
    (study.parent / "toy.py").write_text(toy.MODULE.replace(".mean(1)}", ".mean(1) / self.wrong}"))
    settings = [*SMALL, "--set", "resources.retries=0"]
    done = run_here("launch", study, "--on", "inline", "--runs", tmp_path, *settings, "--notify", command, check=False)
    assert done.returncode == 1
    assert "2 cohorts failed" in out.read_text()


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("{address}/broken", "the webhook: HTTP Error 500"),
        ("http://127.0.0.1:1/x", "the webhook: "),
        ("no-such-command-here", "no-such-command-here: there is no such command"),
        ("sh -c 'echo no mail here >&2; exit 3'", "ended with code 3: no mail here"),
    ],
)
def test_a_failure_to_tell_is_one_line_of_warning(webhook, to, words):
    said = said_of(to.format(address=webhook[0]))
    assert said.startswith("warning: --notify: ")
    assert words in said
    assert said.count("\n") == 1


def test_what_cannot_be_a_command_is_refused_before_anything_runs():
    for to in ("tell 'me", "  "):
        with pytest.raises(UserError, match="--notify"):
            check(to)
    check("https://example.org/hook")
    check("mail -s done me@example.org")


@pytest.mark.usefixtures("svg_alone")
def test_the_job_that_ends_the_study_tells_whom_the_submission_named(study, tmp_path, told, monkeypatch):
    command, out = told
    run = RunDirectory(RunPaths.of(tmp_path, "toy"))
    assert cluster.notified(run) == ""
    run.paths.copies.parent.mkdir(parents=True)
    run.paths.copies.write_text(json.dumps({"source": "", "code": "", "notify": command}))
    held = lease.take(run.paths.leases, LEASE, lease.this_process())
    head = {"address": "", "ip": "", "number": held.number}
    monkeypatch.setenv(HEAD_VARIABLE, json.dumps(head))
    run_here("launch", study, "--on", "inline", "--runs", tmp_path, *SMALL)
    assert "plain is the best of the named" in out.read_text()


def test_copies_of_an_earlier_version_name_nobody(tmp_path):
    run = RunDirectory(RunPaths.of(tmp_path, "toy"))
    run.paths.copies.parent.mkdir(parents=True)
    run.paths.copies.write_text(json.dumps({"source": "", "code": ""}))
    assert cluster.notified(run) == ""
