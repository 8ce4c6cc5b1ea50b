"""A study from its file: its base, its scale and `--set` in place, checked, and with every default."""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from seedsweep.core.component import Component, choose, near
from seedsweep.core.errors import UserError
from seedsweep.core.records.resources import Allocation
from seedsweep.core.records.study import Study, read_study
from seedsweep.core.user_modules import use_folder
from seedsweep.sweeps.places import HERE, INLINE
from seedsweep.sweeps.study import slips, yaml_reader
from seedsweep.sweeps.study.command_line import check_program
from seedsweep.sweeps.study.components import canonical, names_component, own_path
from seedsweep.sweeps.study.configuration import OF_A_METRIC, configuration, parse, resolve
from seedsweep.sweeps.study.overrides import dotted, leaves, normalised, one_setting, override
from seedsweep.sweeps.study.validation import problems

STUDIES = Path(__file__).parents[1] / "studies"
#: What studies have in common, one file each; no studies themselves.
BASES = STUDIES / "bases"
#: The scale that is taken where none is asked for and the study has one of this name.
DEFAULT_SCALE = "laptop"
#: Sections in which a component's defaults are taken out before an override.
_SAID = ("settings", "data", "optimizer", "schedules", "hyperparameters")


def load(
    study: str | Mapping[str, Any],
    scale: str | None = None,
    overrides: Iterable[str] = (),
    rename: str | None = None,
    on: str = "here",
) -> Study:
    """A study at one of its scales, with `path.to.field=value` overrides.

    study: its name in `sweeps/studies`, its file's path, or its fields; a `.json` path is the record of a run, which is
    what it is.  scale: how large; None: `laptop` where the study has a scale of that name, else the study as it stands.
    on: where it will run; away from this machine the user's `cluster_settings` override
    `resources.allocation`, and `overrides` those.

    Errors: UserError, one line: which file, which field, what would be right.
    """
    if isinstance(study, Mapping):
        _check_names(study)
        path, values, folder = Path.cwd() / "study", copy.deepcopy(dict(study)), Path.cwd()
    else:
        path = _find(study)
        if path.suffix == ".json":
            return read_study(path)
        values, folder = yaml_reader.read(path), Path.cwd() if path.parent == STUDIES else path.parent.absolute()
    use_folder(folder)
    layers = _layers(values, path, scale, on)
    installed, settings = on in (HERE, INLINE), list(overrides)

    def made(settings: list[str]) -> Study:
        said = [layer for _, layer in layers]
        try:
            return _made(said, settings, path.stem, rename, folder, installed=installed)
        except UserError as error:
            # Each setting that was read is among what is said.
            on_command_line = len(said) > len(layers)
            raise UserError(slips.named(str(error), said, on_command_line=on_command_line)) from error.__cause__

    try:
        return made(settings)
    except UserError as error:
        problem = str(error)
        if rename and problem.startswith("name: "):
            raise UserError(f"--{problem.replace(':', f' {rename}:', 1)}") from None
        field = problem.partition(": ")[0]
        place = next((where for where, layer in reversed(layers) if slips.says(layer, field)), f"{path}: ")
        raise UserError(_at_fault(problem, settings, path, place, made)) from error.__cause__


def _check_names(values: Mapping[str, Any]) -> None:
    """Of a notebook's fields. Errors: UserError for a component that stands there itself."""
    for path, value in leaves(dict(values)):
        for each in value if isinstance(value, list | tuple) else (value,):
            found = type(each) if isinstance(each, Component) else each
            if inspect.isclass(found) or inspect.isroutine(found):
                name = f"{found.__module__}:{found.__qualname__}"
                right = "define it outside of any function, and write" if "<" in name else f"write {name!r},"
                raise UserError(f"{path}: {found.__qualname__} itself stands here: {right} its name")


