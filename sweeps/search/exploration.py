"""Which configurations to explore: Optuna's samplers, asked so that the answers can be repeated.

What is asked as configuration number k depends on the study and on the values of configurations 0 .. k - window
alone: never on who finished first, what was killed, or how often the driver was started. That is what lets the ledger
rebuild the search. `optuna.db` is a view of it for optuna-dashboard.
"""

from __future__ import annotations

import contextlib
import functools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from seedsweep.core.errors import UserError
from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.study import Scalar
from seedsweep.sweeps.search.space import Parameter, Point, Space

#: Made from a seed, and whether the space has conditions.
Sampler = Callable[[int, bool], optuna.samplers.BaseSampler]

#: Configurations that a sampler draws at random before it learns.
STARTUP = 5
#: Asked anew for every configuration with a seed of its own; they learn from the values told so far.
ADAPTIVE: dict[str, Sampler] = {
    "tpe": lambda seed, conditional: optuna.samplers.TPESampler(
        seed=seed, multivariate=True, group=conditional, constant_liar=True, n_startup_trials=STARTUP
    ),
    "gp": lambda seed, conditional: optuna.samplers.GPSampler(
        seed=seed, n_startup_trials=STARTUP, deterministic_objective=False
    ),
}
#: One sequence, fixed by the study's seed.
SEQUENCES: dict[str, Sampler] = {
    "random": lambda seed, conditional: optuna.samplers.RandomSampler(seed=seed),
    "qmc": lambda seed, conditional: optuna.samplers.QMCSampler(
        seed=seed, scramble=True, warn_independent_sampling=False
    ),
}
SAMPLERS = ("grid", *SEQUENCES, *ADAPTIVE)


def objective(converged: Sequence[bool], scores: Sequence[float | None], criterion: Criterion) -> float:
    """What the search maximises: P(converge) with the mean of the scores' `merit` as tie-break.

    scores: final ones, None of a member that diverged, whose merit is 0. All merits together weigh less than one seed.
    """
    count = len(converged)
    merits = [0.0 if score is None else merit(score, criterion) for score in scores]
    return sum(converged) / count + sum(merits) / count / (count + 1)


def merit(score: float, criterion: Criterion) -> float:
    """A score of any scale and direction on [0,1], 1 the best.

    Where both ends of the metric are known, on a straight line between them. Elsewhere 1/2 + atan(d / s) / pi, with d
    by how much the score is better than the threshold and s the size of the threshold (1 of a threshold of 0): a better
    score is better everywhere, differences near the threshold weigh most, and no other score changes it.
    """
    better = 1 if criterion.direction == "max" else -1
    low, high = criterion.low, criterion.high
    if low is not None and high is not None and low < high:
        share = (score - low if better > 0 else high - score) / (high - low)
        return min(1.0, max(0.0, share))
    return 0.5 + math.atan(better * (score - criterion.threshold) / (abs(criterion.threshold) or 1.0)) / math.pi


