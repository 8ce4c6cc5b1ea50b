"""How far a study is, from its ledger."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from seedsweep.analysis import answer_record
from seedsweep.analysis.labels import searched, short_label
from seedsweep.core.records import lease
from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.criterion import OUTCOMES, Outcome
from seedsweep.core.records.origins import in_words, taken_by
from seedsweep.core.records.registration import Registration, read_registration
from seedsweep.core.records.study import Study
from seedsweep.sweeps.commands import run_state, shown_table, watching
from seedsweep.sweeps.commands.run_state import Cohort, Used
from seedsweep.sweeps.running.progress import duration, left_out, which
from seedsweep.sweeps.running.run_directory import LEASE, RunDirectory

#: Rows that are shown; the last ones, which are the comparison's.
MOST_ROWS = 100
#: Open cohorts that are named.
MOST_OPEN = 10


@dataclass(frozen=True)
class Row:
    """A configuration in one phase. seeds: members that have a cohort, and done: those that have finished.  step: of an
    open cohort's last evaluation."""

    phase: str
    number: int
    configuration: str
    seeds: int
    done: int
    converged: int
    fell_back: int
    never: int
    diverged: int
    step: int | None


@dataclass(frozen=True)
class OpenCohort:
    """One that has not finished. cohort: as `seedsweep logs` takes it.  error: the last line of why it failed, unless
    the launch that runs has begun it again."""

    cohort: str
    phase: str
    configuration: str
    seeds: tuple[int, ...]
    step: int | None
    error: str | None


@dataclass(frozen=True)
class Status:
    """What is known of a run while nothing is decided.

    state: one of `run_state`'s words.  runner: who runs it.  jobs: of it in the queue.  members: that the study has, at
    most; done: that have finished.  seconds_left: at the rate so far; None where nothing runs or has finished.
    most_converged: configurations with the highest share so far, a count and no verdict.
    failed, open: cohorts that are not finished, with and without an error.  report: its page, if it is written.
    """

    name: str
    scale: str
    folder: str
    state: str
    runner: str | None
    jobs: tuple[str, ...]
    members: int
    done: int
    cohorts_done: int
    outcomes: dict[str, int]
    seconds_left: float | None
    look: str | None
    most_converged: tuple[Row, ...]
    taken: dict[str, int]
    superseded: int
    failed: tuple[OpenCohort, ...]
    open: tuple[OpenCohort, ...]
    used: Used
    report: str | None
    configurations: tuple[Row, ...]


def find(run: RunDirectory, jobs: Iterable[str]) -> Status:
    """What a run's records say. jobs: its jobs in the queue. Errors: RecordError, LedgerError."""
    study, jobs = run.study(), tuple(jobs)
    holder = lease.alive(run.paths.leases, LEASE)
    launch = _launch(run) if holder else None
    cohorts, every = run_state.read(run.ledger.records()), run.ledger.records(superseded=True)
    done, paths = run_state.members_done(cohorts), searched(study, [cohort.spec for cohort in cohorts])
    steps = {cohort.name: _step(cohort.record) for cohort in cohorts if cohort.outcomes is None}
    rows = _rows(cohorts, paths, steps)
    unfinished = [
        OpenCohort(
            cohort=cohort.name,
            phase=cohort.spec.phase,
            configuration=short_label(cohort.spec, paths),
            seeds=cohort.spec.seeds,
            step=steps[cohort.name],
            error=None if _begun_again(cohort.record, launch) else cohort.record.reason(),
        )
        for cohort in cohorts
        if cohort.outcomes is None
    ]
    answer = answer_record.read(run.paths.report)
    page = run.paths.report.page
    return Status(
        name=study.name,
        scale=study.scale,
        folder=str(run.paths.folder),
        state=run_state.state(study, done, answer, running=bool(holder), waiting=any(map(_is_job, jobs))),
        runner=lease.describe(holder) if holder else None,
        jobs=jobs,
        members=study.members,
        done=done,
        cohorts_done=sum(cohort.outcomes is not None for cohort in cohorts),
        outcomes=_counts(cohorts),
        seconds_left=_seconds_left(study, cohorts, lease.started_at(holder)) if holder else None,
        look=_look(study, run, cohorts) or None,
        most_converged=_most_converged(rows),
        taken=dict(taken_by([cohort.record for cohort in cohorts if cohort.outcomes is not None])),
        superseded=len(every) - len(cohorts),
        failed=tuple(one for one in unfinished if one.error),
        open=tuple(one for one in unfinished if not one.error),
        used=run_state.used(study, every, run.paths.folder),
        report=str(page) if page.exists() else None,
        configurations=rows,
    )


