"""A study's allocations: what is asked of SLURM, submitted through submitit, looked up and cancelled."""

from __future__ import annotations

import contextlib
import io
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import submitit
from submitit.core.utils import FailedJobError

from seedsweep.core.records.resources import Allocation
from seedsweep.slurm.ray_cluster import RayAllocation
from seedsweep.slurm.settings import SlurmError, argument, minutes

#: How often a job may be queued again at its time limit.
UNLIMITED = 1_000_000
#: The warning before a time limit takes at most this share of it.
WARNING_SHARE = 0.25
#: States of a job that is over, as squeue names them.
OVER = ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED",
        "TIMEOUT")  # fmt: skip


@dataclass(frozen=True)
class Job:
    """A job as SLURM shows it: state and reason in its words, nodes and time left."""

    number: str
    state: str
    reason: str
    nodes: str
    left: str

    @property
    def over(self) -> bool:
        """Whether it will not run any more."""
        return self.state.startswith(OVER)


class _Elsewhere(submitit.SlurmExecutor):
    """On a machine that may have no SLURM: its batch script can be looked at."""

    @classmethod
    def affinity(cls) -> int:
        """That it can be made."""
        return 1


def executor(
    settings: Allocation, name: str, folder: Path, source: Path, *, elsewhere: bool = False
) -> submitit.SlurmExecutor:
    """submitit's executor for an allocation. Errors: SlurmError where there is no SLURM; ValueError.

    settings: with `cpus` and `gpus` filled in (`settings.asked`).  folder: of the jobs' scripts and logs.
    source: copy of the package; where the jobs run, and first on their Python path.
    elsewhere: nothing is submitted, so that no SLURM is needed.
    """
    limit = minutes(settings.time)
    try:
        made = (_Elsewhere if elsewhere else submitit.SlurmExecutor)(folder / "%j", max_num_timeout=UNLIMITED)
    except RuntimeError as error:
        raise SlurmError(str(error)) from None
    extra: dict[str, object] = {
        # The job outlives the loss of any node but the first, whose loss makes SLURM queue it again.
        "no-kill": True,
        "requeue": True,
        **dict(argument(text) for text in settings.sbatch),
    }
    named = {key: value for key in ("partition", "account", "qos", "constraint") if (value := getattr(settings, key))}
    if settings.gpus:
        named["gpus_per_node"] = settings.gpus
    if settings.memory:
        named["mem"] = f"{round(settings.memory * 1024)}M"
    made.update_parameters(
        job_name=_job_name(name),
        nodes=settings.nodes,
        ntasks_per_node=1,
        cpus_per_task=settings.cpus,
        time=limit,
        signal_delay_s=min(settings.warning_seconds, int(limit * 60 * WARNING_SHARE)),
        additional_parameters=extra,
        # srun does not take the job's own --cpus-per-task since SLURM 22.05.
        srun_args=["--no-kill", "--kill-on-bad-exit=0", f"--cpus-per-task={settings.cpus}"],
        stderr_to_stdout=True,
        setup=[
            # A job begins in the folder that it was submitted from. `python -m` puts its working directory first on the
            # path, before PYTHONPATH, and Ray the driver's on every worker's: a checkout there would be imported.
            f"cd {shlex.quote(str(source))} || exit 1",
            f"export PYTHONPATH={shlex.quote(str(source))}${{PYTHONPATH:+:$PYTHONPATH}}",
        ],
        **named,
    )
    return made


def script(made: submitit.SlurmExecutor) -> str:
    """The batch script that would be submitted."""
    return str(made._make_submission_file_text(made._submitit_command_str, "dry-run"))


def submit(made: submitit.SlurmExecutor, allocation: RayAllocation) -> str:
    """Submit an allocation. Returns its job number. Errors: SlurmError with sbatch's words and what may help."""
    try:
        # submitit prints sbatch's words, too.
        with contextlib.redirect_stderr(io.StringIO()):
            return str(made.submit(allocation).job_id)
    except FailedJobError as error:
        words = [line.removeprefix("sbatch: error: ") for line in str(error).splitlines() if "sbatch: error:" in line]
        said = "; ".join(words).replace("Batch job submission failed: ", "") or _last_line(str(error))
        raise SlurmError(f"SLURM refused: {said}{_advice(said)}") from None
    except OSError as error:
        raise SlurmError(f"sbatch cannot be run: {error.strerror}") from None


def jobs(name: str, numbers: Iterable[str]) -> list[Job]:
    """Those of a run's jobs that SLURM's controller knows, in the order of submission. It forgets a job some minutes
    after its end. name: of the run.  numbers: of its jobs.

    Errors: SlurmError when it does not answer.
    """
    wanted = set(numbers)
    if not wanted:
        return []
    # One call for all jobs spares the controller.
    said = _ask("squeue", "-h", "-a", "--me", "-t", "all", "-n", _job_name(name), "-o", "%i|%T|%r|%N|%L")
    found = [Job(*line.split("|")[:5]) for line in said.splitlines()]
    return sorted((job for job in found if job.number in wanted), key=lambda job: int(job.number))


def cancel(numbers: Sequence[str]) -> None:
    """Cancel jobs. Errors: SlurmError."""
    _ask("scancel", *numbers)


def partitions() -> list[str]:
    """Names of the partitions, the default one marked with *. Errors: SlurmError."""
    return _ask("sinfo", "-h", "-o", "%P|%l|%D|%c|%m|%G").splitlines()


def _job_name(name: str) -> str:
    return f"seedsweep-{name}"


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["failed without a message"])[-1]


def _ask(*command: str) -> str:
    """What one of SLURM's commands prints. Errors: SlurmError with its words."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False
        )
    except FileNotFoundError:
        raise SlurmError(f"{command[0]} is not on the path: is this a node of the cluster?") from None
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{command[0]} has not answered for 60 s") from None
    if done.returncode:
        raise SlurmError(f"{command[0]}: {_last_line(done.stderr).removeprefix(f'{command[0]}: ')}")
    return done.stdout


def _advice(said: str) -> str:
    """What to change, for common refusals."""
    known = {
        "partition": "set resources.allocation.partition to one of: " + ", ".join(_partition_names()),
        "account": "set resources.allocation.account to one of yours (`sacctmgr show associations user=$USER`)",
        "qos": "set resources.allocation.qos to one of yours (`sacctmgr show qos`)",
        "time limit": "set resources.allocation.time to the partition's limit or less: the job queues itself again",
        "Node count": "set resources.allocation.nodes to what the partition has (`sinfo`)",
        "Memory specification": "set resources.allocation.memory to what a node has (`seedsweep doctor`)",
        "processors": "set resources.allocation.nodes and cpus to what the partition has (`seedsweep doctor`)",
        "feature": "set resources.allocation.constraint to a feature that nodes have (`sinfo -o '%N %f'`)",
        "node configuration": "set resources.allocation.cpus, gpus and memory to what a node has (`seedsweep doctor`)",
        "QOSMax": "ask for less, or wait for your other jobs",
    }
    for words, advice in known.items():
        if words.lower() in said.lower():
            where = "; it comes from --set, the study, or ~/.config/seedsweep/cluster.yaml"
            return f"\n  {advice}{where if advice.startswith('set ') else ''}"
    return ""


def _partition_names() -> list[str]:
    try:
        return sorted({line.split("|")[0].rstrip("*") for line in partitions()})
    except SlurmError:
        return ["those of `sinfo`"]
