"""A study of a data set that was packed by hand: its index says what is in it."""

from pathlib import Path

import pytest

from seedsweep.core.errors import UserError
from seedsweep.shards.data_set import make, resolved
from seedsweep.shards.index import read_index
from seedsweep.shards.pack import pack
from seedsweep.sweeps.study.configuration import configuration
from seedsweep.sweeps.study.loading import load


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """64 small images to train on."""
    values = resolved({"name": "pattern1", "size": 32, "train": 64, "validation": 32})
    return pack("pattern1", make(values), values, tmp_path / "packed")


def in_folder(study_file: Path, folder: Path, *overrides: str):
    return load(str(study_file), None, [f"data={{name: packed, folder: '{folder}'}}", *overrides])


def test_the_index_says_how_many_samples_there_are(study_file, packed):
    assert in_folder(study_file, packed).data == {"name": "packed", "folder": str(packed)}
    with pytest.raises(UserError, match=r"training\.batch=65: 65 is larger than the training split, 64 samples"):
        in_folder(study_file, packed, "training.batch=65")


def test_what_is_not_packed_is_said(study_file):
    with pytest.raises(UserError, match=r"data\.folder: .*nowhere"):
        load(str(study_file), None, ["data={name: packed, folder: nowhere}"])


def test_a_folder_is_kept_whole(study_file, packed, monkeypatch):
    """The run may go on from another working directory."""
    monkeypatch.chdir(packed.parent)
    assert in_folder(study_file, Path(packed.name)).data["folder"] == str(packed)


def test_another_folder_of_the_same_content_is_the_same_data(study_file, packed, tmp_path):
    moved = tmp_path / "moved"
    moved.symlink_to(packed)
    fingerprints = [read_index(folder).fingerprint for folder in (packed, moved)]
    studies = [in_folder(study_file, folder) for folder in (packed, moved)]
    assert fingerprints[0] == fingerprints[1]
    assert studies[0].data != studies[1].data
    identities = {configuration(each).identity(fingerprints[0], "", 24) for each in studies}
    assert len(identities) == 1