def show(run: RunDirectory, jobs: Iterable[str], console: Console) -> None:
    """Print who runs the study, its `jobs`, one line a configuration and phase, the time left, what it used, where its
    report is, and the cohorts that are open or failed."""
    found = find(run, jobs)
    scale = f" ({found.scale} scale)" if found.scale else ""
    console.print(f"[bold]{escape(found.name)}[/]{scale}, {escape(found.folder)}")
    known = {run_state.WAITING: "waiting in the queue"}
    what = f"running: {found.runner}" if found.runner else f"not running: {known.get(found.state, found.state)}"
    console.print(f"{escape(what)}; {found.done} of {found.members} members done")
    for job in found.jobs:
        console.print(f"job {escape(job)}")
    if found.configurations:
        shown_table.show(_table(found.configurations[-MOST_ROWS:]), console)
    if earlier := len(found.configurations[:-MOST_ROWS]):
        console.print(f"({earlier} configurations before the last {MOST_ROWS} are left out)")
    if found.look:
        console.print(found.look)
    left = "" if found.seconds_left is None else f"; about {duration(found.seconds_left)} left"
    console.print(_summary(found.cohorts_done, found.outcomes) + left)
    if found.most_converged and found.state != run_state.FINISHED:
        words = ", ".join(f"{row.configuration} {row.converged} of {row.done}" for row in found.most_converged)
        console.print(f"most converged so far: {escape(words)} (a count, no verdict)")
    if said := in_words(found.taken):
        console.print(escape(said))
    if found.superseded:
        console.print(left_out(found.superseded))
    console.print(f"used:   {found.used.words}")
    resources = run.study().resources
    if resources.most_hours:
        console.print(f"budget: {run_state.hours(resources.most_hours)} {'GPU' if resources.gpus else 'core'} hours")
    console.print(f"report: {escape(found.report or f'none yet (seedsweep report {run.name})')}")
    _show_unfinished(found, run, resources.retries, console)


def watch(run: RunDirectory, jobs: Callable[[RunDirectory], list[str]], console: Console) -> None:
    """`show` again, until neither a launch runs nor a job is in the queue, or Ctrl-C."""

    def again() -> bool:
        queued = jobs(run)
        show(run, queued, console)
        return bool(run.holder() or queued)

    watching.watch(again, console)


def summary(records: Sequence[CohortRecord]) -> str:
    """Finished cohorts and their members' outcomes in a line."""
    cohorts = run_state.read(records)
    return _summary(sum(cohort.outcomes is not None for cohort in cohorts), _counts(cohorts))


def _is_job(line: str) -> bool:
    """And not what SLURM said in place of its queue."""
    return line[:1].isdigit()


def _rows(cohorts: Sequence[Cohort], paths: Sequence[str], steps: Mapping[str, int | None]) -> tuple[Row, ...]:
    """The search's first. paths: that tell what it found."""
    groups: dict[tuple[str, int], list[Cohort]] = defaultdict(list)
    for cohort in cohorts:
        groups[cohort.spec.phase, cohort.spec.number].append(cohort)
    rows = []
    for (phase, number), of_one in sorted(groups.items(), key=lambda item: (item[0][0] != "explore", item[0][1])):
        known = [step for cohort in of_one if (step := steps.get(cohort.name)) is not None]
        rows.append(
            Row(
                phase=phase,
                number=number,
                configuration=short_label(of_one[0].spec, paths),
                seeds=sum(len(cohort.spec.seeds) for cohort in of_one),
                done=run_state.members_done(of_one),
                **_counts(of_one),
                step=known[-1] if known else None,
            )
        )
    return tuple(rows)


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    # On a terminal of 80 columns only the names of configurations are cut.
    outcomes = [outcome.replace("_", "\n") for outcome in OUTCOMES]
    for column in ("phase", "no.", "configuration", "members\ndone", *outcomes, "step"):
        table.add_column(column, no_wrap=column != "configuration")
    for row in rows:
        table.add_row(
            row.phase,
            str(row.number),
            Text(row.configuration, no_wrap=True, overflow="ellipsis"),
            f"{row.done}/{row.seeds}",
            *(str(getattr(row, outcome)) for outcome in OUTCOMES),
            "" if row.step is None else str(row.step),
        )
    return table


