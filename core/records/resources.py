"""Where and how a study runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from seedsweep.core.records.section import Part

#: What is measured where it runs.
AUTO = "auto"


class Allocation(Part):
    """What is asked of SLURM: a Ray cluster of so many nodes.

    nodes:    how many are asked for.
    min_nodes: the launch begins when so many are there; the others join when they come.
    cpus:     of each node; left out: what one trial needs.  gpus: devices of each node; left out: likewise.
    memory:   of each node in GB; 0: as the partition gives it.
    time:     limit of one job as sbatch reads it (minutes, H:M:S, D-H:M:S); at the limit the job queues itself again.
    warning_seconds: how long before the limit the job begins to stop.
    partition: of the nodes, as `sinfo` lists them; empty: the cluster's default.
    account:  to which the time is charged; empty: your default one.
    qos:      quality of service, as `sacctmgr show qos` lists them; empty: the account's default.
    constraint: a feature that each node has, as `sinfo -o '%N %f'` lists them; empty: any node.
    sbatch:   further arguments, such as `--exclusive` or `--mail-type=END`.
    """

    nodes: int = Field(1, ge=1)
    min_nodes: int = Field(1, ge=1)
    cpus: int | None = Field(None, ge=1)
    gpus: int | None = Field(None, ge=0)
    memory: float = Field(0.0, ge=0)
    time: str | int = "01:00:00"
    warning_seconds: int = Field(90, ge=10)
    partition: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    sbatch: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _begins(self) -> Allocation:
        if self.min_nodes > self.nodes:
            raise ValueError(f".min_nodes: {self.min_nodes} is more than its nodes, {self.nodes}")
        return self


class Resources(Part):
    """Where and how cohorts run; nothing here changes a result, but for rounding.

    cpus:       cores of one trial.  gpus: of one trial, a whole number or a share of one device, such as 0.25.
    engine:     of a cohort's members: fused, all are one program; loop, one after another; compiled, one after another
        with a step that is compiled once on each machine, on a CPU; auto, which of them is fastest, as measured.
    cohort:     most members of one cohort, or auto: as many as the device trains well together.
    checkpoint_seconds: at most this much work of a cohort is lost when it is killed, beside one evaluation interval.
    keep_weights: keep what each member of a Task has learnt, for `seedsweep weights` and another study's `init_from`.
    reuse:      take members from other runs of the folder that have trained the same ones; false: train all anew.
    retries:    of a failed cohort within one launch; one that went down with its node does not count.
    most_hours: budget of the study, over all its launches: a trial that would pass it, at the rate so far, does not
        begin, and those that run end when it is used up; failed attempts count. GPU hours where a trial has GPUs, else
        core hours.
    allocation: what is asked of SLURM on a cluster.
    """

    cpus: int = Field(1, ge=1)
    gpus: float = Field(0.0, ge=0)
    engine: Literal["auto", "fused", "loop", "compiled"] = "auto"
    cohort: int | str = AUTO
    checkpoint_seconds: float = Field(10.0, ge=0)
    keep_weights: bool = False
    reuse: bool = True
    retries: int = Field(2, ge=0)
    most_hours: float | None = Field(None, gt=0)
    allocation: Allocation = Allocation()

    @field_validator("cohort")
    @classmethod
    def _members(cls, given: int | str) -> int | str:
        if given != AUTO and (isinstance(given, str) or given < 1):
            raise ValueError(f"{given!r} is no number of members, at least 1, nor auto")
        return given

    @model_validator(mode="after")
    def _a_node_holds_a_trial(self) -> Resources:
        if self.gpus > 1 and not self.gpus.is_integer():
            raise ValueError(f".gpus: {self.gpus:g} is no share of one device and no whole number of devices")
        for field in ("cpus", "gpus"):
            needed, there = getattr(self, field), getattr(self.allocation, field)
            if there is not None and needed > there:
                raise ValueError(
                    f".allocation.{field}: {there} a node, but a trial needs resources.{field}, {needed:g}"
                )
        return self
