"""Weights that members start from: those of members of another run."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from seedsweep.core.errors import UserError
from seedsweep.core.records.cohort_record import CohortRecord
from seedsweep.core.records.criterion import Criterion, Outcome
from seedsweep.core.records.files import replace
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import InitFrom
from seedsweep.core.training import checkpoint
from seedsweep.sweeps.running.run_directory import RunDirectory


def take(init: InitFrom, paths: RunPaths) -> Path:
    """Copy the weights that members may start from into the run, so that it depends on the other run no more.

    Returns a list of them, the best first, with the members that have learnt them; the file's name is the hash of all
    the weights. Errors: UserError.
    """
    listed = [
        {
            "weights": _copied(weights, paths),
            "configuration": record.spec().name,
            "seed": outcome.seed,
            "final": outcome.final,
        }
        for record, outcome, weights in sources(init, paths)
    ]
    path = paths.start_list(hashlib.sha256("".join(str(each["weights"]) for each in listed).encode()).hexdigest())
    if not path.exists():
        replace(path, (json.dumps({"run": init.run, "members": listed}, indent=1) + "\n").encode())
    return path


def sources(init: InitFrom, paths: RunPaths) -> Iterator[tuple[CohortRecord, Outcome, dict[str, Tensor]]]:
    """The members of the other run that may be started from, the best first, with their weights by name. paths: of the
    run that starts from them.  Errors: UserError."""
    other = RunDirectory(paths.beside(init.run))
    if not other.exists:
        raise UserError(
            f"init_from.run: there is no run {init.run!r} in {paths.runs}: first `seedsweep launch {init.run} "
            "--set resources.keep_weights=true`"
        )
    for record, outcome in _members(init, other.study().criterion, other.ledger):
        stored = checkpoint.load(record.weights)
        if stored is None:
            raise UserError(
                f"{record.folder} keeps no weights: run {init.run} anew with --fresh --set resources.keep_weights=true"
            )
        row = stored["seeds"].index(outcome.seed)
        yield record, outcome, {name: values[row].clone() for name, values in sorted(stored["tensors"].items())}


def read_starts(paths: RunPaths, listed: Path, seeds: Sequence[int]) -> list[dict[str, Tensor]]:
    """The weights of each member, by name. Seed n has the n-th of the list, modulo its length, in any company.

    listed: what `take` has given.  seeds: of the members' initial weights.  Errors: UserError.
    """
    try:
        digests = [str(member["weights"]) for member in json.loads(listed.read_text())["members"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise _damaged(listed) from None
    own = [digests[seed % len(digests)] for seed in seeds]
    weights = {digest: checkpoint.load(paths.start(digest)) for digest in dict.fromkeys(own)}
    found = []
    for digest in own:
        if (of_member := weights[digest]) is None:
            raise _damaged(paths.start(digest))
        found.append(of_member)
    return found


def _copied(weights: dict[str, Tensor], paths: RunPaths) -> str:
    """Put a member's weights into the run; the hash of their content."""
    digest = hashlib.sha256()
    for name, values in weights.items():
        digest.update(name.encode() + values.contiguous().numpy().tobytes())
    path = paths.start(digest.hexdigest())
    if not path.exists():
        paths.starts.mkdir(parents=True, exist_ok=True)
        checkpoint.save(path, weights)
    return digest.hexdigest()


def _members(init: InitFrom, criterion: Criterion, ledger: Ledger) -> list[tuple[CohortRecord, Outcome]]:
    """The member that is asked for, or of those that converged the best; with `each` all of them, the best first.
    criterion: of the other run."""
    named = [
        record
        for record in ledger.records()
        if record.finished and (spec := record.spec()).phase == "compare" and init.configuration in ("", spec.name)
    ]
    of_a_seed = isinstance(init.seed, int)
    found = [
        (record, outcome)
        for record in named
        for outcome in record.outcomes()
        if (outcome.seed == init.seed if of_a_seed else outcome.outcome == "converged")
    ]
    if not found:
        wanted = f"seed {init.seed}" if of_a_seed else "converged member"
        where = f" of {init.configuration}" if init.configuration else ""
        raise UserError(f"init_from: {init.run} has no {wanted}{where} in its comparison")
    sign = 1 if criterion.direction == "max" else -1

    def merit(pair: tuple[CohortRecord, Outcome]) -> tuple[float, int]:
        final = pair[1].final
        return (-math.inf if final is None else sign * final), -pair[1].seed

    ordered = sorted(found, key=merit, reverse=True)
    return ordered if init.seed == "each" else ordered[:1]


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is missing or damaged: remove it and launch again")
