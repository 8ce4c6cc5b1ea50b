"""What the types of a study cannot say: names that exist, numbers in range, parts that fit each other."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from seedsweep.core.models import MODELS, AttentionSettings, EdramSettings, ModelSettings, MultiLevelSettings
from seedsweep.core.models.backbones import BACKBONES
from seedsweep.core.models.edram import INITIALS, LEAST_EDRAM_GLIMPSE, PREDICTIONS
from seedsweep.core.models.glimpses import EXTRACTIONS
from seedsweep.core.models.locations import LOCATION_MAPS
from seedsweep.core.models.losses import CLASSIFICATION_LOSSES, DISTANCE_READINGS, LOCATION_LOSSES
from seedsweep.core.models.pretrained import LEAST_GLIMPSE, NETWORKS, PretrainedError, check
from seedsweep.core.models.unet import LEVELS
from seedsweep.core.task import measure_names
from seedsweep.core.training.cohort import ENGINES, PRECISIONS, engines
from seedsweep.core.training.schedules import Hyperparameters
from seedsweep.shards.catalog import CHANNELS, GENERATORS, PACKED
from seedsweep.shards.samples import BALANCES, DataSettings
from seedsweep.slurm.settings import argument, minutes
from seedsweep.sweeps.search.exploration import SAMPLERS

if TYPE_CHECKING:
    from seedsweep.sweeps.study.schema import Study

#: Parts of a study that a variant may change.
VARYING = ("data", "model", "losses", "training", "hyperparameters", "init_from")
_POSITIVE = (1, math.inf)
#: path -> (lowest, highest) value, both allowed
BOUNDS: dict[str, tuple[float, float]] = {
    "data.size": (8, math.inf),
    "data.train": _POSITIVE,
    "data.validation": _POSITIVE,
    "data.field": (0, math.inf),
    "data.period": (2, math.inf),
    "data.seed": (0, math.inf),
    "data.samples_per_record": _POSITIVE,
    "data.records_per_shard": _POSITIVE,
    "model.glimpses": (0, 64),
    "model.glimpse_size": (2, math.inf),
    "model.window": (1e-3, 2),
    "model.sigma": (1e-2, 100),
    "model.state": _POSITIVE,
    "model.features": _POSITIVE,
    "model.classifier": _POSITIVE,
    "model.depth": (1, 8),
    "model.width": _POSITIVE,
    "model.levels": (1, 8),
    "model.level": (LEVELS[0], LEVELS[-1]),
    "model.classes": (2, 2),
    "losses.rank": (0, math.inf),
    "losses.area_floor": (1e-30, 1),
    "training.steps": _POSITIVE,
    "training.batch": _POSITIVE,
    "training.evaluate_every": _POSITIVE,
    "training.clip": (0, math.inf),
    "hyperparameters.alpha": (0, 1),
    "hyperparameters.lr": (0, math.inf),
    "hyperparameters.lr_decay_steps": _POSITIVE,
    "hyperparameters.lr_decay_factor": (0, 1),
    "hyperparameters.gamma": (0, math.inf),
    "hyperparameters.gamma_decay_steps": _POSITIVE,
    "hyperparameters.gamma_decay_factor": (0, 1),
    "search.explore": (0, math.inf),
    "search.window": _POSITIVE,
    "search.seed": (0, math.inf),
    "seeds.search": _POSITIVE,
    "seeds.compare": _POSITIVE,
    "seeds.start": _POSITIVE,
    "criterion.hold": _POSITIVE,
    "resources.cpus": _POSITIVE,
    "resources.gpus": (0, math.inf),
    "resources.cohort": _POSITIVE,
    "resources.checkpoint_seconds": (0, math.inf),
    "resources.retries": (0, math.inf),
    "resources.allocation.nodes": _POSITIVE,
    "resources.allocation.min_nodes": _POSITIVE,
    "resources.allocation.cpus": _POSITIVE,
    "resources.allocation.gpus": (0, math.inf),
    "resources.allocation.memory": (0, math.inf),
    "resources.allocation.warning_seconds": (10, math.inf),
}


def problems(study: Study) -> Iterable[str]:
    """One line each: which field, what is wrong, what would be right."""
    yield from _unknown_names(study)
    values = dict(flat(study.model_dump()))
    for key in BOUNDS:
        if key in values and not isinstance(values[key], str):
            yield from _out_of_range(key, key, values[key])
    yield from _misfits(study)
    yield from _bad_allocation(study)
    yield from _bad_search(study)
    yield from _bad_variants(study)


def choose(given: str, known: Iterable[str]) -> str:
    """`did you mean ...?`, or all that is known."""
    known = sorted(known)
    near = difflib.get_close_matches(given, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}"


def place(location: tuple[int | str, ...]) -> str:
    """Dotted path of a field that pydantic complains of, without the model's name, which it puts in where one of
    several types was chosen by it."""
    parts = [part for at, part in enumerate(location) if not (at and location[at - 1] == "model")]
    return ".".join(map(str, parts))


def field_names(kind: Any) -> list[str]:
    """Names of the fields of a pydantic model or a dataclass."""
    if hasattr(kind, "model_fields"):
        return list(kind.model_fields)
    return [field.name for field in fields(kind)] if hasattr(kind, "__dataclass_fields__") else []


def flat(values: Any, path: str = "") -> Iterable[tuple[str, Any]]:
    """(dotted path, value) of every leaf."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield from flat(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, values


