"""A small study, and a cache of each test run's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seedsweep.core.user_modules import leave_folder
from tests.small_study import SMALL_STUDY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Before any study is loaded.
PATH = tuple(sys.path)


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL_STUDY)
    return path


@pytest.fixture(autouse=True)
def own_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test meets a folder of user's files that another used."""
    monkeypatch.setattr(sys, "path", list(PATH))
    yield
    leave_folder()


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or leaves anything in the user's cache."""
    monkeypatch.setenv("SEEDSWEEP_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def svg_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report's figures are saved as the page shows them: PDF and PNG take half of its time."""
    from seedsweep.analysis.figures import style

    def save(figure: Figure, folder: Path, name: str) -> bytes:
        picture = style.svg(figure)
        (folder / f"{name}.svg").write_bytes(picture)
        return picture

    monkeypatch.setattr(style, "save", save)
