"""Every path of a run directory. Nothing else joins one, but who alone writes to a folder: `cohorts/` (the ledger) and
`code/` (the copies of the user's files)."""

from __future__ import annotations

import os
from pathlib import Path

#: Beside the runs: packed data sets, shared by all studies; and who launches each.
DATA_FOLDER, LEASES_FOLDER = "_data", ".leases"
#: In every run directory, and nowhere else.
STUDY_FILE = "study.json"


def runs_folder(given: Path | None = None) -> Path:
    """--runs, else $SEEDSWEEP_RUNS, else `runs`."""
    return (given or Path(os.environ.get("SEEDSWEEP_RUNS") or "runs")).absolute()


def replication_folder(runs: Path) -> Path:
    """The table of the claims of the report of 2019, from all runs of a folder."""
    return runs / "replication"


class ReportPaths:
    """A report's folder: of a run, of two side by side, or of others' tables."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.page = folder / "index.html"
        #: The answer for programs.
        self.answer = folder / "answer.json"
        #: What an open page of a study that runs takes in.
        self.live = folder / "live.js"
        self.figures = folder / "figures"
        self.tables = folder / "tables"


class ClusterPaths:
    """`cluster/` of a run, as the nodes of its Ray cluster see it."""

    def __init__(self, folder: Path):
        self.folder = folder
        #: Says where the head is, or with what exit code its command exited.
        self.head = folder / "head.json"

    def leader(self, name: str) -> Path:
        """Names the Ray of an allocation to its tasks. name: of the lease of the allocation's leader."""
        return self.folder / f"{name}.json"

    def leaders(self, job: str) -> list[Path]:
        """Files and leases of the leaders of a job, of earlier runs of it too."""
        return list(self.folder.glob(f"leader.{job}.*"))

    def token(self, number: int) -> Path:
        """Of the head that holds this lease."""
        return self.folder / f"token.{number:06d}"

    def tokens(self) -> list[Path]:
        """Of all heads."""
        return list(self.folder.glob("token.*"))


class RunPaths:
    """`runs/<study>/`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.runs = folder.parent
        self.name = folder.name
        #: The study as resolved: what is read, and the same as YAML, for people.
        self.study = folder / STUDY_FILE
        self.study_yaml = folder / "study.yaml"
        #: The registered design: what decides.
        self.registered = folder / "registered.json"
        self.provenance = folder / "provenance.json"
        self.cohorts = folder / "cohorts"
        self.optuna_db = folder / "optuna.db"
        self.importance = folder / "importance.csv"
        self.search = folder / "search.json"
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
        #: What was logged to other places, such as MLflow.
        self.logged_elsewhere = folder / "logged_elsewhere.json"
        self.log_of_logging = self.logs / "logged_elsewhere.txt"
        # Beside the folder, not in it: a fresh start sets the folder aside while it is held.
        self.data = self.runs / DATA_FOLDER
        self.leases = self.runs / LEASES_FOLDER / folder.name

    def has_finished(self, *, with_fewer_steps: bool = False) -> bool:
        """Whether any cohort has finished; with_fewer_steps: whether any had, before steps were added to the study."""
        return any(self.cohorts.glob("*/*/outcome.*.json" if with_fewer_steps else "*/*/outcome*.json"))

    @classmethod
    def of(cls, runs: Path, name: str) -> RunPaths:
        """Of the run of this name."""
        return cls(runs / name)

    def beside(self, name: str) -> RunPaths:
        """Of another run in the same folder."""
        return self.of(self.runs, name)

    def compared_with(self, other: RunPaths) -> Path:
        """The report of this run and another, side by side."""
        return self.runs / f"compare-{self.name}-{other.name}"

    def probed(self, program: str) -> Path:
        """What was measured of a program. program: what tells it from others."""
        return self.probe / f"{program}.json".replace("/", "-")

    def start(self, digest: str) -> Path:
        """A member's weights that others start from, by the hash of their content."""
        return self.starts / f"{digest}.pt"

    def start_list(self, digest: str) -> Path:
        """Which of those a configuration's members start from, in their order, by the hash of all their content."""
        return self.starts / f"{digest}.json"

    def source_copy(self, digest: str) -> Path:
        """A copy of this package's source, by its hash."""
        return self.source / digest

    def jobs(self) -> list[str]:
        """Numbers of the jobs that were submitted, in growing order."""
        # submitit makes a folder for each.
        return sorted((path.name for path in self.cluster.glob("*") if path.name.isdecimal()), key=int)

    def job_logs(self, job: str) -> list[Path]:
        """What the tasks of a job printed, the first tasks first."""
        return sorted((self.cluster / job).glob(f"{job}_*_log.out"))

    @staticmethod
    def all_of(runs: Path) -> list[RunPaths]:
        """The runs that were begun in a folder, by name."""
        found = sorted(path.parent for path in runs.glob(f"*/{STUDY_FILE}"))
        return [RunPaths(folder) for folder in found if not folder.name.startswith(".")]
