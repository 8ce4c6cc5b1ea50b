"""Only the copy that a launch makes at its beginning runs."""

import subprocess
import sys

from tests.sweeps import toy
from tests.sweeps.edited import assert_an_edit_changes_nothing
from tests.sweeps.launching import environment


def test_an_edit_after_the_beginning_changes_nothing(tmp_path):
    assert_an_edit_changes_nothing(tmp_path, "here")


def test_a_module_that_a_worker_has_not_is_named_with_what_to_do(tmp_path):
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "only_here.py").write_text("")
    study = toy.write(tmp_path / "mine", f"import only_here\n{toy.MODULE}")
    settings = ("resources.retries=0", "search.explore=0", "seeds.compare=1")
    words = ["launch", study, "--on", "here", "--runs", tmp_path / "runs", *(f"--set={one}" for one in settings)]
    code = (
        f"import sys; sys.path.append({str(tmp_path / 'beside')!r})\n"
        f"sys.argv[1:] = {list(map(str, words))}\n"
        "from seedsweep.sweeps.cli import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert done.returncode == 1, done.stderr
    assert "toy.py cannot be imported: ModuleNotFoundError: No module named 'only_here' (toy.py line 1)" in done.stdout
    assert "install it where members are trained, or put it below the study's folder" in done.stdout
