"""The tutorial on one machine: its commands run in their order, and print what it says."""

import difflib
import re
import shlex
import shutil

import pytest

from tests.sweeps.launching import ROOT, run_here

#: Another processor has other times, and now and then another seed that converges, with the words that go with it.
ALIKE = 0.9


def words(printed: str, folder: str) -> list[str]:
    """Without what differs between machines: numbers, lines and the frames of tables."""
    printed = re.sub(r"[─-╿]", " ", printed.replace(folder, "/tmp/mine"))
    return re.sub(r"\d+(\.\d+)?", "#", printed).split()


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Of each command its words, what the tutorial says that it prints, and what it printed."""
    folder = tmp_path_factory.mktemp("tutorial")
    shutil.copytree(ROOT / "examples" / "regression", folder, dirs_exist_ok=True)
    text = (ROOT / "docs" / "laptop.md").read_text()
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
            *before, last = re.split(r"^\$ (?=seedsweep )", block, flags=re.M)
            assert all(line.startswith(("$ cp ", "$ cd ")) for part in before for line in part.splitlines())
            command, _, expected = last.partition("\n")
            done = run_here(*shlex.split(command)[1:])
            found.append((command, words(expected, "/tmp/mine"), words(done.stdout, str(folder))))
    return found


@pytest.mark.slow
def test_its_commands_print_what_it_says(printed):
    assert [shlex.split(command)[1] for command, *_ in printed] == ["check", "plan", "launch", "launch", "status"]
    for command, expected, got in printed:
        ratio = difflib.SequenceMatcher(None, expected, got, autojunk=False).ratio()
        assert ratio >= ALIKE, (command, " ".join(got))


@pytest.mark.slow
def test_another_output_would_be_seen(printed):
    """So that the ratio says something: no output is like that of another command."""
    (_, check, _), (_, plan, _), (_, launch, _), _, (_, status, _) = printed
    for one, other in ((check, plan), (plan, launch), (launch, status)):
        assert difflib.SequenceMatcher(None, one, other, autojunk=False).ratio() < 0.5
