"""How many members train together: measured where they run, and kept in the run directory, so that what goes on later
goes on alike."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import torch

from seedsweep.core.errors import UserError
from seedsweep.core.records.ledger import create
from seedsweep.core.task import Task
from seedsweep.core.training import memory
from seedsweep.core.training.cohort import engines
from seedsweep.core.training.probe import WORTH, Rate, at_once, expected_rate, most_held, probe
from seedsweep.shards.read import default_cache
from seedsweep.shards.samples import DataSettings
from seedsweep.sweeps.running.load_task import device_of, load_task
from seedsweep.sweeps.running.ray_session import cores
from seedsweep.sweeps.running.run_directory import RunDirectory
from seedsweep.sweeps.study.schema import AUTO, Study

#: No probe goes further.
MOST = 256


def most_members(study: Study) -> int:
    """As many as a cohort could have."""
    return min(max(study.seeds.compare, study.seeds.search), MOST)


def rates(run: RunDirectory, study: Study, task: Task) -> list[Rate]:
    """Of groups of members on this device, by a probe that is made once and then kept."""
    resources = study.resources
    device = torch.cuda.get_device_name() if task.device.type == "cuda" else "cpu"
    work = [asdict(study.model), asdict(study.data), study.training.batch]
    model = hashlib.sha256(json.dumps(work).encode()).hexdigest()[:8]
    share = f"{resources.gpus:g} of it" if task.device.type == "cuda" else f"{resources.cpus} threads"
    file = run.probe / f"{device}, {share}, {model}, up to {most_members(study)}.json".replace("/", "-")
    # Not two probes at once on one node: they would time each other.
    with open(default_cache() / "probe.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            found = probe(task, study.hyperparameters, study.training, most_members(study), device_share(study))
            file.parent.mkdir(exist_ok=True)
            create(file, (json.dumps({"rates": [asdict(rate) for rate in found]}, indent=1) + "\n").encode())
    return [Rate(**rate) for rate in json.loads(file.read_text())["rates"]]


def group_size(run: RunDirectory, study: Study, task: Task, members: int) -> int:
    """How many of a cohort's members are trained at once: all, one, or what a probe found best."""
    engine = study.resources.engine
    if members == 1 or engine == "loop" or "fused" not in engines(study.model):
        return 1
    return members if engine == "fused" else at_once(rates(run, study, task), members)


def device_share(study: Study) -> float:
    """Of a device's memory that one trial counts on."""
    if study.resources.gpus:
        return min(study.resources.gpus, 1.0)
    return 1 / slots_of_node(study)


def slots_of_node(study: Study) -> int:
    """Trials that a node holds at once, or this machine."""
    resources, node = study.resources, study.resources.allocation
    cpus, gpus = (node.cpus, node.gpus) if study.scale == "cluster" else (cores(), torch.cuda.device_count())
    return max(1, min(cpus // resources.cpus, int(gpus / resources.gpus) if resources.gpus else cpus))


def cohort_size(found: Sequence[Sequence[Rate]], study: Study, held: int = MOST) -> int:
    """Members of a cohort with which the comparison takes the least time on the slots that there are: large ones train
    more members' steps a second, small ones leave no slot idle. Of sizes that are as good, all but for WORTH, the
    largest: it is fewer cohorts.

    found: the rates of each of the study's variants.  held: as many as a device holds at all.
    """
    compared = len(study.variants) or len(study.search.first) + (study.search.explore > len(study.search.first))
    slots = slots_of_node(study) * (study.resources.allocation.nodes if study.scale == "cluster" else 1)
    seeds = study.seeds.compare

    def duration(size: int) -> float:
        each = [size / expected_rate(rates, at_once(rates, size)) for rates in found]
        return -(-compared * -(-seeds // size) // slots) * sum(each) / len(each)

    equal = {size for number in range(1, seeds + 1) if (size := -(-seeds // number)) <= held}
    least = min(map(duration, equal))
    return max(size for size in equal if duration(size) <= WORTH * least)


def sized(study: Study, run: RunDirectory, data: Mapping[DataSettings, Path]) -> Study:
    """The study with the size of its cohorts, where that is `auto`.

    Errors: UserError where not even one member fits.
    """
    if study.resources.cohort != AUTO:
        return study
    try:
        found, held = _measured(study, run, data)
    except memory.OutOfMemoryError as error:
        raise UserError(str(error)) from None
    size = cohort_size(found, study, held)
    return study.model_copy(update={"resources": study.resources.model_copy(update={"cohort": size})})


def _measured(study: Study, run: RunDirectory, data: Mapping[DataSettings, Path]) -> tuple[list[list[Rate]], int]:
    if study.resources.gpus:
        # In a process that ends: what a GPU is once asked of holds on to its memory.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(_rates_of_variants, study, run, dict(data)).result()
    return _rates_of_variants(study, run, data)


def _rates_of_variants(
    study: Study, run: RunDirectory, data: Mapping[DataSettings, Path]
) -> tuple[list[list[Rate]], int]:
    """The rates of each variant, and how many members of any a device holds."""
    memory.keep_freed()
    threads = torch.get_num_threads()
    torch.set_num_threads(study.resources.cpus)
    found, held = [], MOST
    for varied in study.varied:
        task = load_task(varied.task, data[varied.data], device_of(varied))
        held = min(held, most_held(task, device_share(varied)))
        if "fused" not in engines(varied.model) or varied.resources.engine == "loop":
            # Whatever its size, a cohort trains one after another.
            found.append([Rate(1, 1.0, 0)])
        else:
            found.append(rates(run, varied, task))
    load_task.cache_clear()
    torch.set_num_threads(threads)
    return found, held
