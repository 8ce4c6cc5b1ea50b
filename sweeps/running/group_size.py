"""Which engine trains a program's members, and how many of them together: measured where they run, and kept in the run
directory, so that what goes on later goes on alike."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import torch

from seedsweep.core.errors import UserError
from seedsweep.core.records.ledger import create
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.resources import AUTO
from seedsweep.core.records.study import Study, Training
from seedsweep.core.task import Task
from seedsweep.core.training import memory
from seedsweep.core.training.engine import choose_engine
from seedsweep.core.training.optimisers import Optimizer
from seedsweep.core.training.probe import WORTH, Rate, at_once, expected_rate, most_held, probe
from seedsweep.core.training.seeds import Member
from seedsweep.shards.read import default_cache
from seedsweep.slurm.settings import asked
from seedsweep.sweeps.running import user_code
from seedsweep.sweeps.running.prepared_task import device_of, forget_task, load_task, resolved_training
from seedsweep.sweeps.running.ray_session import cores
from seedsweep.sweeps.study.configuration import Configuration, configuration, make_optimizer, members

#: No probe goes further.
MOST = 256


@dataclass(frozen=True)
class Measured:
    """Of one program on one kind of device: what its members can be trained with, why, and how fast in groups of 1, 2,
    4, ...; of members that go one after another, one rate."""

    engine: str
    reason: str
    rates: list[Rate]

    def at_once(self, count: int) -> int:
        """How many of so many members are best trained at once."""
        return 1 if self.engine == "loop" else at_once(self.rates, count)

    @property
    def said(self) -> str:
        """One line: which engine, and why."""
        if self.engine == "loop" or len(self.rates) < 2:
            return f"loop: {self.reason}" if self.engine == "loop" else f"fused: {self.reason}"
        best = max(self.rates, key=lambda rate: rate.rate)
        if best.members == 1:
            return f"loop: {self.reason}, and one after another is as fast ({best.rate:.0f} members' steps a second)"
        faster = best.rate / self.rates[0].rate
        return f"fused: {self.reason}; {best.members} at once train {faster:.1f} times as fast as one"


def most_members(study: Study) -> int:
    """As many as a cohort could have."""
    return min(max(study.seeds.compare, study.seeds.search), MOST)


def measured(
    paths: RunPaths, study: Study, task: Task, member: Member, training: Training, optimizer: Optimizer
) -> Measured:
    """Of a configuration's program on this device, by a probe that is made once in a run, and then kept.

    study: as the configuration has it.  Errors: memory.OutOfMemoryError, UserError of the task.
    """
    resources, device = study.resources, task.data.device
    kind = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    share = f"{resources.gpus:g} of it" if device.type == "cuda" else f"{resources.cpus} threads"
    file = paths.probed(f"{kind}, {share}, {_program(study, member, optimizer)}")
    home = default_cache()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Not two probes at once on one node: they would time each other.
    with open(home / "probe.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = _kept(file)
        if found is None:
            file.unlink(missing_ok=True)
            chosen = choose_engine(task, member, training, optimizer)
            most = most_members(study) if chosen.name == "fused" else 1
            rates = probe(task, member, training, optimizer, most, share=device_share(study))
            found = Measured(chosen.name, chosen.reason, list(rates))
            file.parent.mkdir(parents=True, exist_ok=True)
            create(file, (json.dumps(asdict(found), indent=1) + "\n").encode())
    # Another node may have been the first to write.
    return _kept(file) or found


def group_size(
    paths: RunPaths, study: Study, task: Task, group: Sequence[Member], training: Training, optimizer: Optimizer
) -> tuple[int, str]:
    """How many of a cohort's members are trained at once, all, one, or what a probe found best; and why, in a line."""
    engine = study.resources.engine
    if engine != AUTO:
        return (len(group) if engine == "fused" else 1), f"{engine}: the study says so"
    if len(group) == 1:
        return 1, "loop: one member"
    found = measured(paths, study, task, group[0], training, optimizer)
    return found.at_once(len(group)), found.said


def device_share(study: Study) -> float:
    """Of a device's memory that one trial counts on."""
    if study.resources.gpus:
        return min(study.resources.gpus, 1.0)
    return 1 / slots_of_machine(study)


def slots_of_machine(study: Study) -> int:
    """Trials that this machine, or this node of an allocation, holds at once."""
    return _slots(study, cores(), torch.cuda.device_count())


def slots_of_allocation(study: Study) -> int:
    """Trials that all nodes of the allocation that the study asks for hold at once."""
    wanted = asked(study.resources)
    return wanted.nodes * _slots(study, wanted.cpus or 1, wanted.gpus or 0)


