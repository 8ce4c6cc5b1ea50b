"""A process of its own for each way of `bench_peers`, which works when it is asked and is idle else."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

#: Seconds after which an answer is not waited for.
PATIENCE = 1200.0


@dataclass(frozen=True)
class Way:
    """title: of its row.  made_by: module and class.  compiles: "" not at all, "once" for any number of members, "each"
    for each.  needs: a package that may be absent.  at_most: processes of one member, which work at the same time; 0:
    one process with all members."""

    title: str
    made_by: str
    compiles: str = ""
    needs: str = "torch"
    at_most: int = 0


WAYS = {
    "ours": Way("ours, one after another", "peer_torch:Ours"),
    "ours-fused": Way("ours, fused", "peer_torch:OursFused"),
    "ours-compiled": Way("ours, compiled, one after another", "peer_torch:OursCompiled", "once"),
    "jax": Way("JAX `jit`, one after another", "peer_jax:Loop", "once", "jax"),
    "jax-vmap": Way("JAX `jit` of `vmap`", "peer_jax:Vmap", "each", "jax"),
    "torch": Way("plain torch, one after another", "peer_torch:Plain"),
    "torch-compiled": Way("plain torch, `torch.compile`", "peer_torch:PlainCompiled", "once"),
    "torch-func": Way("`torch.func` ensemble", "peer_torch:Ensemble"),
    "torchopt": Way("`torch.func` ensemble, TorchOpt's Adam", "peer_torch:TorchOpt", needs="torchopt"),
    "processes": Way("plain torch, a process a seed, at most 4", "peer_torch:Plain", at_most=4),
}


class Worker:
    """What a process can be asked for."""

    def __init__(self, model: str, made_by: str, folder: Path):
        # Before torch's compiler reads it.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "inductor")
        import torch
        from peer_problems import problem

        from seedsweep.core.training import memory

        torch.set_num_threads(1)
        memory.keep_freed()
        module, _, name = made_by.partition(":")
        self._way = getattr(importlib.import_module(module), name)(problem(model), folder)
        self._steps: dict[int, Callable[[], None]] = {}

    def first(self, members: int) -> float:
        """Seconds of the first step of so many members: what it traces, compiles and loads, and the step."""
        self._steps[members] = self._way.stepper(members)
        start = time.perf_counter()
        self._steps[members]()
        return time.perf_counter() - start

    def losses(self) -> list[float]:
        """Of seed 0, before each of a few steps on one batch."""
        found: list[float] = self._way.losses()
        return found

    def rate(self, members: int, seconds: float) -> float:
        """Members' steps a second, after one step that is not counted."""
        step, steps = self._steps[members], 0
        step()
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            step()
            steps += 1
        return members * steps / (time.perf_counter() - start)


class Peer:
    """A way's process as its parent sees it. Errors of a question: RuntimeError with the process' own error."""

    def __init__(self, model: str, way: Way, folder: Path):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, model, way.made_by, folder), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, what: str, *given: Any) -> Any:
        """The answer of a worker's method."""
        self.begin(what, *given)
        return self.answer()

    def begin(self, what: str, *given: Any) -> None:
        """Ask without waiting for the answer."""
        self._pipe.send((what, given))

    def answer(self) -> Any:
        """The answer to what was asked."""
        try:
            if not self._pipe.poll(PATIENCE):
                raise RuntimeError(f"no answer for {PATIENCE:.0f} s")
            answer, error = self._pipe.recv()
        except (EOFError, OSError):
            raise RuntimeError("its process ended") from None
        if error:
            raise RuntimeError(error)
        return answer

    def stop(self) -> None:
        """End the process: it ends itself when nobody can ask any more, but not while it works."""
        self._pipe.close()
        self._process.join(5)
        self._process.terminate()
        self._process.join()


def serve(pipe: Connection, model: str, made_by: str, folder: Path) -> None:
    """Answer a parent's questions until it ends."""
    worker: Worker | None = None
    while True:
        try:
            what, given = pipe.recv()
        except EOFError:
            return
        try:
            worker = worker or Worker(model, made_by, folder)
            pipe.send((getattr(worker, what)(*given), ""))
        except Exception as error:
            traceback.print_exc(limit=-5)
            pipe.send((None, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"))
