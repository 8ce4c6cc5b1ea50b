"""What a study may become while its run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Study, Training
from seedsweep.sweeps.study.components import kind, names_component
from seedsweep.sweeps.study.configuration import configuration, reads_total
from seedsweep.sweeps.study.overrides import leaves

#: What changes no member's result; of `seeds`, how the comparison is spread over them. What was registered decides.
FREE: dict[str, Any] = {
    **dict.fromkeys(("format", "question", "claims", "decision", "secondary", "sensitivity"), True),
    **dict.fromkeys(("resources", "scale", "measures"), True),
    # Their content is compared: a cohort's record has the hash of its code, and of what it reads.
    **dict.fromkeys(("files", "inputs"), True),
    "seeds": {"looks", "until", "least", "most", "paired"},
}


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
    reads how many there are. Data may have moved to another path: their content is compared once they are packed. What
    `grown` keeps is no difference.
    """
    new = grown(old, new)
    before, after = (study.model_dump(mode="json", by_alias=True, exclude=FREE) for study in (old, new))
    for section, name in (("seeds", "compare"), ("search", "explore")):
        after[section][name] = min(after[section][name], before[section][name])
    why = ""
    for length in ("steps", "epochs"):
        if before["training"][length] and after["training"][length] > before["training"][length]:
            if reader := _reader(new):
                why = f" ({reader})"
            else:
                after["training"][length] = before["training"][length]
    added = after["configurations"].keys() - before["configurations"].keys()
    for name in added:
        del after["configurations"][name]
    old_values, new_values = dict(leaves(before)), dict(leaves(after))
    return [
        f"{path}: {old_values.get(path, 'absent')} -> {new_values.get(path, 'absent')}"
        + (why if path in ("training.steps", "training.epochs") else "")
        for path in {**old_values, **new_values}
        if old_values.get(path) != new_values.get(path) and not _moved(path, old_values.get(path), new_values.get(path))
    ]


def _moved(path: str, old: Any, new: Any) -> bool:
    """Whether a field of a data set says where its files are now. Of what only looks so, the content is compared."""
    both = isinstance(old, str) and isinstance(new, str) and bool(new)
    return both and path.startswith("data.") and path != "data.name" and Path(new).exists()


def _reader(study: Study) -> str:
    """What reads the number of steps, in words; empty if nothing does."""
    if kind(study) != "task":
        return f"nobody knows what the {kind(study)} does with the number of steps"
    space = study.search.space if study.found else {}
    overridden: list[dict[str, Any]] = [{}, *study.configurations.values()]
    overridden += [{path: choice} for path in space if names_component(path) for choice in space[path].choices]
    for overrides in overridden:
        try:
            if reads_total(configuration(study, overrides=overrides).study):
                return "a schedule reads the number of steps"
        except UserError:
            continue
    return ""
