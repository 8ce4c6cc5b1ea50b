"""Where evaluations are logged, too: W&B and MLflow take each member's, TensorBoard each configuration's."""

from __future__ import annotations

import importlib
import importlib.util
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from seedsweep.core.errors import UserError
from seedsweep.core.records.criterion import Outcome

#: Names of places, parted by commas: of a launch and of all that it starts.
VARIABLE = "SEEDSWEEP_LOG_TO"
#: Of each place the module that it needs.
MODULES = {"wandb": "wandb", "mlflow": "mlflow"}
#: Comes with this package; `sweeps.running.tensorboard` writes it.
TENSORBOARD = "tensorboard"
#: MLflow takes so many metrics, parameters and letters of a parameter at once.
MOST_METRICS, MOST_PARAMETERS, MOST_LETTERS = 1000, 100, 500


@dataclass(frozen=True)
class Member:
    """What is logged of a member beside its evaluations. key: no other has it, whatever is logged to one place.  study:
    its name.  configuration: its label.  values: resolved, by dotted path."""

    key: str
    study: str
    phase: str
    configuration: str
    seed: int
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.configuration} seed {self.seed}"


#: (step, value of each metric).
Row = tuple[int, Mapping[str, float]]


class Place(Protocol):
    """Where evaluations are logged."""

    def log(self, member: Member, rows: Sequence[Row]) -> None:
        """Evaluations of a member that were not logged before, by their steps."""

    def end(self, member: Member, outcome: Outcome) -> None:
        """It has finished."""

    def close(self) -> None:
        """The launch has ended; members that have not go on in another."""


def wanted(given: str | None = None) -> list[str]:
    """Names of the places that were asked for: as given, else as the environment says. Errors: UserError, one line."""
    text = given or os.environ.get(VARIABLE, "")
    names = list(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
    for name in names:
        if name not in (*MODULES, TENSORBOARD):
            raise UserError(f"--log-to {text}: {name!r} is no place to log to; it may be wandb, mlflow or tensorboard")
        if name in MODULES and importlib.util.find_spec(MODULES[name]) is None:
            raise UserError(f"--log-to {text}: {name} is not installed here: pip install {name}")
    return names


def ask(given: str | None) -> None:
    """Let this launch, and whatever it starts, log to these places. Errors: UserError, one line."""
    if names := wanted(given):
        os.environ[VARIABLE] = ",".join(names)


def place(name: str) -> Place:
    """The place of this name."""
    return Wandb() if name == "wandb" else Mlflow()


class Wandb:
    """A run a member, in a project with the study's name, grouped by configuration; $WANDB_PROJECT, $WANDB_MODE and the
    like count."""

    def __init__(self) -> None:
        self._wandb: Any = importlib.import_module("wandb")
        self._open: dict[str, Any] = {}

    def log(self, member: Member, rows: Sequence[Row]) -> None:
        """As `Place` has it."""
        run = self._run(member)
        for step, values in rows:
            run.log(dict(values), step=step)

    def end(self, member: Member, outcome: Outcome) -> None:
        """As `Place` has it."""
        run = self._run(member)
        run.summary.update(_said(outcome))
        run.finish()
        del self._open[member.key]

    def close(self) -> None:
        """Runs that did not end are not called finished."""
        for run in self._open.values():
            run.finish(exit_code=1)
        self._open.clear()

    def _run(self, member: Member) -> Any:
        if member.key not in self._open:
            self._open[member.key] = self._wandb.init(
                project=os.environ.get("WANDB_PROJECT") or member.study,
                id=member.key,
                name=member.name,
                group=member.configuration,
                job_type=member.phase,
                config={**member.values, "seed": member.seed, "configuration": member.configuration},
                resume="allow",
                reinit="create_new",
            )
        return self._open[member.key]


class Mlflow:
    """A run a member, in an experiment with the study's name; $MLFLOW_TRACKING_URI and the like count."""

    def __init__(self) -> None:
        self._mlflow: Any = importlib.import_module("mlflow")
        self._client = self._mlflow.MlflowClient()
        self._runs: dict[str, str] = {}

    def log(self, member: Member, rows: Sequence[Row]) -> None:
        """As `Place` has it."""
        run, now = self._run(member), int(1000 * time.time())
        metrics = [
            self._mlflow.entities.Metric(_allowed(name), value, now, step)
            for step, values in rows
            for name, value in values.items()
        ]
        for start in range(0, len(metrics), MOST_METRICS):
            self._client.log_batch(run, metrics=metrics[start : start + MOST_METRICS])

    def end(self, member: Member, outcome: Outcome) -> None:
        """As `Place` has it."""
        run = self._run(member)
        for name, value in _said(outcome).items():
            self._client.set_tag(run, name, value)
        self._client.set_terminated(run, "FINISHED")

    def close(self) -> None:
        """A run that did not end stays a running one."""

    def _run(self, member: Member) -> str:
        if member.key not in self._runs:
            self._runs[member.key] = self._known(member) or self._new(member)
        return self._runs[member.key]

    def _known(self, member: Member) -> str | None:
        """The run of an earlier launch."""
        found = self._client.search_runs([self._experiment(member)], f"tags.`seedsweep.member` = '{member.key}'")
        return str(found[0].info.run_id) if found else None

    def _new(self, member: Member) -> str:
        tags = {"seedsweep.member": member.key, "configuration": member.configuration, "phase": member.phase}
        run = self._client.create_run(self._experiment(member), run_name=member.name, tags=tags)
        values = {**member.values, "seed": member.seed}
        parameters = [
            self._mlflow.entities.Param(_allowed(name), str(value)[:MOST_LETTERS]) for name, value in values.items()
        ]
        for start in range(0, len(parameters), MOST_PARAMETERS):
            self._client.log_batch(run.info.run_id, params=parameters[start : start + MOST_PARAMETERS])
        return str(run.info.run_id)

    def _experiment(self, member: Member) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or member.study
        known = self._client.get_experiment_by_name(name)
        return str(known.experiment_id if known else self._client.create_experiment(name))


def _said(outcome: Outcome) -> dict[str, Any]:
    """What became of a member."""
    said = {"outcome": outcome.outcome, "converged_at": outcome.converged_at, "final": outcome.final}
    return {name: value for name, value in said.items() if value is not None}


def _allowed(name: str) -> str:
    """A name with the letters that MLflow takes."""
    return "".join(letter if letter.isalnum() or letter in "_-. /:" else "_" for letter in name)


def measured(values: Mapping[str, float]) -> dict[str, float]:
    """Without the metrics that a step lacks, which are NaN among others; where all are, the member diverged."""
    return {name: value for name, value in values.items() if not math.isnan(value)} or dict(values)
