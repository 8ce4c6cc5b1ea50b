"""Runs of the replication's studies whose members came out as a test plants them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from seedsweep.analysis.report_2019.designs import Design, designs
from seedsweep.analysis.report_2019.rows import Condition, Row, Rule
from seedsweep.core.records.cohort_spec import CohortSpec
from seedsweep.core.records.criterion import Criterion, judge
from seedsweep.core.records.curves import Curves
from seedsweep.core.records.decision import SeedCounts
from seedsweep.core.records.ledger import Ledger
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.registration import register
from seedsweep.core.records.study import Study, Training

#: At so many steps, evenly, members are evaluated.
EVALUATIONS = 20


@dataclass(frozen=True)
class Members:
    """converged: share of the seeds that do, the first ones.  since: share of the steps after which their score is good
    enough.  measures: their final values, of all seeds or [seeds].  stopped: share of the steps after which each was
    frozen."""

    converged: float = 0.0
    since: float = 0.75
    measures: Mapping[str, Any] = field(default_factory=dict)
    stopped: float | None = None


def design_of(run: str, scale: str = "laptop") -> Design:
    """What a run has to be."""
    return designs()[run.removesuffix("-report")][scale]


def plant(
    runs: Path,
    name: str,
    configurations: Mapping[str, Members],
    *,
    there: int | None = None,
    values: Mapping[str, Mapping[str, Any]] | None = None,
    origins: Mapping[str, str] | None = None,
    scale: str = "laptop",
    otherwise: Mapping[str, Any] | None = None,
) -> Path:
    """A finished run of a study as we ship it. there: seeds that it has of those that it is to have.  values: what each
    configuration was resolved to; equal ones are the same configuration.  origins: of a configuration, the run that its
    members were copied from.  otherwise: fields of its design that are not as the study's."""
    design = replace(design_of(name, scale), **(otherwise or {}))
    seeds, metric = design.seeds, design.metric
    criterion = Criterion(metric, design.threshold, design.hold, "max", 0.0, 1.0)
    steps = [design.steps * number // EVALUATIONS for number in range(1, EVALUATIONS + 1)]
    study = Study(
        name=name,
        task="planted",
        scale=scale,
        training=Training(steps=design.steps),
        configurations={each: {} for each in configurations},
        seeds=SeedCounts(compare=seeds),
        criterion=criterion,
    )
    paths = RunPaths(runs / name)
    paths.folder.mkdir(parents=True)
    paths.study.write_text(study.to_json())
    register(paths, study)
    block = tuple(range(there or seeds))
    for number, (each, members) in enumerate(configurations.items()):
        own = dict((values or {}).get(each, {"planted.as": f"{name}, {each}"}))
        digest = hashlib.sha256(json.dumps(own, sort_keys=True, default=str).encode()).hexdigest()[:16]
        spec = CohortSpec("compare", number, digest, each, {}, own, block, design.steps)
        curves = _curves(members, metric, len(block), steps)
        stopped = None if members.stopped is None else round(members.stopped * design.steps)
        scores = curves.column(metric)
        outcomes = [judge(seed, steps, scores[:, seed], None, criterion, stopped) for seed in block]
        run: dict[str, Any] = {"host": "here", "device": "cpu", "engine": "fused", "seconds": 1.0}
        if origin := (origins or {}).get(each):
            run["taken_from"] = [{"run": origin, "seeds": list(block)}]
        record = Ledger(paths.cohorts).record(spec)
        record.create(spec)
        record.claim(1).commit(curves, outcomes, run)
    return paths.folder


def _curves(members: Members, metric: str, seeds: int, steps: list[int]) -> Curves:
    converged = np.arange(seeds) < members.converged * seeds
    score = np.where(converged, 0.95, 0.2) * np.ones((len(steps), 1))
    score[np.array(steps) < members.since * steps[-1]] = 0.2
    columns = {metric: score}
    for name, final in members.measures.items():
        columns[name] = np.broadcast_to(np.asarray(final, float), (len(steps), seeds)).copy()
    every = np.stack(list(columns.values()), -1)
    if members.stopped is not None:
        # As a cohort writes them: there is nothing of a member once it was stopped.
        every[np.array(steps) > members.stopped * steps[-1]] = np.nan
    return Curves(steps, every, list(columns), list(range(seeds)))


def outcome_of(rule: Rule, name: str, measure: str, *, holds: bool, seeds: int) -> dict[str, Members]:
    """Members by configuration, as a rule's `supports` (holds), or its `refutes`, describes them."""
    spread = np.linspace(-0.01, 0.01, seeds)
    if rule.kind in ("mostly", "rarely", "sometimes"):
        held = holds == (rule.kind != "rarely")
        if not rule.conditions:
            return {name: Members(converged=float(held))}
        measures: dict[str, Any] = {}
        for condition in rule.conditions:
            measures |= _measured(condition, held=held)
        return {name: Members(measures=measures)}
    if rule.kind == "somewhere":
        alike = {each: Members(converged=1.0) for case in rule.cases for each in case}
        first, second = rule.cases[-1]
        return {**alike, (second if holds else first): Members(converged=0.0)}
    if rule.kind == "anywhere":
        return {each: Members(converged=float(holds and each == rule.others[-1])) for each in (name, *rule.others)}
    if rule.kind in ("close", "higher", "ahead"):
        high, middle, low = (Members(measures={measure: level + spread}) for level in (0.8, 0.5, 0.3))
        first, rest = high if holds else low, middle
        if rule.kind == "close" and holds:
            first = rest
        elif rule.kind == "ahead" and not holds:
            # Equal, and as high as anything that works.
            first = rest = high
        return {name: first, **dict.fromkeys(rule.others, rest)}
    if rule.kind == "alike":
        return {name: Members(converged=float(holds)), **dict.fromkeys(rule.others, Members(converged=1.0))}
    if rule.kind == "sooner":
        first, rest = Members(1.0, 0.5 if holds else 0.8), Members(1.0, 0.65)
    else:
        first, rest = Members(float(holds)), Members(float(not holds))
    return {name: first, **dict.fromkeys(rule.others, rest)}


def _measured(condition: Condition, *, held: bool) -> dict[str, float]:
    """Values by which a condition holds, or does not."""
    if condition.of:
        near = held == (condition.side == "within")
        return {condition.of: 0.6, condition.measure: 0.6 if near else 0.6 - 2 * condition.limit}
    apart = 0.25 * condition.limit
    return {condition.measure: condition.limit + (apart if held == (condition.side == "above") else -apart)}


def plant_row(runs: Path, row: Row, *, holds: bool, control: bool = True, scale: str = "laptop", **more: Any) -> Path:
    """A run of a row's study in which its rule, and its control, come out as told. more: as of `plant`."""
    seeds = design_of(row.study, scale).seeds
    found = outcome_of(row.judge, row.configuration, row.measure, holds=holds, seeds=seeds)
    if row.control:
        own = outcome_of(row.control.judge, row.control.configuration, row.measure, holds=control, seeds=seeds)
        for name, members in own.items():
            # Where both say something of a configuration the rule decides, or the control that is to fail.
            first, rest = (found.get(name, members), members) if control else (members, found.get(name, members))
            found[name] = replace(first, measures={**rest.measures, **first.measures})
    name = f"{row.study}-report" if scale == "report" else row.study
    return plant(runs, name, found, scale=scale, **more)
