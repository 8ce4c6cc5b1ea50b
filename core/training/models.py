"""Making a member's model."""

from __future__ import annotations

import contextlib
import random
import weakref
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from seedsweep.core.errors import UserError
from seedsweep.core.task import Task
from seedsweep.core.training.failures import named, told
from seedsweep.core.training.memory import TOO_LARGE, OutOfMemoryError, ran_out
from seedsweep.core.training.seeds import init_seed

#: Layers of models that were made: a program takes their weights.
_GIVEN: weakref.WeakSet[nn.Module] = weakref.WeakSet()


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The generators of torch, NumPy and Python begin at a seed, and are put back afterwards."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def build(task: Task, seed: int) -> nn.Module:
    """One member's model, initialised from its seed alone. Errors: UserError, OutOfMemoryError."""
    try:
        with seeded(init_seed(seed)), told(task, "model"):
            model = task.model()
    except Exception as error:
        if ran_out(error):
            raise OutOfMemoryError(f"{named(task, 'model')}: one model alone {TOO_LARGE}") from error
        raise
    if not isinstance(model, nn.Module):
        raise UserError(f"{named(task, 'model')} gives {type(model).__name__}: a torch.nn.Module is needed")
    layers = [each for each in model.modules() if any(True for _ in each.parameters(recurse=False))]
    again = [layer for layer in layers if layer in _GIVEN]
    if again:
        trained = any(parameter.requires_grad for layer in again for parameter in layer.parameters(recurse=False))
        why = "every member learns weights of its own" if trained else "training takes the tensors out of a model"
        raise UserError(
            f"{named(task, 'model')} gives a layer that it gave before: {why}, so make a new one at each call, as by "
            "copy.deepcopy"
        )
    lazy = [name for name, value in (*model.named_parameters(), *model.named_buffers()) if is_lazy(value)]
    if lazy:
        raise UserError(
            f"{named(task, 'model')} gives a model in which {lazy[0]} has no shape yet: give its layer the number of "
            "its inputs, as nn.Linear(20, 3) in place of nn.LazyLinear(3)"
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UserError(
            f"{named(task, 'model')} gives a model without trained weights: it needs parameters with requires_grad, in "
            "modules that are its attributes (nn.ModuleList and nn.ModuleDict in place of a list and a dict)"
        )
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not parameter.is_floating_point():
            raise UserError(
                f"{named(task, 'model')} gives {name} of {str(parameter.dtype).removeprefix('torch.')}: trained "
                "weights are real; keep a complex one as two real ones, joined by torch.view_as_complex"
            )
    _GIVEN.update(layers)
    return model.to(task.data.device)


def of_precision(model: nn.Module, coarse: tuple[str, ...]) -> frozenset[str]:
    """Names of the parameters that `Training.precision` is of; normalisations among them stay in float32."""
    if not coarse:
        return frozenset()
    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    modules = {f"{name}.": module for name, module in model.named_modules() if isinstance(module, kinds)}
    inside = {name: module for name, module in modules.items() if name.startswith(coarse)}
    return frozenset(f"{name}{key}" for name, module in inside.items() for key, _ in module.named_parameters())


def start_from(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put these weights, by name, in place of a model's parameters and buffers. Errors: ValueError where they do not
    fit."""
    own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    shapes = [{name: tuple(value.shape) for name, value in each.items()} for each in (own, weights)]
    if shapes[0] != shapes[1]:
        name = min(name for name in own.keys() | weights.keys() if shapes[0].get(name) != shapes[1].get(name))
        has, wants = (each.get(name, "absent") for each in reversed(shapes))
        raise ValueError(f"these weights are another model's: {name} is {has} there, {wants} in the model")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(weights[name])
