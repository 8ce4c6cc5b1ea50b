"""Options that several commands share, and where all of them print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console

#: Lines are not wrapped: paths can be copied whole.
console = Console(emoji=False, highlight=False, soft_wrap=True)

STUDY_HELP = "A study of sweeps/studies by name, or the path of a .yaml file."
StudyName = Annotated[str, typer.Argument(help=STUDY_HELP)]
RunName = Annotated[Optional[str], typer.Argument(help="Name of the run; may be left out where there is only one.")]
Scale = Annotated[Optional[str], typer.Option(help="How large: one of the study's scales \\[default: its own]")]
On = Annotated[
    Optional[str],
    typer.Option(
        "--on",
        help="Where: here (Ray on this machine), inline (this process, no Ray), slurm, or a Ray cluster's address: "
        "host:port where this machine is one of its nodes, else ray://host:port "
        "\\[default: slurm where sbatch is found, else here]",
    ),
]
Overrides = Annotated[
    Optional[list[str]], typer.Option("--set", help="path.to.field=value, over the study file; may be repeated.")
]
Name = Annotated[Optional[str], typer.Option("--name", help="Run under another name than the study's.")]
Runs = Annotated[Optional[Path], typer.Option("--runs", help="Folder of the runs \\[default: $SEEDSWEEP_RUNS or runs]")]
To = Annotated[Optional[Path], typer.Option("--to", help="The folder to write to \\[default: named by what is read]")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start anew; what is there is set aside.")]
AcceptCode = Annotated[
    bool, typer.Option("--accept-code", help="Go on although your code changed; it is put on record.")
]
Wait = Annotated[bool, typer.Option("--wait", help="On SLURM: stay, and follow the jobs to the end.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="On SLURM: show the batch script only.")]
MaxJobs = Annotated[
    int, typer.Option("--max-jobs", min=1, help="On SLURM: allocations at once, each joining the study.")
]
Power = Annotated[
    str, typer.Option("--power", help="What is to be shown: two P(converge), 0.9,0.6; how often one scores better, 0.8")
]

Replication = Annotated[
    bool, typer.Option("--replication", help="The table of the 2019 report's claims, from the runs of all studies.")
]
Tables = Annotated[
    Optional[Path],
    typer.Option("--tables", help="CSV of others' results: configuration, seed, step, score (more is better)."),
]
Threshold = Annotated[
    Optional[float], typer.Option("--threshold", help="With --tables: from which score on a seed has converged.")
]
Hold = Annotated[int, typer.Option("--hold", min=1, help="With --tables: for how many evaluations up to the last.")]
