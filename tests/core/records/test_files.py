import os
import stat

import pytest

from seedsweep.core.records.files import replace


@pytest.mark.parametrize(
    ("mask", "mode", "kept"), [(0o022, 0o666, 0o644), (0o022, 0o600, 0o600), (0o077, 0o666, 0o600)]
)
def test_a_file_has_its_permissions_from_the_start_less_the_umasks(tmp_path, mask, mode, kept):
    before = os.umask(mask)
    try:
        path = tmp_path / "file"
        path.write_bytes(b"an old one")
        path.chmod(0o644)
        replace(path, b"new", mode)
    finally:
        os.umask(before)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == kept
    assert os.listdir(tmp_path) == ["file"]