def cohort_size(found: Sequence[Measured], study: Study, slots: int, held: int = MOST) -> int:
    """Members of a cohort with which the comparison takes the least time on the slots that there are: large ones train
    more members' steps a second, small ones leave no slot idle. Of sizes that are as good, all but for WORTH, the
    largest: it is fewer cohorts.

    found: of each named configuration.  held: as many as a device holds at all.
    """
    seeds = study.seeds.compare

    def duration(size: int) -> float:
        each = [size / _rate(one, size) for one in found]
        return -(-study.compared * -(-seeds // size) // slots) * sum(each) / len(each)

    equal = {size for number in range(1, seeds + 1) if (size := -(-seeds // number)) <= held}
    least = min(map(duration, equal))
    return max(size for size in equal if duration(size) <= WORTH * least)


@dataclass(frozen=True)
class Sizes:
    """members: most of one cohort.  engines: of each named configuration, which engine trains it and why."""

    members: int
    engines: dict[str, str]


def sizes(
    study: Study, named: Sequence[Configuration], paths: RunPaths, code: str, data: Mapping[str, str], slots: int
) -> Sizes:
    """How the members of a Task's configurations are trained. data: of each by its name, the folder of the data set.

    code: name of the copy of the user's files.  Errors: UserError where not even one member fits.
    """
    said = study.resources.cohort
    if AUTO not in (said, study.resources.engine):
        return Sizes(int(said), {each.name: f"{study.resources.engine}: the study says so" for each in named})
    jobs = [(each.name, each.overrides, data[each.name]) for each in named]
    try:
        if study.resources.gpus:
            # In a process that ends: what a GPU is once asked of holds on to its memory.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                found, held = pool.submit(_measure_all, study, paths, code, jobs).result()
        else:
            found, held = _measure_all(study, paths, code, jobs)
    except memory.OutOfMemoryError as error:
        raise UserError(str(error)) from None
    members_of_one = cohort_size(list(found.values()), study, slots, held) if said == AUTO else int(said)
    forced = None if study.resources.engine == AUTO else f"{study.resources.engine}: the study says so"
    return Sizes(members_of_one, {name: forced or each.said for name, each in found.items()})


def _measure_all(
    study: Study, paths: RunPaths, code: str, jobs: Sequence[tuple[str, Mapping[str, object], str]]
) -> tuple[dict[str, Measured], int]:
    """Of each (name, overrides, data), and how many members of any a device holds."""
    user_code.use(paths, code)
    memory.keep_freed()
    threads = torch.get_num_threads()
    torch.set_num_threads(study.resources.cpus)
    found, held = {}, MOST
    try:
        for name, overrides, data in jobs:
            own = configuration(study, name, dict(overrides))
            task = load_task(own.study, data, device_of(own.study))
            optimizer, training = make_optimizer(own.study), resolved_training(own.study, task)
            held = min(held, most_held(task, optimizer, device_share(own.study)))
            if own.study.resources.engine in ("loop", "compiled"):
                # Whatever its size, a cohort trains one after another.
                found[name] = Measured("loop", "the study says so", [Rate(1, 1.0, 0)])
            else:
                (member,) = members(own, [0])
                found[name] = measured(paths, own.study, task, member, training, optimizer)
    finally:
        forget_task()
        torch.set_num_threads(threads)
    return found, held


def _kept(file: Path) -> Measured | None:
    """What was measured before; None where that is not there, or damaged."""
    try:
        kept = json.loads(file.read_text())
        return Measured(kept["engine"], kept["reason"], [Rate(**rate) for rate in kept["rates"]])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _program(study: Study, member: Member, optimizer: Optimizer) -> str:
    """Hash of what makes a program another one: what it trains, on what, in which batches. Values of hyperparameters do
    not, unless they are numbers to the task, which its own hash of settings would not show."""
    training = study.training.model_dump(include={"batch", "microbatch", "clip", "precision"})
    parts = [
        study.task,
        study.settings,
        study.data,
        training,
        type(optimizer).__name__,
        sorted(member.hyperparameters),
        most_members(study),
        user_code.code_in_use(),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:8]


def _slots(study: Study, cpus: int, gpus: float) -> int:
    needs = study.resources
    return max(1, min(cpus // needs.cpus, int(gpus / needs.gpus) if needs.gpus else cpus))


def _rate(one: Measured, size: int) -> float:
    return expected_rate(one.rates, one.at_once(size))
