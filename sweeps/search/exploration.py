"""Which configurations to explore: Optuna's samplers, asked so that the answers can be repeated.

What is asked as configuration number k depends on the study and on the values of configurations 0 .. f - window
alone, f the first of its batch (k itself where nothing is asked together): never on who finished first, what was
killed, or how often the driver was started. That is what lets the ledger rebuild the search. `optuna.db` is a view of
it for optuna-dashboard.
"""

from __future__ import annotations

import contextlib
import functools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from seedsweep.analysis.statistics.surface import Surface, pick
from seedsweep.core.errors import UserError
from seedsweep.core.records.section import Scalar
from seedsweep.sweeps.search.space import Parameter, Point, Space

#: They learn from the values told so far, which are noisy: `gp` fits how much so, `tpe` heeds their ranks alone. As all
#: have as many seeds, a share shrunk towards the mean of all (Jeffreys') is the same to both.
ADAPTIVE = ("tpe", "gp")
#: Their points are one sequence, fixed by the study's seed.
SEQUENCES = ("random", "qmc", "grid")
SAMPLERS = (*SEQUENCES, *ADAPTIVE)
#: Configurations that a sampler draws at random before it learns.
STARTUP = 5


class Exploration:
    """The explored configurations of a study: those asked, with the values told.

    first: points asked before anything is sampled.  together: configurations of a batch, see `core.records.study`.
    """

    def __init__(
        self, sampler: str, seed: int, window: int, space: Space, first: Sequence[Point] = (), together: int = 1
    ):
        self._sampler, self._seed, self._window, self._space = sampler, seed, window, space
        self._together = together
        self._first = list(first)
        self._grid = [point for point in space.grid() if point not in self._first] if sampler == "grid" else []
        self._sequence = self._points()
        #: Points that the sequence has given, of which so many were asked.
        self._drawn: list[Point] = []
        self._sampled = 0
        self._asked: list[Point] = []
        self._results: dict[int, float | None] = {}
        #: Smoothed values by number, of the first so many configurations, until another value of them is told.
        self._smoothed: dict[int, dict[int, float]] = {}
        #: All before this one have been told.
        self._known = 0

    @property
    def asked(self) -> int:
        """How many configurations were asked."""
        return len(self._asked)

    @property
    def ready(self) -> bool:
        """Whether the next configuration may be asked: all but the last `window` - 1 before its batch are told."""
        return self._told > self._batch - self._window

    @property
    def within_batch(self) -> bool:
        """Whether the next configuration is asked together with the last one."""
        return self.asked > self._batch

    @property
    def _batch(self) -> int:
        """Number of the first configuration of the batch that the next one belongs to."""
        return self.asked // self._together * self._together

    def told(self, count: int) -> bool:
        """Whether the first so many, of those that were asked, have been told."""
        return self._told >= min(count, self.asked)

    @property
    def _told(self) -> int:
        """How many have been told, from the first on without a gap."""
        while self._known in self._results:
            self._known += 1
        return self._known

    @property
    def all_told(self) -> bool:
        """Whether every configuration asked has been told."""
        return len(self._results) == self.asked

    @property
    def exhausted(self) -> bool:
        """Whether a grid has no point left."""
        return self.most <= self.asked

    @property
    def most(self) -> float:
        """How many configurations can be asked in all."""
        left = len(self._first) + max(0, len(self._grid) - self._sampled)
        return self.asked + left if self._sampler == "grid" else math.inf

    def ask(self) -> Point:
        """The next configuration's point. The search must not be `exhausted`; where it is not `ready`, what is not told
        yet counts as failed."""
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
        self._asked.append(point)
        self._sampled += sampled

    def tell(self, number: int, value: float | None) -> None:
        """The objective of a configuration, None if it failed. Sampling heeds it when its turn comes."""
        self._results[number] = value
        self._smoothed = {count: known for count, known in self._smoothed.items() if count <= number}

    def value(self, number: int) -> float | None:
        """What was told of a configuration; None where nothing was, or it failed."""
        return self._results.get(number)

    def best(self, among: Iterable[int], first: int | None = None) -> int | None:
        """Of these configurations the one with the highest value, once the values of all that were told are smoothed
        by those around (`Surface`): of many that met the criterion with each of a few seeds most had luck. None where
        none of them has a value.

        first: no more than so many count, the first that were asked; None: all.
        """
        count = self.asked if first is None else first
        if count not in self._smoothed:
            told = sorted(number for number, value in self._results.items() if value is not None and number < count)
            values = np.array([self._results[number] for number in told], float)
            points = self.coordinates(told)
            smoothed = Surface(points).smoothed(values) if told else values
            self._smoothed[count] = dict(zip(told, smoothed.tolist(), strict=True))
        values_of = self._smoothed[count]
        found = sorted(set(among) & set(values_of))
        if not found:
            return None
        values = np.array([self._results[number] for number in found], float)
        return found[pick(values, np.array([values_of[number] for number in found]))]

    def coordinates(self, numbers: Iterable[int]) -> np.ndarray:
        """Where configurations that were asked lie in the space, [configurations, coordinates]."""
        return self._space.coordinates([self._asked[number] for number in numbers])

    def trials(self) -> list[FrozenTrial]:
        """Those told, as Optuna's trials, by number; one not told yet is running."""
        return [self._trial(number, told=number in self._results) for number in range(self.asked)]

    def importances(self) -> dict[str, float]:
        """Optuna's importance of each parameter that every configuration has; empty where the trials carry none."""
        with _quiet():
            study = optuna.create_study(direction="maximize")
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

    def _trial(self, number: int, *, told: bool) -> FrozenTrial:
        """told: whether its value is known."""
        point, value = self._asked[number], self._results.get(number) if told else None
        state = TrialState.RUNNING if not told else TrialState.FAIL if value is None else TrialState.COMPLETE
        trial = create_trial(state=state, value=value, params=point, distributions=self._space.distributions(point))
        trial.number = number
        return trial

    def _learnt(self) -> Point:
        """Of a sampler that is made anew, with the values whose turn has come; what runs is heeded by its point."""
        seed = int(np.random.SeedSequence([self._seed, self.asked]).generate_state(1)[0])
        with _quiet():
            study = optuna.create_study(direction="maximize", sampler=self._made(seed))
            come = self._batch - self._window
            study.add_trials([self._trial(number, told=number <= come) for number in range(self.asked)])
            return self._space.draw(functools.partial(_suggested, study.ask()))

    def _in_sequence(self, place: int) -> Point:
        while len(self._drawn) <= place:
            self._drawn.append(next(self._sequence))
        return self._drawn[place]

    def _points(self) -> Iterator[Point]:
        """Of a sampler that does not learn."""
        if self._sampler == "grid":
            yield from self._grid
            return
        with _quiet():
            study = optuna.create_study(sampler=self._made(self._seed))
        while True:
            with _quiet():
                trial = study.ask()
                point = self._space.draw(functools.partial(_suggested, trial))
                study.tell(trial, 0.0)
            yield point

    def _made(self, seed: int) -> optuna.samplers.BaseSampler:
        samplers = optuna.samplers
        if self._sampler == "tpe":
            return samplers.TPESampler(
                seed=seed,
                multivariate=True,
                group=self._space.conditional,
                constant_liar=True,
                n_startup_trials=STARTUP,
            )
        if self._sampler == "gp":
            # With a noise term, fitted to the values. Its prior expects less noise than so few seeds have, and what it
            # improves upon is the highest value told, not the highest mean.
            return samplers.GPSampler(seed=seed, n_startup_trials=STARTUP, deterministic_objective=False)
        if self._sampler == "qmc":
            return samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
        return samplers.RandomSampler(seed=seed)


def _suggested(trial: Trial, parameter: Parameter) -> Scalar:
    path, space = parameter.path, parameter.distribution
    if isinstance(space, CategoricalDistribution):
        choice: Scalar = trial.suggest_categorical(path, space.choices)  # type: ignore[assignment]
        return choice
    if isinstance(space, IntDistribution):
        return trial.suggest_int(path, space.low, space.high, step=space.step, log=space.log)
    assert isinstance(space, FloatDistribution)
    return trial.suggest_float(path, space.low, space.high, step=space.step, log=space.log)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's notes on what it does and on which of its parts may still change."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            # That few trials have a parameter, with a line of Optuna's source.
            warnings.filterwarnings("ignore", "Some regimes for parameter")
            yield
    finally:
        optuna.logging.set_verbosity(level)


def _agree(shown: list[FrozenTrial], trials: list[FrozenTrial]) -> bool:
    """Whether every trial of the view is the search's own."""

    def key(trial: FrozenTrial) -> Any:
        return trial.state, trial.params, trial.value if trial.state == TrialState.COMPLETE else None

    return len(shown) <= len(trials) and all(key(a) == key(b) for a, b in zip(shown, trials, strict=False))
