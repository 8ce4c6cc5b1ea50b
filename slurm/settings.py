"""What is asked of SLURM, in sbatch's terms. Needs no submitit."""

from __future__ import annotations

import math
import re

from seedsweep.core.errors import SeedsweepError
from seedsweep.core.records.resources import Allocation, Resources

_TIME = re.compile(r"^(?:(?P<days>\d+)-)?(?P<fields>\d+(?::\d+){0,2})$")


class SlurmError(SeedsweepError):
    """SLURM refused or could not be asked; its words, then what may help."""


def asked(resources: Resources) -> Allocation:
    """The allocation of a study with `cpus` and `gpus` filled in: at least what one trial needs on a node."""
    wanted = resources.allocation
    return wanted.model_copy(
        update={
            "cpus": max(resources.cpus, wanted.cpus or 1),
            "gpus": max(math.ceil(resources.gpus), wanted.gpus or 0),
        }
    )


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
