"""The ways of JAX: a jitted step of one member in a loop, and a jitted `vmap` of it over the members.

The whole step is one program: the batch's rows, loss, gradient and Adam; the state is donated. `peer_torch` says what a
way is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from peer_jax_models import Tree, model_of, tree_of
from peer_problems import CHECKED, Problem
from tasks import LEARNING_RATE

from seedsweep.core.training.models import build

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class State(NamedTuple):
    """Of one member, or of several with the members first."""

    weights: Tree
    stats: Tree
    mean: Tree
    square: Tree
    count: Array
    key: Array


def adam(state: State, gradient: Tree) -> tuple[Tree, Tree, Tree]:
    """Weights and both moments after one step."""
    t = state.count + 1
    mean = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, state.mean, gradient)
    square = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, state.square, gradient)

    def move(w: Array, m: Array, v: Array) -> Array:
        return w - LEARNING_RATE * (m / (1 - BETA1**t)) / (jnp.sqrt(v / (1 - BETA2**t)) + EPSILON)

    return jax.tree.map(move, state.weights, mean, square), mean, square


class Loop:
    """One member after another."""

    #: Models whose convolutions are products with patches, which is faster there; else they are XLA's own.
    patches: tuple[str, ...] = ("attention", "edram")

    def __init__(self, problem: Problem, folder: Path):
        jax.config.update("jax_compilation_cache_dir", str(folder / "jax"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        self.problem = problem
        self.model = self._model(problem)
        self.data = jax.tree.map(jnp.asarray, self.model.data)
        self.train = jax.jit(self._step, donate_argnums=0)

    def _model(self, problem: Problem) -> Any:
        return model_of(problem, patches=problem.name in self.patches)

    def _step(self, state: State, data: Tree) -> State:
        """One step of one member on a batch that it draws."""
        rows_key, key = jax.random.split(jax.random.fold_in(state.key, state.count))
        rows = jax.random.randint(rows_key, (self.problem.training.batch,), 0, self.problem.samples)
        gradient = jax.grad(self.model.loss, has_aux=True)
        gradients, stats = gradient(state.weights, state.stats, data, rows, key)
        return State(*self._after(state, gradients, stats))

    def _after(self, state: State, gradients: Tree, stats: Tree) -> tuple[Any, ...]:
        weights, mean, square = adam(state, gradients)
        return weights, stats, mean, square, state.count + 1, state.key

    def state(self, seed: int) -> State:
        """Of one member, with the weights of our seed."""
        module = build(self.problem.task, seed)
        weights = tree_of({name: value.detach().numpy() for name, value in module.named_parameters()})
        stats: dict[str, dict[str, np.ndarray]] = {}
        for name, value in module.named_buffers():
            layer, _, kind = name.rpartition(".")
            stats.setdefault(layer, {})[kind] = value.numpy()
        zeros = jax.tree.map(np.zeros_like, weights)
        state = State(weights, stats, zeros, zeros, np.float32(0), jax.random.key(seed))
        # Copies: what is donated belongs to nobody else.
        return jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), state)

    def stepper(self, count: int) -> Callable[[], None]:
        states = [self.state(seed) for seed in range(count)]

        def step() -> None:
            for member, state in enumerate(states):
                states[member] = self.train(state, self.data)
            jax.block_until_ready(states)

        return step

    def losses(self) -> list[float]:
        given = self.problem.without_draws()
        model, state, found = self._model(given), self.state(0), []
        gradient = jax.jit(jax.value_and_grad(model.loss, has_aux=True))
        rows = given.first_rows().numpy()
        for _ in range(CHECKED):
            (loss, stats), gradients = gradient(state.weights, state.stats, self.data, rows, state.key)
            state = State(*self._after(state, gradients, stats))
            found.append(float(loss))
        return found


class Vmap(Loop):
    """All members at once."""

    # Of several members with weights of their own a convolution would be a grouped one, which is slower still.
    patches = ("attention", "unet", "edram")

    def stepper(self, count: int) -> Callable[[], None]:
        state = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(self.state(seed) for seed in range(count)))
        train = jax.jit(jax.vmap(self._step, (0, None)), donate_argnums=0)

        def step() -> None:
            nonlocal state
            state = jax.block_until_ready(train(state, self.data))

        return step
