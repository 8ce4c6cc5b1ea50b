"""The training of the cohorts of one trial, of a Task's members, as `CohortWorker` sees it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seedsweep.core.records.claim import Claim, FencedError
from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.training import checkpoint
from seedsweep.core.training.cohort import Cohort
from seedsweep.core.training.shares import share_of
from seedsweep.sweeps.running import engines
from seedsweep.sweeps.running.environment import Environment, environment, named_engine
from seedsweep.sweeps.running.failures import failed_in_company
from seedsweep.sweeps.running.prepared_task import device_of, load_task, resolved_training
from seedsweep.sweeps.running.start_weights import read_starts
from seedsweep.sweeps.running.trial_state import latest, members_of, save
from seedsweep.sweeps.study.configuration import Configuration, make_optimizer, members

#: Part of what Ray says when it kills a worker because the node has little memory left.
LOW_MEMORY = "running low on memory"


class CohortRun:
    """M members in training, of one cohort or of several that are one program, from the last checkpoint on.

    shares: each cohort's, but for those that were given to another worker.  warning: what the user should look at.
    """

    def __init__(
        self,
        claims: Sequence[Claim],
        specs: Sequence[CohortSpec],
        own: Sequence[Configuration],
        paths: RunPaths,
        *,
        data: str,
        start: str,
    ):
        """claims, specs, own: of each cohort.  data: folder of the packed data set.  start: file that names the weights
        to start from, or empty.

        Errors: ApartError where cohorts are at different steps; UserError and others.
        """
        study = self._study = own[0].study
        device = device_of(study)
        task = load_task(study, data, device)
        training, optimizer = resolved_training(study, task, specs[0].steps), make_optimizer(study)
        group = [member for each, spec in zip(own, specs, strict=True) for member in members(each, spec.seeds)]
        chosen = engines.choose(paths, study, task, group, training, optimizer)
        at_once, self._engine, self.warning = chosen.at_once, chosen.said, chosen.warning
        for claim in claims:
            at_once = within_memory(claim.record, at_once)
        self.cohort = Cohort(
            task,
            group,
            training,
            optimizer,
            at_once,
            no_decay=study.optimizer.get("no_decay", ()),
            start=read_starts(paths, Path(start), [member.parts.init for member in group]) if start else (),
            criterion=study.criterion,
            compiler=engines.compiler() if chosen.engine == "compiled" else None,
        )
        self._seconds = 0.0
        self._tests: list[dict[str, dict[str, float]]] | None = None
        self._members, self._specs = members_of(specs), tuple(specs)
        #: In which other environments they were trained before.
        self._before: list[Environment] = []
        stored = latest([claim.record for claim in claims], specs, device)
        if stored is not None:
            # One of another version or of other code has another layout: then training starts again.
            with contextlib.suppress(ValueError, KeyError):
                state = share_of(stored, [stored["members"].index(member) for member in self._members])
                self.cohort.load(state)
                self._seconds = state["seconds"] * len(self._members) / len(stored["members"])
                # Of a state that does not say it, in one that is none of this version's.
                self._before = json.loads(state.get("environments", "[{}]"))
                # What was measured before steps were added is of a shorter training.
                self._tests = state.get("tests") if self.cohort.done else None
        self._resumed_at = self.cohort.step
        self._device = torch.cuda.get_device_name() if device == "cuda" else device
        self._saved = time.monotonic()
        ends = np.cumsum([len(spec.seeds) for spec in specs]).tolist()
        self.shares = [
            Share(self, claim, spec, slice(end - len(spec.seeds), end))
            for claim, spec, end in zip(claims, specs, ends, strict=True)
        ]
        self._together = len(self.shares)

    @property
    def step(self) -> int:
        """Steps done."""
        return self.cohort.step

    @property
    def facts(self) -> dict[str, Any]:
        """Where and how they train."""
        cohort = self.cohort
        return {
            "engine": named_engine(cohort.at_once, compiled=cohort.compiled),
            "engine_reason": self._engine,
            "at_once": cohort.at_once,
            "together": self._together,
            "recorded": cohort.recorded,
            "device": self._device,
            "resumed_at": self._resumed_at,
            "seconds": self._seconds,
            "environments": self._environments,
        }

    @property
    def _environments(self) -> list[Environment]:
        """Those in which they were trained, the present one last."""
        cohort = self.cohort
        engine = named_engine(cohort.at_once, compiled=cohort.compiled)
        now = environment(self._study, self._specs, engine, cohort.at_once)
        return [*(one for one in self._before if one != now), now]

    def advance(self, seconds: float) -> bool:
        """Train for about so long; whether all is trained. Errors: FencedError once no cohort is this worker's any
        more; OutOfMemoryError, UserError."""
        cohort, start = self.cohort, time.monotonic()
        while not cohort.done and time.monotonic() - start < seconds:
            cohort.advance()
            if not cohort.done and time.monotonic() - self._saved >= self._study.resources.checkpoint_seconds:
                self._save(self._seconds + time.monotonic() - start)
                self._saved = time.monotonic()
        self._seconds += time.monotonic() - start
        if cohort.done and self._together > 1:
            # One after another is committed. After a kill in between, the others then have nothing left to train, and
            # nothing to measure, in other company.
            self.tests()
            self._save(self._seconds)
        return cohort.done

    def tests(self) -> list[dict[str, dict[str, float]]]:
        """Once all is trained: of each member the measures of the test split by name, at the `last` and the `best`
        validated evaluation."""
        if self._tests is None:
            self._tests = self.cohort.test()
        return self._tests

    def close(self) -> None:
        """Nothing to end."""

    def keep(self, share: Share) -> None:
        """Keep a cohort's weights and whole training state if the study asks for it."""
        if self._study.resources.keep_weights:
            weights, rows = self.cohort.weights(), share.rows
            tensors = {name: value[rows].clone() for name, value in weights["tensors"].items()}
            checkpoint.save(share.claim.record.weights, {"seeds": weights["seeds"][rows], "tensors": tensors})
            state = share_of(self._state(self._seconds), range(rows.start, rows.stop))
            checkpoint.save(share.claim.record.state, state)

    def _save(self, seconds: float) -> None:
        """The curves first: what is trained on from must already be on record."""
        held, lost = list[Share](), None
        for share in self.shares:
            try:
                share.claim.write_curves(share.curves())
                held.append(share)
            except FencedError as error:
                lost = error
        if lost and not held:
            raise lost
        # The members of others ride along: without them the rest would be another group.
        self.shares = held
        save([share.claim.checkpoint for share in held], self._state(seconds))

    def _state(self, seconds: float) -> dict[str, Any]:
        """members: their names, empty of those that are another worker's.  tests: of each, once they are measured.
        environments: as text, which no share of the state cuts."""
        held = set(members_of([share.spec for share in self.shares]))
        members = [name if name in held else "" for name in self._members]
        tests = {} if self._tests is None else {"tests": self._tests}
        environments = json.dumps(self._environments)
        return {**self.cohort.state(), "seconds": seconds, "members": members, "environments": environments, **tests}


