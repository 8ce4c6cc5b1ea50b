"""Event files as TensorBoard's and PyTorch's writers make them: a folder a run."""

import re

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from torch.utils.tensorboard import SummaryWriter

from seedsweep.analysis.errors import TableError
from seedsweep.analysis.imported_results.columns import Columns
from seedsweep.analysis.imported_results.judged import read
from tests.analysis.imported_results.made import MEMBERS, SCORES, STEPS, THRESHOLD, members
from tests.analysis.imported_results.writers import of_torch

NAMED = Columns(scores=("val/acc",))


def of_tensorflow(folder, lr, seed, own):
    """Version 2 of the summaries: scalars are tensors."""
    writer = EventFileWriter(str(folder / f"lr {lr}-s{seed}"))
    for step, score in zip(STEPS, own, strict=True):
        writer.add_event(Event(step=step, summary=scalar_pb("val/acc", score)))
    writer.close()


def with_hyperparameters(folder, lr, seed, own):
    """`add_hparams` writes them to a folder of its own."""
    with SummaryWriter(folder / f"run-{lr}-{seed}") as writer:
        for step, score in zip(STEPS, own, strict=True):
            writer.add_scalar("val/acc", score, step)
        writer.add_hparams({"lr": lr, "seed": seed, "opt": "sgd"}, {"hparam/last": own[-1]})


@pytest.mark.parametrize("write", [of_torch, of_tensorflow, with_hyperparameters])
def test_a_folder_is_a_run(tmp_path, write):
    for (lr, seed), own in SCORES.items():
        write(tmp_path, lr, seed, own)
    assert members(read(tmp_path, THRESHOLD, columns=NAMED)) == MEMBERS


def test_each_evaluation_is_read_of_however_many_there_are(tmp_path):
    with SummaryWriter(tmp_path / "a-s0") as writer:
        for step in range(12000):
            writer.add_scalar("val/acc", step, step)
    assert len(read(tmp_path, THRESHOLD, columns=NAMED).evaluations) == 12000


def test_what_cannot_be_judged_is_refused_with_its_folder(tmp_path):
    for (lr, seed), own in SCORES.items():
        of_torch(tmp_path, lr, seed, own)
    refused = {
        "no column 'score'; which is the score? Say --score-column NAME, of train/loss, val/acc": Columns(),
        "no column 'seeds'; which is the seed?": Columns(seed="seeds", scores=("val/acc",)),
        "run's name 'lr 0.01/seed_0' does not fit": Columns(run_name="x(?P<seed>.*)", scores=("val/acc",)),
    }
    for words, columns in refused.items():
        with pytest.raises(TableError, match=re.escape(words)):
            read(tmp_path, THRESHOLD, columns=columns)
    # A run that was killed, was started anew from the beginning and wrote to the same folder.
    of_torch(tmp_path, 0.1, 0, (0.5, 0.9))
    with pytest.raises(TableError, match=r"seed_0: '.*' is there twice at step \d+"):
        read(tmp_path, THRESHOLD, columns=NAMED)


def test_a_run_without_the_score_is_not_passed_over(tmp_path):
    for (lr, seed), own in SCORES.items():
        of_torch(tmp_path, lr, seed, own)
    with SummaryWriter(tmp_path / "lr 0.1" / "seed_2") as writer:
        writer.add_scalar("train/loss", 1, 5)
    with pytest.raises(TableError, match=re.escape("run 'lr 0.1/seed_2' has no 'val/acc'")):
        read(tmp_path, THRESHOLD, columns=NAMED)


def test_a_run_without_any_scalar_is_not_passed_over(tmp_path):
    of_torch(tmp_path, 0.1, 0, SCORES[0.1, 0])
    writer = EventFileWriter(str(tmp_path / "empty-s3"))
    writer.add_event(Event(step=1, summary=Summary()))
    writer.close()
    with pytest.raises(TableError, match="empty-s3: its event files have no scalar"):
        read(tmp_path, THRESHOLD, columns=NAMED)


def test_a_file_that_was_cut_is_no_shorter_run(tmp_path):
    for (lr, seed), own in SCORES.items():
        of_torch(tmp_path, lr, seed, own)
    (path,) = (tmp_path / "lr 0.1" / "seed_1").iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(TableError, match=re.escape("seed 1 of 'lr 0.1' ends at step 10, others at 20")):
        read(tmp_path, THRESHOLD, columns=NAMED)
