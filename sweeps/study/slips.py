"""What was most likely meant by what a study may not say: common slips, each named with what would be right."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from seedsweep.core.component import choose
from seedsweep.core.errors import UserError
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.decision import Decision, SeedCounts
from seedsweep.core.records.resources import Allocation, Resources
from seedsweep.core.records.study import Search, Study, Training
from seedsweep.sweeps.study.components import DEFAULT_OPTIMIZER, component

#: So many names are told; the rest is looked up.
FEW = 8
#: What most studies say.
MAIN = ("task", "data", "training", "hyperparameters", "configurations", "claims", "search", "seeds", "criterion")
#: As other tools call it -> the path of a field here, or a hyperparameter's name.
ALIASES = {
    "learning_rate": "lr", "wd": "weight_decay",
    **dict.fromkeys(("batch_size", "batchsize", "bs"), "training.batch"),
    **dict.fromkeys(("num_epochs", "n_epochs", "max_epochs", "epoch"), "training.epochs"),
    **dict.fromkeys(("num_steps", "n_steps", "max_steps", "iterations", "iters"), "training.steps"),
    **dict.fromkeys(("dataset", "data_set", "dataloader"), "data.name"),
    **dict.fromkeys(("n_seeds", "num_seeds", "seed", "repeats", "repetitions"), "seeds.compare"),
    **dict.fromkeys(("n_trials", "num_trials", "trials", "num_samples"), "search.explore"),
    **dict.fromkeys(("space", "search_space", "sweep"), "search.space"),
    **dict.fromkeys(("hyperparams", "hparams", "params"), "hyperparameters"),
    **dict.fromkeys(("configs", "configuration", "variants", "groups"), "configurations"),
    **dict.fromkeys(("hypothesis", "hypotheses"), "claims"),
    **dict.fromkeys(("scheduler", "lr_scheduler", "schedule"), "schedules"),
    **dict.fromkeys(("optim", "optimiser"), "optimizer"),
    **dict.fromkeys(("num_gpus", "n_gpus", "gpu"), "resources.gpus"),
    **dict.fromkeys(("num_cpus", "n_cpus", "cpu", "cores"), "resources.cpus"),
}  # fmt: skip
#: Of a dimension of the search.
_OF_A_DIMENSION = {
    **dict.fromkeys(("min", "minimum", "from"), "low"), **dict.fromkeys(("max", "maximum", "to"), "high"),
    **dict.fromkeys(("values", "options", "categories", "choice", "list"), "choices"), "logarithmic": "log",
}  # fmt: skip
_SECTIONS: dict[str, Any] = {
    "training": Training, "seeds": SeedCounts, "criterion": Criterion, "search": Search, "decision": Decision,
    "resources": Resources, "resources.allocation": Allocation,
}  # fmt: skip
_TORCHVISION = re.compile(
    r"(wide_)?res(net|next)\d+\w*|densenet\d+|vgg\d+\w*|alexnet|mobilenet_?v\d\w*|efficientnet_(b|v2)\w*|vit_\w+"
    r"|swin_\w+|convnext_\w+|googlenet|inception_v3|regnet_\w+|shufflenet\w+|squeezenet\w+|mnasnet\w+|maxvit\w*"
)
_SPLIT = re.compile(r"^(validation|valid|val|dev|eval|test)[_/.\- ]+")
_SHORT = {"acc": "accuracy", "err": "error", "prec": "precision", "rec": "recall", "auroc": "auc", "roc_auc": "auc"}
_ABSENT = object()


def choose_measure(given: str, known: Iterable[str]) -> str:
    """`did you mean ...?`, or a few of what a task measures, in its order."""
    names = list(known)
    plain = _SPLIT.sub("", given.lower())
    plain = _SHORT.get(plain, plain)
    if plain in names:
        return f"did you mean {plain}? " + (
            "Measures are of the validation split, without its name" if _SPLIT.match(given.lower()) else ""
        )
    near = difflib.get_close_matches(plain, names, n=2, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    more = f" and {len(names) - FEW} more (seedsweep's docs/fields.md)" if len(names) > FEW else ""
    return f"known are {', '.join(names[:FEW]) or 'none'}{more}"


def named(problem: str, layers: Sequence[Mapping[str, Any]], *, on_command_line: bool = False) -> str:
    """The problem, in the words of the slip where it is a common one.

    problem: `path.to.field: what is wrong`.  layers: a study's values as they were given, the last one over the others.
    on_command_line: whether the last was given by `--set`.
    """
    field, _, words = problem.partition(": ")
    given = _Given(field, words, _value(layers, field), layers, on_command_line)
    for look in _LOOKS:
        if (better := look(given)) is not None:
            return better.strip()
    return problem


def says(values: Mapping[str, Any], field: str) -> bool:
    """Whether values of a study have the field, nested or dotted."""
    return _value([values], field) is not _ABSENT


@dataclasses.dataclass(frozen=True)
class _Given:
    """field: dotted path.  words: what is wrong with it.  value: what was given there, or _ABSENT."""

    field: str
    words: str
    value: Any
    layers: Sequence[Mapping[str, Any]]
    on_command_line: bool

    @property
    def configuration(self) -> str:
        """Name of the configuration that the field is of; empty of any other field."""
        names = [name for each in self.layers for name in each.get("configurations") or ()]
        return max((name for name in names if self.field.startswith(f"configurations.{name}.")), key=len, default="")

    def write(self, path: str, value: Any) -> str:
        """As it would be right: of a study's file, of one of its configurations, or by `--set`."""
        name = self.configuration
        if self.on_command_line:
            own = f"configurations.{name}.{path}" if name else path
            return (
                f"write --set '{own}={_yaml(value)}'"
                if " " in f"{own}{_yaml(value)}"
                else (f"write --set {own}={_yaml(value)}")
            )
        above, _, last = path.rpartition(".")
        section = self.field.rpartition(".")[0]
        if name or above == section:
            return f"write {path if name else last}: {_yaml(value)}"
        said = f"{last}: {_yaml(value)}"
        for part in reversed(above.split(".") if above else []):
            said = f"{part}: {{{said}}}"
        return f"write {said}"


