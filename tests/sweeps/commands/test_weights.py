"""A member's weights as a plain state dict."""

import pytest
import torch
from torch import nn

from seedsweep.core.training import checkpoint
from tests.sweeps.launching import run_here

COMMAND = ("weights", "kept", "--configuration", "shrunk", "--seed", "2")


def test_a_model_made_by_hand_loads_them(runs, kept, tmp_path):
    to = tmp_path / "made" / "model.pt"
    said = run_here(*COMMAND, "--to", to, "--runs", runs).stdout
    weights = torch.load(to, weights_only=True)
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
    model.load_state_dict(weights)
    (record,) = [record for record in kept.ledger.records() if record.spec().name == "shrunk"]
    stored = checkpoint.load(record.weights)
    for name, values in weights.items():
        assert torch.equal(values, stored["tensors"][name][stored["seeds"].index(2)])
        # No other member's numbers are in the file.
        assert values.untyped_storage().nbytes() == values.numel() * values.element_size()
    assert f'model.load_state_dict(torch.load("{to}", weights_only=True))' in said


@pytest.mark.parametrize(
    ("words", "change"),
    [
        (["--configuration", "plane"], "there is no 'plane'; it compares 'plain', 'shrunk'"),
        (["--seed", "3"], "shrunk has no seed 3; it has 0 to 2"),
        (["--seed", "-1"], "shrunk has no seed -1; it has 0 to 2"),
    ],
)
def test_what_is_not_there_is_one_line_with_what_is(runs, tmp_path, words, change):
    done = run_here(*COMMAND, *words, "--to", tmp_path / "model.pt", "--runs", runs, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert change in done.stderr
    assert not (tmp_path / "model.pt").exists()


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ("outcome.json", "seed 2 of shrunk has not finished"),
        ("weights.pt", "kept no weights: launch the study once more under another name"),
    ],
)
def test_a_member_without_weights_says_why(runs, kept, tmp_path, lost, words):
    for record in kept.ledger.records():
        (record.folder / lost).unlink()
    done = run_here(*COMMAND, "--to", tmp_path / "model.pt", "--runs", runs, check=False)
    assert words in done.stderr


def test_a_program_keeps_its_weights_itself(runs, kept, tmp_path):
    for record in kept.ledger.records():
        (record.folder / "weights.pt").unlink()
        (record.folder / "files.1").mkdir()
    done = run_here(*COMMAND, "--to", tmp_path / "model.pt", "--runs", runs, check=False)
    assert "trained by a program of your own" in done.stderr
    assert str(kept.paths.cohorts) in done.stderr


def test_without_a_configuration_they_are_named(runs, tmp_path):
    words = ("weights", "kept", "--seed", "0", "--to", tmp_path / "model.pt", "--runs", runs)
    assert "name one with --configuration; it compares 'plain', 'shrunk'" in run_here(*words, check=False).stderr


def test_no_file_is_overwritten(runs, tmp_path):
    to = tmp_path / "model.pt"
    to.write_text("mine")
    assert "is there already" in run_here(*COMMAND, "--to", to, "--runs", runs, check=False).stderr
    assert to.read_text() == "mine"