def _show_unfinished(found: Status, run: RunDirectory, retries: int, console: Console) -> None:
    launch = _launch(run) if found.runner else None
    hosts = {
        one.cohort: _host(CohortRecord(run.ledger.folder / one.cohort), launch) for one in (*found.open, *found.failed)
    }
    # Those that run come first.
    opened = sorted(found.open, key=lambda one: hosts[one.cohort] is None)
    for one in opened[:MOST_OPEN]:
        console.print(f"open    {one.cohort}: {escape(_in_words(one) + _where(found, one, hosts[one.cohort]))}")
    if len(opened) > MOST_OPEN:
        console.print(f"        and {len(opened) - MOST_OPEN} more")
    for one in found.failed:
        where = _where(found, one, hosts[one.cohort])
        console.print(f"[red]failed[/]  {one.cohort}: {escape(_in_words(one) + where)}")
        console.print(f"        {escape(str(one.error))}")
    if found.failed or opened:
        first = (*found.failed, *opened)[0].cohort
        console.print(f"look:   seedsweep logs {escape(run.name)} {first}")
    elif found.cohorts_done:
        console.print(f"look:   seedsweep logs {escape(run.name)} (names the cohorts)")
    if found.failed:
        itself = f"the launch tries again by itself (resources.retries: {retries}); then " if found.runner else ""
        console.print(f"retry:  {itself}seedsweep retry {escape(run.name)}")


def _in_words(one: OpenCohort) -> str:
    """`compare lr 0.1, seeds 0 to 11`."""
    return f"{one.phase} {one.configuration}, {which(one.seeds)}"


def _where(found: Status, one: OpenCohort, host: str | None) -> str:
    """`, at step 400, on n2`: of a job, which may have several nodes, the node, too."""
    at = "" if one.step is None else f", at step {one.step}"
    if found.runner and host is None:
        return f"{at}, waiting"
    return f"{at}, on {host}" if host and found.jobs else at


def _launch(run: RunDirectory) -> int:
    """Number of the launch that runs."""
    return lease.newest(run.paths.leases, LEASE)[0]


def _host(record: CohortRecord, launch: int | None) -> str | None:
    """Where the launch with this number has begun a cohort."""
    owner = record.owner()
    return str(owner["host"]) if launch is not None and owner.get("launch") == launch else None


def _begun_again(record: CohortRecord, launch: int | None) -> bool:
    """Whether the launch with this number has begun it after its last failure."""
    owner = record.owner()
    return launch is not None and owner.get("launch") == launch and lease.started_at(owner) > record.failed_at


def _step(record: CohortRecord) -> int | None:
    curves = record.curves()
    return curves.steps[-1] if curves and curves.steps else None


def _counts(cohorts: Sequence[Cohort]) -> dict[str, int]:
    counts = Counter(outcome.outcome for cohort in cohorts for outcome in cohort.outcomes or ())
    return {outcome: counts[outcome] for outcome in OUTCOMES}


def _summary(done: int, counts: Mapping[str, int]) -> str:
    return (
        f"{done} cohorts finished; members: {counts['converged']} converged, {counts['fell_back']} fell back, "
        f"{counts['never']} never, {counts['diverged']} diverged"
    )


def _most_converged(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Of the comparison, and before it of the search; none where none has converged."""
    finished = [row for row in rows if row.done]
    own = [row for row in finished if row.phase == "compare"] or finished

    def share(row: Row) -> float:
        # By Laplace's rule: 38 of 40 come before 1 of 1.
        return (row.converged + 1) / (row.done + 2)

    most = max(map(share, own), default=0.0)
    return tuple(row for row in own if row.converged and share(row) == most)


def _look(study: Study, run: RunDirectory, cohorts: Sequence[Cohort]) -> str:
    """`look 2 of 4 (12 of 40 seeds)`, and why no more follows, as the page says it; empty where all seeds are looked at
    at once."""
    registered = read_registration(run.paths)
    sizes = (registered or study).seeds.sizes
    if len(sizes) < 2:
        return ""
    # SciPy and pandas take a second to import, and most studies have one look.
    from seedsweep.analysis.tables import numbers_of, untrained
    from seedsweep.sweeps.search.interim import interim_progress, registration_of

    decides, specs = registration_of(study, run.paths), [cohort.spec for cohort in cohorts]
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
    found = interim_progress(
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


def _entered(decides: Registration, names: Mapping[int, str], cohorts: Sequence[Cohort]) -> bool:
    """Whether all that is registered has a cohort in the comparison: the named ones, and what the search adds, which is
    nothing where it explored the named ones alone. names: of those in it."""
    if not set(decides.configurations) <= set(names.values()):
        return False
    explored = [cohort for cohort in cohorts if cohort.spec.phase == "explore"]
    all_named = all(cohort.spec.name and cohort.outcomes is not None for cohort in explored)
    ended = all_named and len({cohort.spec.number for cohort in explored}) >= decides.explore
    return not decides.explore or "" in names.values() or ended


def _seconds_left(study: Study, cohorts: Sequence[Cohort], since: float) -> float | None:
    """At the rate of the launch that runs since then, by the members that it has finished; None before the first."""
    finished = [cohort for cohort in cohorts if cohort.outcomes is not None]
    now = [len(cohort.spec.seeds) for cohort in finished if cohort.record.finished_at > since]
    left = study.members - run_state.members_done(finished)
    return left / sum(now) * (time.time() - since) if now and left > 0 else None