def _model(given: _Given) -> str | None:
    """A network where a task is meant."""
    task = _value(given.layers, "task")
    for field, value in ((given.field, given.value), ("task", task)):
        name = re.split(r"[:.]", value)[-1] if isinstance(value, str) else ""
        # Where a wrong task passes for a function, the first section that no function has is at fault.
        if field != given.field and not ("a function has none" in given.words or "task" in given.field):
            continue
        if not _TORCHVISION.fullmatch(name):
            continue
        if field.startswith("settings.") and not field.endswith(".model"):
            return (
                f"{field}: {given.words}; a model of torchvision needs a task of your own: see seedsweep's "
                "docs/your_model.md"
            )
        return (
            f"{field}: {name} is a model of torchvision: to train it as a classifier, write task: classification and "
            f'settings: {{model: "torchvision.models:{name}"}}; else write a task of your own, see seedsweep\'s '
            "docs/your_model.md"
        )
    if given.field == "model":
        return "model: a model is part of a task: write task: file.py:Class; see seedsweep's docs/your_model.md"
    return None


def _component(given: _Given) -> str | None:
    """A file or a module in place of what is in it."""
    value = given.value
    if given.field not in ("task", "data.name", "optimizer.name"):
        return None
    if value is _ABSENT or value in ("", None):
        missing = f"{given.field}: is missing; {given.words.partition('; ')[2]}; your own is named file.py:Name"
        return missing if "is no name" in given.words else None
    if not isinstance(value, str) or ":" in value:
        return None
    if value.endswith(".py"):
        return f"{given.field}: {value} is a file; name what is in it: {value}:NAME"
    module, _, name = value.rpartition(".")
    return f"{given.field}: there is no {value!r}; write {module}.py:{name} or {module}:{name}" if module else None


