"""The documentation: its links lead somewhere, its studies load, its first model runs."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from seedsweep.sweeps.commands.check import show
from seedsweep.sweeps.study.loading import load

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)
EXAMPLE = ROOT / "examples" / "fashion_mnist"
#: Debian's package dataset-fashion-mnist.
DATA = Path("/usr/share/datasets/fashion-mnist")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve() if path else page
            assert found.exists(), target
            assert not anchor or anchor in anchors(found), target


def test_every_page_is_reached_from_the_readme():
    linked = {(ROOT / target).resolve() for target in re.findall(r"\]\(([^)\s#]+)", (ROOT / "README.md").read_text())}
    assert {page for page in PAGES if page.parent == ROOT / "docs"} <= linked


def test_the_readme_is_short():
    assert (ROOT / "README.md").stat().st_size <= 6000


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "studies.md"], ids=name_of)
def test_studies_load(page, tmp_path):
    (tmp_path / "fashion.py").write_text((EXAMPLE / "fashion.py").read_text())
    found = [block for block in blocks(page, "yaml") if "criterion:" in block]
    assert found
    for number, block in enumerate(found):
        path = tmp_path / f"study_{number}.yaml"
        path.write_text(block)
        assert load(str(path)).configurations.keys() == {"plain", "regularised"}


@pytest.mark.skipif(not DATA.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_the_model_of_the_readme_runs(tmp_path):
    (model,), (study, *_) = (blocks(ROOT / "README.md", language) for language in ("python", "yaml"))
    # What it leaves out is in the example: imports, the network and the data set.
    (tmp_path / "fashion.py").write_text(f"{(EXAMPLE / 'fashion.py').read_text()}\n\n{model}")
    path = tmp_path / "fashion.yaml"
    path.write_text(study)
    console = Console(file=io.StringIO(), width=200)
    assert show(load(str(path)), tmp_path, console), console.file.getvalue()
    assert "after 2 steps: accuracy" in console.file.getvalue()
