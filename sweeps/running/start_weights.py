"""Weights that members start from: those of a member of another run."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

from torch import Tensor

from seedsweep.core.errors import UserError
from seedsweep.core.records.criterion import Criterion, Outcome
from seedsweep.core.records.ledger import CohortRecord, Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import InitFrom
from seedsweep.core.training import checkpoint
from seedsweep.sweeps.running.run_directory import RunDirectory


def take(init: InitFrom, paths: RunPaths) -> Path:
    """Copy a member's weights into the run, so that it depends on the other run no more. The file's name is the hash of
    their content. Errors: UserError."""
    other = RunDirectory(paths.beside(init.run))
    if not other.exists:
        raise UserError(
            f"init_from.run: there is no run {init.run!r} in {paths.runs}: first `seedsweep launch {init.run} "
            "--set resources.keep_weights=true`"
        )
    record, seed = _member(init, other.study().criterion, other.ledger)
    stored = checkpoint.load(record.weights)
    if stored is None:
        raise UserError(
            f"{record.folder} keeps no weights: run {init.run} anew with --fresh --set resources.keep_weights=true"
        )
    row = stored["seeds"].index(seed)
    weights = {name: values[row].clone() for name, values in sorted(stored["tensors"].items())}
    digest = hashlib.sha256()
    for name, values in weights.items():
        digest.update(name.encode() + values.contiguous().numpy().tobytes())
    path = paths.start(digest.hexdigest())
    if not path.exists():
        paths.starts.mkdir(parents=True, exist_ok=True)
        checkpoint.save(path, weights)
    return path


def read_start(path: Path) -> dict[str, Tensor]:
    """The weights by name. Errors: UserError."""
    weights = checkpoint.load(path)
    if weights is None:
        raise UserError(f"{path} is missing or damaged: remove it and launch again")
    return weights


def _member(init: InitFrom, criterion: Criterion, ledger: Ledger) -> tuple[CohortRecord, int]:
    """The cohort and the seed that are asked for; of several that converged the best. criterion: of the other run."""
    named = [
        record
        for record in ledger.records()
        if record.finished and (spec := record.spec()).phase == "compare" and init.configuration in ("", spec.name)
    ]
    found = [
        (record, outcome)
        for record in named
        for outcome in record.outcomes()
        if (outcome.outcome == "converged" if init.seed is None else outcome.seed == init.seed)
    ]
    if not found:
        wanted = f"seed {init.seed}" if init.seed is not None else "converged member"
        where = f" of {init.configuration}" if init.configuration else ""
        raise UserError(f"init_from: {init.run} has no {wanted}{where} in its comparison")
    sign = 1 if criterion.direction == "max" else -1

    def merit(pair: tuple[CohortRecord, Outcome]) -> tuple[float, int]:
        final = pair[1].final
        return (-math.inf if final is None else sign * final), -pair[1].seed

    record, outcome = max(found, key=merit)
    return record, outcome.seed
