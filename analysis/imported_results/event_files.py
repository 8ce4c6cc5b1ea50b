"""Folders of TensorBoard's event files: a folder a run, named by its path."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import SCALARS, TENSORS, EventAccumulator
from tensorboard.plugins.hparams.metadata import (
    PLUGIN_NAME,
    SESSION_START_INFO_TAG,
    parse_session_start_info_plugin_data,
)
from tensorboard.util.tensor_util import make_ndarray

from seedsweep.analysis.errors import TableError
from seedsweep.analysis.imported_results.rows import Rows, hashed, of_records

PATTERN = "*tfevents*"
RUN, STEP = "run", "step"
#: Names of folders that PyTorch's `add_hparams` makes: the time.
_OF_HYPERPARAMETERS = re.compile(r"\d+\.\d+")


def files(folder: Path) -> list[Path]:
    """All event files below a folder."""
    return sorted(path for path in folder.rglob(PATTERN) if path.is_file())


def read(folder: Path) -> Rows:
    """A row a step of a run, with each scalar that was written at that step, and the run's hyperparameters where they
    were written, too (`add_hparams`). Errors: TableError, one line."""
    # It warns of what is no scalar.
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    records: list[dict[str, Any]] = []
    places: list[str] = []
    parameters: dict[str, None] = {}
    found = files(folder)
    for run, folders in _runs({path.parent for path in found}).items():
        name = folder.name if run == folder else run.relative_to(folder).as_posix()
        own: dict[str, Any] = {}
        steps: dict[int, dict[str, Any]] = defaultdict(dict)
        for one in folders:
            accumulator = EventAccumulator(str(one), size_guidance={SCALARS: 0, TENSORS: 0})
            accumulator.Reload()
            own |= _hyperparameters(accumulator)
            for tag, step, value in _scalars(accumulator):
                if tag in steps[step]:
                    raise TableError(
                        f"{run}: {tag!r} is there twice at step {step}: a folder is of one run, and one that went on "
                        "from before its end wrote those steps again; leave one"
                    )
                steps[step][tag] = value
        if not steps:
            raise TableError(f"{run}: its event files have no scalar; move it away, or run it again")
        parameters |= dict.fromkeys(own)
        for step, values in sorted(steps.items()):
            records.append({**values, **own, RUN: name, STEP: step})
            places.append(f"{run} step {step}")
    return Rows(
        of_records(records),
        lambda row: places[row],
        str(folder),
        hashed(path.read_bytes() for path in found),
        parameters=tuple(parameters),
        run=RUN,
        each=RUN,
        step=STEP,
    )


def _runs(folders: Collection[Path]) -> dict[Path, list[Path]]:
    """Of each run its folders: one, and those that `add_hparams` makes in it."""
    runs: dict[Path, list[Path]] = defaultdict(list)
    for folder in sorted(folders):
        of_parent = _OF_HYPERPARAMETERS.fullmatch(folder.name) and folder.parent in folders
        runs[folder.parent if of_parent else folder].append(folder)
    return runs


def _scalars(accumulator: EventAccumulator) -> Iterator[tuple[str, int, Any]]:
    """(tag, step, value), as version 1 of the writers has them, and as version 2."""
    tags = accumulator.Tags()
    for tag in tags[SCALARS]:
        for event in accumulator.Scalars(tag):
            yield tag, event.step, np.float32(event.value)
    for tag in tags[TENSORS]:
        if accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            for event in accumulator.Tensors(tag):
                yield tag, event.step, make_ndarray(event.tensor_proto)[()]


def _hyperparameters(accumulator: EventAccumulator) -> dict[str, Any]:
    try:
        content = accumulator.PluginTagToContent(PLUGIN_NAME)[SESSION_START_INFO_TAG]
    except KeyError:
        return {}
    given = parse_session_start_info_plugin_data(content).hparams
    return {name: getattr(value, str(value.WhichOneof("kind"))) for name, value in given.items()}
