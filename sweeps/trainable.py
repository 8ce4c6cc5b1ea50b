"""A cohort as a Ray Tune trial. Its folder says what it is, and holds all that it leaves."""

from __future__ import annotations

import errno
import fcntl
import functools
import hashlib
import json
import os
import socket
import time
import traceback
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ray import tune

from core import checkpoint
from core.batch import Slides, Split
from core.cohort import Cohort, probe
from core.criterion import judge
from core.ledger import CohortRecord, Curves, FencedError, create
from core.schedules import Member
from core.task import Task, TaskSettings, make_task
from shards.read import default_cache, read, slides
from sweeps.run_directory import RunDirectory
from sweeps.study import Study
from sweeps.transfer import read_start

#: A result to the driver at least this often, so that progress shows and a lost worker costs little.
REPORT_SECONDS = 2.0


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
        torch.set_num_threads(study.resources.cpus)
        if self._record.finished:
            return
        self._claim = self._record.claim(config["launch"])
        members = [Member(seed, study.configured(spec.hyperparameters)) for seed in spec.seeds]
        device = "cuda" if study.resources.gpus and torch.cuda.is_available() else "cpu"
        task = load_task(study.task, Path(config["data"]), device)
        engine = choose_engine(run, study, task, members)
        start = read_start(Path(config["start"])) if config["start"] else None
        self._cohort = Cohort(task, members, study.training, engine, start)
        stored = checkpoint.latest(self._record.checkpoints(), device)
        self._seconds = 0.0
        if stored is not None:
            self._cohort.load(stored)
            self._seconds = stored["seconds"]
        self._saved = time.monotonic()
        self._facts = {
            "engine": engine,
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
            self._claim.commit(self._curves(), self._outcomes(), {**self._facts, "seconds": round(self._seconds, 3)})

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


@functools.lru_cache(maxsize=1)
def load_task(settings: TaskSettings, data: Path, device: str = "cpu") -> Task:
    """The task on a packed data set, kept for the next cohort of the same process."""
    splits = read(data)
    of_slides = slides(data)
    train, validation = (
        Split(part.image, part.mask, part.label, Slides(*of_slides[name]) if of_slides else None)
        for name, part in splits.items()
    )
    return make_task(settings, train, validation, device)


def choose_engine(run: RunDirectory, study: Study, task: Task, members: list[Member]) -> str:
    """The study's engine; for `auto` the faster by a timed probe, made once a device and size and then kept, so that
    a resumed cohort goes on with the engine it began with."""
    if study.resources.engine != "auto":
        return study.resources.engine
    if len(members) == 1:
        return "loop"
    device = torch.cuda.get_device_name() if task.device.type == "cuda" else "cpu"
    model = hashlib.sha256(json.dumps([asdict(study.model), asdict(study.data)]).encode()).hexdigest()[:8]
    key = f"{device}, {model}, {len(members)} members, {study.resources.cpus} threads"
    file = run.probe / f"{key.replace('/', '-')}.json"
    # Not two probes at once on one node: they would time each other.
    with open(default_cache() / "probe.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            rates = probe(task, members, study.training)
            result = {"engine": max(rates, key=lambda name: rates[name]), "members_steps_per_second": rates}
            file.parent.mkdir(exist_ok=True)
            create(file, (json.dumps(result, indent=1) + "\n").encode())
    engine: str = json.loads(file.read_text())["engine"]
    return engine