class Exploration:
    """The explored configurations of a study: those asked, with the values told.

    first: points asked before anything is sampled.
    """

    def __init__(self, sampler: str, seed: int, window: int, space: Space, first: Sequence[Point] = ()):
        self._sampler, self._seed, self._window, self._space = sampler, seed, window, space
        self._first = list(first)
        self._grid = [point for point in space.grid() if point not in self._first] if sampler == "grid" else []
        self._study = _new_study()
        self._sequence: optuna.Study | None = None
        #: Points that the sequence has given, of which so many were asked.
        self._drawn: list[Point] = []
        self._sampled = 0
        self._asked: list[Point] = []
        #: Number of each as a trial of `self._study`, which has other trials as well.
        self._trials: list[int] = []
        self._trial_count = 0
        self._results: dict[int, float | None] = {}
        self._told = 0
        #: All before this one have been told.
        self._known = 0

    @property
    def asked(self) -> int:
        """How many configurations were asked."""
        return len(self._asked)

    @property
    def ready(self) -> bool:
        """Whether the next configuration may be asked: all but the last `window` - 1 have been told."""
        while self._known in self._results:
            self._known += 1
        return self._known > self.asked - self._window

    @property
    def all_told(self) -> bool:
        """Whether every configuration asked has been told."""
        return len(self._results) == self.asked

    @property
    def exhausted(self) -> bool:
        """Whether a grid has no point left."""
        return self._sampler == "grid" and not self._first and self._sampled >= len(self._grid)

    @property
    def most(self) -> float:
        """How many configurations can be asked in all."""
        left = len(self._first) + len(self._grid) - self._sampled
        return self.asked + max(0, left) if self._sampler == "grid" else math.inf

    def ask(self) -> Point:
        """The next configuration's point. The search must not be `exhausted`; where it is not `ready`, what is not told
        yet counts as failed."""
        while self._told <= self.asked - self._window:
            self._tell_sampler(self._told)
            self._told += 1
        if self._first:
            point = self._first[0]
            self.restore(point, sampled=False)
        else:
            point = self._learnt() if self._sampler in ADAPTIVE else self._in_sequence(self._sampled)
            self.restore(point, sampled=True)
        return point

    def restore(self, point: Point, *, sampled: bool) -> None:
        """Take a point as the next configuration asked, without sampling: what the ledger says was asked.

        sampled: whether it was the search's own, and not one of the first.
        """
        if point in self._first:
            self._first.remove(point)
        # One added costs the same however many there are; one enqueued is searched for among all.
        self._study.add_trial(self._frozen(point, TrialState.RUNNING, None))
        self._trials.append(self._trial_count)
        self._trial_count += 1
        self._asked.append(point)
        self._sampled += sampled

    def tell(self, number: int, value: float | None) -> None:
        """The objective of a configuration, None if it failed. Sampling heeds it when its turn comes."""
        self._results[number] = value

    def value(self, number: int) -> float | None:
        """What was told of a configuration; None where nothing was, or it failed."""
        return self._results.get(number)

    def trials(self) -> list[FrozenTrial]:
        """Those told, as Optuna's trials, by number; one not told yet is running."""
        return [self._trial(number) for number in range(self.asked)]

    def importances(self) -> dict[str, float]:
        """Optuna's importance of each parameter that every configuration has; empty where the trials carry none."""
        with _quiet():
            study = _new_study()
            study.add_trials([t for t in self.trials() if t.state == TrialState.COMPLETE])
            if len(study.trials) < 4 or len({t.value for t in study.trials}) < 2:
                return {}
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))

    def write_view(self, path: Path, name: str) -> None:
        """Bring the SQLite file at `path` into agreement: what is missing is added, what disagrees is rebuilt.

        Errors: UserError if the file system refuses.
        """
        trials = [t for t in self.trials() if t.state.is_finished()]
        # The ledger is ordered, the view appends: only the run of finished trials from the first on is shown.
        known = next((i for i, t in enumerate(trials) if t.number != i), len(trials))
        trials = trials[:known]
        storage = f"sqlite:///{path}"
        with _quiet():
            if path.exists():
                try:
                    shown = optuna.load_study(study_name=name, storage=storage)
                    if _agree(shown.trials, trials):
                        shown.add_trials(trials[len(shown.trials) :])
                        return
                except Exception:
                    # Whatever the file is, it is not our view: nothing but a rebuild mends it.
                    pass
                path.unlink()
            try:
                optuna.create_study(study_name=name, storage=storage, direction="maximize").add_trials(trials)
            except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
                raise UserError(f"{path} cannot be written: {error.__cause__ or error}".splitlines()[0]) from None

    def _trial(self, number: int) -> FrozenTrial:
        told = number in self._results
        value = self._results.get(number)
        state = TrialState.RUNNING if not told else TrialState.FAIL if value is None else TrialState.COMPLETE
        trial = self._frozen(self._asked[number], state, value)
        trial.number = number
        return trial

    def _frozen(self, point: Point, state: TrialState, value: float | None) -> FrozenTrial:
        distributions = self._space.distributions(point)
        return create_trial(state=state, value=value, params=point, distributions=distributions)

    def _tell_sampler(self, number: int) -> None:
        value = self._results.get(number)
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        self._study.tell(self._trials[number], value, state)

    def _learnt(self) -> Point:
        """Of a sampler that learns from the values told."""
        seed = int(np.random.SeedSequence([self._seed, self.asked]).generate_state(1)[0])
        with _quiet():
            self._study.sampler = ADAPTIVE[self._sampler](seed, self._space.conditional)
            trial = self._study.ask()
            point = self._space.draw(functools.partial(_suggested, trial))
            # A trial that asked remembers more than its point, which the next would heed and the ledger does not hold:
            # it is closed, and `restore` adds the point alone.
            self._study.tell(trial, state=TrialState.FAIL)
        self._trial_count += 1
        return point

    def _in_sequence(self, place: int) -> Point:
        if self._sampler == "grid":
            return self._grid[place]
        with _quiet():
            if self._sequence is None:
                sampler = SEQUENCES[self._sampler](self._seed, self._space.conditional)
                self._sequence = optuna.create_study(sampler=sampler)
            while len(self._drawn) <= place:
                trial = self._sequence.ask()
                self._drawn.append(self._space.draw(functools.partial(_suggested, trial)))
                self._sequence.tell(trial, 0.0)
        return self._drawn[place]


def _suggested(trial: Trial, parameter: Parameter) -> Scalar:
    path, space = parameter.path, parameter.distribution
    if isinstance(space, CategoricalDistribution):
        choice: Scalar = trial.suggest_categorical(path, space.choices)  # type: ignore[assignment]
        return choice
    if isinstance(space, IntDistribution):
        return trial.suggest_int(path, space.low, space.high, step=space.step, log=space.log)
    assert isinstance(space, FloatDistribution)
    return trial.suggest_float(path, space.low, space.high, step=space.step, log=space.log)


def _new_study() -> optuna.Study:
    with _quiet():
        return optuna.create_study(direction="maximize")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's notes on what it does and on which of its parts may still change."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)


def _agree(shown: list[FrozenTrial], trials: list[FrozenTrial]) -> bool:
    """Whether every trial of the view is the search's own."""

    def key(trial: FrozenTrial) -> Any:
        return trial.state, trial.params, trial.value if trial.state == TrialState.COMPLETE else None

    return len(shown) <= len(trials) and all(key(a) == key(b) for a, b in zip(shown, trials, strict=False))
