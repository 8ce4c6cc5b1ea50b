"""What the tests of the report of 2019 share."""

import pytest

from seedsweep.core.models.pretrained import INCEPTION_FILE


@pytest.fixture
def inception(tmp_path, monkeypatch):
    """Studies at the report's scale are read where the weights of Inception v3 are in torch's cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / INCEPTION_FILE).touch()
