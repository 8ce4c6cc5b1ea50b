"""What else than its configuration, its seed and the user's code decides a member's result to the bit: with what, and
where, it is trained. It is on record of every cohort, and members are only taken from where it is the same."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path

import torch

from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.resources import AUTO
from seedsweep.core.records.study import Study
from seedsweep.core.source import PACKAGE
from seedsweep.core.training.compiled import CompileError
from seedsweep.sweeps.running import engines, user_code
from seedsweep.sweeps.running.prepared_task import device_of
from seedsweep.sweeps.running.trial_state import members_of
from seedsweep.sweeps.study.configuration import kind

Environment = dict[str, str | int]

#: Engines with which a member's path depends on its seed alone, to the bit, whatever its company.
ALONE = ("compiled",)
#: Of which packages the version counts, where they are installed.
PACKAGES = ("torch", "torchvision", "numpy")
#: Rooms of this package that train members, but for what judges them, which is done anew, and what makes data, which
#: have a hash of their own.
_TRAINS, _OTHER = ("core", "shards"), ("core/records", "shards/sets", "shards/camelyon16")


def environment(study: Study, specs: Sequence[CohortSpec], engine: str, at_once: int) -> Environment:
    """Of the members of a trial, trained in this process.

    study: as a configuration has it.  specs: of the trial's cohorts.  at_once: members of the largest group.
    company: hash of who trains together, where that changes rounding.
    """
    company = "" if engine in ALONE else hashlib.sha256("\n".join(members_of(specs)).encode()).hexdigest()[:16]
    return {
        "engine": engine,
        "at_once": at_once,
        "company": company,
        "threads": study.resources.cpus,
        "device": _device(study),
        "compiler": (_compiler() or "") if engine == "compiled" else "",
        "code": user_code.code_in_use(),
        "program": program_hash(),
        "python": platform.python_version(),
        **versions(),
    }


def expected(paths: RunPaths, study: Study, specs: Sequence[CohortSpec]) -> Environment | None:
    """In which the members of a trial would be trained here and now; None where that must be measured first."""
    if kind(study) != "task":
        return environment(study, specs, kind(study), 1)
    engine: str = study.resources.engine
    count = sum(len(spec.seeds) for spec in specs)
    at_once = count if engine == "fused" else 1
    if engine in ("compiled", AUTO):
        found = engines.read_measured(paths, study)
        if found is not None:
            engine, at_once = found.engine, found.at_once(count)
        elif engine == AUTO and count > 1:
            return None
        if engine == "compiled" and _compiler() is None:
            if found is None:
                return None
            engine = "loop"
    return environment(study, specs, named_engine(at_once, compiled=engine == "compiled"), at_once)


def named_engine(at_once: int, *, compiled: bool) -> str:
    """As the record calls it."""
    return "compiled" if compiled else "fused" if at_once > 1 else "loop"


@functools.cache
def versions() -> dict[str, str]:
    """Of those of PACKAGES that are installed."""
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


@functools.cache
def program_hash() -> str:
    """Of this package's own source, as far as it trains members: the built-in models are no code of the user's."""
    digest = hashlib.sha256()
    for room in _TRAINS:
        for file in sorted((PACKAGE / room).rglob("*.py")):
            name = file.relative_to(PACKAGE).as_posix()
            if not name.startswith(_OTHER):
                digest.update(f"{name}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _compiler() -> str | None:
    """Version of the C++ compiler; None where there is none."""
    try:
        return engines.compiler().version
    except CompileError:
        return None


def _device(study: Study) -> str:
    """The kind of device, by its name."""
    if device_of(study) == "cpu":
        return _processor()
    # A command is trained by a process of its own, beside which this one is to take nothing of the GPU.
    return "cuda" if kind(study) == "command" else torch.cuda.get_device_name()


@functools.cache
def _processor() -> str:
    """Name of the processor, and which of its instructions torch uses."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"
