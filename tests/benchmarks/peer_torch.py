"""The ways of torch: ours, a plain loop, the same compiled, torch.func's ensembles, TorchOpt.

A way is made of a problem and a folder for what it compiles. `stepper(M)` makes M members and gives one step of all of
them, finished when it returns; `losses` are those of seed 0 before each of CHECKED steps on one batch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import torch
from peer_problems import CHECKED, Problem, plain_module
from tasks import LEARNING_RATE, OPTIMIZER
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from seedsweep.core.training.cohort import Cohort
from seedsweep.core.training.compiled import Compiler
from seedsweep.core.training.models import build, start_from


class Ours:
    """A cohort whose members follow one another."""

    def __init__(self, problem: Problem, folder: Path):
        self.problem, self.compiler = problem, self._compiler(folder)

    def _compiler(self, folder: Path) -> Compiler | None:
        return None

    def _at_once(self, count: int) -> int:
        return 1

    def stepper(self, count: int) -> Callable[[], None]:
        return self._cohort(self.problem, count).train_step

    def losses(self) -> list[float]:
        given = self.problem.without_draws()
        # Two, so that there is something to fuse.
        cohort, model, found = self._cohort(given, 2), build(given.task, 0), []
        for step in range(CHECKED):
            if step:
                cohort.train_step()
            start_from(model, {name: value[0] for name, value in cohort.weights()["tensors"].items()})
            found.append(given.loss(model).item())
        return found

    def _cohort(self, given: Problem, count: int) -> Cohort:
        at_once = self._at_once(count)
        return Cohort(given.task, given.members(count), given.training, OPTIMIZER, at_once, compiler=self.compiler)


class OursFused(Ours):
    """A cohort whose members are one batched program."""

    def _at_once(self, count: int) -> int:
        return count


class OursCompiled(Ours):
    """A cohort whose members follow one another, each by a compiled step."""

    def _compiler(self, folder: Path) -> Compiler:
        return Compiler(folder / "ours")


class Plain:
    """A module, autograd and an Adam a member, one member after another."""

    def __init__(self, problem: Problem, folder: Path):
        self.problem = problem

    def loss(self, module: nn.Module, rows: Tensor) -> Tensor:
        loss: Tensor = module(rows)
        return loss

    def stepper(self, count: int) -> Callable[[], None]:
        given = self.problem
        modules = [plain_module(given, seed) for seed in range(count)]
        optimisers = [torch.optim.Adam(module.parameters(), lr=LEARNING_RATE, fused=True) for module in modules]

        def step() -> None:
            for module, optimiser in zip(modules, optimisers, strict=True):
                rows = torch.randint(0, given.samples, (given.training.batch,))
                optimiser.zero_grad()
                self.loss(module, rows).backward()
                optimiser.step()

        return step

    def losses(self) -> list[float]:
        given, found = self.problem.without_draws(), []
        module = plain_module(given, 0)
        optimiser = torch.optim.Adam(module.parameters(), lr=LEARNING_RATE, fused=True)
        for _ in range(CHECKED):
            optimiser.zero_grad()
            loss = self.loss(module, given.first_rows())
            loss.backward()
            optimiser.step()
            found.append(loss.item())
        return found


class PlainCompiled(Plain):
    """The same with the loss compiled, and with it its gradient."""

    def __init__(self, problem: Problem, folder: Path):
        super().__init__(problem, folder)
        # Or many models would be run as they are without a word.
        torch._dynamo.config.fail_on_recompile_limit_hit = True
        self.loss = torch.compile(super().loss)


class Ensemble:
    """torch.func's ensembling: stacked parameters, `vmap` of the gradient, one Adam over all of them."""

    def __init__(self, problem: Problem, folder: Path):
        self.problem = problem

    def stepper(self, count: int) -> Callable[[], None]:
        given = self.problem
        train = self.trainer(given, count)

        def step() -> None:
            train(torch.randint(0, given.samples, (count, given.training.batch)))

        return step

    def losses(self) -> list[float]:
        given = self.problem.without_draws()
        train = self.trainer(given, 1)
        return [train(given.first_rows()[None])[0].item() for _ in range(CHECKED)]

    def trainer(self, given: Problem, count: int) -> Callable[[Tensor], Tensor]:
        """A step of members on their rows [M,B], to their losses [M]."""
        gradient, params, buffers = self.stacked(given, count)
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        optimiser = torch.optim.Adam(leaves.values(), lr=LEARNING_RATE, fused=True)
        together = vmap(gradient, randomness="different")

        def train(rows: Tensor) -> Tensor:
            gradients, loss = together({name: leaf.detach() for name, leaf in leaves.items()}, buffers, rows)
            for name, leaf in leaves.items():
                leaf.grad = gradients[name]
            optimiser.step()
            return loss

        return train

    def stacked(
        self, given: Problem, count: int
    ) -> tuple[Callable[..., tuple[dict[str, Tensor], Tensor]], dict[str, Tensor], dict[str, Tensor]]:
        """One member's gradient and loss as a function of (parameters, buffers, rows); all members' parameters and
        buffers, [M, ...] each."""
        modules = [plain_module(given, seed) for seed in range(count)]
        params, buffers = stack_module_state(modules)
        base = copy.deepcopy(modules[0]).to("meta")

        def loss(params: dict[str, Tensor], buffers: dict[str, Tensor], rows: Tensor) -> Tensor:
            # Running statistics are noted in place, which a gradient's function may do to its own copies alone.
            copies = {name: value.clone() for name, value in buffers.items()}
            found: Tensor = functional_call(base, (params, copies), (rows,))
            return found

        return grad_and_value(loss), {name: value.detach() for name, value in params.items()}, buffers


class TorchOpt(Ensemble):
    """The same with the optimiser under `vmap` too: TorchOpt's functional Adam. torch warns that it goes through the
    members one by one for an operation of it."""

    def trainer(self, given: Problem, count: int) -> Callable[[Tensor], Tensor]:
        import torchopt

        gradient, params, buffers = self.stacked(given, count)
        adam = torchopt.adam(LEARNING_RATE)

        def one(params, state, buffers, rows):
            gradients, loss = gradient(params, buffers, rows)
            updates, state = adam.update(gradients, state, inplace=False)
            return torchopt.apply_updates(params, updates, inplace=False), state, loss

        together = vmap(one, randomness="different")
        state = vmap(adam.init)(params)

        def train(rows: Tensor) -> Tensor:
            nonlocal params, state
            params, state, loss = together(params, state, buffers, rows)
            return loss

        return train
