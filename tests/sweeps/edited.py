"""A launch whose user edits the files while it runs."""

from __future__ import annotations

from pathlib import Path

from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from tests.sweeps import toy
from tests.sweeps.launching import start
from tests.waiting import PATIENCE, wait_for

NETS = "MARK = {mark}\n"
MODULE = toy.MODULE.replace(
    "import numpy as np", "import numpy as np\nfrom core.nets import MARK"
).replace('.mean(1)}', '.mean(1), "mark": torch.full_like(batch["y"][:, 0], MARK)}')  # fmt: skip


def assert_an_edit_changes_nothing(folder: Path, on: str) -> None:
    """A user's folder with a `core/` of its own is edited while a launch runs: only the copy of the beginning runs."""
    home, runs = folder / "mine", folder / "runs"
    study = toy.write(home, MODULE)
    (home / "core").mkdir()
    (home / "core" / "__init__.py").write_text("")
    (home / "core" / "nets.py").write_text(NETS.format(mark=1))
    # Where a user launches from, and what Ray puts first on its workers' path.
    process = start(
        study, "--on", on, "--runs", runs, "--set", "search.explore=0", "--set", "resources.cohort=1", cwd=home
    )
    try:
        wait_for(lambda: list(runs.glob("toy/cohorts/*/*/cohort.json")))
        (home / "core" / "nets.py").write_text(NETS.format(mark=2))
        (home / "toy.py").write_text("raise RuntimeError('the edited file was run')\n")
        (home / "seedsweep").mkdir()
        (home / "seedsweep" / "__init__.py").write_text("raise RuntimeError('the user\\'s own seedsweep was run')\n")
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
    records = Ledger(RunPaths(runs / "toy").cohorts).records()
    assert len(records) == 8
    for record in records:
        curves = record.verified_curves()
        assert set(curves.column("mark").ravel()) == {1.0}
    assert len({record.spec().code for record in records}) == 1
