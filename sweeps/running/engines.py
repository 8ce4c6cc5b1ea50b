"""Which engine trains a program's members, and how fast: measured where they run, and kept in the run directory, so
that a resumed run uses the same one."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from seedsweep.core.records.files import create
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.resources import AUTO
from seedsweep.core.records.study import Study, Training, read_study
from seedsweep.core.task import Task
from seedsweep.core.training.cohort import Cohort
from seedsweep.core.training.compiled import CompileError, Compiler, NotKeptError
from seedsweep.core.training.engine import NEAR_IN_SINGLE, choose_engine, difference
from seedsweep.core.training.memory import release
from seedsweep.core.training.optimisers import Optimizer
from seedsweep.core.training.probe import WORTH, Rate, at_once, probe, time_steps
from seedsweep.core.training.seeds import Member
from seedsweep.shards.read import default_cache
from seedsweep.sweeps.running import user_code
from seedsweep.sweeps.running.slots import device_share
from seedsweep.sweeps.study.components import numbers_of

#: No probe goes further.
MOST = 256
#: Compiling is tried where this share of the training, what it may save, is longer than it takes, or than loading takes
#: what was compiled before. All are rough: the benchmark of peers saw 5 to 60 % saved, 30 to 150 s of compiling, and 1
#: to 10 s of tracing and loading.
SAVED, COMPILE_SECONDS, LOAD_SECONDS = 0.25, 90.0, 10.0
TOO_FEW = "too few steps to come for compiling to pay"
THE_STUDY = "the study says so"


@dataclass(frozen=True)
class Measured:
    """Of one program on one kind of device: what its members can be trained with, why, and how fast in groups of 1, 2,
    4, ...; of members that go one after another, one rate."""

    engine: str
    reason: str
    rates: list[Rate]

    def at_once(self, count: int) -> int:
        """How many of so many members are best trained at once."""
        return at_once(self.rates, count) if self.engine == "fused" else 1

    @property
    def said(self) -> str:
        """One line: which engine, and why."""
        if self.engine != "fused" or len(self.rates) < 2:
            return f"{self.engine}: {self.reason}"
        best = max(self.rates, key=lambda rate: rate.rate)
        if best.members == 1:
            return f"loop: one after another is as fast ({best.rate:.0f} members' steps a second); {self.reason}"
        faster = best.rate / self.rates[0].rate
        return f"fused: {self.reason}; {best.members} at once train {faster:.1f} times as fast as one"


@dataclass(frozen=True)
class Chosen:
    """How a cohort's members are trained: by which engine, how many at once, and why in a line.

    warning: where it is another engine than the run's, the line that says so.
    """

    engine: str
    at_once: int
    said: str
    warning: str = ""


@functools.cache
def compiler() -> Compiler:
    """This process's, which keeps what it compiles for this machine. Errors: CompileError."""
    return Compiler(default_cache() / "compiled")


def most_members(study: Study) -> int:
    """As many as a trial could have: of one configuration, or of those that the search asks together.

    study: the whole one; a configuration's knows of no search.
    """
    seeds, search = study.seeds, study.search
    together = min(search.together, search.explore) if study.found else 1
    return min(max(seeds.compare, together * seeds.search), MOST)


def choose(
    paths: RunPaths, study: Study, task: Task, group: Sequence[Member], training: Training, optimizer: Optimizer
) -> Chosen:
    """How a cohort's members are trained: as the study says, or as was measured. Errors: as of `measured`."""
    engine = study.resources.engine
    if engine in ("fused", "loop"):
        return Chosen(engine, len(group) if engine == "fused" else 1, f"{engine}: {THE_STUDY}")
    found = read_measured(paths, study)
    if found is None and engine == AUTO and len(group) == 1:
        return Chosen("loop", 1, "loop: one member")
    # What a launch did not measure at its start is not compiled: a node without a compiler may be asked for it, and a
    # cohort of one member, which is not measured, would go on otherwise than it began.
    found = found or measured(paths, study, task, group[0], training, optimizer, to_come=0)
    if found.engine == "compiled" and (missing := _no_compiler()):
        return Chosen("loop", 1, f"loop: {missing}", f"trained with the engine loop in place of compiled: {missing}")
    return Chosen(found.engine, found.at_once(len(group)), found.said)


def read_measured(paths: RunPaths, study: Study) -> Measured | None:
    """What was measured before of a configuration's program on this kind of device; None where that is not there, or
    damaged. study: as the configuration has it."""
    return _read(file_of(paths, study))


def file_of(paths: RunPaths, study: Study) -> Path:
    """What is measured of a configuration's program on this kind of device is kept there."""
    resources = study.resources
    on_gpu = resources.gpus and torch.cuda.is_available()
    kind = torch.cuda.get_device_name() if on_gpu else "cpu"
    share = f"{resources.gpus:g} of it" if on_gpu else f"{resources.cpus} threads"
    return paths.probed(f"{kind}, {share}, {_program(study)}")


