"""How far a study is, from its ledger."""

from __future__ import annotations

import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from seedsweep.analysis.labels import searched, short_label
from seedsweep.core.records import lease
from seedsweep.core.records.criterion import OUTCOMES, Outcome
from seedsweep.core.records.ledger import CohortRecord, CohortSpec
from seedsweep.core.records.origins import in_words, taken_by
from seedsweep.core.records.registration import Registration, read_registration
from seedsweep.core.records.study import Study
from seedsweep.sweeps.running.progress import duration
from seedsweep.sweeps.running.run_directory import LEASE, RunDirectory

WATCH_SECONDS = 2.0
#: Rows that are shown; the last ones, which are the comparison's.
MOST_ROWS = 100


@dataclass(frozen=True)
class _Cohort:
    """What the ledger has of a cohort, read once. outcomes: None where it is not finished."""

    record: CohortRecord
    spec: CohortSpec
    outcomes: list[Outcome] | None


def show(run: RunDirectory, jobs: Iterable[str], console: Console) -> None:
    """Print who runs the study, its `jobs`, one line a configuration and phase, the time left, and the last error of
    each failed cohort."""
    study = run.study()
    holder = lease.alive(run.paths.leases, LEASE)
    groups: dict[tuple[str, int], list[_Cohort]] = defaultdict(list)
    cohorts = _read(run.ledger.records())
    for cohort in cohorts:
        groups[cohort.spec.phase, cohort.spec.number].append(cohort)
    table = Table(box=None, padding=(0, 1, 0, 0))
    # In 80 columns only the names of configurations are cut.
    for column in ("phase", "no.", "configuration", "seeds", "done", *(o.replace("_", "\n") for o in OUTCOMES), "step"):
        table.add_column(column, no_wrap=column != "configuration")
    rows = sorted(groups.items(), key=lambda item: (item[0][0] != "explore", item[0][1]))
    paths = searched(study, [cohort.spec for cohort in cohorts])
    for (phase, number), of_one in rows[-MOST_ROWS:]:
        open_ones = [cohort.record for cohort in of_one if cohort.outcomes is None]
        counts = Counter(outcome.outcome for cohort in of_one for outcome in cohort.outcomes or ())
        steps = [curves.steps[-1] for record in open_ones if (curves := record.curves()) and curves.steps]
        table.add_row(
            phase,
            str(number),
            Text(short_label(of_one[0].spec, paths), no_wrap=True, overflow="ellipsis"),
            str(sum(len(cohort.spec.seeds) for cohort in of_one)),
            f"{len(of_one) - len(open_ones)}/{len(of_one)}",
            *(str(counts[outcome]) for outcome in OUTCOMES),
            str(steps[-1]) if steps else "",
        )
    errors = [(c.record, text) for c in cohorts if c.outcomes is None and (text := c.record.reason())]
    scale = f" ({study.scale} scale)" if study.scale else ""
    console.print(f"[bold]{escape(study.name)}[/]{scale}, {escape(str(run.paths.folder))}")
    console.print(f"running: {lease.describe(holder)}" if holder else "not running")
    for job in jobs:
        console.print(f"job {job}")
    console.print(table)
    if len(rows) > MOST_ROWS:
        console.print(f"({len(rows) - MOST_ROWS} configurations before the last {MOST_ROWS} are left out)")
    if said := _look(study, run, cohorts):
        console.print(said)
    left = _time_left(study, cohorts, lease.started_at(holder)) if holder else ""
    console.print(_summary(cohorts) + left)
    if said := in_words(taken_by([cohort.record for cohort in cohorts if cohort.outcomes is not None])):
        console.print(escape(said))
    if gone := len(run.ledger.records(superseded=True)) - len(cohorts):
        console.print(f"left out: {gone} cohorts of data, start weights or defaults that the study has no more")
    for record, text in errors:
        console.print(f"[red]failed[/] {escape(str(record.folder))}\n  {escape(text)}")


