"""The members' results as the tools themselves write them."""

import math
from types import SimpleNamespace

import optuna
from optuna.trial import TrialState
from ray.tune.logger import CSVLoggerCallback, JsonLoggerCallback
from torch.utils.tensorboard import SummaryWriter

from tests.analysis.imported_results.made import SCORES, STEPS

DISTRIBUTIONS = {
    "lr": optuna.distributions.FloatDistribution(0.001, 1, log=True),
    "opt": optuna.distributions.CategoricalDistribution(["adam", "sgd"]),
}


def written(score):
    return str(score).replace("nan", "NaN")


def table_of_runs(state="finished"):
    """As "Export to CSV" of a table of runs writes it, the newest run first."""
    head = "Name,State,Notes,User,Tags,Created,Runtime,Sweep,config.lr,seed,val/acc"
    rows = [
        f'fluent-sun-{number},{state if number == 2 else "finished"},-,ada,"a, b",2026-05-02T10:00:0{number}.000Z,61,,'
        f"{lr},{seed},{written(own[-1])}"
        for number, ((lr, seed), own) in enumerate(SCORES.items())
    ]
    return "\n".join([head, *rows[::-1], ""])


def chart(name="lr{lr}-s{seed}", metric="val/acc"):
    """As "Export to CSV" of a chart writes it: three columns a run, the cells of steps that a run has not empty."""
    runs = [name.format(lr=lr, seed=seed) for lr, seed in SCORES]
    ends = ("", "__MIN", "__MAX")
    head = ["Step", *(f"{run} - {what}{end}" for run in runs for what in ("_step", metric) for end in ends)]
    lines = [head, ["5", *[""] * (len(head) - 1)]]
    for place, step in enumerate(STEPS):
        cells = [[str(step)] * 3 + [written(own[place])] * 3 for own in SCORES.values()]
        lines.append([str(step), *(cell for own in cells for cell in own)])
    return "\n".join(",".join(f'"{cell}"' for cell in line) for line in lines) + "\n"


def of_torch(folder, lr, seed, own):
    """A folder with the events of a run."""
    with SummaryWriter(folder / f"lr {lr}" / f"seed_{seed}") as writer:
        for step, score in zip(STEPS, own, strict=True):
            writer.add_scalar("train/loss", 1, step - 5)
            writer.add_scalar("val/acc", score, step)


def write_optuna(path, *, direction="maximize", reported=True, state=TrialState.COMPLETE, names=("one",)):
    """SCORES as trials of some studies; the first trial has the state."""
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    for name in names:
        study = optuna.create_study(storage=storage, study_name=name, direction=direction)
        for number, ((lr, seed), own) in enumerate(SCORES.items()):
            last = own[-1] if math.isfinite(own[-1]) else -math.inf
            done = TrialState.COMPLETE if number else state
            study.add_trial(
                optuna.trial.create_trial(
                    state=done,
                    params={"lr": lr, "opt": "sgd"},
                    distributions=DISTRIBUTIONS,
                    user_attrs={"seed": seed, "notes": {"host": "a"}},
                    value=last if done == TrialState.COMPLETE else None,
                    intermediate_values=dict(zip(STEPS, own, strict=True)) if reported else {},
                )
            )
    return path


class JsonFiles(JsonLoggerCallback):
    def _restore_from_remote(self, *_):
        """There is no other place."""


class CsvFiles(CSVLoggerCallback):
    def _restore_from_remote(self, *_):
        """There is no other place."""


class Trial(SimpleNamespace):
    __hash__ = object.__hash__

    def init_local_path(self):
        """It is there."""


def write_ray_tune(folder):
    """SCORES as trials of an experiment."""
    loggers = (JsonFiles(), CsvFiles())
    for number, ((lr, seed), own) in enumerate(SCORES.items()):
        path = folder / f"train_{number:05d}_lr={lr},seed={seed}"
        path.mkdir(parents=True)
        config = {"lr": lr, "model": {"width": 16}, "seed": seed}
        trial = Trial(config=config, local_path=str(path))
        for logger in loggers:
            logger.log_trial_start(trial)
            for iteration, accuracy in enumerate(own, 1):
                result = {"accuracy": accuracy, "training_iteration": iteration, "done": False, "config": config}
                logger.log_trial_result(iteration, trial, result)
            logger.log_trial_end(trial)
    return folder
