"""Anything that can be called with a seed: here, a random search for the top of a hill."""

import numpy as np


def climb(run):
    """Reports the height that it has reached; goes on from what it saved."""
    rng = np.random.default_rng(run.seed)
    state = run.load() or {"step": 0, "place": rng.normal(size=2).tolist()}
    for step in range(state["step"], 60):
        place = np.array(state["place"])
        # Each step's own numbers: a resumed run takes the same path.
        tried = place + run.hp.stride * np.random.default_rng([run.seed, step]).normal(size=2)
        if height(tried) > height(place):
            place = tried
        state = {"step": step + 1, "place": place.tolist()}
        if (step + 1) % 10 == 0:
            run.report(step + 1, height=float(height(place)))
            run.save(state)


def height(place) -> float:
    return float(np.exp(-np.square(place).sum()) + 0.5 * np.exp(-np.square(place - 2).sum()))
