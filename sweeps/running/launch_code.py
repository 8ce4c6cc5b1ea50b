"""The user's code of a launch: copied into the run, and compared with what earlier members were made with. Changed code
is refused by the file's name, or accepted and put on record."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from seedsweep.core.errors import UserError
from seedsweep.core.records.ledger import replace
from seedsweep.core.records.study import Study
from seedsweep.core.source import git_commit
from seedsweep.sweeps.running import user_code
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.study.configuration import configuration, named


@dataclass(frozen=True)
class UserFiles:
    """The user's files of a launch. folder: of the study's file, from which they are copied.  copy: name of the copy
    that was made before; None: it is made now.  accept: go on where they differ from those of earlier members."""

    folder: Path
    copy: str | None = None
    accept: bool = False


def use_files(study: Study, run: RunDirectory, files: UserFiles) -> tuple[str, str]:
    """Copy the user's files into a run that was begun, and run that copy alone from now on.

    Returns the copy's name, and the hash of what of it the study imports. Errors: UserError, of changed code too.
    """
    copy = user_code.take(study, files.folder, run.paths) if files.copy is None else files.copy
    # What an earlier launch of this process has imported in its course is no part of this one's code.
    user_code.use(run.paths, "")
    user_code.use(run.paths, copy)
    # Imports all that the study and its configurations name.
    configuration(study)
    named(study)
    code = user_code.keep_imported(study, run.paths)
    check_code(run, code, accept=files.accept)
    return copy, code


def check_code(run: RunDirectory, code: str, *, accept: bool) -> None:
    """Compare the code that this process runs with the code that the run's members were made with.

    code: what `user_code.keep_imported` gave.  accept: record what changed in the run's provenance, with how many
    members each code has, and go on; members that are not finished go on with the new one.
    Errors: UserError with the files that changed.
    """
    members: Counter[str] = Counter()
    for record in run.ledger.records():
        spec = record.spec()
        if spec.code != code:
            members[spec.code] += len(spec.seeds)
    kept = json.loads(run.paths.provenance.read_text()) if run.paths.provenance.exists() else {"launches": []}
    accepted = kept.setdefault("accepted_code", [])
    known = {entry["old"] for entry in accepted if entry["new"] == code}
    changes = {old: _changed(run, old, code) for old in members if old not in known}
    if not changes:
        return
    files = sorted({name for names in changes.values() for name in names})
    if not accept:
        total = sum(members[old] for old in changes)
        raise UserError(
            f"{run.paths.folder} has {total} members made with other code: {', '.join(files) or 'other files'} changed "
            "since. Launch with --accept-code to go on all the same (it is put on record), under another --name, or "
            "with --fresh"
        )
    for old, names in changes.items():
        accepted.append(
            {
                "time": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
                "old": old,
                "new": code,
                "files": names,
                "members": members[old],
                "commit": git_commit(),
            }
        )
    replace(run.paths.provenance, (json.dumps(kept, indent=1) + "\n").encode())


def _changed(run: RunDirectory, old: str, new: str) -> list[str]:
    return user_code.changed(user_code.kept_imported(run.paths, old), user_code.kept_imported(run.paths, new))
