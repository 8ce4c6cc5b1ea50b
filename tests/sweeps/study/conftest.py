"""A user's module beside a study's file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from seedsweep.core.records.study import Study
from seedsweep.sweeps.study import yaml_reader
from seedsweep.sweeps.study.loading import load
from tests.sweeps import user_module
from tests.sweeps.study.own_studies import STUDY


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A study's file, with sections in place of those of STUDY or another; None takes one away. Where neither
    configurations nor a search are given: of one configuration, `own`."""
    user_module.write(tmp_path)

    def written(of: Mapping[str, Any] = STUDY, **sections: Any) -> Path:
        path = tmp_path / "own.yaml"
        values = {key: value for key, value in {**of, **sections}.items() if value is not None}
        if not {"configurations", "search"} & {*of, *sections}:
            values["configurations"] = {"own": {}}
        path.write_text(yaml_reader.dump(values))
        return path

    return written


@pytest.fixture
def study(write: Callable[..., Path]) -> Callable[..., Study]:
    """A study loaded, with sections in place of those of STUDY or another, and `--set` arguments."""

    def loaded(*overrides: str, of: Mapping[str, Any] = STUDY, **sections: Any) -> Study:
        return load(str(write(of, **sections)), None, overrides)

    return loaded
