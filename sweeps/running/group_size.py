"""How many members a cohort has, and how many are trained at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import torch

from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.resources import AUTO
from seedsweep.core.records.study import Study
from seedsweep.core.training import memory
from seedsweep.core.training.compiled import CompileError
from seedsweep.core.training.probe import WORTH, Rate, expected_rate, most_held
from seedsweep.sweeps.running import engines, user_code
from seedsweep.sweeps.running.engines import MOST, THE_STUDY, Measured
from seedsweep.sweeps.running.prepared_task import device_of, forget_task, load_task, resolved_training
from seedsweep.sweeps.running.slots import device_share
from seedsweep.sweeps.study.configuration import Configuration, configuration, make_optimizer, members


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
    said, engine = study.resources.cohort, study.resources.engine
    user_code.use(paths, code)
    if said != AUTO and (engine in ("fused", "loop") or (engine == "compiled" and _all_compile(paths, named))):
        return Sizes(int(said), {each.name: f"{engine}: {THE_STUDY}" for each in named})
    jobs = [(each.name, each.overrides, data[each.name]) for each in named]
    if study.resources.gpus:
        # In a process that ends: what a GPU is once asked of holds on to its memory.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found, held = pool.submit(_measure_all, study, paths, code, jobs, slots).result()
    else:
        found, held = _measure_all(study, paths, code, jobs, slots)
    members_of_one = cohort_size(list(found.values()), study, slots, held) if said == AUTO else int(said)
    forced = f"{engine}: {THE_STUDY}" if engine in ("fused", "loop") else None
    return Sizes(members_of_one, {name: forced or each.said for name, each in found.items()})


def _measure_all(
    study: Study, paths: RunPaths, code: str, jobs: Sequence[tuple[str, Mapping[str, object], str]], slots: int
) -> tuple[dict[str, Measured], int]:
    """Of each (name, overrides, data), and how many members of any a device holds."""
    user_code.use(paths, code)
    memory.keep_freed()
    threads = torch.get_num_threads()
    torch.set_num_threads(study.resources.cpus)
    found, held = {}, MOST
    try:
        each = [configuration(study, name, dict(overrides)) for name, overrides, _ in jobs]
        files = Counter(engines.file_of(paths, own.study) for own in each)
        for own, (name, _, data) in zip(each, jobs, strict=True):
            task = load_task(own.study, data, device_of(own.study))
            optimizer, training = make_optimizer(own.study), resolved_training(own.study, task)
            held = min(held, most_held(task, optimizer, device_share(own.study)))
            if own.study.resources.engine == "loop":
                # Whatever its size, a cohort trains one after another.
                found[name] = Measured("loop", THE_STUDY, [Rate(1, 1.0, 0)])
                continue
            (member,) = members(own, [0])
            share = files[engines.file_of(paths, own.study)] / len(each)
            to_come = share * _members(study) * training.steps / slots
            found[name] = engines.measured(paths, own.study, task, member, training, optimizer, to_come)
    finally:
        forget_task()
        torch.set_num_threads(threads)
    return found, held


def _rate(one: Measured, size: int) -> float:
    return expected_rate(one.rates, one.at_once(size))


def _members(study: Study) -> int:
    """Members that a study trains."""
    explored = study.search.explore * study.seeds.search if study.found else 0
    return study.compared * study.seeds.compare + explored


def _all_compile(paths: RunPaths, named: Sequence[Configuration]) -> bool:
    """Whether this machine compiles, and no program of the run was given to another engine before."""
    try:
        engines.compiler()
    except CompileError:
        return False
    before = [engines.read_measured(paths, own.study) for own in named]
    return all(found is None or found.engine == "compiled" for found in before)
