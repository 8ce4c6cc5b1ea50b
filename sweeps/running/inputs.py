"""What the configurations of a study need on disk: packed data sets, and weights to start from."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from seedsweep.core.component import is_own
from seedsweep.core.records.study import InitFrom, Study
from seedsweep.shards import data_set, pack
from seedsweep.shards.read import data_fingerprint, describe, read
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.source_hash import source_hashes
from seedsweep.sweeps.running.start_weights import Start, take


class Inputs:
    """Made where they are first asked for, and kept. A study is one as a configuration has it."""

    def __init__(self, run: RunDirectory, code: str, console: Console):
        """code: hash of the user's files."""
        self._run, self._code, self._console = run, code, console
        self._folders: dict[str, Path] = {}
        self._starts: dict[InitFrom, Start] = {}

    def data_of(self, study: Study) -> str:
        """Folder of the packed data set; empty where there is none.

        Packed and checked: a damaged shard is best found before anything starts.  Errors: UserError, ShardError.
        """
        if not study.data:
            return ""
        key = json.dumps(study.data, sort_keys=True, default=str)
        if key not in self._folders:
            self._folders[key] = self._prepare(study)
        return str(self._folders[key])

    def fingerprint_of(self, study: Study) -> str:
        """Of the content of the data set; empty where there is none."""
        data = self.data_of(study)
        return data_fingerprint(Path(data)) if data else ""

    def samples_of(self, study: Study) -> int:
        """Of the training split; 0 where there is none."""
        data = self.data_of(study)
        return int(describe(Path(data))["splits"]["train"]) if data else 0

    def start_of(self, study: Study) -> str:
        """File of the weights that members start from; empty where they start from their seeds. Errors: UserError."""
        return str(self._start(study.init_from).path) if study.init_from else ""

    def start_fingerprint(self, init: InitFrom) -> str:
        """Of the content of those weights."""
        return self._start(init).fingerprint

    @property
    def fingerprints(self) -> list[str]:
        """Of all data sets so far."""
        return [data_fingerprint(folder) for folder in self._folders.values()]

    def _start(self, init: InitFrom) -> Start:
        if init not in self._starts:
            self._starts[init] = take(init, self._run.paths)
        return self._starts[init]

    def _code_of(self, name: str) -> str:
        """What the samples of a data set depend on beside its settings: its module's source, or, of a file of the
        user's, which may import others, all of those; nothing of a built-in one."""
        if is_own(name):
            return self._code
        # Where it lies below the study's folder, the user's files count too.
        found = source_hashes([name]).values()
        return "".join([self._code, *found]) if ":" in name else ""

    def _prepare(self, study: Study) -> Path:
        made = data_set.make(study.data)
        name = study.data["name"]
        folder = made.folder()
        with self._console.status(f"packing {name}") as status:
            if folder is None:
                settings = {key: value for key, value in study.data.items() if key != "name"}
                code = self._code_of(name)

                def progress(done: int, total: int) -> None:
                    status.update(f"packing {name}: {done} of {total}")

                folder = pack.pack(name, made, settings, self._run.paths.data, code, progress)
            status.update(f"checking {name}")
            read(folder)
        return folder
