"""What is asked of SLURM, in sbatch's terms. Apart from what submits it, which needs submitit."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TIME = re.compile(r"^(?:(?P<days>\d+)-)?(?P<fields>\d+(?::\d+){0,2})$")


class SlurmError(Exception):
    """SLURM refused or could not be asked; its words, then what may help."""


@dataclass(frozen=True)
class AllocationSettings:
    """One allocation, in sbatch's terms.

    nodes:      one task each.  min_nodes: the study begins when so many have joined; the others join it later.
    cpus, gpus: of each node.  memory: of each node in GB; 0: as the partition gives it.
    time:       limit as sbatch reads it (minutes, H:M:S, D-H:M:S); at the limit the job queues itself again.
    warning_seconds: before the limit, to stop in.
    partition, account, qos, constraint: as the cluster calls them; empty: its default.
    sbatch:     further arguments, such as `--exclusive` or `--mail-type=END`.
    """

    nodes: int = 1
    min_nodes: int = 1
    cpus: int = 1
    gpus: int = 0
    memory: float = 0.0
    time: str | int = "01:00:00"
    warning_seconds: int = 90
    partition: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    sbatch: tuple[str, ...] = ()


def minutes(time: str | int) -> int:
    """sbatch's time format in whole minutes, rounded up. Errors: ValueError."""
    match = _TIME.match(str(time).strip())
    if not match:
        raise ValueError(f"{time!r} is no time limit: write minutes, H:M:S or D-H:M:S")
    fields = [int(field) for field in match["fields"].split(":")]
    if match["days"]:
        hours, minute, second = [*fields, 0, 0][:3]
    elif len(fields) == 3:
        hours, minute, second = fields
    else:
        hours, (minute, second) = 0, [*fields, 0][:2]
    seconds = ((int(match["days"] or 0) * 24 + hours) * 60 + minute) * 60 + second
    return max(1, -(-seconds // 60))


def argument(text: str) -> tuple[str, str | bool]:
    """`--key=value` or `--flag` as submitit takes it. Errors: ValueError."""
    key, equals, value = text.removeprefix("--").partition("=")
    if not text.startswith("--") or not re.fullmatch(r"[a-z][a-z-]*", key):
        raise ValueError(f"{text!r} is no sbatch argument: write --name=value or --name")
    return key, value if equals else True
