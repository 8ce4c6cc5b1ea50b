"""A study: a YAML file, typed and validated. What a run is, before anything runs."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from seedsweep.core.errors import UserError
from seedsweep.core.models import MODELS, AttentionSettings, EdramSettings, MultiLevelSettings, UNetSettings
from seedsweep.core.models.losses import LossSettings
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.source import PACKAGE
from seedsweep.core.task import TaskSettings
from seedsweep.core.training.cohort import TrainingSettings
from seedsweep.core.training.schedules import Hyperparameters
from seedsweep.shards.read import ShardError, describe
from seedsweep.shards.samples import DataSettings
from seedsweep.slurm.settings import AllocationSettings
from seedsweep.sweeps.study.validation import choose, field_names, flat, place, problems

STUDIES = PACKAGE / "sweeps" / "studies"
#: What studies have in common, one file each; no studies themselves.
BASES = STUDIES / "bases"
SCALES = ("laptop", "cluster")
#: What is measured where it runs.
AUTO = "auto"
#: Search seeds are drawn from here upwards, comparison seeds from 0: the two sets never meet.
FIRST_SEARCH_SEED = 1_000_000

_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
#: Hyperparameters that are whole numbers.
WHOLE = frozenset(field.name for field in fields(Hyperparameters) if field.type == "int")


class _Loader(yaml.SafeLoader):
    """Safe, with the numbers of YAML 1.2: `08:00:00` is a time, not 28800, and `1e-3` a number."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_INT, _FLOAT)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_INT, re.compile(r"[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    _FLOAT, re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"), list("-+.0123456789")
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _model_name(values: Any) -> str | None:
    """Of a study's model, as read or as made."""
    return values.get("name", "recurrent_attention") if isinstance(values, dict) else getattr(values, "name", None)


#: Any model's settings, told apart by their name.
Model = Annotated[
    Annotated[AttentionSettings, Tag("recurrent_attention")]
    | Annotated[EdramSettings, Tag("edram")]
    | Annotated[UNetSettings, Tag("unet")]
    | Annotated[MultiLevelSettings, Tag("multilevel_unet")],
    Discriminator(_model_name),
]


class InitFrom(_Part):
    """A member of another run, beside this one, from whose weights every member starts.

    run:   its name; it must have been run with `resources.keep_weights`.
    where: hyperparameters of its configuration, or `{variant: name}`, among those that it compared.
    seed:  of the member; none: of those that converged the one with the best final score.
    """

    run: str
    where: dict[str, float | str] = Field(default_factory=dict)
    seed: int | None = None

    def __hash__(self) -> int:
        """By its content, as a key of what was taken from there."""
        return hash(self.model_dump_json())


class Dimension(_Part):
    """Range of one searched hyperparameter: `low` to `high`, on a logarithmic scale with `log`.

    points: how many values the grid sampler takes.
    """

    low: float
    high: float
    log: bool = False
    points: int = 3


class Search(_Part):
    """Phase *explore*: which configurations are tried on the search seeds.

    explore: number of configurations, those of `first` included, which are asked first.
    space:   hyperparameter -> range.
    window:  a configuration is asked once all but the last `window` - 1 before it are finished, so that what is asked
             does not depend on who finished first.
    seed:    of the sampler.
    """

    sampler: str = "tpe"
    explore: int = 10
    first: tuple[dict[str, float], ...] = ()
    space: dict[str, Dimension] = Field(default_factory=dict)
    window: int = 3
    seed: int = 0


class Seeds(_Part):
    """search: seeds of each explored configuration.  compare: fresh seeds of each compared one.

    race:  compare with `start` seeds each, then twice as many, and so on up to `compare`, of those alone that may still
           be the best (`analysis.design.racing`).
    """

    search: int = 3
    compare: int = 12
    race: bool = False
    start: int = 5


class Resources(_Part):
    """Where and how cohorts run; nothing here changes a result, but for rounding.

    cpus, gpus: of one trial.
    engine:     of a cohort's members: fused, all are one program; loop, one after another; auto, in groups as a timed
                probe finds best.
    cohort:     most members of one trial, or auto: as many as the device trains well together.
    checkpoint_seconds: at most this much work of a cohort is lost when it is killed, beside one evaluation interval.
    keep_weights: keep what each member has learnt, for `init_from` of another study.
    retries:    of a failed cohort within one launch; one that went down with its node does not count.
    allocation: what is asked of SLURM on a cluster.
    """

    cpus: int = 1
    gpus: float = 0.0
    engine: str = AUTO
    cohort: int | str = AUTO
    checkpoint_seconds: float = 10.0
    keep_weights: bool = False
    retries: int = 2
    allocation: AllocationSettings = AllocationSettings()


class Study(_Part):
    """A study at one scale, with every default filled in.

    claimed_best: hyperparameters of that named configuration which somebody claimed to be the best, or
        `{variant: its name}`.
    init_from: where members start, if not at random.
    variants: name -> what is laid over data, model, losses, training, hyperparameters and init_from: the named
        configurations of a study that compares more than hyperparameters. Such a study searches nothing.
    """

    name: str
    question: str
    claimed_best: dict[str, float | str] = Field(default_factory=dict)
    scale: str = "laptop"
    data: DataSettings
    model: Model = AttentionSettings()
    losses: LossSettings = LossSettings()
    training: TrainingSettings = TrainingSettings()
    hyperparameters: Hyperparameters = Hyperparameters()
    search: Search = Search()
    seeds: Seeds = Seeds()
    criterion: Criterion = Criterion()
    resources: Resources = Resources()
    init_from: InitFrom | None = None
    variants: dict[str, dict[str, dict[str, Any]]] = Field(default_factory=dict)

    @property
    def most_together(self) -> int:
        """Most members of one trial, once that is known."""
        size = self.resources.cohort
        assert isinstance(size, int), "a study is sized before it runs"
        return size

    def variant(self, name: str) -> Study:
        """The study as one of its variants has it, without variants of its own; itself for the name "".

        Errors: pydantic's ValidationError.
        """
        if not name:
            return self
        values = self.model_dump(mode="json")
        for part, fields_over in self.variants[name].items():
            values[part] = _lay_over(values.get(part), fields_over, part)
        return Study.model_validate({**values, "variants": {}, "claimed_best": {}})

    @property
    def data_sets(self) -> list[DataSettings]:
        """Of all variants, each once."""
        return list(dict.fromkeys(study.data for study in self.varied))

    @property
    def varied(self) -> list[Study]:
        """The study as each of its variants has it, or as it is."""
        return [self.variant(name) for name in self.variants or [""]]

    @property
    def task(self) -> TaskSettings:
        """The model and the losses, for `core`."""
        return TaskSettings(self.model, self.losses)

    @property
    def first(self) -> list[Hyperparameters]:
        """The configurations that the study names."""
        return [self.configured(values) for values in self.search.first]

    def configured(self, values: Mapping[str, float]) -> Hyperparameters:
        """The study's hyperparameters with some replaced, whole numbers where the field is one."""
        merged: dict[str, Any] = {**asdict(self.hyperparameters), **values}
        typed: dict[str, Any] = {k: round(v) if k in WHOLE else float(v) for k, v in merged.items()}
        return Hyperparameters(**typed)

    def configuration_hash(self, hyperparameters: Hyperparameters, data_fingerprint: str, start: str = "") -> str:
        """Identity of a configuration: all that changes a member's result except its seed. `start`: hash of the weights
        that members start from."""
        identity = {
            **({"start": start} if start else {}),
            "data": data_fingerprint,
            "model": asdict(self.model),
            "losses": asdict(self.losses),
            # What came later counts where it is not as it was: earlier ledgers stay good.
            "training": {k: v for k, v in asdict(self.training).items() if (k, v) != ("precision", "float32")},
            "hyperparameters": asdict(hyperparameters),
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]

    def to_yaml(self) -> str:
        """As resolved, readable by `resolved`."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def load(name: str, scale: str, overrides: Iterable[str] = (), rename: str | None = None) -> Study:
    """A study by name (in `sweeps/studies`) or path, at a scale, with `path.to.field=value` overrides.

    A study with a `base` is laid over it. At cluster scale the user's `cluster_settings` are laid over
    `resources.allocation` before the overrides.

    Errors: UserError, one line: which file, which field, what would be right.
    """
    path = _find(name)
    values = _parse(path)
    if scale not in SCALES:
        raise UserError(f"--scale {scale}: {choose(scale, SCALES)}")
    if base := values.pop("base", None):
        base_path = _find_base(str(base), path)
        values = _merge(_at_scale(_parse(base_path), scale, base_path), _at_scale(values, scale, path), path, "base")
    else:
        values = _at_scale(values, scale, path)
    own = cluster_settings()
    if scale == "cluster" and own.is_file():
        _check_cluster_settings(own)
        values = _merge(values, {"resources": {"allocation": _parse(own)}}, own, "resources.allocation")
    for override in overrides:
        field, equals, text = override.partition("=")
        if not equals or not field:
            raise UserError(f"--set {override}: write --set path.to.field=value")
        try:
            value = yaml.load(text, _Loader)
        except yaml.YAMLError:
            raise UserError(f"--set {override}: {text!r} is no YAML value") from None
        nested: Any = value
        for part in reversed(field.split(".")):
            nested = {part: nested}
        values = _merge(values, nested, path, "--set")
    values["scale"] = scale
    values.setdefault("name", path.stem)
    _describe_packed(values)
    if rename:
        values["name"] = rename
    return _validate(values, str(path))


def _describe_packed(values: Any) -> None:
    """Where data are a folder that was packed by hand, its index says what is in it. Errors: UserError."""
    variants = values.get("variants")
    for part in (values, *(variants.values() if isinstance(variants, dict) else ())):
        data = part.get("data") if isinstance(part, dict) else None
        if isinstance(data, dict) and data.get("folder"):
            folder = Path(str(data["folder"])).expanduser().absolute()
            try:
                known = describe(folder)
            except ShardError as error:
                raise UserError(f"data.folder: {error}") from None
            part["data"] = {
                **{key: known[key] for key in ("name", "size", "train", "validation")},
                "folder": str(folder),
            }


def cluster_settings() -> Path:
    """The user's file of fields of `resources.allocation`: what each of their clusters' studies needs."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home, "seedsweep", "cluster.yaml").expanduser()


def resolved(path: Path) -> Study:
    """The study of a run directory, from its study.yaml. Errors: UserError."""
    return _validate(_parse(path), str(path))


def differences(old: Study, new: Study) -> list[str]:
    """What keeps `new` from going on in the run directory of `old`: `path: old -> new`, a line each.

    Comparison seeds and explored configurations may grow; the question's wording, the resources and whether seeds are
    raced may change.
    """
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    for part in (before, after):
        for free in ("question", "claimed_best", "resources"):
            part.pop(free)
        for free in ("race", "start"):
            part["seeds"].pop(free)
    for growing in (("seeds", "compare"), ("search", "explore")):
        grown, had = after[growing[0]], before[growing[0]][growing[1]]
        grown[growing[1]] = min(grown[growing[1]], had)
    old_values, new_values = dict(flat(before)), dict(flat(after))
    keys = list(dict.fromkeys([*old_values, *new_values]))
    return [
        f"{key}: {old_values.get(key, 'absent')} -> {new_values.get(key, 'absent')}"
        for key in keys
        if old_values.get(key) != new_values.get(key)
    ]


def _check_cluster_settings(path: Path) -> None:
    """Errors: UserError that names this file, not the study that it is laid over."""
    try:
        Resources.model_validate({"allocation": _parse(path)})
    except ValidationError as error:
        raise UserError(f"{path}: {_first_line(error, Resources).removeprefix('allocation.')}") from None


def _at_scale(values: dict[str, Any], scale: str, path: Path) -> dict[str, Any]:
    """A study's values with those of a scale laid over them."""
    scales = values.pop("scales", {})
    unknown = sorted(set(scales) - set(SCALES)) if isinstance(scales, dict) else [str(scales)]
    if unknown:
        raise UserError(f"{path}: scales: {unknown[0]!r} is no scale; {choose(unknown[0], SCALES)}")
    return _merge(values, scales.get(scale) or {}, path, f"scales.{scale}")


def _find_base(name: str, study: Path) -> Path:
    """What a study is laid over: a file beside it, or one of BASES."""
    for path in (study.parent / f"{name}.yaml", BASES / f"{name}.yaml"):
        if path.is_file():
            return path
    known = sorted(path.stem for path in BASES.glob("*.yaml"))
    raise UserError(f"{study}: base: there is no {name!r}; {choose(name, known)}")


def _find(name: str) -> Path:
    given = Path(name)
    if given.suffix in (".yaml", ".yml"):
        if given.is_file():
            return given
        raise UserError(f"{given}: there is no such study file")
    path = STUDIES / f"{name}.yaml"
    if path.is_file():
        return path
    known = sorted(p.stem for p in STUDIES.glob("*.yaml"))
    raise UserError(f"there is no study {name!r}: {choose(name, known)}, or the path of a .yaml file")


def _parse(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(), _Loader)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        raise UserError(f"{path}:{place} malformed YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: a study is a mapping of fields, not {type(values).__name__}")
    return values


def _merge(base: dict[str, Any], over: Any, path: Path, where: str) -> dict[str, Any]:
    """`over` laid over `base`, mapping by mapping. `first` and other lists are replaced whole."""
    if not isinstance(over, dict):
        raise UserError(f"{path}: {where}: expected a mapping of fields, not {over!r}")
    merged = dict(base)
    for key, value in over.items():
        deeper = isinstance(merged.get(key), dict) and not _another(merged[key], value, key)
        merged[key] = _merge(merged[key], value, path, f"{where}.{key}") if deeper else value
    return merged


def _lay_over(base: Any, over: Any, part: str) -> Any:
    if not isinstance(base, dict) or not isinstance(over, dict) or _another(base, over, part):
        return over
    return {**base, **over}


def _another(base: dict[str, Any], over: Any, part: str) -> bool:
    """Whether another model takes the place of one: then none of its settings stay."""
    return part == "model" and isinstance(over, dict) and _model_name({**base, **over}) != _model_name(base)


def _validate(values: dict[str, Any], source: str) -> Study:
    try:
        study = Study.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{source}: {_first_line(error)}") from None
    for problem in problems(study):
        raise UserError(f"{source}: {problem}")
    return study


def _first_line(error: ValidationError, kind: Any = Study) -> str:
    first = error.errors()[0]
    where = place(first["loc"])
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        parent = kind
        for part in first["loc"][:-1]:
            parent = _field_type(parent, str(part))
        return f"{where}: there is no such field; {choose(str(first['loc'][-1]), field_names(parent))}"
    if first["type"] == "union_tag_invalid":
        return f"{where}.name: there is no {first['ctx']['tag']!r}; {choose(str(first['ctx']['tag']), MODELS)}"
    if first["type"] in ("missing", "missing_argument"):
        return f"{where}: is missing"
    return f"{where}: {first['msg'][0].lower() + first['msg'][1:]}, not {first['input']!r}"


def _field_type(kind: Any, name: str) -> Any:
    if kind == Study and name == "model":
        return {tag: settings for tag, (settings, _) in MODELS.items()}
    if isinstance(kind, dict):
        return kind[name]
    if hasattr(kind, "model_fields") and name in kind.model_fields:
        return kind.model_fields[name].annotation
    return Dimension if kind == dict[str, Dimension] else kind
