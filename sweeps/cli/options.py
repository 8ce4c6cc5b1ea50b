"""Options that several commands share, and where all of them print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console

from seedsweep.sweeps.cli import completion

#: Lines are not wrapped: paths can be copied whole.
console = Console(emoji=False, highlight=False, soft_wrap=True)

STUDY_HELP = "A study of sweeps/studies by name, or the path of a .yaml file."
StudyName = Annotated[str, typer.Argument(metavar="STUDY", help=STUDY_HELP, autocompletion=completion.studies)]
RunName = Annotated[
    Optional[str],
    typer.Argument(
        metavar="RUN", help="Name of the run; may be left out where there is only one.", autocompletion=completion.runs
    ),
]
Scale = Annotated[Optional[str], typer.Option(help="How large: one of the study's scales \\[default: its own]")]
On = Annotated[
    Optional[str],
    typer.Option(
        "--on",
        help="Where: here (Ray on this machine), inline (this process, no Ray), slurm, or a Ray cluster's address: "
        "host:port where this machine is one of its nodes, else ray://host:port "
        "\\[default: slurm where sbatch is found, else here]",
        autocompletion=completion.places,
    ),
]
Overrides = Annotated[
    Optional[list[str]], typer.Option("--set", help="path.to.field=value, over the study file; may be repeated.")
]
Name = Annotated[Optional[str], typer.Option("--name", help="Run under another name than the study's.")]
Runs = Annotated[Optional[Path], typer.Option("--runs", help="Folder of the runs \\[default: $SEEDSWEEP_RUNS or runs]")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, and nothing else there.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start over; the old run is kept under another name.")]
AcceptCode = Annotated[
    bool, typer.Option("--accept-code", help="Continue although your code changed; the change is recorded.")
]
LogTo = Annotated[
    Optional[str],
    typer.Option(
        "--log-to",
        metavar="PLACE,...",
        help="wandb, mlflow: each member's evaluations are logged there, too; tensorboard: each configuration's "
        "\\[default: $SEEDSWEEP_LOG_TO]",
    ),
]
Wait = Annotated[bool, typer.Option("--wait", help="On SLURM: stay, and follow the jobs to the end.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the batch script that SLURM would get, on any machine; run nothing.")
]
Notify = Annotated[
    str,
    typer.Option(
        "--notify",
        metavar="URL|COMMAND",
        help="Send the verdict at the end: to a webhook in the format of Slack and Mattermost, or to a command, on its "
        "standard input and in place of {} in its arguments \\[default: $SEEDSWEEP_NOTIFY]",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the answer and what went wrong.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print the outcome of each cohort.")]
MaxJobs = Annotated[
    int, typer.Option("--max-jobs", min=1, help="On SLURM: allocations at once, each joining the study.")
]
Power = Annotated[
    str, typer.Option("--power", help="Effects to simulate: two P(converge), 0.9,0.6; how often one scores better, 0.8")
]

Replication = Annotated[
    bool, typer.Option("--replication", help="The table of the 2019 report's claims, from the runs of all studies.")
]
#: Of the help.
_ELSEWHERE = "Results from elsewhere (docs/tables.md)"
Tables = Annotated[
    Optional[str],
    typer.Option(
        "--tables",
        metavar="PATH",
        help="CSV or parquet with a row for each evaluation or seed, W&B's export, - for standard input, a folder of "
        "TensorBoard or Ray Tune, or Optuna's database.",
        rich_help_panel=_ELSEWHERE,
    ),
]
Threshold = Annotated[
    Optional[float],
    typer.Option("--threshold", help="Score at which a seed counts as converged.", rich_help_panel=_ELSEWHERE),
]
Hold = Annotated[
    int,
    typer.Option(
        "--hold", min=1, help="How many of the last evaluations must meet the threshold.", rich_help_panel=_ELSEWHERE
    ),
]
Direction = Annotated[
    Optional[str],
    typer.Option(
        "--direction",
        metavar="max|min",
        help="max: higher is better; min: lower is better \\[default: as Optuna's database has it, else max]",
        rich_help_panel=_ELSEWHERE,
    ),
]
ConfigurationColumns = Annotated[
    Optional[str],
    typer.Option(
        "--configuration",
        metavar="COLUMN,...",
        help="Columns that tell configurations apart \\[default: configuration, or all that was set]",
        rich_help_panel=_ELSEWHERE,
    ),
]
SeedColumn = Annotated[
    Optional[str],
    typer.Option("--seed-column", metavar="COLUMN", help="The seed \\[default: seed]", rich_help_panel=_ELSEWHERE),
]
ScoreColumns = Annotated[
    Optional[str],
    typer.Option(
        "--score-column",
        metavar="COLUMN,...",
        help="The score; further columns are shown beside it \\[default: score]",
        rich_help_panel=_ELSEWHERE,
    ),
]
StepColumn = Annotated[
    Optional[str],
    typer.Option(
        "--step-column",
        metavar="COLUMN",
        help="The step or epoch \\[default: step where it is there; else a row is a seed]",
        rich_help_panel=_ELSEWHERE,
    ),
]
RunNames = Annotated[
    Optional[str],
    typer.Option(
        "--run-name",
        metavar="REGEX",
        help=r"What runs' names say: each named group is a column, as in '-s(?P<seed>\d+)'.",
        rich_help_panel=_ELSEWHERE,
    ),
]
