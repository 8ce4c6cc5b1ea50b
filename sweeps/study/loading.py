"""A study from its file: found, laid over its base, at a scale, with settings, validated and with every default."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seedsweep.core.component import choose, use_folder
from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Allocation, Study, read_study
from seedsweep.sweeps.study import yaml_reader
from seedsweep.sweeps.study.components import names_component
from seedsweep.sweeps.study.configuration import configuration
from seedsweep.sweeps.study.overrides import canonical_names, canonical_value, dotted, lay_over, normalised, one_setting
from seedsweep.sweeps.study.parsing import parse
from seedsweep.sweeps.study.resolution import resolve
from seedsweep.sweeps.study.validation import problems

STUDIES = Path(__file__).parents[1] / "studies"
#: What studies have in common, one file each; no studies themselves.
BASES = STUDIES / "bases"
#: Scales that are taken where none is asked for: on a cluster, and anywhere.
ON_SLURM, ANYWHERE = "cluster", "laptop"
#: Places where no cluster is asked for anything.
HERE = ("here", "inline")


def load(
    name: str, scale: str | None = None, overrides: Iterable[str] = (), rename: str | None = None, on: str = "here"
) -> Study:
    """A study by name (in `sweeps/studies`) or path, at one of its scales, with `path.to.field=value` overrides.

    scale: None: `cluster` on SLURM, else `laptop`, where the study has a scale of that name.  on: where it will run;
    away from this machine the user's `cluster_settings` are laid over `resources.allocation`, before the overrides.
    A `.json` path is the record of a run directory, which is what it is.

    Errors: UserError, one line: which file, which field, what would be right.
    """
    path = _find(name)
    if path.suffix == ".json":
        return read_study(path)
    values = yaml_reader.read(path)
    use_folder(Path.cwd() if path.parent == STUDIES else path.parent.absolute())
    return _loaded(values, path, scale, overrides, rename, on)


def load_values(
    values: Mapping[str, Any],
    folder: Path,
    scale: str | None = None,
    overrides: Iterable[str] = (),
    rename: str | None = None,
    on: str = "here",
) -> Study:
    """A study from its fields, as `load` reads them from a file. folder: of the user's files.

    Errors: UserError, one line.
    """
    use_folder(folder)
    return _loaded(copy.deepcopy(dict(values)), folder / "study", scale, overrides, rename, on)


def _loaded(
    values: dict[str, Any], path: Path, scale: str | None, overrides: Iterable[str], rename: str | None, on: str
) -> Study:
    layers = _layers(values, path, scale, on)
    try:
        merged: dict[str, Any] = {}
        for layer in layers:
            merged = lay_over(merged, normalised(layer))
        for override in overrides:
            merged = lay_over(merged, normalised(_setting(override, merged)))
        return _resolved({"name": path.stem, **merged, **({"name": rename} if rename else {})})
    except UserError as error:
        raise UserError(f"{path}: {error}") from error.__cause__


def dump(study: Study) -> str:
    """As YAML that `load` reads to the same study, but for its scale's name."""
    values = study.model_dump(mode="json", by_alias=True, exclude={"measures"})
    configurations, space = values.pop("configurations"), values["search"]["space"]
    for path in space:
        space[path] = {field: value for field, value in space[path].items() if value not in ([], {})}
    own = {
        field: _without_none(value)
        for field, value in values.items()
        if field not in ("format", "scale") and value not in ("", None, {}, [])
    }
    return yaml_reader.dump({**own, "configurations": configurations})


