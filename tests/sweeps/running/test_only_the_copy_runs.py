"""Only the copy that a launch makes at its beginning runs."""

import pytest

from tests.sweeps.edited import assert_an_edit_changes_nothing


@pytest.mark.slow
def test_an_edit_after_the_beginning_changes_nothing(tmp_path):
    assert_an_edit_changes_nothing(tmp_path, "inline")
