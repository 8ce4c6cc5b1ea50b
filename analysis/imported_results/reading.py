"""Which reader is for what: told by what stands at a path."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from seedsweep.analysis.errors import TableError
from seedsweep.analysis.imported_results import (
    comma_separated,
    event_files,
    optuna_database,
    parquet,
    ray_tune,
    wandb,
)
from seedsweep.analysis.imported_results.columns import COLUMNS, SQLITE, STANDARD_INPUT, Columns
from seedsweep.analysis.imported_results.rows import Rows

#: Columns of runs' names, in a file that may be of any tool.
RUNS = ("run", "Name", "run_name")


def read(path: str, columns: Columns) -> Rows:
    """The rows of a file, a folder, a database `sqlite:///...`, or of the standard input, `-`.

    Errors: TableError, one line that says what was looked for.
    """
    if path == STANDARD_INPUT:
        return _of_bytes(sys.stdin.buffer.read(), "standard input", _wanted(columns))
    if "://" in path and not path.startswith(SQLITE):
        raise TableError(
            f"{path}: of addresses only {SQLITE}FILE is read; of another database of Optuna write "
            "study.trials_dataframe() to a CSV file"
        )
    place = Path(path.removeprefix(SQLITE))
    try:
        if place.is_dir():
            return _of_folder(place)
        with place.open("rb") as file:
            if file.read(len(optuna_database.MAGIC)) == optuna_database.MAGIC:
                return optuna_database.read(place)
        return _of_bytes(place.read_bytes(), str(place), _wanted(columns))
    except OSError as error:
        raise TableError(f"{error.filename or path}: {error.strerror}") from None


def _wanted(columns: Columns) -> Collection[str]:
    configuration, seed, step, score = COLUMNS
    return {
        *(columns.configuration or [configuration]),
        *(columns.scores or [score]),
        *(columns.seed or seed, columns.step or step),
    }


def _of_folder(folder: Path) -> Rows:
    # Ray Tune writes event files, too.
    if ray_tune.folders(folder):
        return ray_tune.read(folder)
    if event_files.files(folder):
        return event_files.read(folder)
    raise TableError(
        f"{folder} has neither results of Ray Tune ({ray_tune.RESULTS}, {ray_tune.PROGRESS}) nor event files of "
        f"TensorBoard ({event_files.PATTERN}); of a run of seedsweep say its name"
    )


def _of_bytes(data: bytes, what: str, wanted: Collection[str]) -> Rows:
    rows = parquet.read(data, what) if data.startswith(parquet.MAGIC) else comma_separated.read(data, what, wanted)
    if wandb.is_chart(rows):
        return wandb.chart(rows)
    wandb.check_finished(rows)
    return replace(rows, run=next((name for name in RUNS if name in rows.columns), ""))
