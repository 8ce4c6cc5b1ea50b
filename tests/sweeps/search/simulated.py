"""Simulated cohorts for an agenda, and what a ledger then holds."""

import math
import random

import numpy as np

from seedsweep.core.records.criterion import Outcome
from seedsweep.core.records.curves import Curves
from seedsweep.sweeps.search.agenda import Agenda


def simulate(ledger, spec) -> None:
    """Commit an outcome that depends on the cohort alone."""
    share = spec.values.get("momentum", spec.values["alpha"])
    scores = [random.Random(f"{spec.configuration} {seed}").random() * (0.5 + share / 2) for seed in spec.seeds]
    commit(ledger, spec, [(score, score) for score in scores], threshold=0.4)


def commit(ledger, spec, scores, threshold=math.inf) -> None:
    """Commit an outcome with the final and the best score of each member; above the threshold it converged."""
    outcomes = []
    for seed, (final, best) in zip(spec.seeds, scores, strict=True):
        met = 10 if final > threshold else None
        outcomes.append(Outcome(seed, "converged" if met else "never", met, met, None, None, final, best))
    curves = Curves([10], np.array([[[final] for final, _ in scores]]), ["score"], list(spec.seeds))
    ledger.record(spec).claim(1).commit(curves, outcomes, {})


def agenda_of(study, ledger, most_together=3, **others) -> Agenda:
    return Agenda(study, ledger, lambda study: "data", lambda start: "start", most_together, **others)


def next_of(agenda):
    """The cohort of the next trial, where each is a trial of its own; None where there is none."""
    trial = agenda.next()
    assert len(trial) < 2
    return trial[0] if trial else None


def run(
    study,
    ledger,
    workers=2,
    order=None,
    stop_after=None,
    failing=frozenset(),
    most_together=3,
    trials=None,
    registered=None,
) -> Agenda:
    """Drive an agenda with so many workers, that finish in the order of `order`; stop dead after so many cohorts.

    trials: list of the trials' cohorts, by key, to add to.
    """
    agenda = agenda_of(study, ledger, most_together, registered=registered)
    rng = random.Random(order)
    running, done = [], 0
    while True:
        while len(running) < workers:
            waiting = agenda.waiting
            trial = agenda.next()
            assert waiting == bool(trial)
            if not trial:
                break
            running.append(trial)
            if trials is not None:
                trials.append(tuple(spec.key for spec in trial))
        if not running:
            assert agenda.done
            return agenda
        trial = running.pop(rng.randrange(len(running)) if order is not None else 0)
        failed = failing & {spec.key for spec in trial}
        for spec in trial:
            if done == stop_after:
                return agenda
            if failed:
                agenda.fail(spec, shared=len(trial) > 1)
                continue
            simulate(ledger, spec)
            agenda.finish(spec)
            done += 1


def contents(ledger) -> dict:
    """What the cohorts are, and what became of each."""
    return {record.spec().key: (record.spec(), record.finished and record.outcomes()) for record in ledger.records()}


def specs_of(ledger, phase) -> list:
    specs = [spec for spec, _ in contents(ledger).values() if spec.phase == phase]
    return sorted(specs, key=lambda spec: (spec.number, spec.seeds))


def finished(ledger) -> set:
    return {record.spec().key for record in ledger.records() if record.finished}


def seeds_of(ledger) -> dict:
    """Comparison seeds of each configuration, by its number."""
    found: dict = {}
    for spec in specs_of(ledger, "compare"):
        found[spec.number] = sorted(found.get(spec.number, []) + list(spec.seeds))
    return found