def _unknown_names(study: Study) -> Iterable[str]:
    if not study.name or not all(c.isalnum() or c in "_-." for c in study.name) or study.name[0] in "_.":
        yield f"name: {study.name!r} names a folder: use letters, digits, '_', '-' and '.', a letter or digit first"
    values = dict(flat(study.model_dump()))
    known: dict[str, Iterable[str]] = {
        "data.name": (*GENERATORS, *PACKED),
        "data.balance": BALANCES,
        "model.name": MODELS,
        "model.backbone": BACKBONES,
        "model.location_map": LOCATION_MAPS,
        "model.extraction": EXTRACTIONS,
        "losses.location": LOCATION_LOSSES,
        "model.initial": INITIALS,
        "model.prediction": PREDICTIONS,
        "losses.classification": CLASSIFICATION_LOSSES,
        "losses.distance": DISTANCE_READINGS,
        "search.sampler": SAMPLERS,
        "training.precision": PRECISIONS,
        "resources.engine": ("auto", *ENGINES),
        "criterion.metric": measure_names(study.model, bool(study.data.folder)),
    }
    for key, names in known.items():
        if key in values and values[key] not in set(names):
            yield f"{key}: there is no {values[key]!r}; {choose(values[key], names)}"


def _out_of_range(key: str, bound: str, value: float) -> Iterable[str]:
    """Nothing, or a line that names the field `key`, whose range is that of `bound`."""
    low, high = BOUNDS[bound]
    if not low <= value <= high:
        right = f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        yield f"{key}: {value:g} is out of range; it must be {right}"


def _misfits(study: Study) -> Iterable[str]:
    if study.data.name in PACKED and not study.data.folder:
        yield (
            f"data.folder: {study.data.name} is packed by hand first, see python -m seedsweep.shards.pack "
            f"{study.data.name} --help; then give its folder here"
        )
    if isinstance(study.resources.cohort, str) and study.resources.cohort != "auto":
        yield f"resources.cohort: {study.resources.cohort!r} is no number of members, nor auto"
    if study.training.batch > study.data.train:
        yield f"training.batch: {study.training.batch} is larger than data.train, {study.data.train}"
    if study.data.object_size > study.data.size:
        yield f"data.field: {study.data.object_size} is larger than data.size, {study.data.size}"
    for problem in _bad_model(study.model, study.data):
        yield f"model.{problem}"
    if study.resources.engine not in ("auto", *engines(study.model)):
        yield (
            f"resources.engine: {study.resources.engine} trains members together, but this backbone is trained one "
            "member at a time: loop, or auto"
        )


def _bad_model(model: ModelSettings, data: DataSettings) -> Iterable[str]:
    """What does not fit in the model, or between it and its images."""
    if isinstance(model, AttentionSettings):
        yield from _bad_backbone(model, CHANNELS.get(data.name, 1))
    elif isinstance(model, EdramSettings):
        if model.glimpses < 1:
            yield "glimpses: 0 is out of range; edram looks at least once"
        if model.glimpse_size < LEAST_EDRAM_GLIMPSE:
            yield f"glimpse_size: {model.glimpse_size} is out of range; it must be at least {LEAST_EDRAM_GLIMPSE}"
        if model.state % 32:
            yield f"state: {model.state} is no multiple of 32, as edram's context network makes it"
    else:
        levels = model.levels if isinstance(model, MultiLevelSettings) else 2
        multiple = 2 ** (levels - 1 + model.depth)
        if data.size % multiple:
            yield f"depth: a U-Net of this depth needs data.size to be a multiple of {multiple}, not {data.size}"