def dump(study: Study) -> str:
    """As YAML that `load` reads to the same study, but for its scale's name."""
    unsaid = {"format", "scale", "measures"}
    values = study.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=unsaid)
    for field in OF_A_METRIC:
        values["criterion"].pop(field, None)
    return yaml_reader.dump({field: value for field, value in values.items() if value not in ("", {}, [])})


def cluster_settings() -> Path:
    """The user's file of fields of `resources.allocation`: what each of their clusters' studies needs."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home, "seedsweep", "cluster.yaml").expanduser()


def _find(name: str) -> Path:
    given = Path(name)
    if given.suffix in (".yaml", ".yml", ".json"):
        if given.is_file():
            return given
        there = {each.stem: str(each) for each in given.parent.glob("*.y*ml")}
        meant = near(given.stem, there, there.__getitem__)
        raise UserError(f"{given}: there is no such study file{meant and f'; {meant}'}")
    if given.is_file():
        raise UserError(f"{given}: is no study: that is a .yaml file")
    path = STUDIES / f"{name}.yaml"
    if path.is_file():
        return path
    for beside in (Path(f"{name}.yaml"), Path(f"{name}.yml")):
        if beside.is_file():
            raise UserError(f"there is no built-in study {name!r}: did you mean the file {beside}?")
    known = [each.stem for each in STUDIES.glob("*.yaml")]
    raise UserError(f"there is no study {name!r} ({choose(name, known)}): give a name, or the path of a .yaml file")


def _layers(values: dict[str, Any], path: Path, scale: str | None, on: str) -> list[tuple[str, dict[str, Any]]]:
    """Each overrides those before it: the base, the base at the scale, the study, the study at the scale, the cluster's
    settings. Before each what its fields begin with in messages."""
    files = [(path, values)]
    if base := values.pop("base", None):
        found = next((each for each in (path.parent / f"{base}.yaml", BASES / f"{base}.yaml") if each.is_file()), None)
        if found is None:
            near = choose(str(base), [each.stem for each in BASES.glob("*.yaml")])
            raise UserError(f"{path}: base: there is no {base!r}; {near}")
        files.insert(0, (found, yaml_reader.read(found)))
    scales = [_scales(own.pop("scales", None) or {}, file) for file, own in files]
    known = {name for each in scales for name in each}
    if scale is not None and scale not in known:
        raise UserError(f"--scale {scale}: {choose(scale, known) if known else 'the study has no scales'}")
    chosen = scale or (DEFAULT_SCALE if DEFAULT_SCALE in known else "")
    layers = [
        layer
        for (file, own), each in zip(files, scales, strict=True)
        for layer in ((f"{file}: ", own), (f"{file}: scales.{chosen}.", each.get(chosen) or {}))
    ]
    if on not in (HERE, INLINE) and cluster_settings().is_file():
        layers.append((f"{cluster_settings()}: ", {"resources": {"allocation": _cluster_settings()}}))
    return [*layers, (f"{path}: ", {"scale": chosen})]


def _scales(values: Any, path: Path) -> dict[str, dict[str, Any] | None]:
    if not isinstance(values, dict) or not all(isinstance(own, dict | None) for own in values.values()):
        raise UserError(f"{path}: scales: expected a mapping of scales, each a mapping of fields, not {values!r}")
    for name, own in values.items():
        for field in ("base", "scales", "name"):
            if own and field in own:
                raise UserError(f"{path}: scales.{name}.{field}: is said once, above the scales")
    return values


def _cluster_settings() -> dict[str, Any]:
    """Errors: UserError that names this file, not the study's."""
    path = cluster_settings()
    values = yaml_reader.read(path)
    try:
        parse(values, Allocation)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return values


def _made(
    said: list[dict[str, Any]], settings: list[str], name: str, rename: str | None, folder: Path, *, installed: bool
) -> Study:
    """A study of its layers and `--set`, which are added to `said` one by one. Errors: UserError that begins with a
    field."""
    merged: dict[str, Any] = {}
    for layer in said:
        merged = override(merged, normalised(layer))
    for setting in settings:
        said.append(_setting(setting, merged))
        merged = override(merged, normalised(said[-1]))
    found = _resolved({"name": name, **merged, **({"name": rename} if rename else {})})
    if found.command:
        check_program(found.command, folder, installed=installed)
    return found


