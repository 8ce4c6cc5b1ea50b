"""Every path of a run directory. Nothing else joins one."""

from __future__ import annotations

import os
from pathlib import Path

#: Beside the runs: packed data sets, shared by all studies; and who launches each.
DATA_FOLDER, LEASES_FOLDER = "_data", ".leases"


def runs_folder(given: Path | None = None) -> Path:
    """--runs, else $SEEDSWEEP_RUNS, else `runs`."""
    return (given or Path(os.environ.get("SEEDSWEEP_RUNS") or "runs")).absolute()


class ReportPaths:
    """A report's folder: of a run, of two side by side, or of others' tables."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.page = folder / "index.html"
        self.figures = folder / "figures"
        self.tables = folder / "tables"


class RunPaths:
    """`runs/<study>/`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.runs = folder.parent
        self.name = folder.name
        #: The study as resolved: what is read, and the same as YAML, for people.
        self.study = folder / "study.json"
        self.study_yaml = folder / "study.yaml"
        #: The design: what decides, as it was before the first member finished.
        self.registered = folder / "registered.json"
        self.provenance = folder / "provenance.json"
        self.cohorts = folder / "cohorts"
        self.optuna_db = folder / "optuna.db"
        self.importance = folder / "importance.csv"
        self.tensorboard = folder / "tensorboard"
        self.logs = folder / "logs"
        #: What a driver on a Ray cluster prints.
        self.driver_log = self.logs / "driver.log"
        self.report = ReportPaths(folder / "report")
        self.export = folder / "export"
        #: What was measured of engines and group sizes.
        self.probe = folder / "probe"
        #: Weights that members start from.
        self.starts = folder / "starts"
        self.cluster = folder / "cluster"
        #: Which copies the jobs on a cluster run.
        self.copies = self.cluster / "copies.json"
        #: Copies of this package's source, and of the user's files.
        self.source = folder / "source"
        self.code = folder / "code"
        self.retry = folder / ".retry"
        # Beside the folder, not in it: a fresh start sets the folder aside while it is held.
        self.data = self.runs / DATA_FOLDER
        self.leases = self.runs / LEASES_FOLDER / folder.name

    def has_finished(self, *, with_fewer_steps: bool = False) -> bool:
        """Whether any cohort has finished; with_fewer_steps: whether any had, before steps were added to the study."""
        return any(self.cohorts.glob("*/*/outcome.*.json" if with_fewer_steps else "*/*/outcome*.json"))

    @staticmethod
    def all_of(runs: Path) -> list[RunPaths]:
        """The runs that were begun in a folder, by name."""
        found = sorted(path.parent for path in runs.glob("*/study.json"))
        return [RunPaths(folder) for folder in found if not folder.name.startswith(".")]
