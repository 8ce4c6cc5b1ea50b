"""Which configurations to explore: Optuna's samplers, asked so that the answers can be repeated.

What is asked as configuration number k depends on the study and on the values of configurations 0 .. k - window
alone: never on who finished first, what was killed, or how often the driver was started. That is what lets the ledger
rebuild the search. `optuna.db` is a view of it for optuna-dashboard.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from seedsweep.core.errors import UserError

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

Values = dict[str, float]
Sampler = Callable[[int], optuna.samplers.BaseSampler]

#: Asked anew for every configuration with a seed of its own; they learn from the values told so far.
ADAPTIVE: dict[str, Sampler] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(
        seed=seed, multivariate=True, constant_liar=True, n_startup_trials=5
    ),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed, n_startup_trials=5, deterministic_objective=False),
}
#: One sequence, fixed by the study's seed.
SEQUENCES: dict[str, Sampler] = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "qmc": lambda seed: optuna.samplers.QMCSampler(seed=seed, scramble=True),
}
SAMPLERS = ("grid", *SEQUENCES, *ADAPTIVE)


def objective(converged: list[bool], scores: list[float]) -> float:
    """P(converge) with the mean score in [0,1] as tie-break: it weighs less than one seed."""
    count = len(converged)
    return sum(converged) / count + sum(scores) / count / (count + 1)


class Exploration:
    """The explored configurations of a study: those asked, with the values told.

    distributions: of the searched hyperparameters, in all that follows the only ones.
    first: values asked before anything is sampled.  grid: the values of each, for the grid sampler.
    """

    def __init__(
        self,
        sampler: str,
        seed: int,
        window: int,
        distributions: Mapping[str, BaseDistribution],
        first: list[Values],
        grid: Mapping[str, list[float]] | None = None,
    ):
        self._sampler, self._seed, self._window = sampler, seed, window
        self._distributions = dict(distributions)
        self._first = first
        points = (dict(zip(grid, point, strict=True)) for point in itertools.product(*grid.values())) if grid else ()
        self._grid = [point for point in points if point not in first]
        self._study = optuna.create_study(direction="maximize")
        self._sequence: optuna.Study | None = None
        self._asked: list[Values] = []
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
        return self._sampler == "grid" and self.asked >= len(self._first) + len(self._grid)

    def ask(self) -> Values:
        """The searched values of the next configuration. It must be `ready` and not `exhausted`."""
        number = self.asked
        while self._told <= number - self._window:
            self._tell_sampler(self._told)
            self._told += 1
        if number < len(self._first):
            values = self._first[number]
            self.restore(values)
            return values
        if self._sampler in ADAPTIVE:
            seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
            self._study.sampler = ADAPTIVE[self._sampler](seed)
            values = dict(self._study.ask(self._distributions).params)
            self._asked.append(values)
        else:
            values = self._in_sequence(number - len(self._first))
            self.restore(values)
        return values

    def restore(self, values: Values) -> None:
        """Take `values` as the next configuration asked, without sampling: what the ledger says was asked."""
        # One added costs the same however many there are; one enqueued is searched for among all.
        self._study.add_trial(self._frozen(values, TrialState.RUNNING, None))
        self._asked.append(values)

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
        """Optuna's importance of each searched parameter; empty where the trials do not carry one."""
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

    def _frozen(self, values: Values, state: TrialState, value: float | None) -> FrozenTrial:
        return create_trial(state=state, value=value, params=values, distributions=self._distributions)

    def _tell_sampler(self, number: int) -> None:
        value = self._results[number]
        if value is None:
            self._study.tell(number, state=TrialState.FAIL)
        else:
            self._study.tell(number, value)

    def _in_sequence(self, place: int) -> Values:
        if self._sampler == "grid":
            return self._grid[place]
        if self._sequence is None:
            self._sequence = optuna.create_study(sampler=SEQUENCES[self._sampler](self._seed))
        while len(self._sequence.get_trials(deepcopy=False)) <= place:
            self._sequence.tell(self._sequence.ask(self._distributions), 0.0)
        return dict(self._sequence.get_trials(deepcopy=False)[place].params)


def distribution(low: float, high: float, log: bool, whole: bool) -> BaseDistribution:
    """Optuna's distribution of one hyperparameter."""
    if whole:
        return IntDistribution(round(low), round(high), log=log)
    return FloatDistribution(low, high, log=log)


def grid_points(low: float, high: float, log: bool, whole: bool, points: int) -> list[float]:
    """Evenly spaced values of one hyperparameter, both ends included, without repeats."""
    spaced = np.geomspace(low, high, points) if log else np.linspace(low, high, points)
    return list(dict.fromkeys(round(v) if whole else float(v) for v in spaced))


def _agree(shown: list[FrozenTrial], trials: list[FrozenTrial]) -> bool:
    """Whether every trial of the view is the search's own."""

    def key(trial: FrozenTrial) -> Any:
        return trial.state, trial.params, trial.value if trial.state == TrialState.COMPLETE else None

    return len(shown) <= len(trials) and all(key(a) == key(b) for a, b in zip(shown, trials, strict=False))
