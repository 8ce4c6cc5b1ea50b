"""Functions of tensors, compiled for this machine and kept for the next time.

A function is traced below autograd and vmap (`make_fx`), where what a task draws is answered from its keys, and the
trace is compiled by torch's inductor. What comes out is machine code that later processes load: it lies in a folder
that is this user's alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from seedsweep.core.errors import SeedsweepError
from seedsweep.core.training.inputs import Inputs
from seedsweep.core.training.memory import ran_out
from seedsweep.core.training.program import Constants, Program, State, Terms

#: Where inductor keeps what it compiles.
_PLACE = "TORCHINDUCTOR_CACHE_DIR"
OPTIONS = {"constant_and_index_propagation": False}


class CompileError(SeedsweepError):
    """This machine cannot compile a program; the text says why, and what to do."""


class Compiler:
    """Compiles into `folder`, each program into a folder of its own, which is whole once it holds a file `done`.

    count: programs that were compiled or loaded.
    """

    def __init__(self, folder: Path):
        """Errors: CompileError without a C++ compiler, or where others may write to the folder."""
        self.count = 0
        self._folder, self._version = folder, _compiler_version()
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        # Who may write to the folder above could put another in its place.
        for place, others in ((folder.parent, 0o022), (folder, 0o077)):
            found = place.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & others:
                raise CompileError(f"{place}: compiled code is only kept in a folder that is yours alone; remove it")

    def compile(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Callable[..., Any]:
        """`function` for tensors of these shapes and types. The first time on a machine this may take a minute.

        Errors: CompileError for what inductor cannot do; whatever `function` itself raises.
        """
        flat, shape = pytree.tree_flatten(arguments)
        shapes = []

        def of_leaves(*leaves: Any) -> list[Any]:
            found, result = pytree.tree_flatten(function(*pytree.tree_unflatten(list(leaves), shape)))
            shapes.append(result)
            return found

        # Without oneDNN a recurrent layer is a chain of plain operations; its own one cannot be compiled.
        with warnings.catch_warnings(action="ignore"), torch.backends.mkldnn.flags(enabled=False):
            graph = make_fx(of_leaves)(*flat)
        with self._kept(self._key(graph, flat)):
            try:
                with torch.no_grad():
                    fast = torch._inductor.standalone_compile(
                        graph, flat, dynamic_shapes="from_example_inputs", options={"config_patches": OPTIONS}
                    )
            except Exception as error:
                if ran_out(error):
                    raise
                raise CompileError(f"the step does not compile: {' '.join(str(error).split())[:300]}") from error
        self.count += 1

        @torch.no_grad()
        def compiled(*arguments: Any) -> Any:
            return pytree.tree_unflatten(fast(*pytree.tree_leaves(arguments)), shapes[0])

        return compiled

    @contextlib.contextmanager
    def _kept(self, key: str) -> Iterator[None]:
        """Let inductor use the program's folder. One process fills it while others wait; what a killed one has left is
        removed: half of a library would be loaded."""
        place, before = self._folder / key, os.environ.get(_PLACE)
        os.environ[_PLACE] = str(place)
        try:
            with open(self._folder / f"{key}.lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not (place / "done").exists():
                    shutil.rmtree(place, ignore_errors=True)
                    place.mkdir(mode=0o700)
                    yield
                    (place / "done").touch()
                    return
            yield
        finally:
            os.environ.pop(_PLACE)
            if before is not None:
                os.environ[_PLACE] = before

    def _key(self, graph: torch.fx.GraphModule, arguments: list[Any]) -> str:
        """Of all that decides what the compiler makes."""
        given = [leaf for leaf in arguments if isinstance(leaf, Tensor)]
        layout = [(str(each.dtype), tuple(each.shape), each.stride(), str(each.device)) for each in given]
        # Tensors that the task holds, and the compiler may take for constants.
        held = {name: value for name, value in vars(graph).items() if isinstance(value, Tensor)} | graph.state_dict()
        constants = [(name, value.tolist()) for name, value in sorted(held.items())]
        machine = (torch.__version__, platform.python_version(), _processor(), self._version, torch.get_num_threads())
        return hashlib.sha256(repr((machine, layout, constants, graph.code)).encode()).hexdigest()[:24]


class CompiledProgram:
    """A program's functions, compiled for each size of group and batch at its first call."""

    def __init__(self, program: Program, compiler: Compiler):
        self.task = program.task
        self._program, self._compiler = program, compiler
        self._compiled: dict[tuple[str, torch.Size], Callable[..., Any]] = {}

    def step(
        self, state: State, constants: Constants, split: Mapping[str, Tensor], inputs: Inputs
    ) -> tuple[State, Terms]:
        """See Program. Errors: CompileError, and those of Program."""
        found: tuple[State, Terms] = self._call("step", inputs.rows, state, constants, split, inputs)
        return found

    def measure(
        self,
        state: State,
        constants: Constants,
        split: Mapping[str, Tensor],
        rows: Tensor,
        values: Tensor,
        keys: Tensor,
    ) -> Terms:
        """See Program. Errors: CompileError, and those of Program."""
        measures: Terms = self._call("measure", rows, state, constants, split, rows, values, keys)
        return measures

    def _call(self, what: str, rows: Tensor, *arguments: Any) -> Any:
        known = what, rows.shape
        if known not in self._compiled:
            self._compiled[known] = self._compiler.compile(getattr(self._program, what), arguments)
        return self._compiled[known](*arguments)


def _compiler_version() -> str:
    """Of the C++ compiler that inductor calls. Errors: CompileError without one."""
    name = os.environ.get("CXX", "g++")
    try:
        return subprocess.run([name, "--version"], capture_output=True, text=True, check=True).stdout.partition("\n")[0]
    except (OSError, subprocess.CalledProcessError):
        raise CompileError(f"there is no C++ compiler {name}: install g++, or name another in CXX") from None


def _processor() -> str:
    """Name and features of the processor, as far as the system says."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
        return "".join(line for line in lines if line.startswith(("model name", "flags", "Features")))
    return platform.processor()