def watch(run: RunDirectory, jobs: Callable[[RunDirectory], list[str]], console: Console) -> None:
    """`show` again every WATCH_SECONDS, until neither a launch runs nor a job is in the queue, or Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            queued = jobs(run)
            console.clear()
            show(run, queued, console)
            if not run.holder() and not queued:
                return
            time.sleep(WATCH_SECONDS)


def summary(records: Sequence[CohortRecord]) -> str:
    """Finished cohorts and their members' outcomes in a line."""
    return _summary(_read(records))


def _read(records: Iterable[CohortRecord]) -> list[_Cohort]:
    return [_Cohort(record, record.spec(), record.outcomes() if record.finished else None) for record in records]


def _summary(cohorts: Sequence[_Cohort]) -> str:
    counts = Counter(outcome.outcome for cohort in cohorts for outcome in cohort.outcomes or ())
    return (
        f"{sum(cohort.outcomes is not None for cohort in cohorts)} cohorts finished; members: "
        f"{counts['converged']} converged, {counts['fell_back']} fell back, {counts['never']} never, "
        f"{counts['diverged']} diverged"
    )


def _look(study: Study, run: RunDirectory, cohorts: Sequence[_Cohort]) -> str:
    """`look 2 of 4 (12 of 40 seeds)`, and why no more follows, as the page says it; empty where all seeds are looked at
    at once."""
    registered = read_registration(run.paths)
    sizes = (registered or study).seeds.sizes
    if len(sizes) < 2:
        return ""
    # SciPy and pandas take a second to import, and most studies have one look.
    from seedsweep.analysis.tables import numbers_of, untrained
    from seedsweep.sweeps.search.looks import deciding, looked

    decides, specs = deciding(study, run.paths), [cohort.spec for cohort in cohorts]
    known: dict[int, dict[int, Outcome]] = defaultdict(dict)
    names: dict[int, str] = {}
    for cohort, explored, short in zip(cohorts, numbers_of(specs), untrained(study, specs), strict=True):
        spec = cohort.spec
        # What was added later decides nothing.
        covered = [seed for seed in spec.seeds if decides.covers(spec, explored, seed)]
        if spec.phase == "compare" and covered and not short:
            names[spec.number] = spec.name
            own = {outcome.seed: outcome for outcome in cohort.outcomes or ()}
            known[spec.number] |= {seed: own[seed] for seed in covered if seed in own}
    numbers = sorted(names)
    found = looked(
        study,
        decides,
        [names[number] for number in numbers],
        [known[number] for number in numbers],
        entered=_entered(decides, names, cohorts),
    )
    seen, most = max(found.reached, default=0), sizes[-1]
    if not seen:
        return f"before look 1 of {len(sizes)} (at {sizes[0]} of {most} seeds)"
    ended = {"decided": "; no more follows: all is decided", "futile": "; no more follows: more would not decide it"}
    return f"look {seen} of {len(sizes)} ({sizes[seen - 1]} of {most} seeds){ended.get(found.stopped, '')}"


def _entered(decides: Registration, names: Mapping[int, str], cohorts: Sequence[_Cohort]) -> bool:
    """Whether all that is registered has a cohort in the comparison: the named ones, and what the search adds, which is
    nothing where it explored the named ones alone. names: of those in it."""
    if not set(decides.configurations) <= set(names.values()):
        return False
    explored = [cohort for cohort in cohorts if cohort.spec.phase == "explore"]
    all_named = all(cohort.spec.name and cohort.outcomes is not None for cohort in explored)
    ended = all_named and len({cohort.spec.number for cohort in explored}) >= decides.explore
    return not decides.explore or "" in names.values() or ended


def _time_left(study: Study, cohorts: Sequence[_Cohort], since: float) -> str:
    """At the rate of the launch that runs since then, by the members that it has finished; nothing before the first."""
    finished = [cohort for cohort in cohorts if cohort.outcomes is not None]
    now = [len(cohort.spec.seeds) for cohort in finished if cohort.record.finished_at > since]
    left = study.members - sum(len(cohort.spec.seeds) for cohort in finished)
    return f"; about {duration(left / sum(now) * (time.time() - since))} left" if now and left > 0 else ""
