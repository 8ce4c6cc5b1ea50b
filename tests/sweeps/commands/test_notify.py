"""A line at the end of a launch, to a webhook or a command."""

import errno
import http.server
import io
import json
import threading
from unittest.mock import Mock

import pytest
from rich.console import Console

from seedsweep.core.errors import UserError
from seedsweep.core.records import lease
from seedsweep.core.records.paths import RunPaths
from seedsweep.slurm.detect import HEAD_VARIABLE
from seedsweep.sweeps.commands import cluster, launching, results
from seedsweep.sweeps.commands.notify import VARIABLE, check, notify
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


@pytest.mark.slow
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


@pytest.mark.parametrize("given", [[], ["{}"], ["--text={}", "me@example.org"]])
def test_a_command_reads_the_line_and_has_it_among_its_words_where_it_asks_for_it(told, given):
    """`mail -s done me@example.org` takes a word more for a recipient."""
    command, out = told
    line = 'toy: it\'s $HOME; "quoted"'
    assert said_of(" ".join([command, *given]), line) == ""
    words = ["--to", "you and me", *(word.replace("{}", line) for word in given)]
    assert out.read_text() == "\n".join([*words, line, ""])


def test_what_failed_is_told_too(study, tmp_path, told):
    command, out = told
    (study.parent / "toy.py").write_text(toy.MODULE.replace(".mean(1)}", ".mean(1) / self.wrong}"))
    settings = [*SMALL, "--set", "resources.retries=0"]
    done = run_here("launch", study, "--on", "inline", "--runs", tmp_path, *settings, "--notify", command, check=False)
    assert done.returncode == 1
    assert "2 cohorts failed" in out.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("{address}/broken", "the webhook: HTTP 500\n"),
        ("http://127.0.0.1:1/secret", "the webhook: ConnectionRefusedError\n"),
        # What `check` refuses: the errors of the standard library repeat it.
        ("https://user:secret@host/x", "the webhook: InvalidURL\n"),
        ("https://host/a secret", "the webhook: InvalidURL\n"),
        ("no-such-command-here", "no-such-command-here: there is no such command"),
        ("sh -c 'echo no mail here >&2; exit 3'", "ended with code 3: no mail here"),
    ],
)
def test_a_failure_to_tell_is_one_line_of_warning(webhook, to, words):
    said = said_of(to.format(address=webhook[0]))
    assert said.startswith("warning: --notify: ")
    assert words in said
    assert "secret" not in said
    assert said.count("\n") == 1


def test_what_cannot_be_a_command_is_refused_before_anything_runs():
    for to in ("tell 'me", "  "):
        with pytest.raises(UserError, match="--notify"):
            check(to)
    check("https://example.org:8080/hook?key=1")
    check("mail -s done me@example.org")


@pytest.mark.parametrize(
    "to",
    [
        "https://user:secret@host/x",
        "https://secret@host",
        "HTTPS://host/a secret",
        " https://host/secret",
        "https:///secret",
        "https://host:secret/x",
        "https://[secret/x",
        "slack://secret",
    ],
)
def test_what_cannot_be_an_address_is_refused_and_not_repeated(to):
    with pytest.raises(UserError, match="--notify: an address ") as refused:
        check(to)
    assert "secret" not in str(refused.value)


def test_the_environment_may_say_whom_to_tell(study, tmp_path, told, monkeypatch):
    command, out = told
    monkeypatch.setenv(VARIABLE, command)
    run_here("launch", study, "--on", "inline", "--runs", tmp_path, *SMALL)
    assert "plain is the best of the named" in out.read_text()
    monkeypatch.setenv(VARIABLE, "https://user:secret@host/x")
    done = run_here("launch", study, "--on", "inline", "--runs", tmp_path, *SMALL, check=False)
    assert done.returncode == 2
    assert "secret" not in done.stderr


ENDS = {
    "a bug": (RuntimeError("no such thing"), 1, "toy: RuntimeError('no such thing')"),
    "a full disk": (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device"),
    "a mistake": (UserError("a field is wrong"), 2, "toy: a field is wrong"),
    "stopped": (KeyboardInterrupt(), 130, "toy: stopped"),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("where", [(launching, "run_study"), (results, "show_results")])
def test_any_end_is_told_and_raised(study, tmp_path, told, monkeypatch, end, where):
    command, out = told
    error, code, words = ENDS[end]
    monkeypatch.setattr(launching, "run_study", Mock())
    monkeypatch.setattr(*where, Mock(side_effect=error))
    arguments = ["launch", study, "--on", "inline", "--runs", tmp_path, "--notify", command]
    if end == "a bug":
        with pytest.raises(RuntimeError):
            run_here(*arguments)
    else:
        assert run_here(*arguments, check=False).returncode == code
    assert words in out.read_text()
    if end == "stopped":
        # Training is over while the report is written.
        assert ("`seedsweep report toy` writes it" in out.read_text()) == (where[0] is results)


def test_a_job_that_is_stopped_goes_on_and_tells_nobody(study, tmp_path, told, monkeypatch):
    command, out = told
    monkeypatch.setenv(HEAD_VARIABLE, json.dumps({"address": "", "ip": "", "number": 1}))
    monkeypatch.setattr(launching, "run_study", Mock(side_effect=KeyboardInterrupt))
    done = run_here("launch", study, "--on", "inline", "--runs", tmp_path, "--notify", command, check=False)
    assert done.returncode == 130
    assert not out.exists()


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
    # Whom it told may be a secret.
    assert cluster.notified(run) == ""


def test_copies_of_an_earlier_version_name_nobody(tmp_path):
    run = RunDirectory(RunPaths.of(tmp_path, "toy"))
    run.paths.copies.parent.mkdir(parents=True)
    run.paths.copies.write_text(json.dumps({"source": "", "code": ""}))
    assert cluster.notified(run) == ""