def _dimension(given: _Given) -> str | None:
    """A list, a value or a range, where another of the three is meant."""
    field, value = given.field, given.value
    if place := re.fullmatch(r"(configurations\..+?)\.([^.]+)\.(low|high|log|step|choices|min|max|values)", field):
        above, path, _ = place.groups()
        # Of a mapping in a configuration the first key is refused, and the whole is meant.
        whole = _value(given.layers, f"{above}.{path}")
        if isinstance(whole, Mapping):
            return f"{above}.{path}: is one value, not {_yaml(whole)}; that is searched: search.space.{path}"
    if field.startswith("hyperparameters.") and isinstance(value, list | Mapping):
        name, what = field.partition(".")[2], value if isinstance(value, Mapping) else {"choices": value}
        whole = f"search: {{explore: 8, space: {{{name}: {_yaml(what)}}}}}"
        return f"{field}: is one value, not {_yaml(value)}; several are searched: {whole}, or compared: configurations"
    if not field.startswith("search.space."):
        return None
    last = field.rpartition(".")[2]
    if last == "choices" and isinstance(value, Mapping):
        return f"{field}: is a list of values; a range has no choices: write {_yaml(value)}"
    if last == "choices" and not isinstance(value, list | tuple) and value is not _ABSENT:
        return f"{field}: is a list of values, not {_yaml(value)}; write [{_yaml(value)}], or low and high for a range"
    if last in ("low", "high") and isinstance(value, list):
        return f"{field}: is one number, not {_yaml(value)}; a list of values is {{choices: {_yaml(value)}}}"
    if last == "range" and isinstance(value, list) and len(value) == 2:
        return f"{field}: there is no such field; write low: {_yaml(value[0])}, high: {_yaml(value[1])}"
    if last in _OF_A_DIMENSION and "no such field" in given.words:
        return f"{field}: there is no such field; write {_OF_A_DIMENSION[last]}: {_yaml(value)}"
    if isinstance(value, list) and given.words.startswith(("write {choices", "expected ")):
        numbers = len(value) == 2 and all(isinstance(each, int | float) for each in value)
        low, high = (_yaml(each) for each in sorted(value)) if numbers else ("", "")
        a_range = f", or {{low: {low}, high: {high}}} for the range between" if numbers else ""
        return f"{field}: write {{choices: {_yaml(value)}}} for these values{a_range}"
    return None


def _unknown(given: _Given) -> str | None:
    """A field at another level, or under the name that it has elsewhere."""
    if not given.words.startswith(("there is no such field", "neither the task nor", "no configuration changes it")):
        return None
    last = given.field.rpartition(".")[2]
    if match := re.fullmatch(r"(\w+) (\S.*)", last):
        return f"{given.field}: a colon is missing; write {match[1]}: {match[2]}"
    wanted = ALIASES.get(last.lower(), last)
    path = wanted if "." in wanted or wanted in Study.model_fields else _homes(given.layers).get(wanted, "")
    if path in ("", given.field) or given.words.startswith("no configuration") or given.value is _ABSENT:
        return _too_many(given)
    if path in Study.model_fields:
        return f"{given.field}: there is no such field; did you mean {path}?"
    bare = path.removeprefix("hyperparameters.")
    if given.configuration and path.partition(".")[0] not in ("hyperparameters", "training", "data"):
        return None
    path = bare if given.configuration or given.on_command_line else path
    if path == given.field:
        return None
    return f"{given.field}: there is no such field here; {given.write(path, given.value)}"


def _path(given: _Given) -> str | None:
    """A path of a configuration where fields are nested."""
    if "." not in given.field or not any(given.field in layer for layer in given.layers):
        return None
    value = given.value
    for part in reversed(given.field.split(".")):
        value = {part: value}
    return f"{given.field}: fields are nested here; write {_yaml(value)[1:-1]}"


def _too_many(given: _Given) -> str | None:
    if "." in given.field or "known are" not in given.words:
        return None
    return (
        f"{given.field}: there is no such field; a study has {', '.join(MAIN)} and others (seedsweep's docs/fields.md)"
    )


def _missing(given: _Given) -> str | None:
    if given.words != "is missing":
        return None
    if given.field == "criterion":
        return "criterion: is missing: when has a seed converged? Write {metric: NAME, threshold: NUMBER}"
    section = given.field.rpartition(".")[0]
    if re.fullmatch(r"claims\.\d+\.(better|alike|below)\.1", given.field):
        first = _value(given.layers, f"{section}.0")
        other = "SHARE" if section.endswith("below") else "OTHER"
        return f"{section}: has one part, of two; write [{'NAME' if first is _ABSENT else _yaml(first)}, {other}]"
    there, known = _value(given.layers, section), [field.name for field in dataclasses.fields(Criterion)]
    for key in there if section == "criterion" and isinstance(there, Mapping) else ():
        if key not in known:
            return f"{section}.{key}: there is no such field; {choose(str(key), known)}"
    return None


