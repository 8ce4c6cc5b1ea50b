"""A small study, and for each test a path, a cache and figures that are cheap to draw."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from seedsweep.core.records.paths import RunPaths
from seedsweep.core.training.compiled import HEADERS
from seedsweep.core.user_modules import leave_folder
from seedsweep.sweeps.running import user_code
from tests.small_study import SMALL_STUDY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Before any study is loaded.
PATH = tuple(sys.path)
#: In place of a figure.
BLANK = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><rect width="1" height="1"/></svg>'


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_the_disk() -> Iterator[None]:
    """What a test writes need not survive the machine."""
    with patch.object(os, "fsync", lambda descriptor: None):
        yield


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL_STUDY)
    return path


@pytest.fixture(autouse=True)
def own_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test meets a folder of user's files, or a copy of one, that another used. The test's own is removed after it
    was left."""
    monkeypatch.setattr(sys, "path", list(PATH))
    yield
    user_code.use(RunPaths(tmp_path), "")
    leave_folder()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Makes a cache, with a folder for compiled code. What the C++ compiler makes of its headers takes long, and is the
    same for all processes of a test run."""
    here = tmp_path_factory.getbasetemp()
    headers = (here.parent if "PYTEST_XDIST_WORKER" in os.environ else here) / HEADERS
    headers.mkdir(mode=0o700, exist_ok=True)

    def made(folder: Path) -> Path:
        (folder / "compiled").mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (folder / "compiled" / HEADERS).symlink_to(headers)
        return folder

    return made


@pytest.fixture(autouse=True)
def own_cache(
    cache: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test reads or leaves anything in the user's cache."""
    monkeypatch.setenv("SEEDSWEEP_CACHE", str(cache(tmp_path_factory.getbasetemp() / "cache")))


@pytest.fixture(autouse=True)
def blank_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report's figures are drawn and saved blank, which spares most of its time, unless the test is marked
    `pictures`."""
    if request.node.get_closest_marker("pictures"):
        return
    from seedsweep.analysis.figures import style
    from seedsweep.analysis.page import report
    from seedsweep.analysis.report_2019 import page

    def save(figure: Figure, folder: Path, name: str) -> bytes:
        (folder / f"{name}.svg").write_bytes(BLANK)
        return BLANK

    for module in (style, page):
        monkeypatch.setattr(module, "save", save)
    monkeypatch.setattr(report, "svg", lambda figure: BLANK)


@pytest.fixture(autouse=True, scope="session")
def thawed() -> Iterator[None]:
    """At the end: what the interpreter cannot take apart some libraries call leaked."""
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True, scope="module")
def frozen(thawed: None) -> None:
    """The product collects garbage before it measures memory: that need not look through all modules each time."""
    gc.collect()
    gc.freeze()