class Share:
    """One cohort of a trial, as if it trained alone. rows: of its members, among all."""

    def __init__(self, run: CohortRun, claim: Claim, spec: CohortSpec, rows: slice):
        self.claim, self.spec, self.rows = claim, spec, rows
        self._run = run

    @property
    def diverged_at(self) -> list[int | None]:
        """Of each member, the steps done when its loss was no longer finite."""
        return self._run.cohort.diverged_at[self.rows]

    @property
    def stopped_at(self) -> list[int | None]:
        """Of each member, the step at which `training.stop` froze it."""
        return self._run.cohort.stopped_at[self.rows]

    @property
    def facts(self) -> dict[str, Any]:
        """Where and how it trains. seconds: of the trial's, this cohort's share."""
        facts, members = self._run.facts, len(self._run.cohort.members)
        return {**facts, "seconds": round(facts["seconds"] * len(self.spec.seeds) / members, 3)}

    def curves(self) -> Curves:
        """The evaluations so far, up to that at which its last member stopped."""
        cohort, rows, stopped = self._run.cohort, self.rows, [step for step in self.stopped_at if step is not None]
        steps = list(cohort.evaluated)
        if len(stopped) == len(self.spec.seeds):
            steps = steps[: steps.index(max(stopped)) + 1]
        # Copies: the cohort appends to its lists later.
        values, windows = (np.array(each[: len(steps)]) for each in (cohort.evaluations, cohort.windows))
        watched = cohort.task.watched().tolist()
        if steps:
            values, windows = values[:, rows], windows[:, rows]
        return Curves(steps, values, list(cohort.columns), list(self.spec.seeds), windows, watched)

    def finish(self) -> list[dict[str, dict[str, float]]]:
        """Once all is trained: see `CohortRun.tests` and `keep`."""
        self._run.keep(self)
        return self._run.tests()[self.rows]


def within_memory(record: CohortRecord, at_once: int) -> int:
    """How many members to train at once: half as many as before if Ray killed this cohort's last worker, in a trial of
    its own, because the node ran out of memory. Out of memory on a GPU is handled by the cohort itself."""
    limit, since = record.limit()
    at_once = min(at_once, limit or at_once)
    alone = not failed_in_company(record)
    if alone and LOW_MEMORY in (record.error() or "") and record.failed_at > since:
        at_once = max(1, at_once // 2)
        record.set_limit(at_once)
    return at_once
