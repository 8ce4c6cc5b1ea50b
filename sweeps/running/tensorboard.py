"""TensorBoard runs from the ledger: one a configuration and phase, with median and quartiles over its seeds."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from seedsweep.analysis.labels import label, varying
from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.study import Study
from seedsweep.sweeps.running.progress import Watcher

#: After a run was written, the driver does other things for so many times as long.
PAUSE = 20


class TensorBoard(Watcher):
    """Rewrites a configuration's run when one of its cohorts has finished, in a twentieth of the driver's time at most:
    with hundreds of cohorts a run takes long. `write_all` writes the others in the end."""

    def __init__(self, study: Study, metrics: Iterable[str], ledger: Ledger, folder: Path):
        """metrics: those that the task declares; shown beside the criterion's and the losses."""
        self._study, self._metrics = study, tuple(metrics)
        self._ledger, self._folder = ledger, folder
        self._waiting: dict[tuple[str, str], CohortSpec] = {}
        #: Every configuration that was seen, by its hash.
        self._seen: dict[str, CohortSpec] = {}
        self._paused_until = 0.0

    def started(self, spec: CohortSpec) -> None:
        """Nothing to show yet."""
        self._seen[spec.configuration] = spec

    def finished(self, spec: CohortSpec, *, failed: bool) -> None:
        """Write the configuration's run, and those that had to wait, while there is time."""
        self._seen[spec.configuration] = spec
        if not failed:
            self._waiting[spec.phase, spec.configuration] = spec
        while self._waiting and (start := time.monotonic()) >= self._paused_until:
            one = self._waiting.pop(next(iter(self._waiting)))
            records = [r for r in self._ledger.records_of(one.configuration, one.phase) if r.finished]
            self.write(one, records)
            now = time.monotonic()
            self._paused_until = now + PAUSE * (now - start)

    def write_all(self) -> None:
        """The runs of a whole ledger that are missing, or older than a cohort of theirs."""
        groups: dict[tuple[str, str], list[CohortRecord]] = defaultdict(list)
        for record in self._ledger.records():
            spec = record.spec()
            self._seen[spec.configuration] = spec
            if record.finished:
                groups[spec.phase, spec.configuration].append(record)
        for records in groups.values():
            spec = records[0].spec()
            run = self._folder / self._run_name(spec)
            if not run.exists() or run.stat().st_mtime < max(record.finished_at for record in records):
                self.write(spec, records)

    def write(self, spec: CohortSpec, records: Sequence[CohortRecord]) -> None:
        """One configuration's run, anew and whole or not at all."""
        folder = self._folder / self._run_name(spec)
        partial = folder.with_name(f".{folder.name}")
        shutil.rmtree(partial, ignore_errors=True)
        curves = [record.verified_curves() for record in records]
        outcomes = [outcome for record in records for outcome in record.outcomes()]
        shown, last = self._shown(curves[0].columns), max(step for each in curves for step in each.steps)
        # Made elsewhere: on a full disk, a thread of the writer's would print a traceback.
        with tempfile.TemporaryDirectory() as made, SummaryWriter(made) as writer:
            for name in shown:
                for step, row in _by_step(curves, name):
                    low, median, high = np.quantile(row, [0.25, 0.5, 0.75])
                    writer.add_scalar(f"{name}/median", median, step)
                    writer.add_scalar(f"{name}/quartile_1", low, step)
                    writer.add_scalar(f"{name}/quartile_3", high, step)
            share = sum(outcome.outcome == "converged" for outcome in outcomes) / len(outcomes)
            writer.add_scalar("P(converge)", share, last)
            results = {"P(converge)": share, f"{self._study.criterion.metric}/median": 0.0}
            for summary in hparams({**self._varying(spec), "phase": spec.phase}, results):
                writer.file_writer.add_summary(summary)
            writer.close()
            partial.mkdir(parents=True)
            for file in Path(made).iterdir():
                shutil.copyfile(file, partial / file.name)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)

    def _shown(self, columns: Sequence[str]) -> list[str]:
        """The criterion's metric, those that the task declares, and the losses."""
        wanted = dict.fromkeys((self._study.criterion.metric, *self._metrics))
        losses = [name for name in columns if name.removeprefix("train_").startswith("loss")]
        return [name for name in dict.fromkeys((*wanted, *losses)) if name in columns]

    def _varying(self, spec: CohortSpec) -> dict[str, Any]:
        """Values of a configuration in what differs between those that were seen."""
        paths = varying(each.values for each in self._seen.values())
        values = {path: spec.values[path] for path in paths if path in spec.values}
        plain = (bool, int, float, str)
        return {path: value if isinstance(value, plain) else str(value) for path, value in values.items()}

    def _run_name(self, spec: CohortSpec) -> str:
        # As the search's space has it: a name that depends on what was seen would change.
        paths = [path.removeprefix("hyperparameters.") for path in self._study.search.space]
        what = label(spec, spec.number, paths)
        kept = "".join(letter if letter.isalnum() or letter in "._+=" else "-" for letter in what)
        return f"{spec.phase}-{spec.number:03d}-{'-'.join(filter(None, kept.split('-')))}"


def _by_step(curves: Sequence[Curves], name: str) -> Iterable[tuple[int, np.ndarray]]:
    """(step, finite values of all members that were evaluated there), of those steps that have any."""
    rows: dict[int, list[np.ndarray]] = defaultdict(list)
    for each in curves:
        for step, row in zip(each.steps, each.column(name), strict=True):
            rows[step].append(row[np.isfinite(row)])
    for step in sorted(rows):
        values = np.concatenate(rows[step])
        if len(values):
            yield step, values
