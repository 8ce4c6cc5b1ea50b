"""What a study may become while its run goes on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Study, Training
from seedsweep.sweeps.study.components import kind, names_component
from seedsweep.sweeps.study.configuration import configuration, reads_total

#: Sections that change no result, or what is said of it.
FREE = ("format", "question", "claims", "resources", "scale", "measures")
#: Of `seeds`: how the comparison is spread over them.
RACE = ("race", "start")


def grown(old: Study, new: Study) -> Study:
    """`new` as it goes on in the run directory of `old`: what it does not say, and follows from its length, stays as
    the run has it. Both resolved.

    That is where members are evaluated: every hundredth of the steps that the run was begun with.
    """
    if "evaluate_every" in new.training.model_fields_set:
        return new
    kept = {"evaluate_every": old.training.evaluate_every}
    training = Training.model_construct(new.training.model_fields_set, **{**dict(new.training), **kept})
    return new.model_copy(update={"training": training})


def differences(old: Study, new: Study) -> list[str]:
    """What keeps `new` from going on in the run directory of `old`: `path: old -> new`, a line each. Both resolved.

    There may be more comparison seeds, explored configurations and named configurations; more steps where no schedule
    reads how many there are. What `grown` keeps is no difference.
    """
    new = grown(old, new)
    before, after = (study.model_dump(mode="json", by_alias=True) for study in (old, new))
    for values in (before, after):
        for section in FREE:
            del values[section]
        for name in RACE:
            del values["seeds"][name]
    for section, name in (("seeds", "compare"), ("search", "explore")):
        after[section][name] = min(after[section][name], before[section][name])
    why = ""
    for length in ("steps", "epochs"):
        if before["training"][length] and after["training"][length] > before["training"][length]:
            why = _reader(new)
            if not why:
                after["training"][length] = before["training"][length]
    added = set(after["configurations"]) - set(before["configurations"])
    for name in added:
        del after["configurations"][name]
    old_values, new_values = dict(_leaves("", before)), dict(_leaves("", after))
    return [
        f"{path}: {old_values.get(path, 'absent')} -> {new_values.get(path, 'absent')}"
        + (f" ({why})" if path in ("training.steps", "training.epochs") and why else "")
        for path in dict.fromkeys([*old_values, *new_values])
        if old_values.get(path) != new_values.get(path)
    ]


def _reader(study: Study) -> str:
    """What reads the number of steps, in words; empty if nothing does."""
    if kind(study) != "task":
        return f"nobody knows what the {kind(study)} does with the number of steps"
    searched = study.search.space if study.found else {}
    components = [path for path in searched if names_component(path)]
    overridden: list[dict[str, Any]] = [
        {}, *study.configurations.values(),
        *({path: choice} for path in components for choice in searched[path].choices),
    ]  # fmt: skip
    for overrides in overridden:
        try:
            one = configuration(study, overrides=overrides).study
        except UserError:
            continue
        if reads_total(one):
            return "a schedule reads the number of steps"
    return ""


def _leaves(path: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), below)
    else:
        yield path, value
