"""What the configurations of a study need on disk: packed data sets, and weights to start from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from seedsweep.core.records.study import InitFrom, Study
from seedsweep.shards.data_set import make
from seedsweep.shards.index import read_index
from seedsweep.shards.pack import pack
from seedsweep.shards.read import read
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.running.start_weights import take
from seedsweep.sweeps.running.user_code import code_of


class Inputs:
    """Made where they are first asked for, and kept. A study is one as a configuration has it."""

    def __init__(self, run: RunDirectory, console: Console):
        self._run, self._console = run, console
        self._folders: dict[str, Path] = {}
        self._starts: dict[InitFrom, Path] = {}
        self._said: set[str] = set()

    def data_of(self, study: Study) -> str:
        """Folder of the packed data set; empty where there is none.

        Packed and checked: a damaged shard is best found before anything starts.  Errors: UserError, ShardError.
        """
        if not study.data:
            return ""
        key = json.dumps(study.data, sort_keys=True, default=str)
        if key not in self._folders:
            self._folders[key] = self._prepare(study.data)
        return str(self._folders[key])

    def fingerprint_of(self, study: Study) -> str:
        """Of the content of the data set; empty where there is none."""
        data = self.data_of(study)
        return read_index(Path(data)).fingerprint if data else ""

    def samples_of(self, study: Study) -> int:
        """Of the training split; 0 where there is none."""
        data = self.data_of(study)
        return read_index(Path(data)).samples("train") if data else 0

    def start_of(self, study: Study) -> str:
        """File that names the weights that members start from; empty where they start from their seeds. Errors:
        UserError."""
        return str(self._start(study.init_from)) if study.init_from else ""

    def start_fingerprint(self, init: InitFrom) -> str:
        """Of the content of those weights."""
        return self._start(init).stem

    @property
    def fingerprints(self) -> list[str]:
        """Of all data sets so far."""
        return [read_index(folder).fingerprint for folder in self._folders.values()]

    def _start(self, init: InitFrom) -> Path:
        if init not in self._starts:
            self._starts[init] = take(init, self._run.paths)
        return self._starts[init]

    def _prepare(self, data: Mapping[str, Any]) -> Path:
        name = data["name"]
        with self._console.status(f"packing {name}") as status:

            def progress(done: int, total: int) -> None:
                status.update(f"packing {name}: {done} of {total}")

            folder = pack(name, make(data), data, self._run.paths.data, code_of(name), progress, self._say)
            status.update(f"checking {name}")
            read(folder)
        return folder

    def _say(self, line: str) -> None:
        """Once, though several data sets are of the same slides."""
        if line not in self._said:
            self._said.add(line)
            self._console.print(escape(line))
