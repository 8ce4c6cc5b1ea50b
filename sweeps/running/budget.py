"""The budget of a study, `resources.most_hours`: what is spent, whether the next trial fits in, when it is used up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.study import Study
from seedsweep.sweeps.search.agenda import Agenda


@dataclass
class _Attempt:
    """At a cohort, which runs. share: its part of the trial.  before: seconds of the attempts before.

    since, begun, done: when its first report came, the steps done then, and by now.
    """

    record: CohortRecord
    spec: CohortSpec
    share: float
    before: float
    since: float | None = None
    begun: int = 0
    done: int = 0

    @property
    def seconds(self) -> float:
        """Since its first report."""
        return 0.0 if self.since is None else (time.monotonic() - self.since) * self.share

    @property
    def steps(self) -> int:
        """Of all its members, since then."""
        return (self.done - self.begun) * len(self.spec.seeds)


class Budget:
    """Of one launch. All attempts of all launches count, as they are on record (`CohortRecord.spent`), and what runs by
    the clock. Hours are GPU hours where a trial has GPUs, else core hours. Of what another run trained, only the
    copying counts."""

    def __init__(self, study: Study, ledger: Ledger):
        self._resources, self._most = study.resources, study.resources.most_hours
        records = ledger.records(superseded=True) if self._most is not None else []
        self._seconds = sum(record.spent() for record in records)
        #: What training took: seconds, and steps of all members.
        self._trained_seconds, self._trained_steps = 0.0, 0
        for record in records:
            self._learn(record)
        self._running: dict[str, _Attempt] = {}

    @property
    def spent(self) -> float:
        """Hours, but for what runs."""
        return self._hours(self._seconds)

    def begin(self, records: Sequence[CohortRecord], specs: Sequence[CohortSpec]) -> None:
        """A worker was told of the cohorts of a trial."""
        members = sum(len(spec.seeds) for spec in specs)
        for record, spec in zip(records, specs, strict=True):
            self._running[str(record.folder)] = _Attempt(record, spec, len(spec.seeds) / members, record.spent())

    def progressed(self, folder: str, steps_done: int) -> None:
        """A cohort's worker has reported."""
        attempt = self._running[folder]
        if attempt.since is None:
            attempt.since, attempt.begun = time.monotonic(), steps_done
        attempt.done = steps_done

    def end(self, folder: str) -> None:
        """A cohort's worker is done with it, or dead."""
        attempt = self._running.pop(folder)
        self._seconds += attempt.record.spent() - attempt.before
        self._learn(attempt.record)

    def end_all(self) -> None:
        """Nothing runs any more: Ray has died."""
        for folder in list(self._running):
            self.end(folder)

    @property
    def used_up(self) -> bool:
        """Whether all of it is spent, with what runs as of its last report."""
        if self._most is None:
            return False
        running = sum(each.record.spent() - each.before for each in self._running.values())
        return self._hours(self._seconds + running) >= self._most

    def allows(self, agenda: Agenda) -> bool:
        """Whether the agenda's next trial may begin beside what runs: all of it together does not pass the budget, if a
        member's step takes as long as it did so far. Until something has finished, or reported twice, nobody knows how
        long that is: one trial begins, and the others wait."""
        if self._most is None:
            return True
        second = self._seconds_of_a_step()
        if second is None:
            return not self._running and self.spent < self._most
        running = sum(max(each.seconds, second * _steps(each.spec)) for each in self._running.values())
        whole = self._seconds + running + second * sum(map(_steps, agenda.upcoming()))
        return self.spent < self._most and self._hours(whole) <= self._most

    def planned(self, seconds: float | None) -> str:
        """In words; empty without a budget. seconds: of all trials, as estimated; None where that is not known."""
        if self._most is None:
            return ""
        used = f", of which {self.spent:.2g} are used" if self._seconds else ""
        whole = self._hours(seconds) if seconds is not None else None
        if self.spent >= self._most:
            fits = "it is used up: a launch would train nothing"
        elif whole is None:
            fits = "when it is used up, the launch ends"
        elif whole <= self._most:
            fits = f"the whole study takes about {whole:.2g}, which fits"
        else:
            fits = f"the whole study takes about {whole:.2g}, which does not fit: the launch ends when it is used up"
        return f"budget: {self._most:g} {self._unit}{used}; {fits}"

    def said(self) -> str:
        """Why a launch ended before the study did, and how to go on."""
        most = self._most or 0.0
        return (
            f"the budget ended the launch: {self.spent:.3g} of {most:g} {self._unit} are used, and what is left would "
            f"exceed it; to resume, run the same command with --set "
            f"resources.most_hours={2 * max(most, self.spent):.3g}"
        )

    def _learn(self, record: CohortRecord) -> None:
        """How long training takes, from a cohort that has finished, and was trained here."""
        if record.finished and not record.taken_from():
            self._trained_seconds += float(record.run().get("seconds", 0.0))
            self._trained_steps += _steps(record.spec())

    def _seconds_of_a_step(self) -> float | None:
        """Of one member; None where it is not known."""
        if self._trained_steps:
            return self._trained_seconds / self._trained_steps
        steps = sum(each.steps for each in self._running.values())
        return sum(each.seconds for each in self._running.values() if each.steps) / steps if steps else None

    def _hours(self, seconds: float) -> float:
        return seconds / 3600 * (self._resources.gpus or self._resources.cpus)

    @property
    def _unit(self) -> str:
        return "GPU hours" if self._resources.gpus else "core hours"


def _steps(spec: CohortSpec) -> int:
    """Of all members."""
    return len(spec.seeds) * max(1, spec.steps)