def _at_fault(problem: str, settings: list[str], path: Path, place: str, made: Callable[[list[str]], Study]) -> str:
    """The problem with where it comes from: its place in a file, or the setting without which it is another, or
    none."""
    for count in range(len(settings) + 1) if settings else ():
        try:
            made(settings[:count])
        except UserError as error:
            if str(error) != problem:
                continue
            if not count:
                return f"{place}{problem}"
            setting = settings[count - 1]
            field = setting.partition("=")[0].strip()
            if problem.startswith("--set "):
                return problem
            words = problem.removeprefix(f"{field}: ").removeprefix(f"hyperparameters.{field}: ")
            return f"--set {setting}: {words}" if words != problem else f"--set {setting}, over {path}: {problem}"
    return f"{place}{problem}"


def _setting(setting: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """One `--set` as values of a study."""
    field, equals, text = setting.partition("=")
    if not equals or not field:
        raise UserError(f"--set {setting}: write --set path.to.field=value")
    try:
        value = yaml_reader.value(text)
    except UserError as error:
        raise UserError(f"--set {setting}: {text!r} is no YAML value ({error})") from None
    return one_setting(field.strip(), value, values.get("configurations") or ())


def _resolved(values: dict[str, Any]) -> Study:
    for field in OF_A_METRIC:
        if isinstance(values.get("criterion"), dict) and field in values["criterion"]:
            raise UserError(f"criterion.{field}: the metric says it; leave it out")
    if "measures" in values:
        raise UserError("measures: the metrics say it; leave it out")
    parsed: Study = parse(values)
    study = _with_names(resolve(parsed), values)
    for problem in problems(study):
        raise UserError(problem)
    return study


def _with_names(study: Study, values: Mapping[str, Any]) -> Study:
    """With components' names in one way."""
    said = dotted({section: values[section] for section in _SAID if section in values}, "")
    space = {}
    for path, dimension in study.search.space.items():
        where = f"search.space.{path}"
        choices = [canonical(path, value, f"{where}.choices.{n}") for n, value in enumerate(dimension.choices)]
        condition = _canonical(dimension.condition, f"{where}.if", study)
        space[own_path(path, study)] = dimension.model_copy(update={"choices": tuple(choices), "condition": condition})
        for choice in choices if names_component(path) else ():
            for lost in (each for each in _lost(study, {path: choice}, said) if each not in study.search.space):
                raise UserError(
                    f"{where}: {choice} has another default for {lost} than the study's {said[lost]!r}, "
                    f"which is also a default; to keep that value, search it: {lost}: {{choices: [{said[lost]}]}}"
                )
    configurations = {}
    for name, own in study.configurations.items():
        overrides = _canonical(own, f"configurations.{name}", study)
        configurations[name] = {**overrides, **_lost(study, overrides, said)}
    search = study.search.model_copy(update={"space": space})
    return study.model_copy(update={"configurations": configurations, "search": search})


def _canonical(values: Mapping[str, Any], where: str, study: Study) -> dict[str, Any]:
    return {own_path(path, study): canonical(path, value, f"{where}.{path}") for path, value in values.items()}


def _lost(study: Study, overrides: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """What the file says, and is the default of a component in whose place another comes that has another one: what an
    override would lose."""
    if not any(names_component(path) for path in overrides):
        return {}
    try:
        before, after = configuration(study).values, configuration(study, overrides=overrides).values
    except UserError:
        # Said when the configurations are checked.
        return {}
    there = (path for path in said if path in before and path in after and path not in overrides)
    return {path: before[path] for path in there if not names_component(path) and after[path] != before[path]}
