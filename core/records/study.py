"""A study as it is kept in a run directory: every field typed, every default filled in.

Sections of components (`settings`, `data`, `optimizer`, a schedule) are mappings here: their fields belong to the
component, which need not be there to read a record.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.decision import Claim, Decision, SeedCounts, Sensitivity
from seedsweep.core.records.resources import Resources
from seedsweep.core.records.section import Part, Scalar, Section

#: Raised whenever an earlier version's run directory cannot be read any more.
FORMAT = 3


class RecordError(SeedsweepError):
    """A run directory's record of its study that cannot be read; the text names the file."""


class Stop(Part):
    """Freeze a member whose `metric` has not become better for `patience` evaluations in a row.

    metric: a measure of the validation split.  patience: evaluations without a better one.
    """

    metric: str
    patience: int = Field(ge=1)


class Training(Part):
    """How long members are trained, and how often they are measured.

    steps: of `batch` samples each.  epochs: in place of steps, of whole batches.  batch: samples of a step.
    stop: when a member is frozen before the end.
    microbatch: samples of one pass, whose gradients are added up; 0: the whole batch.  evaluate_every: steps between
    two evaluations on the validation split, the last one at the end; 0: an epoch where `epochs` is given, else a
    hundredth of the steps.
    clip: largest norm of a member's gradient; longer ones are scaled down to it, and one that is not finite is dropped;
    0: neither.  measure_train: each evaluation measures the training split, too, as many samples of it as the
    validation split has, the first ones: `train_NAME`.  precision: `bfloat16` for convolutions and linear layers that a
    task names, all else in float32.
    """

    steps: int = Field(0, ge=0)
    epochs: float = Field(0, ge=0)
    batch: int = Field(32, ge=1)
    microbatch: int = Field(0, ge=0)
    evaluate_every: int = Field(0, ge=0)
    clip: float = Field(0.0, ge=0)
    measure_train: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"
    stop: Stop | None = None

    @model_validator(mode="after")
    def _fits(self) -> Training:
        if self.steps and self.epochs:
            raise ValueError(".epochs: stands beside training.steps; give one of the two")
        if self.microbatch and self.batch % self.microbatch:
            raise ValueError(f".microbatch: {self.microbatch} does not divide training.batch, {self.batch}")
        return self

    def resolved(self, samples: int) -> Training:
        """With steps in place of epochs, for a training split of so many samples."""
        per_epoch = max(1, samples // self.batch)
        steps = self.steps or max(1, round(self.epochs * per_epoch))
        every = self.evaluate_every or (per_epoch if self.epochs else max(1, steps // 100))
        return self.model_copy(update={"steps": steps, "epochs": 0.0, "evaluate_every": min(every, steps)})

    @property
    def evaluations(self) -> int:
        """How many there are, where the number of steps is known; the last one is at the end."""
        return -(-self.steps // max(1, self.evaluate_every))


class Dimension(Part):
    """What is searched of one field: `low` to `high`, on a logarithmic scale with `log`, in steps of `step`; or
    choices.

    low: the least value.  high: the greatest value.  log: on a logarithmic scale, with low above 0.
    step: between neighbouring values, from `low` on; left out: any value.  choices: in place of a range, the values.
    points: how many values the grid sampler takes of a range.  if: values of other fields, without which this one is
    not there.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    points: int = Field(3, ge=2)
    choices: tuple[Scalar, ...] = ()
    condition: dict[str, Scalar] = Field(default_factory=dict, alias="if")

    @model_validator(mode="before")
    @classmethod
    def _mapping(cls, given: Any) -> Any:
        if isinstance(given, list | tuple):
            raise ValueError(f"write {{choices: [{', '.join(map(str, given))}]}} for a list of values")
        if not isinstance(given, dict | Dimension):
            raise ValueError(f"expected {{low: ..., high: ...}} or {{choices: [...]}}, not {given!r}")
        return given

    @model_validator(mode="after")
    def _range_or_choices(self) -> Dimension:
        low, high, step = self.low, self.high, self.step
        if self.choices:
            for field in ("low", "high", "log", "step"):
                if getattr(self, field) is not None and getattr(self, field) is not False:
                    raise ValueError(f".{field}: stands beside choices; give one of the two")
            if len({(type(choice), choice) for choice in self.choices}) < len(self.choices):
                raise ValueError(".choices: two of them are the same")
        elif low is None or high is None:
            raise ValueError("needs low and high, or choices")
        elif low >= high:
            raise ValueError(f"low {low:g} is not below high {high:g}")
        elif self.log and low <= 0:
            raise ValueError(f"a logarithmic range begins above 0, not at {low:g}")
        elif self.log and step is not None:
            raise ValueError(".step: a logarithmic range has no steps; leave log or step out")
        elif step is not None and not 0 < step <= high - low:
            raise ValueError(f".step: {step:g} is out of range; it must be above 0 and at most {high - low:g}")
        return self


class Search(Part):
    """Phase *explore*: which configurations are tried on the search seeds.

    sampler: `tpe` and `gp` learn from what was found; `random` and `qmc` spread over the space, by chance or evenly;
        `grid` takes every combination.
    explore: number of configurations, the named ones that lie in the space included, which are asked first.
    space: dotted path -> what is searched of it.
    window: a configuration is asked once all but the last `window` - 1 before it are finished, so that what is asked
        does not depend on who finished first.
    together: configurations that are asked at once, as a batch, once all but the last `window` - 1 before its first
        are finished. Of a batch, those that differ only in numbers (hyperparameters that are tensors, and schedules)
        train together in one trial, each as a cohort of its own. `window` is a multiple of it, by default the least
        that is 3 or more.
    seed: of the sampler.
    """

    sampler: Literal["tpe", "random", "grid", "gp", "qmc"] = "tpe"
    explore: int = Field(0, ge=0)
    space: dict[str, Dimension] = Field(default_factory=dict)
    window: int = Field(3, ge=1)
    together: int = Field(1, ge=1)
    seed: int = Field(0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _window_of_batches(cls, given: Any) -> Any:
        """Where nothing is said of the window: the fewest whole batches that are at least its default."""
        together = given.get("together") if isinstance(given, dict) and "window" not in given else None
        if not isinstance(together, int) or together < 1:
            return given
        return {**given, "window": -(-cls.model_fields["window"].default // together) * together}

    @model_validator(mode="after")
    def _searchable(self) -> Search:
        if self.window % self.together:
            fits = max(1, self.window // self.together) * self.together
            raise ValueError(
                f".window: {self.window} is no multiple of search.together, {self.together}: a window of {fits} or "
                f"{fits + self.together} is one of whole batches"
            )
        for path, dimension in self.space.items():
            # These would draw a parameter whether it is there or not.
            if dimension.condition and self.sampler in ("gp", "qmc"):
                raise ValueError(f".space.{path}.if: {self.sampler} knows no conditions; take tpe, random or grid")
        return self


class Measure(Part):
    """What the program measures, as it declares it. direction: `max`, more is better, or `min`.  low, high: ends that
    it cannot pass; None where there is none. `max` or `min` alone is short for its direction.  optional: not all data
    have it."""

    direction: Literal["max", "min"] = "max"
    low: float | None = None
    high: float | None = None
    optional: bool = False

    @model_validator(mode="before")
    @classmethod
    def _direction_alone(cls, given: Any) -> Any:
        return {"direction": given} if isinstance(given, str) else given

    def is_beyond(self, value: float) -> bool:
        """Whether a value passes an end."""
        return (self.low is not None and value < self.low) or (self.high is not None and value > self.high)

    @property
    def ends(self) -> str:
        """In words: `0 to 1`, `0 to inf`."""
        low, high = (-math.inf if self.low is None else self.low), (math.inf if self.high is None else self.high)
        return f"{low:g} to {high:g}"


class InitFrom(Part):
    """A member of another run, beside this one, from whose weights every member starts.

    run: its name; it must have been run with `resources.keep_weights`.  configuration: name of one that it compared;
    empty: any.  seed: of the member; none: of those that converged the one with the best final score; `each`: seed n
    starts from the n-th of those that converged, the best first, and from the first again after the last.
    """

    run: str
    configuration: str = ""
    seed: int | Literal["each"] | None = None

    @field_validator("seed", mode="before")
    @classmethod
    def _seed_or_each(cls, given: Any) -> Any:
        if isinstance(given, str) and given != "each":
            raise ValueError(f"is the seed of a member, or each, not {given!r}")
        return given


class Study(Part):
    """A study at one scale.

    name: of its run's folder.  question: what it asks, as the report's title.
    task: name or import path of a Task, or of a function of one run.  command: in its place, a program.
    settings: of the task, as it defines them.  data: `name` of the data set, its settings beside it.
    optimizer: `name` of the optimiser, its settings beside it; `no_decay`: patterns of parameters that have no weight
    decay.  schedules: hyperparameter -> `name` of its schedule, its settings beside it.
    hyperparameters: name -> value, for every configuration that does not say otherwise.
    training: how long, in which batches.
    init_from: the weights that every member starts from.
    configurations: name -> overrides, dotted path -> value: what is compared.
    claims: what somebody says of them, each judged.  search: where others are looked for.  seeds: how many, and when
    the comparison is tested.  criterion: when a member has converged.  sensitivity: other criteria, by which
    the verdict is tried.  decision: how the level is shared.  resources: where and how it runs.
    score: `last` or `best`: which evaluation is a member's final score.
    secondary: measures that are estimated beside the score, `test_last_NAME` of the test split among them; nothing is
    decided by them.
    metrics: of a function or a command: name -> `max` or `min`.
    files: beside the `*.py` below the folder of the study's file, what is copied into the run: paths or patterns.
    inputs: files and folders there that are read in their place: their content counts, and is not copied.
    measures: all that the task, function or command measures, by name; filled in when the study is resolved.
    """

    format: int = FORMAT
    name: str
    question: str = ""
    task: str = ""
    command: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    data: Section = Field(default_factory=dict)
    training: Training = Training()
    optimizer: Section = Field(default_factory=dict)
    schedules: dict[str, Section] = Field(default_factory=dict)
    hyperparameters: dict[str, Scalar] = Field(default_factory=dict)
    init_from: InitFrom | None = None
    configurations: dict[str, dict[str, Any]] = Field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    search: Search = Search()
    seeds: SeedCounts = SeedCounts()
    criterion: Criterion
    sensitivity: Sensitivity = Sensitivity()
    score: Literal["last", "best"] = "last"
    decision: Decision = Decision()
    secondary: tuple[str, ...] = ()
    metrics: dict[str, Measure] = Field(default_factory=dict)
    measures: dict[str, Measure] = Field(default_factory=dict)
    files: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    resources: Resources = Resources()
    scale: str = ""

    @field_validator("name")
    @classmethod
    def _of_a_folder(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
            raise ValueError(f"{name!r} names a folder: use letters, digits, '_', '-' and '.', a letter or digit first")
        return name

    @property
    def found(self) -> int:
        """Configurations that the search adds to the comparison: 0 or 1."""
        return int(self.search.explore > 0 and bool(self.search.space))

    @property
    def compared(self) -> int:
        """Configurations that are compared."""
        return len(self.configurations) + self.found

    @property
    def members(self) -> int:
        """Members of the whole study; the most that it can take where it ends when decided."""
        return self.search.explore * self.seeds.search + self.compared * self.seeds.compare

    def claimed_best(self) -> str | None:
        """Name of the configuration that is claimed to be the best, if one is."""
        return next((claim.best for claim in self.claims if claim.best), None)

    def to_json(self) -> str:
        """As `read_study` reads it."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=1) + "\n"


def read_study(path: Path) -> Study:
    """The study of a run directory. Errors: RecordError."""
    try:
        values = json.loads(path.read_text())
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise RecordError(f"{path} is of another version of seedsweep: launch under another --name, or --fresh")
        return Study.model_validate(values)
    except FileNotFoundError:
        raise RecordError(f"{path.parent} holds no study") from None
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from None
    except (ValueError, ValidationError) as error:
        raise RecordError(f"{path} is damaged ({' '.join(str(error).split())[:120]}): launch with --fresh") from None
