"""A cohort as a Ray Tune trial. Its folder says what it is, and holds all that it leaves."""

from __future__ import annotations

import errno
import os
import socket
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ray import tune

from seedsweep.core.records.criterion import judge
from seedsweep.core.records.ledger import CohortRecord, Curves, FencedError
from seedsweep.core.training import checkpoint, memory
from seedsweep.core.training.cohort import Cohort
from seedsweep.core.training.schedules import Member
from seedsweep.sweeps.running.group_size import group_size
from seedsweep.sweeps.running.load_task import device_of, load_task
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.start_weights import read_start

#: A result to the driver at least this often, so that progress shows and a lost worker costs little.
REPORT_SECONDS = 2.0
#: What Ray says when it ends a worker, because the node's memory ends, before the system does.
LOW_MEMORY = "running low on memory"


class CohortTrial(tune.Trainable):
    """config: `folder` of the cohort, `runs` and `study` of the run directory, `data` folder of the shards, `start`:
    file of the weights that members start from, or empty; number of the `launch`."""

    def setup(self, config: dict[str, Any]) -> None:
        """Take nothing yet: a worker that starts slowly may have lost its cohort to one that was free before, and
        would fence it."""
        self._given: dict[str, Any] | None = config
        self._record = CohortRecord(Path(config["folder"]))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Turn to another cohort in the same process."""
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train for a while, from the last checkpoint on in the first call; the last commits the outcome."""
        try:
            if self._given:
                given, self._given = self._given, None
                self._open(given)
            if not self._record.finished:
                self._advance()
        except Exception as error:
            self._fail(error)
            raise
        if self._record.finished:
            return {"done": True, "steps_done": self._study.training.steps, "outcomes": []}
        return {"done": False, **self._progress()}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: the cohort's own checkpoints are in its folder, and Ray's are a cache of them."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: see `save_checkpoint`."""

    def _open(self, config: dict[str, Any]) -> None:
        run = RunDirectory(Path(config["runs"]), config["study"])
        spec = self._spec = self._record.spec()
        study = self._study = run.study().variant(spec.variant)
        memory.keep_freed()
        torch.set_num_threads(study.resources.cpus)
        if self._record.finished:
            return
        self._claim = self._record.claim(config["launch"])
        members = [Member(seed, study.configured(spec.hyperparameters)) for seed in spec.seeds]
        device = device_of(study)
        task = load_task(study.task, Path(config["data"]), device)
        at_once = within_memory(self._record, group_size(run, study, task, len(members)))
        start = read_start(Path(config["start"])) if config["start"] else None
        self._cohort = Cohort(task, members, study.training, at_once, start)
        stored = checkpoint.latest(self._record.checkpoints(), device)
        self._seconds = 0.0
        if stored is not None:
            # An earlier version's is laid out otherwise: then training begins anew.
            with suppress(ValueError):
                self._cohort.load(stored)
                self._seconds = stored["seconds"]
        self._saved = time.monotonic()
        self._facts = {
            "device": torch.cuda.get_device_name() if device == "cuda" else device,
            "visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
            "threads": torch.get_num_threads(),
            "host": socket.gethostname(),
            "resumed_at": self._cohort.step,
        }

    def _advance(self) -> None:
        cohort, resources = self._cohort, self._study.resources
        start = time.monotonic()
        while not cohort.done and time.monotonic() - start < REPORT_SECONDS:
            cohort.advance()
            if not cohort.done and time.monotonic() - self._saved >= resources.checkpoint_seconds:
                # The curves first: what is trained on from must already be on record.
                self._claim.write_curves(self._curves())
                seconds = self._seconds + time.monotonic() - start
                checkpoint.save(self._claim.checkpoint, {**cohort.state(), "seconds": seconds})
                self._saved = time.monotonic()
        self._seconds += time.monotonic() - start
        if cohort.done:
            if resources.keep_weights:
                # Whoever owns the cohort, its members learn the same.
                checkpoint.save(self._record.weights, cohort.weights())
            together = {"engine": "fused" if cohort.at_once > 1 else "loop", "at_once": cohort.at_once}
            facts = {**self._facts, **together, "recorded": cohort.recorded, "seconds": round(self._seconds, 3)}
            self._claim.commit(self._curves(), self._outcomes(), facts)

    def _curves(self) -> Curves:
        cohort = self._cohort
        # Copies: the cohort goes on appending to its lists.
        values = np.array(cohort.evaluations)
        watched = cohort.task.watched.tolist()
        looks = np.array(cohort.looks)
        return Curves(list(cohort.evaluated), values, list(cohort.columns), list(self._spec.seeds), looks, watched)

    def _outcomes(self) -> list[Any]:
        curves, criterion = self._curves(), self._study.criterion
        scores = curves.column(criterion.metric)
        return [
            judge(seed, curves.steps, scores[:, m], self._cohort.diverged_at[m], criterion)
            for m, seed in enumerate(curves.seeds)
        ]

    def _progress(self) -> dict[str, Any]:
        """What the driver shows: steps done, and members by what they are so far."""
        if not self._cohort.evaluations:
            return {"steps_done": self._cohort.step, "outcomes": []}
        return {"steps_done": self._cohort.step, "outcomes": [o.outcome for o in self._outcomes()]}

    def _fail(self, error: Exception) -> None:
        """Leave the reason in the cohort's folder, as far as the disk allows; nothing where it is another worker's."""
        if isinstance(error, FencedError):
            return
        text = traceback.format_exc()
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            text = f"no space left on the device of {self._record.folder}\n{text}"
        with suppress(OSError):
            self._record.fail(f"{text.strip()}\n")


def within_memory(record: CohortRecord, at_once: int) -> int:
    """Half as many members at once as when Ray ended this cohort's last worker for want of memory; what the device
    itself refuses, the cohort sees to."""
    limit, since = record.limit()
    at_once = min(at_once, limit or at_once)
    if LOW_MEMORY in (record.error() or "") and record.failed_at > since:
        at_once = max(1, at_once // 2)
        record.set_limit(at_once)
    return at_once
