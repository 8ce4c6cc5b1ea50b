"""The ledger: what is asked of each cohort, its evaluations and its outcome. The only truth about a study's results.

A cohort's folder is `cohorts/<configuration-hash>/<seed-block>/` with
  cohort.json      what it is: written once, before it runs
  owner.N          the lease (`core.records.lease`) of the worker that trains it, with the seconds that attempts before
                   took; touched while the worker trains
  curves.N.npz     evaluations so far by owner N: replaced whole at every checkpoint
  checkpoint.N.pt  training state (`core.training.checkpoint`) by owner N
  weights.pt       what its members have learnt, and state.pt: all that they need to train on, where the study keeps
                   it: written before the outcome
  outcome.json     its members' outcomes, the curves' name and hash: the commit point; what has none is not finished;
                   outcome.STEPS.json: an earlier one, of fewer steps
  error.txt        the last failure, removed when the cohort finishes
  warning.txt      what the user should look at; the cohort trains all the same
  files.N/         files of a member that a user's function or command trains, by owner N
  limit.txt        how many members may be trained at once, where more ran out of memory; removed likewise
Beside the configurations' folders, `cohorts/superseded.json` names those that the study does not have any more: their
data, or the weights that they start from, were made anew since.
Every file is written under a temporary name and renamed. Owners never write to one another's files, and the first
outcome stays. So a worker that was taken for dead, on a node that was cut off, changes nothing if it still writes.
Needs NumPy alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path

from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.files import replace
from seedsweep.core.records.record_files import LedgerError, as_json, read_json


class Ledger:
    """All cohorts under `<run directory>/cohorts`."""

    def __init__(self, folder: Path):
        """folder: `RunPaths.cohorts`."""
        self.folder = folder
        self._superseded = folder / "superseded.json"

    def record(self, spec: CohortSpec) -> CohortRecord:
        """The folder of a cohort, which need not exist."""
        return CohortRecord(self.folder / spec.configuration / spec.block)

    def records_of(self, configuration: str, phase: str) -> list[CohortRecord]:
        """The cohorts of one configuration and phase, in the order of their seeds."""
        return [CohortRecord(p.parent) for p in sorted((self.folder / configuration).glob(f"{phase}-*/cohort.json"))]

    def records(self, *, superseded: bool = False) -> list[CohortRecord]:
        """The cohorts that were created, in the order of their names: the study's, and the `superseded` ones if asked.

        Errors: LedgerError.
        """
        gone = frozenset[str]() if superseded else self.superseded()
        found = []
        with contextlib.suppress(FileNotFoundError):
            for configuration in sorted(os.listdir(self.folder)):
                for block in sorted(_names(self.folder / configuration)) if configuration not in gone else ():
                    if (self.folder / configuration / block / "cohort.json").exists():
                        found.append(CohortRecord(self.folder / configuration / block))
        return found

    def superseded(self) -> frozenset[str]:
        """Configurations on record that the study had no more when it was last launched. Errors: LedgerError."""
        try:
            return frozenset(map(str, read_json(self._superseded)["configurations"]))
        except FileNotFoundError:
            return frozenset()
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise LedgerError(f"{self._superseded} cannot be read ({error}): remove it and launch again") from None

    def supersede(self, configurations: Collection[str]) -> None:
        """Record that the study does not have these configurations any more, and has all others."""
        if self.superseded() != set(configurations):
            replace(self._superseded, as_json({"configurations": sorted(configurations)}))


def _names(folder: Path) -> list[str]:
    """What is in a folder; nothing where there is no such folder."""
    with contextlib.suppress(NotADirectoryError, FileNotFoundError):
        return os.listdir(folder)
    return []
