"""What the pages of Weights & Biases export as CSV: a table with a row a run, or a chart with some columns a run."""

from __future__ import annotations

from dataclasses import replace

from seedsweep.analysis.errors import TableError
from seedsweep.analysis.imported_results.rows import Cell, Rows, of_records

#: Columns of a table of runs.
NAME, STATE = "Name", "State"
UNFINISHED = frozenset(["crashed", "failed", "killed", "pending", "preempted", "preempting", "running"])
#: Ends of the columns of a chart beside each run's own.
LOWEST, HIGHEST = "__MIN", "__MAX"
RUN = "run"


def is_chart(rows: Rows) -> bool:
    """Whether these are rows of a chart: `Step`, `run - metric`, `run - metric__MIN`, `run - metric__MAX`, ..."""
    return any(name.endswith(LOWEST) and name.removesuffix(LOWEST) in rows.columns for name in rows.columns)


def chart(rows: Rows) -> Rows:
    """A row a run and step. An empty cell is none of the run: the rows are the steps of all runs together."""
    step, *others = rows.columns
    lines = [(name, *_run_and_metric(name)) for name in others if not name.endswith((LOWEST, HIGHEST))]
    # `_step` and the like are W&B's own.
    lines = [(name, run, metric) for name, run, metric in lines if run and not metric.startswith("_")]
    records: dict[tuple[int, str], dict[str, Cell]] = {}
    for name, run, metric in lines:
        for row, value in enumerate(rows.columns[name]):
            if value:
                start = {RUN: run, step: rows.columns[step][row]}
                records.setdefault((row, run), start)[metric] = value
    having = {run for _, run in records}
    for name, run, _ in lines:
        if run not in having:
            raise TableError(f"{rows.what}: column {name!r} is empty: leave run {run!r} out, or export it again")
    metrics = list(dict.fromkeys(metric for _, _, metric in lines))
    places = list(records)
    return replace(
        rows,
        columns=of_records(records.values()),
        place=lambda row: f"{rows.place(places[row][0])}, run {places[row][1]!r}",
        run=RUN,
        each=RUN,
        step=step,
        score=metrics[0] if len(metrics) == 1 else "",
    )


def _run_and_metric(column: str) -> tuple[str, str]:
    run, _, metric = column.rpartition(" - ")
    return run, metric


def check_finished(rows: Rows) -> None:
    """Errors: TableError where a table of runs has one that has not ended well: its numbers are of some step before the
    end."""
    if not {NAME, STATE} <= rows.columns.keys():
        return
    for row, (name, state) in enumerate(zip(rows.columns[NAME], rows.columns[STATE], strict=True)):
        if str(state).lower() in UNFINISHED:
            raise TableError(
                f"{rows.place(row)}: run {name!r} is {state}: its numbers are not those of the end; finish it, or, "
                "where it diverged, leave its score empty and say that it is finished"
            )
