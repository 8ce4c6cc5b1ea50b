"""What a launch shows while it runs: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from seedsweep.analysis.labels import label, searched
from seedsweep.core.records.ledger import CohortSpec

if TYPE_CHECKING:
    # With these come torch, Optuna and SciPy, which `seedsweep status` does not wait for.
    from seedsweep.sweeps.search.agenda import Agenda

#: Between two plain lines.
LINE_SECONDS = 15.0


class Progress:
    """A Watcher. Cohorts done, members converged, fallen back, never converged and diverged so far, time left."""

    def __init__(self, console: Console, agenda: Agenda):
        self._console, self._agenda = console, agenda
        self._running: dict[tuple[str, str], tuple[CohortSpec, int, Sequence[str]]] = {}
        self._done_before = sum(len(spec.seeds) for spec in agenda.finished)
        self._members_done = self._done_before
        self._failed = 0
        self._first_step: float | None = None
        self._last_line = time.monotonic()
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

    def started(self, spec: CohortSpec) -> None:
        """A cohort runs."""
        self._first_step = self._first_step or time.monotonic()
        self._running[spec.key] = (spec, 0, [])

    def progressed(self, spec: CohortSpec, steps_done: int, outcomes: Sequence[str]) -> None:
        """It trained some steps."""
        self._running[spec.key] = (spec, steps_done, outcomes)
        self._line(LINE_SECONDS)

    def finished(self, spec: CohortSpec, *, failed: bool) -> None:
        """It finished, or is given up."""
        self._running.pop(spec.key, None)
        if failed:
            self._failed += 1
            reason = escape(last_error(self._agenda, spec))
            self._console.print(
                f"[red]failed[/]: {escape(describe(self._agenda, spec))}: {reason}", highlight=False, soft_wrap=True
            )
            return
        self._members_done += len(spec.seeds)
        self._line(0 if not self._live else LINE_SECONDS)

    def _line(self, every: float) -> None:
        if self._live is None and time.monotonic() - self._last_line >= every:
            self._last_line = time.monotonic()
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
        cohorts, members = self._agenda.total
        o = self._agenda.outcomes
        failed = f", [red]{self._failed} cohorts failed[/]" if self._failed else ""
        return (
            f"{len(self._agenda.finished)}/{cohorts} cohorts, {self._members_done}/{members} members: "
            f"{o['converged']} converged, {o['fell_back']} fell back, {o['never']} never, {o['diverged']} diverged"
            f"{failed}; {self._time_left(members)}"
        )

    def _time_left(self, members: int) -> str:
        partial = sum(step / spec.steps * len(spec.seeds) for spec, step, _ in self._running.values() if spec.steps)
        done = self._members_done - self._done_before + partial
        if self._first_step is None or done <= 0:
            return "starting"
        left = (members - self._members_done - partial) / done * (time.monotonic() - self._first_step)
        return f"about {duration(left)} left"


def duration(seconds: float) -> str:
    """`40 s`, `3 min`, `2.5 h`."""
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def describe(agenda: Agenda, spec: CohortSpec) -> str:
    """A cohort in a few words: phase, the configuration by its name or by what varies, seeds."""
    what = label(spec, spec.number, searched(agenda.study, [*agenda.finished, spec]))
    return f"{spec.phase} {what}, {len(spec.seeds)} seeds from {spec.seeds[0]}"


def last_error(agenda: Agenda, spec: CohortSpec) -> str:
    """The line of a cohort's recorded failure that says what it was."""
    return agenda.ledger.record(spec).reason() or "its worker died without a word (see the logs)"