def measured(
    paths: RunPaths,
    study: Study,
    task: Task,
    member: Member,
    training: Training,
    optimizer: Optimizer,
    to_come: float,
) -> Measured:
    """Of a configuration's program on this device, by a probe that is made once in a run, and then kept.

    study: as the configuration has it.  to_come: members' steps that each of the trials that run at once will train;
    0: compiling is not tried.  Errors: memory.OutOfMemoryError, UserError of the task.
    """
    file, home = file_of(paths, study), default_cache()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Not two probes at once on one node: they would time each other.
    with open(home / "probe.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = _read(file)
        if found is None:
            file.unlink(missing_ok=True)
            most = most_members(read_study(paths.study))
            found = _measured(study, task, member, training, optimizer, to_come, most)
            file.parent.mkdir(parents=True, exist_ok=True)
            create(file, (json.dumps(asdict(found), indent=1) + "\n").encode())
    # Another node may have been the first to write.
    return _read(file) or found


def any_compiled(paths: RunPaths) -> bool:
    """Whether some program of a run is compiled."""
    return any(found is not None and found.engine == "compiled" for found in map(_read, paths.probe.glob("*.json")))


def _measured(
    study: Study, task: Task, member: Member, training: Training, optimizer: Optimizer, to_come: float, most: int
) -> Measured:
    engine, without = study.resources.engine, ""
    if engine == "compiled":
        try:
            compiler()
            return Measured("compiled", THE_STUDY, [Rate(1, 1.0, 0)])
        except CompileError as error:
            without = f"{error}; "
    chosen = choose_engine(task, member, training, optimizer)
    at_once = most if chosen.name == "fused" else 1
    rates = probe(task, member, training, optimizer, at_once, share=device_share(study))
    found = Measured(chosen.name, f"{without}{chosen.reason}", list(rates))
    if engine != AUTO or task.data.device.type != "cpu" or not to_come:
        return found
    best = max(rates, key=lambda rate: rate.rate)
    few, saved = replace(found, reason=f"{found.reason}; {TOO_FEW}"), SAVED * to_come / best.rate
    if saved < LOAD_SECONDS:
        return few
    try:
        with compiler().only_kept() if saved < COMPILE_SECONDS else contextlib.nullcontext():
            return _compiled(found, best, task, member, training, optimizer)
    except NotKeptError:
        return few
    except Exception as error:
        # Whatever it is: without compiling the members have been trained a few steps.
        words = " ".join(str(error).split())[:300]
        return replace(found, reason=f"{found.reason}; not compiled: {words or type(error).__name__}")


def _no_compiler() -> str:
    """Why this node cannot compile; empty where it can. A Ray that nobody told of compilers gives a compiled cohort to
    any of its nodes."""
    try:
        compiler()
    except CompileError as error:
        return f"on {socket.gethostname()} {error}"
    return ""


def _compiled(
    found: Measured, best: Rate, task: Task, member: Member, training: Training, optimizer: Optimizer
) -> Measured:
    """What was measured, or compiled where that is the same and faster. Errors: CompileError; those of the task."""
    # Two steps: what a trace has taken for a constant is right in the first. And an evaluation, which is traced, too.
    short = training.model_copy(update={"steps": 2, "evaluate_every": 2})
    one, other = (Cohort(task, [member], short, optimizer, 1, compiler=given) for given in (compiler(), None))
    begun = other.state()["weights"].clone()
    start = time.perf_counter()
    one.advance()
    seconds = time.perf_counter() - start
    other.advance()
    plain = _learnt(other, begun)
    for name, value in _learnt(one, begun).items():
        if not (off := difference(value, plain[name])) <= NEAR_IN_SINGLE:
            return replace(found, reason=f"{found.reason}; compiled, {name} differs by {100 * off:.2g} %")
    rate = time_steps(Cohort(task, [member], training, optimizer, 1, compiler=compiler()), 0.5)
    compared = f"{rate:.0f} members' steps a second, {best.rate:.0f} not compiled with {best.members} at once"
    release(task.data.device)
    if rate < WORTH * best.rate:
        return replace(found, reason=f"{found.reason}; compiled it is no faster: {compared}")
    reason = f"one member after another, compiled in {seconds:.0f} s: {compared}"
    return Measured("compiled", reason, [Rate(1, rate, 0)])


def _learnt(cohort: Cohort, begun: torch.Tensor) -> dict[str, torch.Tensor]:
    """By names in words, what steps leave that is proportional to gradients: the optimiser's moments, or, where it has
    none, how far the weights have moved from where they began; the buffers; and the losses."""
    state = cohort.state()
    found = {f"the buffer {name}": value for name, value in state["buffers"].items()}
    found |= {f"the {name.replace('_', ' ')}": value for name, value in state["moments"].items()}
    if not state["moments"]:
        found["the change of the weights"] = state["weights"] - begun
    losses = [place for place, name in enumerate(cohort.columns) if name.startswith("train_")]
    return {**found, "the loss": state["evaluations"][..., losses]}


def _read(file: Path) -> Measured | None:
    """What was measured before; None where that is not there, or damaged."""
    try:
        kept = json.loads(file.read_text())
        return Measured(kept["engine"], kept["reason"], [Rate(**rate) for rate in kept["rates"]])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _program(study: Study) -> str:
    """Hash of what makes a program another one: what it trains, on what, in which batches. Of hyperparameters their
    names, and the values of those that are Python numbers."""
    training = study.training.model_dump(include={"batch", "microbatch", "clip", "precision"})
    parts = [
        study.task,
        study.settings,
        study.data,
        training,
        study.optimizer,
        sorted(study.hyperparameters),
        numbers_of(study),
        study.resources.engine,
        user_code.code_in_use(),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:8]
