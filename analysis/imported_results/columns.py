"""What a user says of a table of others: which column is what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seedsweep.analysis.errors import TableError

CONFIGURATION, SEED, STEP, SCORE = COLUMNS = ("configuration", "seed", "step", "score")
STANDARD_INPUT, SQLITE = "-", "sqlite:///"
#: Of the name of a run, where nothing is said of it: `ppo-lr3/seed_7`, `ppo-s7`.
RUN_NAME = r"(?P<configuration>.+?)[-_ /.,:]+(?:seed|s)[-_ =]?(?P<seed>\d+)"


@dataclass(frozen=True)
class Columns:
    """Names of columns. What is empty is told by the table: COLUMNS, or what the tool that wrote it is known to write.

    configuration: members are of one configuration where these are equal.
    scores:        the first one decides, the others are shown beside it.
    run_name:      a regular expression of whole names of runs, each of whose named groups is a column.
    direction:     `max`, more is better, or `min`.
    """

    configuration: tuple[str, ...] = ()
    seed: str = ""
    step: str = ""
    scores: tuple[str, ...] = ()
    run_name: str = ""
    direction: str = ""

    @classmethod
    def named(
        cls,
        configuration: str | None,
        seed: str | None,
        step: str | None,
        scores: str | None,
        run_name: str | None,
        direction: str | None,
    ) -> Columns:
        """As a command line says it: several names are parted by commas. Errors: TableError."""
        if direction not in (None, "max", "min"):
            raise TableError(f"--direction is {direction!r}; say max (more is better) or min")
        several = [tuple(filter(None, map(str.strip, (text or "").split(",")))) for text in (configuration, scores)]
        return cls(several[0], seed or "", step or "", several[1], run_name or "", direction or "")


#: Nothing is said: COLUMNS, or what is known of the tool.
BY_DEFAULT = Columns()


def name_of(path: str) -> str:
    """What stands at a path, in a word or two: its last part."""
    return "standard input" if path == STANDARD_INPUT else Path(path.removeprefix(SQLITE)).absolute().name


def report_folder(path: str) -> Path:
    """Where its report is written, if nothing is said."""
    return Path(f"{'table' if path == STANDARD_INPUT else Path(name_of(path)).stem}-report").absolute()
