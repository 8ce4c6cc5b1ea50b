"""The training of a cohort of a Task's members, as `CohortWorker` sees it."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seedsweep.core.records.curves import Curves
from seedsweep.core.records.ledger import Claim, CohortRecord, CohortSpec
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.training import checkpoint
from seedsweep.core.training.cohort import Cohort
from seedsweep.core.training.compiled import Compiler
from seedsweep.shards.read import default_cache
from seedsweep.sweeps.running import group_size
from seedsweep.sweeps.running.prepared_task import device_of, load_task, resolved_training
from seedsweep.sweeps.running.start_weights import read_start
from seedsweep.sweeps.study.configuration import Configuration, make_optimizer, members

#: Part of what Ray says when it kills a worker because the node has little memory left.
LOW_MEMORY = "running low on memory"


class CohortRun:
    """M members in training, from the last checkpoint on.

    facts: where and how they train.
    """

    def __init__(self, claim: Claim, spec: CohortSpec, own: Configuration, paths: RunPaths, *, data: str, start: str):
        """data: folder of the packed data set.  start: file of the weights to start from, or empty."""
        study = self._study = own.study
        self._claim, self._spec = claim, spec
        device = device_of(study)
        task = load_task(study, data, device)
        training, optimizer = resolved_training(study, task, spec.steps), make_optimizer(study)
        group = members(own, spec.seeds)
        at_once, self._engine = group_size.group_size(paths, study, task, group, training, optimizer)
        self._cohort = Cohort(
            task,
            group,
            training,
            optimizer,
            within_memory(claim.record, at_once),
            no_decay=study.optimizer.get("no_decay", ()),
            start=read_start(Path(start)) if start else None,
            criterion=study.criterion,
            compiler=Compiler(default_cache() / "compiled") if study.resources.engine == "compiled" else None,
        )
        self._seconds = 0.0
        stored = checkpoint.latest(claim.record.checkpoints(), device)
        if stored is not None:
            # One of another version or of other code has another layout: then training starts again.
            with contextlib.suppress(ValueError, KeyError):
                self._cohort.load(stored)
                self._seconds = stored["seconds"]
        self._resumed_at = self._cohort.step
        self._device = torch.cuda.get_device_name() if device == "cuda" else device
        self._saved = time.monotonic()

    @property
    def step(self) -> int:
        """Steps done."""
        return self._cohort.step

    @property
    def diverged_at(self) -> list[int | None]:
        """Of each member, the steps done when its loss was no longer finite."""
        return self._cohort.diverged_at

    @property
    def stopped_at(self) -> list[int | None]:
        """Of each member, the step at which `training.stop` froze it."""
        return self._cohort.stopped_at

    @property
    def facts(self) -> dict[str, Any]:
        """Where and how it trains."""
        cohort = self._cohort
        return {
            "engine": "compiled" if cohort.compiled else "fused" if cohort.at_once > 1 else "loop",
            "engine_reason": self._engine,
            "at_once": cohort.at_once,
            "recorded": cohort.recorded,
            "device": self._device,
            "resumed_at": self._resumed_at,
            "seconds": round(self._seconds, 3),
        }

    def advance(self, seconds: float) -> bool:
        """Train for about so long; whether all is trained. Errors: FencedError, OutOfMemoryError, UserError."""
        cohort, start = self._cohort, time.monotonic()
        while not cohort.done and time.monotonic() - start < seconds:
            cohort.advance()
            if not cohort.done and time.monotonic() - self._saved >= self._study.resources.checkpoint_seconds:
                # The curves first: what is trained on from must already be on record.
                self._claim.write_curves(self.curves())
                worked = self._seconds + time.monotonic() - start
                checkpoint.save(self._claim.checkpoint, {**cohort.state(), "seconds": worked})
                self._saved = time.monotonic()
        self._seconds += time.monotonic() - start
        return cohort.done

    def curves(self) -> Curves:
        """The evaluations so far."""
        cohort = self._cohort
        # Copies: the cohort appends to its lists later.
        values, windows = np.array(cohort.evaluations), np.array(cohort.windows)
        watched = cohort.task.watched().tolist()
        return Curves(list(cohort.evaluated), values, list(cohort.columns), list(self._spec.seeds), windows, watched)

    def finish(self) -> list[dict[str, dict[str, float]]]:
        """Once all is trained: of each member the measures of the test split by name, at the `last` and the `best`
        validated evaluation. Keeps the weights and the whole training state if the study asks for it."""
        if self._study.resources.keep_weights:
            checkpoint.save(self._claim.record.weights, self._cohort.weights())
            checkpoint.save(self._claim.record.state, {**self._cohort.state(), "seconds": self._seconds})
        return self._cohort.test()

    def close(self) -> None:
        """Nothing to end."""


def within_memory(record: CohortRecord, at_once: int) -> int:
    """How many members to train at once: half as many as before if Ray killed this cohort's last worker because the
    node ran out of memory. Out of memory on a GPU is handled by the cohort itself."""
    limit, since = record.limit()
    at_once = min(at_once, limit or at_once)
    if LOW_MEMORY in (record.error() or "") and record.failed_at > since:
        at_once = max(1, at_once // 2)
        record.set_limit(at_once)
    return at_once