def cluster_settings() -> Path:
    """The user's file of fields of `resources.allocation`: what each of their clusters' studies needs."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home, "seedsweep", "cluster.yaml").expanduser()


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(below) for key, below in value.items() if below is not None}
    return [_without_none(each) for each in value] if isinstance(value, list) else value


def _find(name: str) -> Path:
    given = Path(name)
    if given.suffix in (".yaml", ".yml", ".json"):
        if given.is_file():
            return given
        raise UserError(f"{given}: there is no such study file")
    path = STUDIES / f"{name}.yaml"
    if path.is_file():
        return path
    known = sorted(p.stem for p in STUDIES.glob("*.yaml"))
    raise UserError(f"there is no study {name!r}: {choose(name, known)}, or the path of a .yaml file")


def _find_base(name: Any, study: Path) -> Path:
    """What a study is laid over: a file beside it, or one of BASES."""
    for path in (study.parent / f"{name}.yaml", BASES / f"{name}.yaml"):
        if path.is_file():
            return path
    known = sorted(path.stem for path in BASES.glob("*.yaml"))
    raise UserError(f"{study}: base: there is no {name!r}; {choose(str(name), known)}")


def _layers(values: dict[str, Any], path: Path, scale: str | None, on: str) -> list[dict[str, Any]]:
    """What is laid over one another: the base, the base at the scale, the study, the study at the scale, the cluster's
    settings."""
    files = [(path, values)]
    if base := values.pop("base", None):
        base_path = _find_base(base, path)
        files.insert(0, (base_path, yaml_reader.read(base_path)))
    scales = [_scales(own.pop("scales", None), file) for file, own in files]
    chosen = _scale(scale, on, {name for each in scales for name in each})
    layers = []
    for (_, own), of_file in zip(files, scales, strict=True):
        layers += [own, of_file.get(chosen, {})]
    if on not in HERE and cluster_settings().is_file():
        layers.append({"resources": {"allocation": _cluster_settings()}})
    return [*layers, {"scale": chosen}]


def _scales(values: Any, path: Path) -> dict[str, dict[str, Any]]:
    if values is not None and not isinstance(values, dict):
        raise UserError(f"{path}: scales: expected a mapping of scales, not {values!r}")
    for name, own in (values or {}).items():
        if own is not None and not isinstance(own, dict):
            raise UserError(f"{path}: scales.{name}: expected a mapping of fields, not {own!r}")
        for field in ("base", "scales", "name"):
            if own and field in own:
                raise UserError(f"{path}: scales.{name}.{field}: is said once, above the scales")
    return {name: own or {} for name, own in (values or {}).items()}


def _scale(asked: str | None, on: str, known: set[str]) -> str:
    if asked is not None and asked not in known:
        raise UserError(f"--scale {asked}: {choose(asked, known) if known else 'the study has no scales'}")
    if asked is not None:
        return asked
    if on == "slurm" and ON_SLURM in known:
        return ON_SLURM
    return ANYWHERE if ANYWHERE in known else ""


def _cluster_settings() -> dict[str, Any]:
    """Errors: UserError that names this file, not the study that it is laid over."""
    path = cluster_settings()
    values = yaml_reader.read(path)
    try:
        parse(values, Allocation)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return values


def _setting(override: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """One `--set` as values of a study."""
    field, equals, text = override.partition("=")
    if not equals or not field:
        raise UserError(f"--set {override}: write --set path.to.field=value")
    try:
        value = yaml_reader.value(text)
    except UserError:
        raise UserError(f"--set {override}: {text!r} is no YAML value") from None
    return one_setting(field.strip(), value, values.get("configurations") or ())


def _resolved(values: dict[str, Any]) -> Study:
    parsed: Study = parse(values)
    study = resolve(parsed)
    _as_said(values.get("criterion"), study)
    study = _named(study, values)
    for problem in problems(study):
        raise UserError(problem)
    return study


def _as_said(criterion: Any, study: Study) -> None:
    """What a study says of its metric must be what the metric says. Errors: UserError."""
    for field in ("direction", "low", "high"):
        known = getattr(study.criterion, field)
        if isinstance(criterion, dict) and field in criterion and criterion[field] != known:
            raise UserError(f"criterion.{field}: {study.criterion.metric} says {known}; leave it out")


def _named(study: Study, values: Mapping[str, Any]) -> Study:
    """With components' names in one way, and, where nothing is compared, the study itself as a configuration."""
    said = dotted({section: values[section] for section in _SAID if section in values}, "")
    space = {}
    for path, dimension in study.search.space.items():
        where = f"search.space.{path}"
        choices = [canonical_value(path, choice, f"{where}.choices.{n}") for n, choice in enumerate(dimension.choices)]
        condition = canonical_names(dimension.condition, f"{where}.if")
        space[path] = dimension.model_copy(update={"choices": tuple(choices), "condition": condition})
        for choice in choices if names_component(path) else ():
            for lost in _lost(study, {path: choice}, said):
                if lost not in study.search.space:
                    raise UserError(
                        f"{where}: {choice} has another default of {lost} than what the study says, {said[lost]!r}, "
                        f"which is a default, too; to keep it, search it: {lost}: {{choices: [{said[lost]}]}}"
                    )
    configurations = {}
    for name, own in study.configurations.items():
        overrides = canonical_names(own, f"configurations.{name}")
        configurations[name] = {**overrides, **_lost(study, overrides, said)}
    if not configurations and not study.found:
        configurations = {study.name: {}}
    search = study.search.model_copy(update={"space": space})
    return study.model_copy(update={"configurations": configurations, "search": search})


#: Sections in which a component's defaults are taken out before an override.
_SAID = ("settings", "data", "optimizer", "schedules", "hyperparameters")


def _lost(study: Study, overrides: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """What the file says, and is the default of a component in whose place another comes that has another one: what an
    override would lose."""
    if not any(names_component(path) for path in overrides):
        return {}
    try:
        before = configuration(study).values
        after = configuration(study, overrides=overrides).values
    except UserError:
        return {}
    there = (path for path in said if path in before and path in after and not names_component(path))
    return {path: before[path] for path in there if path not in overrides and after[path] != before[path]}
