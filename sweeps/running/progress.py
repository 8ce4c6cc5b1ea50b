"""What a launch shows while it runs: a live panel on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from seedsweep.analysis.labels import label, searched
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.paths import RunPaths

if TYPE_CHECKING:
    # With these come torch, Optuna and SciPy, which `seedsweep status` does not wait for.
    from seedsweep.sweeps.search.agenda import Agenda

#: A plain line is printed once this share of the members more is done, or so many seconds have passed.
LINE_SHARE, LINE_SECONDS = 0.1, 60.0


class Watcher:
    """What is told of a launch's cohorts."""

    def started(self, spec: CohortSpec) -> None:
        """A cohort runs."""

    def progressed(self, spec: CohortSpec, steps_done: int, outcomes: Sequence[str]) -> None:
        """It trained some steps; its members' outcomes as of now."""

    def finished(self, spec: CohortSpec, *, failed: bool) -> None:
        """It finished, or is given up."""


class Progress(Watcher):
    """Cohorts done, members converged, fallen back, never converged and diverged so far, time so far and left.

    verbose: a line for every cohort, too.
    """

    def __init__(self, console: Console, agenda: Agenda, *, verbose: bool = False):
        self._console, self._agenda = console, agenda
        self._running: dict[tuple[str, str], tuple[CohortSpec, int, Sequence[str]]] = {}
        self._done_before = sum(len(spec.seeds) for spec in agenda.finished)
        self._members_done = self._done_before
        self._failed, self._warned = 0, False
        self._begun_at = time.monotonic()
        self._first_step: float | None = None
        self._verbose = verbose
        #: The last plain line: when it was printed, after how many members, and what it said beside times.
        self._line_at, self._line_members, self._line_state = self._begun_at, self._done_before, ""
        self._live = (
            Live(console=console, refresh_per_second=2, get_renderable=self._panel) if console.is_terminal else None
        )

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
        elif error is None:
            self._line(after=0)

    def started(self, spec: CohortSpec) -> None:
        """A cohort runs."""
        self._first_step = self._first_step or time.monotonic()
        self._running[spec.key] = (spec, 0, [])

    def progressed(self, spec: CohortSpec, steps_done: int, outcomes: Sequence[str]) -> None:
        """It trained some steps."""
        *_, before = self._running[spec.key]
        self._running[spec.key] = (spec, steps_done, outcomes)
        if outcomes and not before:
            self._warn(spec)
        self._line()

    def finished(self, spec: CohortSpec, *, failed: bool) -> None:
        """It finished, or is given up."""
        *_, outcomes = self._running.pop(spec.key)
        if not outcomes:
            self._warn(spec)
        if failed:
            self._failed += 1
            what = escape(f"{describe(self._agenda, spec)}: {last_error(self._agenda, spec)}")
            self._console.print(f"[red]failed[/]: {what}", highlight=False, soft_wrap=True)
            return
        self._members_done += len(spec.seeds)
        if self._verbose:
            became = Counter(outcome.outcome for outcome in self._agenda.ledger.record(spec).outcomes())
            what = ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in became.items())
            self._console.print(f"finished: {escape(describe(self._agenda, spec))}: {what}", soft_wrap=True)
        self._line()

    def _warn(self, spec: CohortSpec) -> None:
        """Print the first warning of this launch. A cohort has it on record from its first evaluation on."""
        if not self._warned and (text := self._agenda.ledger.record(spec).warning()):
            self._warned = True
            what = escape(f"{describe(self._agenda, spec)}: {text}")
            self._console.print(f"[yellow]warning[/]: {what}", highlight=False, soft_wrap=True)

    def _line(self, after: float = LINE_SECONDS) -> None:
        """Print where the launch is, after so many seconds or many members, unless nothing but time went on since the
        last line."""
        if self._live:
            return
        share = (self._members_done - self._line_members) / max(1, self._agenda.total[1])
        if time.monotonic() - self._line_at >= after or share >= LINE_SHARE:
            self._line_at, self._line_members = time.monotonic(), self._members_done
            state = f"{self._counts()} {self._partial():g}"
            if state != self._line_state:
                self._line_state = state
                self._console.print(self._summary(), highlight=False, soft_wrap=True)

    def _panel(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_row(self._summary())
        for spec, step, outcomes in self._running.values():
            converged = sum(outcome == "converged" for outcome in outcomes)
            of = f" of {spec.steps}" if spec.steps else ""
            state = f"step {step}{of}, {converged} meet the criterion" if step else "waiting"
            table.add_row(f"  {escape(describe(self._agenda, spec))}: {state}")
        return table

    def _summary(self) -> str:
        return f"{self._counts()}; {self._times()}"

    def _counts(self) -> str:
        cohorts, members = self._agenda.total
        o = self._agenda.outcomes
        failed = (
            f", [red]{self._failed} {'cohort' if self._failed == 1 else 'cohorts'} failed[/]" if self._failed else ""
        )
        return (
            f"{len(self._agenda.finished)}/{cohorts} cohorts, {self._members_done}/{members} members: "
            f"{o['converged']} converged, {o['fell_back']} fell back, {o['never']} never, {o['diverged']} diverged"
            f"{failed}"
        )

    def _partial(self) -> float:
        """Members' worth of what the running cohorts have trained."""
        return sum(step / spec.steps * len(spec.seeds) for spec, step, _ in self._running.values() if spec.steps)

    def _times(self) -> str:
        """`starting`; `2 min so far, about 5 min left`; `done in 7 min`."""
        so_far, members = duration(time.monotonic() - self._begun_at), self._agenda.total[1]
        if self._members_done >= members:
            return f"done in {so_far}"
        done = self._members_done - self._done_before + self._partial()
        if self._first_step is None:
            return "starting"
        # A first step says little: it may have waited for a compiler.
        if done < 1:
            return f"{so_far} so far"
        left = (members - self._members_done - self._partial()) / done * (time.monotonic() - self._first_step)
        return f"{so_far} so far, about {duration(left)} left"


@contextlib.contextmanager
def doing(console: Console, what: str) -> Iterator[None]:
    """Around what takes a while: on a terminal until it is done, elsewhere a line."""
    if not console.is_terminal:
        console.print(f"{what} ...", highlight=False, soft_wrap=True)
    with console.status(what):
        yield


def left_out(cohorts: int) -> str:
    """A line on cohorts that count no more."""
    return f"left out: {cohorts} cohorts whose data, start weights or defaults have changed since"


def duration(seconds: float) -> str:
    """`40 s`, `3 min`, `2.5 h`."""
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def describe(agenda: Agenda, spec: CohortSpec) -> str:
    """A cohort in a few words: phase, the configuration by its name or by what varies, seeds."""
    what = label(spec, spec.number, searched(agenda.study, [*agenda.finished, spec]))
    return f"{spec.phase} {what}, {which(spec.seeds)}"


def which(seeds: Sequence[int]) -> str:
    """A cohort's seeds: `seed 3`, `seeds 0 to 11`."""
    first, last = seeds[0], seeds[-1]
    return f"seed {first}" if first == last else f"seeds {first} to {last}"


def last_error(agenda: Agenda, spec: CohortSpec) -> str:
    """The line of a cohort's recorded failure that says what it was."""
    return agenda.ledger.record(spec).reason() or "its worker died and left no reason (see the logs)"


def say_where(paths: RunPaths, console: Console) -> None:
    """Where the results of a run and its live page are."""
    page = f"{paths.report.page} (updated every minute, once a cohort has finished)"
    for what, where in (("results:", paths.folder), ("page:   ", page)):
        console.print(f"{what} {escape(str(where))}", highlight=False, soft_wrap=True)
