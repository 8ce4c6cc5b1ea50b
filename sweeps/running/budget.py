"""The budget of a study, `resources.most_hours`: what is spent, by the ledger, and whether a cohort more fits in."""

from __future__ import annotations

from seedsweep.core.records.ledger import CohortRecord, Ledger
from seedsweep.core.records.study import Study


class Budget:
    """Of one launch; what earlier launches spent counts, of finished cohorts. Hours are GPU hours where a trial has
    GPUs, else core hours. Of what another run trained, only the copying counts."""

    def __init__(self, study: Study, ledger: Ledger):
        self._resources, self._most = study.resources, study.resources.most_hours
        records = ledger.records(superseded=True) if self._most is not None else []
        self._trained = [_seconds(record) for record in records if record.finished and not record.taken_from()]
        self._seconds = sum(_seconds(record) for record in records if record.finished)

    @property
    def spent(self) -> float:
        """Hours."""
        return self._hours(self._seconds)

    def add(self, record: CohortRecord) -> None:
        """Count a cohort that has finished."""
        if self._most is None:
            return
        seconds = _seconds(record)
        self._seconds += seconds
        if not record.taken_from():
            self._trained.append(seconds)

    def allows(self, running: int) -> bool:
        """Whether a cohort more may begin beside so many that run: what is spent, with these and that one, as long as
        cohorts took in the mean, does not pass the budget. Before any has finished none is known to take any time."""
        if self._most is None:
            return True
        mean = sum(self._trained) / len(self._trained) if self._trained else 0.0
        whole = self._hours(self._seconds + (running + 1) * mean)
        return self.spent < self._most and whole <= self._most

    def planned(self) -> str:
        """In words; empty without a budget."""
        if self._most is None:
            return ""
        used = f", of which {self.spent:.2g} are used" if self._seconds else ""
        return f"budget: at most {self._most:g} {self._unit}{used}; a launch that would pass it ends before"

    def said(self) -> str:
        """Why a launch ended before the study did, and how to go on."""
        most = self._most or 0.0
        return (
            f"the budget has ended it: {self.spent:.3g} of {most:g} {self._unit} are used, and another "
            f"cohort would pass it; with --set resources.most_hours={2 * max(most, self.spent):.3g} the same command "
            "goes on"
        )

    def _hours(self, seconds: float) -> float:
        return seconds / 3600 * (self._resources.gpus or self._resources.cpus)

    @property
    def _unit(self) -> str:
        return "GPU hours" if self._resources.gpus else "core hours"


def _seconds(record: CohortRecord) -> float:
    return float(record.run().get("seconds", 0.0))
