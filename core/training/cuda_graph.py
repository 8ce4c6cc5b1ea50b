"""A step of training, recorded once on a GPU and then launched whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

T = TypeVar("T", bound=NamedTuple)
#: Calls before the recording, in which libraries choose their kernels and take their workspaces.
WARM_UP = 3


class Recorded(Generic[T]):
    """A function of a tuple of tensors that changes others in place, its shapes always the same and the host never
    asked: on a GPU its first calls run as they are, then one is recorded as a CUDA graph, and from then on the graph is
    launched. A small model's thousand kernels a step are then one launch. Elsewhere the function is called.

    What cannot be recorded (memory for a graph's own pool, an operation that asks the host) is called, too: `recorded`
    says whether there is a graph.
    """

    def __init__(self, function: Callable[[T], None], device: torch.device):
        self._function, self._on_gpu = function, device.type == "cuda"
        self._calls = 0
        self._inputs: tuple[Tensor, ...] = ()
        self._graph: torch.cuda.CUDAGraph | None = None

    @property
    def recorded(self) -> bool:
        """Whether a graph is launched."""
        return self._graph is not None

    def __call__(self, inputs: T) -> None:
        """One step."""
        self._calls += 1
        if not self._on_gpu or (self._calls > WARM_UP + 1 and not self._graph):
            self._function(inputs)
        elif self._calls <= WARM_UP:
            # On a stream of its own, as a recording is made.
            side, here = torch.cuda.Stream(), torch.cuda.current_stream()
            side.wait_stream(here)
            with torch.cuda.stream(side):
                self._function(inputs)
            here.wait_stream(side)
        elif self._graph or self._record(inputs):
            assert self._graph is not None
            for kept, new in zip(self._inputs, inputs, strict=True):
                kept.copy_(new)
            self._graph.replay()
        else:
            self._function(inputs)

    def _record(self, inputs: T) -> bool:
        """Recording changes nothing: the graph is only launched afterwards."""
        kept = type(inputs)(*(part.clone() for part in inputs))
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._function(kept)
        except RuntimeError:
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
            return False
        self._inputs, self._graph = tuple(kept), graph
        return True
