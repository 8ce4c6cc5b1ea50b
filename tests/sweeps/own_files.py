"""A study with files of the user's beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.study import Study


def a_study(**given: Any) -> Study:
    return Study(name="own", criterion=Criterion("accuracy", 0.9), **{"metrics": {"accuracy": "max"}, **given})


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".py").write_text(text)
