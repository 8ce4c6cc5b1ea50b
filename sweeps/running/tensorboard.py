"""TensorBoard runs from the ledger: one a configuration and phase, with median and quartiles over its seeds."""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from seedsweep.core.records.ledger import CohortRecord, CohortSpec, Ledger

SHOWN = (
    "f1",
    "accuracy",
    "auc",
    "overview_f1",
    "location_distance",
    "empty_mask",
    "loss",
    "loss_location",
    "train_loss",
)


#: After a run was written, the driver does other things for so many times as long.
PAUSE = 20


class TensorBoard:
    """A Watcher that rewrites a configuration's run when one of its cohorts has ended, as far as a twentieth of the
    driver's time allows: with hundreds of cohorts a run takes long. `write_all` writes the others in the end."""

    def __init__(self, ledger: Ledger, folder: Path):
        self._ledger, self._folder = ledger, folder
        self._waiting: dict[str, CohortSpec] = {}
        self._paused_until = 0.0

    def began(self, spec: CohortSpec) -> None:
        """Nothing to show yet."""

    def went_on(self, spec: CohortSpec, steps_done: int, outcomes: list[str]) -> None:
        """Nothing: a run is written once its cohort has ended."""

    def ended(self, spec: CohortSpec, failed: bool) -> None:
        """Write the configuration's run, and those that had to wait, while there is time."""
        if not failed:
            self._waiting[_run_name(spec)] = spec
        while self._waiting and (begun := time.monotonic()) >= self._paused_until:
            name = next(iter(self._waiting))
            one = self._waiting.pop(name)
            records = [r for r in self._ledger.records_of(one.configuration, one.phase) if r.finished]
            write(self._folder / name, one, records)
            now = time.monotonic()
            self._paused_until = now + PAUSE * (now - begun)


def write_all(ledger: Ledger, folder: Path) -> None:
    """The runs of a whole ledger that are missing, or older than a cohort of theirs."""
    groups: dict[str, list[CohortRecord]] = defaultdict(list)
    for record in ledger.records():
        if record.finished:
            groups[_run_name(record.spec())].append(record)
    for name, records in groups.items():
        run = folder / name
        if not run.exists() or run.stat().st_mtime < max(record.finished_at for record in records):
            write(folder / name, records[0].spec(), records)


def write(folder: Path, spec: CohortSpec, records: list[CohortRecord]) -> None:
    """One run, anew and whole or not at all. Cohorts of one configuration are evaluated at the same steps."""
    partial = folder.with_name(f".{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    curves = [record.verified_curves() for record in records]
    outcomes = [outcome for record in records for outcome in record.outcomes()]
    with SummaryWriter(str(partial)) as writer:
        for name in (name for name in SHOWN if name in curves[0].columns):
            values = np.concatenate([c.column(name) for c in curves], axis=1)
            for step, row in zip(curves[0].steps, values, strict=True):
                finite = row[np.isfinite(row)]
                if len(finite):
                    low, median, high = np.quantile(finite, [0.25, 0.5, 0.75])
                    writer.add_scalar(f"{name}/median", median, step)
                    writer.add_scalar(f"{name}/quartile_1", low, step)
                    writer.add_scalar(f"{name}/quartile_3", high, step)
        share = sum(outcome.outcome == "converged" for outcome in outcomes) / len(outcomes)
        writer.add_scalar("P(converge)", share, curves[0].steps[-1])
        for summary in hparams({**spec.hyperparameters, "phase": spec.phase}, {"P(converge)": share, "f1/median": 0.0}):
            writer.file_writer.add_summary(summary)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _run_name(spec: CohortSpec) -> str:
    what = "-".join(spec.variant.split()) or f"alpha-{spec.hyperparameters['alpha']:.3g}"
    return f"{spec.phase}-{spec.number:03d}-{what.replace('/', '-')}"
