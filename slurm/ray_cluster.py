"""A Ray cluster over the nodes of one or several SLURM allocations, and a command (the driver) beside its head.

Each node runs one task of this module. The first task of an allocation is its leader. If the run's lease is free, the
leader takes it, and starts a Ray head and the driver on its node. Otherwise it joins the Ray of the lease's holder. The
other tasks of an allocation join the Ray that their leader names. When the head is lost, the leader of another
allocation takes the lease; if there is no other, SLURM queues the job again. Allocations may so start and end at any
time.

Other jobs, of this user too, may run on the same nodes. So nothing here uses a file lock, a default port, a default
folder or `ray stop`.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from seedsweep.core.records import lease
from seedsweep.core.records.files import replace
from seedsweep.core.records.paths import ClusterPaths
from seedsweep.slurm import node, ray_node
from seedsweep.slurm.detect import HEAD_VARIABLE
from seedsweep.slurm.ray_node import RayNode
from seedsweep.slurm.settings import SlurmError

#: Seconds between two looks at processes and files.
POLL = 0.2
#: A driver that was killed is started again so often.
DRIVER_RESTARTS = 5
#: And Ray's head within one allocation so often.
MOST_HEADS = 5
#: Seconds for a driver to end after SIGTERM; SLURM's own KillWait is 30 by default, and Ray must be ended after it.
DRIVER_GRACE = 10.0
#: Seconds until a Ray that cannot be started on a node is tried again.
RETRY = 2.0
#: A driver that fails because its Ray died, or its lease was taken, may end this many seconds before that is seen.
SETTLE = 1.5 * lease.BEAT
#: Seconds until a requeue that SLURM refused is asked for again.
REQUEUE_RETRY = 5.0
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class RayAllocation:
    """What each task of an allocation runs.

    folder:  of the cluster's own files, on the shared file system.
    leases:  folder of the run's lease, named `lease`.
    command: the driver; it finds its Ray through $SEEDSWEEP_HEAD, and its exit code becomes the job's.
    """

    folder: Path
    leases: Path
    lease: str
    command: tuple[str, ...]

    def __call__(self) -> NoReturn:
        """Run this node's part until the command has exited on some node; exits with the command's exit code."""
        # Ray's daemons detach from their parents, and become children of this process.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        node.clear_launchers()
        os.environ.update(ray_node.SETTINGS)
        task = _Task(self)
        # SLURM's signals before a time limit (USR2, by --signal) and before it kills (TERM). submitit's own handlers
        # pickle the job again before each requeue, and a kill meanwhile damages the file. This job never changes.
        signal.signal(signal.SIGUSR2, task.on_time_limit)
        signal.signal(signal.SIGTERM, task.on_termination)
        try:
            code = task.lead() if _rank() == 0 else task.follow_leader()
        finally:
            task.clean_up()
        sys.exit(code)


def exited(folder: Path) -> tuple[int, int] | None:
    """(number of the lease, exit code) of the run's last command, below the cluster folder; None while a head runs, or
    where none has run."""
    state = _read(ClusterPaths(folder).head)
    return (state["number"], state["exit_code"]) if "exit_code" in state else None


class _Task:
    """What this node does."""

    def __init__(self, allocation: RayAllocation):
        self._allocation = allocation
        self._paths = ClusterPaths(allocation.folder)
        job, restart = os.environ.get("SLURM_JOB_ID", "0"), os.environ.get("SLURM_RESTART_COUNT") or "0"
        self._leader = f"leader.{job}.{restart}"
        self._leader_file = self._paths.leader(self._leader)
        # A short path, as the path of a socket has at most 107 bytes.
        self._scratch = Path(tempfile.mkdtemp(prefix="seedsweep-", dir="/tmp"))
        self._driver: subprocess.Popen[bytes] | None = None
        self._held: lease.Lease | None = None
        self._heads = 0

    # Leading

    def lead(self) -> int:
        """Run the head, or join the one there is, until the command has exited. Returns its exit code."""
        lease.take(self._allocation.folder, self._leader, lease.this_process()).beat(fenced=lambda: None)
        self._clear_old_leaders()
        while True:
            if holder := lease.alive(self._allocation.leases, self._allocation.lease):
                _say(f"joining the Ray of {lease.describe(holder)}")
                code = self._follow(
                    self._paths.head,
                    lambda: lease.alive(self._allocation.leases, self._allocation.lease) is None,
                    self._leader_file,
                )
            else:
                code = self._run_head()
            if code is not None:
                _publish({"exit_code": code}, self._leader_file)
                return code

    def _run_head(self) -> int | None:
        """Run Ray's head and the driver. Returns the driver's exit code; None if the head is lost."""
        self._heads += 1
        if self._heads > MOST_HEADS:
            _say(f"Ray's head died {MOST_HEADS} times: giving up")
            return 1
        held = self._held = lease.take(self._allocation.leases, self._allocation.lease, lease.this_process())
        fenced = threading.Event()
        held.beat(fenced=fenced.set)
        token = self._paths.token(held.number)
        for old in self._paths.tokens():
            old.unlink(missing_ok=True)
        node.write_token(token)
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
        address, port = node.own_address(), node.free_port()
        state = {"number": held.number, "address": f"{address}:{port}", "ip": address, "token": str(token)}
        try:
            # The driver imports its libraries and packs its data while Ray starts.
            self._driver = self._start_driver(state)
            ray = ray_node.start_head(address, port, self._scratch)
            _wait_for(lambda: node.listens(address, port) or not ray.is_alive())
            for readers in (self._paths.head, self._leader_file):
                _publish(state, readers)
            _say(f"Ray's head is at {address}:{port}")
            code = self._watch(ray, state, fenced)
        finally:
            self._end_driver()
            ray_node.end_descendants()
        if code is not None:
            _publish({"exit_code": code, "number": held.number}, self._paths.head)
        held.release()
        return code

    def _watch(self, ray: RayNode, state: Mapping[str, Any], fenced: threading.Event) -> int | None:
        """The driver's exit code, once it has exited; None once Ray's head has died or another has taken over."""
        restarts = 0
        while True:
            code = self._driver.poll() if self._driver else None
            if code:
                # It may have failed because its Ray died or another head took over, which is seen here a moment later.
                _wait_for(lambda: fenced.is_set() or not ray.is_alive(), SETTLE)
            if fenced.is_set():
                _say("another head has taken over")
                return None
            if code == 0:
                return code
            if not ray.is_alive():
                _say("Ray's head has died: starting it again")
                return None
            if code and code > 0:
                return code
            if code:
                restarts += 1
                _say(f"the driver was killed by {signal.Signals(-code).name}")
                if restarts > DRIVER_RESTARTS:
                    return 128 - code
                self._driver = self._start_driver(state)
            time.sleep(POLL)

    def _start_driver(self, state: Mapping[str, Any]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._allocation.command,
            stdin=subprocess.DEVNULL,
            env={**os.environ, HEAD_VARIABLE: json.dumps(state)},
        )

    # Following

    def follow_leader(self) -> int:
        """Join the Ray that this allocation's leader names, until the leader has exited."""
        _wait_for(lambda: lease.numbers(self._allocation.folder, self._leader))
        code = self._follow(self._leader_file, lambda: lease.alive(self._allocation.folder, self._leader) is None)
        if code is None:
            # With --no-kill SLURM keeps a job whose first node is dead, and nothing on the others would end it.
            _say("the first task of this allocation is gone: queueing the job again")
            ray_node.end_descendants()
            self._requeue()
            self._await_the_end()
        # The job's exit code is the first task's.
        return 0

    def _follow(self, source: Path, gone: Callable[[], bool], copy_to: Path | None = None) -> int | None:
        """Join the Ray that the file `source` names, and any that it names later. Returns the command's exit code once
        the file has it, or None once `gone` is true. copy_to: a file that names the Ray to this allocation's tasks."""
        joined: int | None = None
        ray: RayNode | None = None
        tried = looked = 0.0
        try:
            while True:
                state = _read(source)
                if "exit_code" in state and (joined or copy_to is None):
                    return int(state["exit_code"])
                now = time.monotonic()
                if now - looked > lease.BEAT:
                    looked = now
                    if gone():
                        return None
                number = state.get("number")
                dead = ray is None or not ray.is_alive()
                if "address" in state and (number != joined or (dead and now - tried > RETRY)):
                    tried = now
                    if joined == number:
                        _say("this node's Ray has died: joining again")
                    else:
                        _say(f"joining the Ray at {state['address']}")
                    ray_node.end_descendants()
                    os.environ["RAY_AUTH_TOKEN_PATH"] = state["token"]
                    ray = ray_node.join(state["address"], self._scratch)
                    joined = number
                    if copy_to:
                        _publish(state, copy_to)
                time.sleep(POLL)
        finally:
            ray_node.end_descendants()

    # Ending

    def on_time_limit(self, number: int, frame: FrameType | None) -> None:
        """SLURM will end the allocation soon: stop, and queue the job again."""
        if _rank() != 0:
            return
        _say("the time limit is near: stopping, and queueing the job again")
        self._release()
        self._requeue()
        self._await_the_end()

    def on_termination(self, number: int, frame: FrameType | None) -> None:
        """SLURM is about to kill the job: it was cancelled or preempted."""
        _say("asked to end: stopping")
        self._release()
        self._await_the_end()

    def _release(self) -> None:
        """End the driver, and let another head take over."""
        self._end_driver()
        if self._held:
            self._held.release()

    def _requeue(self) -> None:
        """Queue this job again. Asks until the controller agrees."""
        while True:
            command = ["scontrol", "requeue", os.environ["SLURM_JOB_ID"]]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                break
            _say(f"scontrol requeue: {done.stderr.strip()}")
            time.sleep(REQUEUE_RETRY)

    def _await_the_end(self) -> NoReturn:
        """Wait to be killed by SLURM: a job that exits after a signal may count as failed, and is not requeued then."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        self.clean_up()
        while True:
            signal.pause()

    def clean_up(self) -> None:
        """End every process and remove every file of this task."""
        ray_node.end_descendants()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _end_driver(self) -> None:
        if self._driver and self._driver.poll() is None:
            self._driver.terminate()
            try:
                self._driver.wait(DRIVER_GRACE)
            except subprocess.TimeoutExpired:
                self._driver.kill()
        self._driver = None

    def _clear_old_leaders(self) -> None:
        """Remove the leases of earlier runs of this job."""
        job = os.environ.get("SLURM_JOB_ID", "0")
        for old in self._paths.leaders(job):
            if not old.name.startswith(self._leader):
                old.unlink(missing_ok=True)


def _rank() -> int:
    return int(os.environ.get("SLURM_PROCID") or 0)


def _read(path: Path) -> dict[str, Any]:
    """What `_publish` wrote; {} where there is nothing. Errors: SlurmError if the file is damaged."""
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as error:
        raise SlurmError(f"{path} is damaged ({error}): remove it, and launch again") from None


def _publish(state: Mapping[str, Any], file: Path) -> None:
    replace(file, json.dumps(state).encode())


def _wait_for(condition: Callable[[], object], seconds: float = math.inf) -> None:
    """Wait until it holds, at most so long."""
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(POLL)


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {socket.gethostname()}: {text}", flush=True)