def _bad_backbone(model: AttentionSettings, channels: int) -> Iterable[str]:
    if model.backbone == "small":
        for field, value in (("weights", model.weights), ("frozen", model.frozen)):
            if value:
                yield f"{field}: the small backbone has no weights of its own: choose another backbone, or leave it out"
        return
    least = LEAST_GLIMPSE.get(model.backbone, 0)
    if model.glimpse_size < least:
        yield f"glimpse_size: {model.glimpse_size} is out of range; {model.backbone} needs at least {least}"
    if model.backbone in NETWORKS:
        try:
            check(model.backbone, channels, model.weights)
        except PretrainedError as error:
            yield f"backbone: {error}"


def _bad_variants(study: Study) -> Iterable[str]:
    for name, over in study.variants.items():
        where = f"variants.{name}"
        for part in over:
            if part not in VARYING:
                yield f"{where}.{part}: a variant has no such part; {choose(part, VARYING)}"
                return
        try:
            varied = study.variant(name)
        except ValidationError as error:
            first = error.errors()[0]
            yield f"{where}.{place(first['loc'])}: {first['msg'][0].lower()}{first['msg'][1:]}"
            return
        yield from (f"{where}.{problem}" for problem in problems(varied))
    if study.variants and (study.search.explore or study.search.first):
        yield "variants: such a study searches nothing; set search.explore to 0 and leave search.first out"
    claimed = study.claimed_best.get("variant")
    if study.variants and study.claimed_best and claimed not in study.variants:
        yield f"claimed_best.variant: is none of the variants; {choose(str(claimed), study.variants)}"


def _bad_allocation(study: Study) -> Iterable[str]:
    resources, asked = study.resources, study.resources.allocation
    where = "resources.allocation"
    try:
        minutes(asked.time)
    except ValueError as error:
        yield f"{where}.time: {error}"
    for text in asked.sbatch:
        try:
            argument(text)
        except ValueError as error:
            yield f"{where}.sbatch: {error}"
    if asked.min_nodes > asked.nodes:
        yield f"{where}.min_nodes: {asked.min_nodes} is more than its nodes, {asked.nodes}"
    if study.scale == "cluster":
        for field in ("cpus", "gpus"):
            share, there = getattr(resources, field), getattr(asked, field)
            if share > there:
                yield f"{where}.{field}: {there} a node, but a trial needs resources.{field}, {share:g}"


def _bad_search(study: Study) -> Iterable[str]:
    names = field_names(Hyperparameters)
    search = study.search
    for key, dimension in search.space.items():
        where = f"search.space.{key}"
        if key not in names:
            yield f"{where}: there is no such hyperparameter; {choose(key, names)}"
        yield from _out_of_range(f"{where}.low", f"hyperparameters.{key}", dimension.low)
        yield from _out_of_range(f"{where}.high", f"hyperparameters.{key}", dimension.high)
        if dimension.low >= dimension.high:
            yield f"{where}: low {dimension.low:g} is not below high {dimension.high:g}"
        if dimension.log and dimension.low <= 0:
            yield f"{where}: a logarithmic range begins above 0, not at {dimension.low:g}"
        if dimension.points < 2:
            yield f"{where}.points: {dimension.points} is out of range; it must be at least 2"
    named: list[tuple[str, Mapping[str, Any]]] = [(f"search.first.{n}", v) for n, v in enumerate(search.first)]
    if not study.variants:
        named.append(("claimed_best", study.claimed_best))
    for where, values in named:
        for key, value in values.items():
            if key not in names:
                yield f"{where}.{key}: there is no such hyperparameter; {choose(key, names)}"
            if isinstance(value, str):
                yield f"{where}.{key}: {value!r} is no number"
            yield from _out_of_range(f"{where}.{key}", f"hyperparameters.{key}", value)
    for number, first in enumerate(study.first):
        for key, dimension in search.space.items():
            value = getattr(first, key)
            if not dimension.low <= value <= dimension.high:
                yield (
                    f"search.first.{number}: its {key}, {value:g}, is outside search.space.{key}, "
                    f"{dimension.low:g} to {dimension.high:g}"
                )
    if len({json.dumps(asdict(first)) for first in study.first}) < len(study.first):
        yield "search.first: two of the configurations are the same"
    if search.explore < len(search.first):
        yield (
            f"search.explore: {search.explore} is less than the {len(search.first)} configurations of search.first, "
            "which are explored too"
        )
    if not search.space and search.explore > len(search.first):
        yield "search.space: is empty, but search.explore asks for more configurations than search.first names"