def _shape(given: _Given) -> str | None:
    """A value, a list or a mapping where another of the three is meant."""
    field, value = given.field, given.value
    if value is _ABSENT or not re.search(r"expected a mapping|input should be a list|is no whole number", given.words):
        return None
    section, _, last = field.rpartition(".")
    right = ""
    if field == "seeds":
        many = len(value) if isinstance(value, list) else value
        right = given.write("seeds.compare", many) if isinstance(many, int) and many else ""
        if isinstance(value, list):
            right = right and f"seeds are counted from 0: {right}"
    elif section == "seeds" and isinstance(value, list) and last in SeedCounts.model_fields:
        right = f"it is how many, not which: {given.write(field, len(value))}"
    elif field == "criterion":
        metric, threshold = (value, "NUMBER") if isinstance(value, str) else ("NAME", _yaml(value))
        right = f"write {{metric: {metric}, threshold: {threshold}}}"
    elif field == "configurations" and isinstance(value, list):
        of_mappings = all(isinstance(each, Mapping) for each in value)
        names = [f"name_{n}" if of_mappings else str(each) for n, each in enumerate(value, 1)]
        said = [f"{name}: {_yaml(each) if of_mappings else '{...}'}" for name, each in zip(names, value, strict=True)]
        right = f"each has a name, and what it changes: write {{{', '.join(said)}}}"
    elif field == "claims":
        right = f"write [{_yaml(value if isinstance(value, Mapping) else {'best': value})}]"
    elif re.fullmatch(r"claims\.\d+", field) and isinstance(value, str):
        right = f"write {{best: {value}}}"
    elif re.fullmatch(r"claims\.\d+\.(better|alike|below)", field):
        right = f"write [{_yaml(value)}, {'SHARE' if field.endswith('below') else 'OTHER'}]"
    elif "input should be a list" in given.words:
        right = f"write [{_yaml(value)}]"
    return f"{field}: {given.words.partition('; write')[0]}; {right}" if right else None


_LOOKS: tuple[Callable[[_Given], str | None], ...] = (_path, _model, _component, _dimension, _missing, _shape, _unknown)


def _homes(layers: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Names of fields that stand in one section alone -> their path; hyperparameters' first."""
    found: dict[str, list[str]] = {}
    for section, kind in _SECTIONS.items():
        fields = [f.name for f in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else kind.model_fields
        for field in fields:
            found.setdefault(field, []).append(f"{section}.{field}")
    homes = {field: paths[0] for field, paths in found.items() if len(paths) == 1}
    for path, ordinary in (("task", ""), ("optimizer.name", DEFAULT_OPTIMIZER)):
        name = _value(layers, path)
        try:
            declared = component(path, ordinary if name is _ABSENT else name).hyperparameters
        except (UserError, AttributeError):
            # The name is at fault, and said; or a function, which declares none.
            continue
        homes |= {each: f"hyperparameters.{each}" for each in declared} if isinstance(declared, Mapping) else {}
    return homes


def _value(layers: Sequence[Mapping[str, Any]], field: str) -> Any:
    """What was given last for a path, nested or dotted; of a configuration's hyperparameter within its section, too."""
    above, _, last = field.rpartition(".")
    for path in (field, f"{above}.hyperparameters.{last}"):
        for values in reversed(layers):
            if (found := _below(values, path)) is not _ABSENT:
                return found
    return _ABSENT


def _below(values: Any, path: str) -> Any:
    if isinstance(values, list | tuple):
        values = {str(n): each for n, each in enumerate(values)}
    for key, below in values.items() if isinstance(values, Mapping) else ():
        if path == key:
            return below
        if path.startswith(f"{key}.") and (found := _below(below, path[len(key) + 1 :])) is not _ABSENT:
            return found
    return _ABSENT


def _yaml(value: Any) -> str:
    """In one line, as a file has it."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_yaml(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    return f"{value:g}" if isinstance(value, float) else str(value)
