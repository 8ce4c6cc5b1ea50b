"""The user's code of a launch: copied into the run, and compared with what earlier members were made with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Study
from seedsweep.sweeps.running import user_code
from seedsweep.sweeps.running.run_directory import RunDirectory


@dataclass(frozen=True)
class UserFiles:
    """The user's files of a launch. folder: of the study's file, from which they are copied.  copy: name of the copy
    that was made before; None: it is made now.  accept: go on where they differ from those of earlier members."""

    folder: Path
    copy: str | None = None
    accept: bool = False


def use_files(study: Study, run: RunDirectory, files: UserFiles) -> tuple[str, str]:
    """Copy the user's files into a run that was begun, and run that copy alone from now on.

    Returns the copy's name, and the hash of what of it results depend on. Where earlier members were made with other
    code, that is put on record if it is accepted: they stay, and members that are not finished go on with the new one.
    Errors: UserError, of changed code too, with the files that changed.
    """
    copy = user_code.take(study, files.folder, run.paths) if files.copy is None else files.copy
    user_code.use(run.paths, copy)
    code = user_code.code_in_use()
    members: Counter[str] = Counter()
    for record in run.ledger.records():
        spec = record.spec()
        members[spec.code] += len(spec.seeds)
    now = user_code.identity_of(run.paths, code)
    accepted = {entry["old"] for entry in run.provenance()["accepted_code"] if entry["new"] == code}
    changed = {}
    for old in members.keys() - accepted - {code}:
        before = user_code.identity_of(run.paths, old)
        changed[old] = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    if changed and not files.accept:
        names = sorted({name for those in changed.values() for name in those})
        raise UserError(
            f"{run.paths.folder} has {sum(members[old] for old in changed)} members made with other code: "
            f"{', '.join(names) or 'other files'} changed since. Launch with --accept-code to continue anyway (the "
            "change is recorded), under another --name, or with --fresh"
        )
    if changed:
        changes = [{"old": old, "new": code, "files": changed[old], "members": members[old]} for old in changed]
        run.record("accepted_code", *changes)
    return copy, code
