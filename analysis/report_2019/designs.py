"""What the studies of the rows are, `studies.yaml` beside this file, and in what a run is otherwise."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import yaml

from seedsweep.analysis.results import Results

STUDIES = Path(__file__).with_name("studies.yaml")


@dataclass(frozen=True)
class Design:
    """metric, threshold, hold: of the criterion.  steps: of a member.  seeds: of each compared configuration."""

    metric: str
    threshold: float
    hold: int
    steps: int
    seeds: int


@functools.cache
def designs() -> dict[str, dict[str, Design]]:
    """By study and scale."""
    given = yaml.safe_load(STUDIES.read_text())
    return {study: {scale: Design(**own) for scale, own in scales.items()} for study, scales in given.items()}


def otherwise(study: str, results: Results, scale: str | None = None) -> str:
    """How a run differs from the built-in study, in words: by what it registered or by what its record says now. Empty
    where it does not. scale: that the run must have; None: any that the study has."""
    found = results.study.scale
    wanted = designs().get(study, {}).get(found)
    if wanted is None or scale not in (None, found):
        return f"scale {found!r}" + (f", and not {scale!r}" if scale else "")
    now = results.study
    criteria, steps, seeds = [now.criterion], [now.training.steps], results.seeds.compare
    if results.registered is not None:
        criteria.insert(0, results.registered.criterion)
        steps.insert(0, results.registered.steps)
    parts = ["what it registered is missing"] if results.lost else []
    parts += [
        f"criterion {own.metric} {own.threshold:g}, held {own.hold} times, and not "
        f"{wanted.metric} {wanted.threshold:g}, held {wanted.hold} times"
        for own in criteria
        if (own.metric, own.threshold, own.hold) != (wanted.metric, wanted.threshold, wanted.hold)
    ]
    parts += [f"{own} steps, and not {wanted.steps}" for own in steps if own != wanted.steps]
    parts += [f"{seeds} seeds, and not {wanted.seeds}"] if seeds != wanted.seeds else []
    return "; ".join(dict.fromkeys(parts))
