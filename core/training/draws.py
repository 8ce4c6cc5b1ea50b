"""Random numbers of many members in one program, each from its own key alone.

torch's own generator is one for a process: what a member draws would depend on its company. Here a mode answers every
random operation below `vmap`, where the member axis comes first, from the member's key and the number of the call. The
numbers are those of SplitMix64 (Steele, Lea & Flood 2014), which needs no state: number i of call c is a hash.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from seedsweep.core.errors import UserError

A = torch.ops.aten
#: SplitMix64's constants as int64.
GOLDEN, FIRST, SECOND = -7046029254386353131, -4658895280553007687, -7723592293110705685


def mix(z: Tensor) -> Tensor:
    """SplitMix64's finaliser, int64 -> int64."""
    z = (z ^ _shift(z, 30)) * FIRST
    z = (z ^ _shift(z, 27)) * SECOND
    return z ^ _shift(z, 31)


def _wrapped(number: int) -> int:
    """As int64 has it after an overflow."""
    return (number + 2**63) % 2**64 - 2**63


def _shift(z: Tensor, bits: int) -> Tensor:
    """To the right, zeros from the left: int64's own shift keeps the sign."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def generator_states(device: torch.device) -> list[Tensor]:
    """Of torch's own generators, which no member's draws may come from."""
    states = [torch.default_generator.get_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


class Draws(TorchDispatchMode):
    """keys: int64 [m] of m members under `vmap`, or [] of one alone.  drawn: how often something was drawn."""

    def __init__(self, keys: Tensor):
        TorchDispatchMode.__init__(self)
        self._keys, self.drawn = keys, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Answer what is random; all else goes its way."""
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **kwargs)
        answer = ANSWERS.get(func)
        if answer is not None:
            return answer(self, *args, **kwargs)
        if _draws_nothing(func, args, kwargs):
            return func(*args, **kwargs)
        if self._keys.dim() == 0:
            return self._by_torch(func, args, kwargs)
        raise UserError(
            f"{func} draws for one member alone; torch.rand, randn, randint, bernoulli, normal, dropout and the like "
            "draw for members together"
        )

    def _by_torch(self, func: Any, args: Any, kwargs: Any) -> Any:
        """What has no answer, of one member alone: torch's own generator, begun at its key and the call's number."""
        self.drawn += 1
        with torch.random.fork_rng():
            torch.manual_seed(int(mix(self._keys + _wrapped(self.drawn * GOLDEN))) % 2**63)
            return func(*args, **kwargs)

    def bits(self, shape: tuple[int, ...], device: torch.device) -> Tensor:
        """int64 of a shape that begins with the member axis where there is one."""
        self.drawn += 1
        batched = self._keys.dim() == 1
        if batched and (not shape or shape[0] != len(self._keys)):
            raise UserError("something is drawn once for all members: make it from the batch's tensors, as rand_like")
        count = math.prod(shape[1:] if batched else shape)
        start = mix(self._keys.to(device) + _wrapped(self.drawn * GOLDEN))
        numbers = start.unsqueeze(-1) + torch.arange(1, count + 1, device=device) * GOLDEN
        return mix(numbers).view(shape)

    def uniform(self, shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
        """[0,1), of as many bits as the type holds, at most 24 below float64."""
        if dtype == torch.float64:
            return _shift(self.bits(shape, device), 11).double() * 2.0**-53
        return (_shift(self.bits(shape, device), 40).float() * 2.0**-24).to(dtype)

    def normal(self, shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
        """Standard normal, by the inverse of its distribution at the middle of each uniform's cell."""
        if dtype == torch.float64:
            u = (_shift(self.bits(shape, device), 12).double() + 0.5) * 2.0**-52
        else:
            # A bit less than a float32 holds, so that the middle is exact, and never 0 or 1.
            u = (_shift(self.bits(shape, device), 41).float() + 0.5) * 2.0**-23
        return (torch.erfinv(2 * u - 1) * 2**0.5).to(dtype)


def _like(x: Tensor, kwargs: dict[str, Any]) -> tuple[tuple[int, ...], torch.device, torch.dtype]:
    return tuple(x.shape), kwargs.get("device") or x.device, kwargs.get("dtype") or x.dtype


def _new(size: Any, kwargs: dict[str, Any]) -> tuple[tuple[int, ...], torch.device, torch.dtype]:
    device = torch.device(kwargs.get("device") or "cpu")
    return tuple(size), device, kwargs.get("dtype") or torch.get_default_dtype()


def _bernoulli(d: Draws, p: Any, x: Tensor) -> Tensor:
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    drawn: Tensor = d.uniform(tuple(x.shape), x.device, wide) < p
    return drawn.to(x.dtype)


def _native_dropout(d: Draws, x: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    if train is False or p == 0:
        return x.clone(), torch.ones_like(x, dtype=torch.bool)
    keep = d.uniform(tuple(x.shape), x.device, x.dtype) < 1 - p
    return (x * keep / (1 - p) if p < 1 else torch.zeros_like(x)), keep


def _randint(d: Draws, low: int, high: int, like: tuple[tuple[int, ...], torch.device, torch.dtype]) -> Tensor:
    shape, device, dtype = like
    return (low + _shift(d.bits(shape, device), 1) % (high - low)).to(dtype)


def _whole(size: Any, kwargs: dict[str, Any]) -> tuple[tuple[int, ...], torch.device, torch.dtype]:
    shape, device, _ = _new(size, kwargs)
    return shape, device, kwargs.get("dtype") or torch.int64


def _exponential(d: Draws, x: Tensor, rate: float = 1.0) -> Tensor:
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    u = d.uniform(tuple(x.shape), x.device, wide)
    # 1 - u is never 0.
    return (-torch.log1p(-u) / rate).to(x.dtype)


def _normal_of(d: Draws, mean: Any, std: Any) -> Tensor:
    like = mean if isinstance(mean, Tensor) else std
    drawn: Tensor = mean + std * d.normal(tuple(like.shape), like.device, like.dtype)
    return drawn


#: Operation -> its answer from (draws, *arguments).
ANSWERS: dict[Any, Callable[..., Any]] = {
    A.rand.default: lambda d, size, **k: d.uniform(*_new(size, k)),
    A.randn.default: lambda d, size, **k: d.normal(*_new(size, k)),
    A.rand_like.default: lambda d, x, **k: d.uniform(*_like(x, k)),
    A.randn_like.default: lambda d, x, **k: d.normal(*_like(x, k)),
    A.randint.default: lambda d, high, size, **k: _randint(d, 0, high, _whole(size, k)),
    A.randint.low: lambda d, low, high, size, **k: _randint(d, low, high, _whole(size, k)),
    A.randint_like.default: lambda d, x, high, **k: _randint(d, 0, high, _like(x, k)),
    A.randint_like.low_dtype: lambda d, x, low, high, **k: _randint(d, low, high, _like(x, k)),
    A.bernoulli.default: lambda d, p, **k: _bernoulli(d, p, p),
    A.bernoulli.p: lambda d, x, p, **k: _bernoulli(d, p, x),
    A.bernoulli_.float: lambda d, x, p=0.5, **k: x.copy_(_bernoulli(d, p, x)),
    A.bernoulli_.Tensor: lambda d, x, p, **k: x.copy_(_bernoulli(d, p, x)),
    A.native_dropout.default: _native_dropout,
    A.uniform_.default: lambda d, x, low=0.0, high=1.0, **k: x.copy_(
        low + (high - low) * d.uniform(tuple(x.shape), x.device, x.dtype)
    ),
    A.normal_.default: lambda d, x, mean=0.0, std=1.0, **k: x.copy_(
        mean + std * d.normal(tuple(x.shape), x.device, x.dtype)
    ),
    A.normal.Tensor_Tensor: lambda d, mean, std, **k: _normal_of(d, mean, std),
    A.normal.Tensor_float: lambda d, mean, std=1.0, **k: _normal_of(d, mean, std),
    A.normal.float_Tensor: lambda d, mean, std, **k: _normal_of(d, mean, std),
    A.exponential_.default: lambda d, x, rate=1.0, **k: x.copy_(_exponential(d, x, rate)),
}


def _draws_nothing(func: Any, args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether an operation with a probability of dropping has none: attention's product always has the tag."""
    for place, argument in enumerate(func._schema.arguments):
        if argument.name in ("dropout_p", "p", "dropout"):
            value = kwargs.get(argument.name, args[place] if place < len(args) else argument.default_value)
            return value in (0, None, False)
    return False
