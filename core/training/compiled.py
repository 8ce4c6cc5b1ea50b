"""Functions of tensors, compiled for this machine and kept for the next time.

A function is traced below autograd and vmap (`make_fx`), where what a task draws is answered from its keys, and the
trace is compiled by torch's inductor. What comes out is machine code that later processes load: it lies in a folder
that is this user's alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import logging
import math
import os
import platform
import shutil
import stat
import subprocess
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from seedsweep.core.errors import SeedsweepError
from seedsweep.core.task import Task
from seedsweep.core.training.inputs import Inputs
from seedsweep.core.training.memory import ran_out
from seedsweep.core.training.program import Constants, Program, State, Terms, aligned

#: Where inductor keeps what it compiles.
_PLACE = "TORCHINDUCTOR_CACHE_DIR"
#: And what it compiles headers to, and their locks.
_OF_HEADERS = ("_HEADER_DIR", "_HEADER_LOCK_DIR")
#: Folder of those, in ours.
HEADERS = "headers"
#: Of inductor. Propagating constants takes minutes for an unrolled recurrence. A buffer that was written over while it
#: was still to be read gave wrong gradients where loops were fused side by side (torch 2.15, float64).
OPTIONS = {"constant_and_index_propagation": False, "inplace_buffers": False}


class CompileError(SeedsweepError):
    """This machine cannot compile a program; the text says why, and what to do."""


class NotKeptError(CompileError):
    """A program that was not compiled before."""


class Compiler:
    """Compiles into `folder`, each program into a folder of its own, which is whole once it holds a file `done`.

    count: programs that were compiled or loaded.  version: of the C++ compiler.
    """

    def __init__(self, folder: Path):
        """Errors: CompileError without a C++ compiler, or where others may write to the folder."""
        self.count = 0
        self._folder, self.version = folder, _compiler_version()
        self._headers: dict[str, str] = {}
        self._known: WeakKeyDictionary[Task, dict[Any, dict[Any, Callable[..., Any]]]] = WeakKeyDictionary()
        self._only_kept = False
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        # Who may write to the folder above could put another in its place.
        for place, others in ((folder.parent, 0o022), (folder, 0o077)):
            found = place.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & others:
                raise CompileError(
                    f"{place}: compiled code is only kept in a folder that is yours alone: chmod go-w, or set "
                    "SEEDSWEEP_CACHE"
                )

    def known(self, program: Program) -> dict[Any, Callable[..., Any]]:
        """What this process has compiled of such programs: cohorts of one task follow one another."""
        return self._known.setdefault(program.task, {}).setdefault(program.identity, {})

    @contextlib.contextmanager
    def only_kept(self) -> Iterator[None]:
        """Inside, what was compiled before is loaded, and all else is refused by a NotKeptError."""
        self._only_kept = True
        try:
            yield
        finally:
            self._only_kept = False

    def compile(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Callable[..., Any]:
        """`function` for tensors of these shapes and types, as a function of the tensors among its
        arguments. The first time on a machine this may take a minute.

        Errors: CompileError for what inductor cannot do; NotKeptError; whatever `function` itself raises.
        """
        leaves, structure = pytree.tree_flatten(arguments)
        flat, shapes = tensors_of(leaves), list[Any]()

        def of_tensors(*tensors: Tensor) -> list[Any]:
            given = iter(tensors)
            all_leaves = [next(given) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
            found, result = pytree.tree_flatten(function(*pytree.tree_unflatten(all_leaves, structure)))
            shapes.append(result)
            return found

        # Without oneDNN a recurrent layer is a chain of plain operations; its own one cannot be compiled.
        with warnings.catch_warnings(action="ignore"), torch.backends.mkldnn.flags(enabled=False):
            graph = make_fx(of_tensors, decomposition_table=_decompositions())(*flat)
        key = self._key(graph, flat)
        if self._only_kept and not (self._folder / key / "done").exists():
            raise NotKeptError("the step was not compiled before")
        try:
            fast = self._inductor(key, graph, flat)
        except Exception as error:
            if ran_out(error):
                raise
            raise CompileError(f"the step does not compile: {' '.join(str(error).split())[:300]}") from error
        self.count += 1

        @torch.no_grad()
        def compiled(tensors: list[Tensor]) -> Any:
            return pytree.tree_unflatten(fast(*tensors), shapes[0])

        return compiled

    def _inductor(self, key: str, graph: torch.fx.GraphModule, arguments: list[Tensor]) -> Callable[..., Any]:
        """What inductor makes of a graph, or has made before."""

        def made() -> Callable[..., Any]:
            with self._kept(key), torch.no_grad():
                found: Callable[..., Any] = torch._inductor.standalone_compile(
                    graph, list(arguments), dynamic_shapes="from_example_inputs", options={"config_patches": OPTIONS}
                )
            return found

        before = [*self._folder.glob(f"{key}/done"), *self._folder.glob(f"{HEADERS}/*/done")]
        try:
            return made()
        except Exception as error:
            if ran_out(error) or not before:
                raise
            # What was whole may be damaged now: once more from nothing.
            for done in before:
                done.unlink(missing_ok=True)
            self._headers.clear()
            return made()

    @contextlib.contextmanager
    def _kept(self, key: str) -> Iterator[None]:
        """Let inductor use the program's folder, and ours for headers."""
        # Where CUDA's compiler is, and no GPU, it would warn of that.
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
        # It takes a second to import, and only what compiles needs it.
        from torch._inductor import codecache

        before, precompile = os.environ.get(_PLACE), codecache._precompile_header
        os.environ[_PLACE] = str(self._folder / key)
        vars(codecache)["_precompile_header"] = functools.partial(self._header, precompile.__wrapped__)
        try:
            with _filled(self._folder / key):
                yield
        finally:
            vars(codecache)["_precompile_header"] = precompile
            os.environ.pop(_PLACE)
            if before is not None:
                os.environ[_PLACE] = before

    def _header(self, precompile: Callable[..., str], *given: Any, **named: Any) -> str:
        """What inductor's function of these arguments compiles a header to, once for all programs: it takes 5 s and
        150 MB. A header is code, too, and where inductor would keep it others may write."""
        from torch._inductor import codecache

        key = hashlib.sha256(repr((given, sorted(named.items()))).encode()).hexdigest()[:24]
        if key not in self._headers:
            place = self._folder / HEADERS / key
            place.parent.mkdir(mode=0o700, exist_ok=True)
            theirs = {name: getattr(codecache, name) for name in _OF_HEADERS}
            vars(codecache).update({name: str(place) for name in _OF_HEADERS})
            try:
                with _filled(place):
                    self._headers[key] = precompile(*given, **named)
            finally:
                vars(codecache).update(theirs)
        return self._headers[key]

    def _key(self, graph: torch.fx.GraphModule, arguments: list[Tensor]) -> str:
        """Of all that decides what the compiler makes."""
        layout = [(str(each.dtype), tuple(each.shape), each.stride(), str(each.device)) for each in arguments]
        # Tensors that the task holds, and the compiler may take for constants.
        held = {name: value for name, value in vars(graph).items() if isinstance(value, Tensor)} | graph.state_dict()
        constants = [(name, value.tolist()) for name, value in sorted(held.items())]
        machine = (torch.__version__, platform.python_version(), _processor(), self.version, torch.get_num_threads())
        parts = machine, sorted(OPTIONS.items()), layout, constants, graph.code
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


