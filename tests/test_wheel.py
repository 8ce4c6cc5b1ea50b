"""What is installed from a wheel: the package once, with what it reads, and nothing of the checkout beside it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("core", "shards", "slurm", "analysis", "sweeps")
LEFT = ignore_patterns(".*", "__pycache__", "build", "runs", "*.egg-info", "node_modules")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build writes into the tree."""
    return copytree(ROOT, tmp_path_factory.mktemp("checkout") / "seedsweep", symlinks=True, ignore=LEFT)


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    if int(version("setuptools").partition(".")[0]) < 77:
        pytest.skip("pip install -U setuptools: a wheel is built with 77 or newer")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "-w", folder, checkout], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("seedsweep-*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


@pytest.mark.slow
def test_a_wheel_holds_every_module_once(wheel, checkout):
    found = Counter(name for name in wheel.namelist() if ".dist-info/" not in name)
    assert set(found.values()) == {1}
    assert {Path(name).parts[0] for name in found} == {"seedsweep"}
    modules = {f"seedsweep/{file.relative_to(checkout)}" for room in ROOMS for file in (checkout / room).rglob("*.py")}
    assert {name for name in found if name.endswith(".py")} == modules | {"seedsweep/__init__.py"}


def test_a_wheel_holds_what_the_package_reads(wheel, checkout):
    found = set(wheel.namelist())
    assert "seedsweep/py.typed" in found
    for room in ROOMS:
        files = [file for file in (checkout / room).rglob("*") if file.is_file()]
        assert {f"seedsweep/{file.relative_to(checkout)}" for file in files} <= found


def test_a_wheel_holds_no_tests_docs_or_development_cluster(wheel):
    for name in wheel.namelist():
        assert not {"tests", "docs", "examples", "devcluster", "benchmarks"} & set(Path(name).parts), name


@pytest.mark.slow
def test_an_installed_package_leaves_what_lies_beside_it_importable(wheel, tmp_path):
    site, study = tmp_path / "site", tmp_path / "study"
    wheel.extractall(site)
    (site / "beside.py").write_text("")
    # In a repository of the user's, whose commit is none of this package.
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    copytree(ROOT / "examples" / "regression", study)
    (study / "curve.py").write_text("import beside\n" + (study / "curve.py").read_text())
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "from seedsweep.core.source import git_commit\n"
        "from seedsweep.sweeps.cli import main\n"
        "print(git_commit())\n"
        f"sys.argv[1:] = ['check', {str(study / 'curve.yaml')!r}]\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"version {version('seedsweep')}\n")


@pytest.mark.slow
def test_what_a_wheel_holds_is_imported(wheel, tmp_path):
    wheel.extractall(tmp_path / "site")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "import seedsweep, seedsweep.sweeps.cli\n"
        "from seedsweep.shards.data_set import make\n"
        "from seedsweep.sweeps.study.loading import load\n"
        "print(seedsweep.__file__, load('alpha_seed_study').name, make({'name': 'pattern1', 'size': 16}).classes)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "site" / "seedsweep" / "__init__.py"), "alpha_seed_study", "2"]
