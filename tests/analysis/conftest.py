"""Run directories that were made by hand, through the classes that a launch uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Criterion, judge
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.decision import Claim, SeedCounts
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.registration import Registration, register
from seedsweep.core.records.study import Dimension, Search, Study, Training, read_study
from seedsweep.shards.data_set import DataSet

STEPS = [10, 20, 30, 40, 50]
F1 = Criterion("f1", 0.9, 2, "max", 0.0, 1.0)


def _scores(rate: int, count: int, diverged: int) -> tuple[np.ndarray, list[int | None]]:
    """F1 [5,count]: the first `rate` members converge, the next falls back, the rest never, the last ones diverge."""
    scores = np.full((5, count), 0.5) - np.arange(count) / 100
    scores[2:, :rate] = 0.95
    scores[1:3, rate : rate + 1] = 0.92
    out: list[int | None] = [None] * count
    if diverged:
        scores[3:, -diverged:] = np.nan
        out[-diverged:] = [33] * diverged
    return scores, out


def _make_run(
    folder: Path,
    rates: Mapping[Any, int],
    *,
    path: str = "alpha",
    names: Mapping[Any, str] | None = None,
    values: Callable[[Any], dict[str, Any]] | None = None,
    seeds: int = 12,
    wanted: int | None = None,
    found: bool = True,
    diverged: int = 0,
    criterion: Criterion = F1,
    tested: bool = False,
    windows: bool = False,
    codes: Mapping[Any, str] | None = None,
    **study: Any,
) -> Path:
    """A run of one configuration for each value of `path`, of which so many seeds converge.

    names: of the configurations, `alpha 0.5` else.  values: all values of one.  found: the last one is the search's.
    wanted: seeds that the study asks for.  criterion: of a `min`, a member's measure is 1 less its F1.  tested: with a
    test split.  windows: members look at the middle of image 0 in the end.
    codes: hash of the user's files that each was made with.  study: other fields.
    """
    short = path.rpartition(".")[2]
    called = {
        value: (names or {}).get(value, f"{short} {value:g}" if isinstance(value, float) else f"{short} {value}")
        for value in rates
    }
    named = list(rates)[: len(rates) - found]
    paths = RunPaths(folder)
    folder.mkdir(parents=True, exist_ok=True)
    space = {path: Dimension(low=0, high=1)} if found else {}
    claimed = Claim(best=called[0.5]) if 0.5 in named else None
    fields = {
        "name": "made",
        "question": "Was it <alpha>?",
        "configurations": {called[value]: {path: value} for value in named},
        "claims": (claimed,) if claimed else (),
        "search": Search(explore=len(rates) if found else 0, space=space),
        "scale": "laptop",
        "training": Training(steps=50),
        "seeds": SeedCounts(search=2, compare=wanted or seeds),
        "criterion": criterion,
        **study,
    }
    asked = Study(**fields)
    paths.study.write_text(asked.to_json())
    register(paths, asked)
    for number, (value, rate) in enumerate(rates.items()):
        resolved = values(value) if values else {path: value, "batch": 32}
        for phase, first, count in (("explore", 1_000_000, 2), ("compare", 0, seeds)):
            block = tuple(range(first, first + count))
            name = called[value] if value in named else ""
            of = f"hash{number}" if path == "alpha" else f"hash{number}of{value}"
            spec = CohortSpec(phase, number, of, name, {path: value}, resolved, block, 50, (codes or {}).get(value, ""))
            scores, out = _scores(rate, count, diverged if phase == "compare" else 0)
            scores = scores if criterion.direction == "max" else 1 - scores
            curves = Curves(STEPS, np.stack([scores, scores], -1), [criterion.metric, "auc"], list(block))
            if windows:
                looked = np.full((5, count, 1, 2, 4), 0.5, np.float32)
                looked[-1, ..., :2] = 0
                curves = replace(curves, windows=looked, watched=[0])
            measured = {when: {criterion.metric: 0.25 + number / 10, "auc": 0.5} for when in ("last", "best")}
            outcomes = [
                judge(seed, STEPS, scores[:, i], out[i], criterion, None, measured if tested else None)
                for i, seed in enumerate(block)
            ]
            record = Ledger(paths.cohorts).record(spec)
            record.create(spec)
            run = {"host": "here", "device": "cpu", "engine": "fused", "seconds": 12.0}
            record.claim(1).commit(curves, outcomes, run)
    return folder


def _change_study(folder: Path, **fields: Any) -> None:
    """Other fields in a run's study, and in what it registered."""
    paths = RunPaths(folder)
    study = read_study(paths.study).model_copy(update=fields)
    paths.study.write_text(study.to_json())
    paths.registered.unlink(missing_ok=True)
    registered = Registration.of(study)
    registered = registered.model_copy(update={"sha256": registered.content})
    paths.registered.write_text(registered.model_dump_json())


class Squares(DataSet):
    """Grey images of 32 px."""

    def samples(self, split):
        if split == "test":
            return None
        return {"image": np.full((8, 1, 32, 32), 90, np.uint8), "label": np.zeros(8, np.int64)}


def _pack_squares(root: Path) -> dict[str, Any]:
    """Packed under the root; as a study's section `data` names them."""
    from seedsweep.shards.pack import pack

    pack("squares", Squares(), {"side": 32}, root, "", lambda done, total: None)
    return {"name": "squares", "side": 32}


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Path]:
    """Makes a run directory and returns it."""
    return _make_run


@pytest.fixture(scope="session")
def change_study() -> Callable[..., None]:
    """Changes the study of a run directory."""
    return _change_study


@pytest.fixture(scope="session")
def pack_squares() -> Callable[[Path], dict[str, Any]]:
    """Packs a data set of images."""
    return _pack_squares


@pytest.fixture(scope="session")
def mixed() -> dict[float, int]:
    """Of each alpha how many of 12 seeds converge; the last is what the search found."""
    return {1.0: 9, 0.5: 8, 0.0: 0, 0.87: 12}
