"""Several runs as one study, side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from seedsweep.analysis.comparison import decided
from seedsweep.analysis.errors import TableError
from seedsweep.analysis.results import Results
from seedsweep.analysis.sentences import join
from seedsweep.analysis.tables import with_values
from seedsweep.core.records.decision import SeedCounts
from seedsweep.core.records.study import Search, Training


def together(runs: Sequence[Results]) -> Results:
    """The comparisons of two runs or more as one: a configuration's label begins with its run's name.

    Errors: TableError where two have one name, different criteria or scores, or nothing is finished in one.
    """
    names = [run.study.name for run in runs]
    _check(runs, names)
    unfinished = [name for name, run in zip(names, runs, strict=True) if decided(run)[2]]
    runs, left_out = _without_copies(runs, names)
    members: list[pd.DataFrame] = []
    evaluations: list[pd.DataFrame] = []
    for name, run in zip(names, runs, strict=True):
        if run.compared.empty:
            continue
        ahead = 1 + max((int(table.number.max()) for table in members), default=-1)
        compared = run.evaluations[run.evaluations.phase == "compare"]
        members.append(_of(name, run.compared).assign(number=run.compared.number + ahead))
        evaluations.append(_of(name, compared))
    joined = pd.concat(members, ignore_index=True)
    planned = joined[~joined.exploratory]
    study = runs[0].study.model_copy(
        update={
            "name": _listed(names, "and"),
            "question": f"{_listed(names, 'or')}: which configuration is better?",
            "configurations": {label: {} for label in planned.label.unique()},
            "claims": (),
            "search": Search(),
            "training": Training(steps=max(run.budget for run in runs)),
            "seeds": SeedCounts(compare=int(planned.groupby("number").size().min())),
        }
    )
    values = {
        f"{name}: {configuration}": of
        for name, run in zip(names, runs, strict=True)
        for configuration, of in run.values.items()
        if (run.compared.configuration == configuration).any()
    }
    curves = {
        (f"{name}: {configuration}", seed): own
        for name, run in zip(names, runs, strict=True)
        for (configuration, seed), own in run.curves.items()
    }
    changes = [_so_far(unfinished), *left_out] if unfinished else list(left_out)
    if len({run.budget for run in runs}) > 1:
        steps = [f"{name} {run.budget}" for name, run in zip(names, runs, strict=True)]
        changes.append(f"Steps trained: {_listed(steps, 'and')}: a difference may be that alone.")
    changes += [f"{name}: {change}" for name, run in zip(names, runs, strict=True) for change in run.changes]
    table = pd.concat(evaluations, ignore_index=True)
    return Results(study, with_values(joined, values), table, curves, values, changes=changes, designed=False)


def _so_far(names: Sequence[str]) -> str:
    """Of runs that go on: a page of several takes in nothing by itself, and none of them was to be tested now."""
    has, its = ("has", "its") if len(names) == 1 else ("have", "their")
    return (
        f"{join(names)} {has} not ended: {its} seeds so far are compared, at a time that was not planned. The "
        "same command compares all of them later."
    )


def _check(runs: Sequence[Results], names: Sequence[str]) -> None:
    first = runs[0].study
    for place, (name, run) in enumerate(zip(names, runs, strict=True)):
        if name in names[:place]:
            raise TableError(f"two runs are called {name}: launch one under another --name")
        other = run.study
        if other.criterion != first.criterion:
            apart = [
                f"{field} {own} and {theirs}"
                for (field, own), theirs in zip(
                    dataclasses.asdict(first.criterion).items(),
                    dataclasses.asdict(other.criterion).values(),
                    strict=True,
                )
                if own != theirs
            ]
            raise TableError(
                f"{names[0]} and {name} have different criteria ({', '.join(apart)}): what converged in one did not "
                "need to in the other; launch one anew under another --name with the other's criterion"
            )
        if other.score != first.score:
            raise TableError(
                f"{names[0]} and {name} have different scores: one takes the {first.score} evaluation, the other the "
                f"{other.score}"
            )
        if run.compared.empty:
            raise TableError(f"{name}: no member of its comparison has finished")


def _without_copies(runs: Sequence[Results], names: Sequence[str]) -> tuple[list[Results], list[str]]:
    """Without what a run has that another has, too, with as many seeds or more: the same configuration with the same
    results. Two copies are no two samples. And what was left out, a sentence for each two runs."""
    every = [
        (place, str(configuration), members)
        for place, run in enumerate(runs)
        for configuration, members in run.compared.groupby("configuration")
    ]
    kept: dict[str, list[tuple[int, pd.DataFrame]]] = {}
    left: list[set[str]] = [set() for _ in runs]
    said: dict[tuple[int, int], list[str]] = {}
    # The one with most seeds first, and of equals the first run's.
    for place, configuration, members in sorted(every, key=lambda one: (-len(one[2]), one[0])):
        others = kept.setdefault(configuration, [])
        twin = next((other for other, theirs in others if _same(members, theirs)), None)
        if twin is None:
            others.append((place, members))
        else:
            left[place].add(configuration)
            said.setdefault((twin, place), []).append(f"{names[place]}: {members.label.iloc[0]}")
    sentences = [
        f"Left out, because {names[twin]} has the same members: {', '.join(labels)}."
        for (twin, _), labels in sorted(said.items())
    ]
    return [_without(run, gone) for run, gone in zip(runs, left, strict=True)], sentences


def _same(members: pd.DataFrame, others: pd.DataFrame) -> bool:
    """Whether the seeds that both have, if any, have the same results."""
    both = members.merge(others, on="seed", suffixes=("", "_of_others"))
    own, theirs = both.final.to_numpy(float), both.final_of_others.to_numpy(float)
    return bool(len(both)) and bool(np.array_equal(own, theirs, equal_nan=True))


def _without(run: Results, configurations: Collection[str]) -> Results:
    """A run without some of its configurations."""
    members, evaluations = (
        table[~table.configuration.isin(configurations)] for table in (run.members, run.evaluations)
    )
    return dataclasses.replace(run, members=members, evaluations=evaluations) if configurations else run


def _of(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Rows of a run, told apart from another's."""
    told_apart = {column: f"{name}: " + table[column].astype(str) for column in ("label", "configuration")}
    return table.assign(**told_apart)


def _listed(words: Sequence[str], last: str) -> str:
    """`a, b and c`."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]])
