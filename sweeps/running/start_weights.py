"""Weights that members start from: those of a member of another run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from seedsweep.core.errors import UserError
from seedsweep.core.records.criterion import Outcome
from seedsweep.core.records.ledger import CohortRecord, CohortSpec, Ledger
from seedsweep.core.training import checkpoint
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.study.schema import InitFrom


@dataclass(frozen=True)
class Start:
    """Weights in the run directory that starts from them, and the hash of their content."""

    path: Path
    fingerprint: str


def take(init: InitFrom, run: RunDirectory) -> Start:
    """Copy a member's weights into the run, so that it depends on the other run no more. Errors: UserError."""
    other = RunDirectory(run.folder.parent, init.run)
    if not other.exists:
        raise UserError(
            f"init_from.run: there is no run {init.run!r} in {run.folder.parent}: first\n"
            f"  seedsweep launch {init.run} --set resources.keep_weights=true"
        )
    record, seed = _member(init, other.ledger)
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
    fingerprint = digest.hexdigest()
    path = run.starts / f"{fingerprint[:16]}.pt"
    if not path.exists():
        run.starts.mkdir(parents=True, exist_ok=True)
        checkpoint.save(path, weights)
    return Start(path, fingerprint)


def read_start(path: Path) -> dict[str, Tensor]:
    """The weights by name. Errors: UserError."""
    weights = checkpoint.load(path)
    if weights is None:
        raise UserError(f"{path} is missing or damaged: remove it and launch again")
    return weights


def _member(init: InitFrom, ledger: Ledger) -> tuple[CohortRecord, int]:
    """The cohort and the seed that are asked for."""
    found: list[tuple[CohortRecord, Outcome]] = [
        (record, outcome)
        for record in ledger.records()
        if record.finished and _fits(record.spec(), init)
        for outcome in record.outcomes()
        if init.seed in (None, outcome.seed)
    ]
    if init.seed is None:
        found = [(record, outcome) for record, outcome in found if outcome.outcome == "converged"]
    if not found:
        wanted = f"seed {init.seed}" if init.seed is not None else "converged member"
        raise UserError(f"init_from: {init.run} has no {wanted} where {init.where or 'anything'} in its comparison")
    record, outcome = max(found, key=lambda pair: (pair[1].final or 0.0, -pair[1].seed))
    return record, outcome.seed


def _fits(spec: CohortSpec, init: InitFrom) -> bool:
    values = {**spec.hyperparameters, "variant": spec.variant}
    return spec.phase == "compare" and all(values.get(name) == value for name, value in init.where.items())
