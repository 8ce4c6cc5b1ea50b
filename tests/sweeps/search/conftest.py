"""Studies of a user's task, which is never trained here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seedsweep.core.records.study import Study
from seedsweep.core.user_modules import use_folder
from seedsweep.sweeps.study.configuration import resolve
from tests.sweeps import user_module


@pytest.fixture
def make_study(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Study]:
    """A study with sections in place of others; `None` takes one away."""
    folder = tmp_path_factory.mktemp("mine")
    user_module.write(folder)
    use_folder(Path(folder))

    def made(**sections: Any) -> Study:
        values: dict[str, Any] = {
            "name": "small",
            "task": "net.py:Mine",
            "data": {"name": "net.py:Points"},
            "training": {"steps": 40},
            "criterion": {"metric": "score", "threshold": 0.4},
            "seeds": {"search": 2, "compare": 5},
            **sections,
        }
        return resolve(Study.model_validate({key: value for key, value in values.items() if value is not None}))

    return made


@pytest.fixture
def study(make_study: Callable[..., Study]) -> Study:
    """Two named configurations, and a search of what they differ in."""
    named = {"all": {"alpha": 1.0}, "none": {"alpha": 0.0}}
    return make_study(configurations=named, search={"explore": 7, "space": {"alpha": {"low": 0, "high": 1}}})
