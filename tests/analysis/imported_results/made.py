"""Members whose results several tools write, and what is to be read of them."""

import pandas as pd

STEPS = (10, 20)
#: By learning rate and seed, the accuracy at STEPS. 0.9 is no number of 32 bits.
SCORES = {
    (0.1, 0): (0.5, 0.9),
    (0.1, 1): (0.7, 0.95),
    (0.01, 0): (0.9, 0.3),
    (0.01, 1): (0.4, float("nan")),
}
THRESHOLD = 0.9
MEMBERS = [
    ("lr 0.01", 0, "fell_back", 0.3),
    ("lr 0.01", 1, "diverged", None),
    ("lr 0.1", 0, "converged", 0.9),
    ("lr 0.1", 1, "converged", 0.95),
]
#: Where the last scores alone are known.
LAST = [(label, seed, outcome.replace("fell_back", "never"), final) for label, seed, outcome, final in MEMBERS]


def rows():
    """(learning rate, seed, step, accuracy) of each evaluation."""
    return [(*member, step, score) for member, own in SCORES.items() for step, score in zip(STEPS, own, strict=True)]


def frame():
    """The same as a table."""
    return pd.DataFrame(rows(), columns=["lr", "seed", "epoch", "acc"])


def members(results):
    """(label, seed, outcome, final score) of each member."""
    table = results.members.sort_values(["label", "seed"])
    final = [None if pd.isna(score) else score for score in table.final]
    return list(zip(table.label, table.seed, table.outcome, final, strict=True))