class CompiledProgram:
    """A program's functions, compiled for each size of group and batch at its first call in this process."""

    def __init__(self, program: Program, compiler: Compiler):
        self.task = program.task
        self._program, self._compiler = program, compiler
        self._compiled = compiler.known(program)

    def step(
        self, state: State, constants: Constants, split: Mapping[str, Tensor], inputs: Inputs
    ) -> tuple[State, Terms]:
        """See Program. Errors: CompileError, and those of Program."""
        found: tuple[State, Terms] = self._call("step", (state, constants), split, (inputs,))
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
        measures: Terms = self._call("measure", (state, constants), split, (rows, values, keys))
        return measures

    def _call(self, what: str, own: tuple[Any, ...], split: Mapping[str, Tensor], given: tuple[Any, ...]) -> Any:
        tensors = [
            *map(aligned, tensors_of(pytree.tree_leaves(own))),
            *split.values(),
            *map(aligned, tensors_of(pytree.tree_leaves(given))),
        ]
        # Of equal programs nothing else changes from call to call.
        known = what, tuple(split), tuple(tensor.shape for tensor in tensors)
        if known not in self._compiled:
            own, given = pytree.tree_map_only(Tensor, aligned, (own, given))
            arguments = *own, split, *given
            self._compiled[known] = self._compiler.compile(getattr(self._program, what), arguments)
        return self._compiled[known](tensors)


@contextlib.contextmanager
def _filled(place: Path) -> Iterator[None]:
    """Fill a folder of compiled code, or use what is there. One process fills it while others wait; what a killed one
    has left is removed: half of a library would be loaded."""
    with open(place.parent / f"{place.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "done").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(mode=0o700)
            yield
            (place / "done").touch()
            return
    yield


def _var_mean(x: Tensor, dim: Any = None, *, correction: float | None = None, keepdim: bool = False) -> Any:
    """`torch.var_mean` by two sums: inductor's way in one pass does not always compile (torch 2.15)."""
    over = list(range(x.dim())) if not dim else list(dim)
    mean = x.mean(over, keepdim=True)
    freedom = math.prod(x.shape[axis] for axis in over) - (1 if correction is None else correction)
    variance = (x - mean).square().sum(over, keepdim=keepdim) / max(freedom, 0)
    return variance, mean if keepdim else mean.view(variance.shape)


def tensors_of(leaves: Sequence[Any]) -> list[Tensor]:
    """Those among them."""
    return [leaf for leaf in leaves if isinstance(leaf, Tensor)]


@functools.cache
def _decompositions() -> Mapping[Any, Callable[..., Any]]:
    """What is traced as other operations: normalisations down to their variances, and those."""
    # Importing them takes long, and only what compiles needs them.
    from torch._decomp import get_decompositions

    aten = torch.ops.aten
    names = ["native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_functional"]
    names += ["native_batch_norm_backward", "native_layer_norm", "native_layer_norm_backward"]
    names += ["native_group_norm", "native_group_norm_backward"]
    return {
        **get_decompositions([getattr(aten, name) for name in names]),
        aten.var_mean.correction: _var_mean,
        aten.var.correction: lambda *given, **named: _var_mean(*given, **named)[0],
    }


def _compiler_version() -> str:
    """Of the C++ compiler that inductor calls. Errors: CompileError where it is not there, or does not run."""
    name = os.environ.get("CXX", "g++")
    if shutil.which(name) is None:
        raise CompileError(f"there is no C++ compiler {name}: install g++, or name another in CXX")
    try:
        return subprocess.run([name, "--version"], capture_output=True, text=True, check=True).stdout.partition("\n")[0]
    except (OSError, subprocess.CalledProcessError):
        raise CompileError(f"the C++ compiler {name} does not run: install g++, or name another in CXX") from None


def _processor() -> str:
    """Name and features of the processor, as far as the system says."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
        return "".join(line for line in lines if line.startswith(("model name", "flags", "Features")))
    return platform.processor()
