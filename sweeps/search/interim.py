"""Interim analyses: how far the looks at a study's comparison are, from the outcomes of what has finished."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from seedsweep.analysis.decisions import Group, Rules
from seedsweep.analysis.design.stopping import Aims, Progress, progress
from seedsweep.core.records.criterion import Outcome
from seedsweep.core.records.decision import SCORE
from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.registration import Registration, read_registration
from seedsweep.core.records.study import Study


def registration_of(study: Study, paths: RunPaths) -> Registration:
    """What decides a run: what it registered. Where that is missing it is the study as it is, as the page has it; after
    a result without claims, which may be later ones. Errors: RecordError."""
    registered = read_registration(paths)
    if registered is not None:
        return registered
    own = Registration.of(study)
    return own.model_copy(update={"claims": ()}) if paths.has_finished() else own


def interim_progress(
    study: Study,
    decides: Registration,
    names: Sequence[str],
    outcomes: Sequence[Mapping[int, Outcome]],
    *,
    entered: bool = True,
) -> Progress:
    """What was looked at, and how many seeds each configuration should have now.

    decides: what is registered: its seeds, claims and levels.  names: of the compared configurations that it covers;
    empty of one that the search found.  outcomes: of each, by seed, what has finished.  entered: whether all that is
    compared is there.
    """
    # Claims on another measure than the criterion's are refused beforehand: outcomes do not hold it.
    rules = Rules.of(decides.seeds, decides.decision, decides.claims, study.criterion.metric)
    named = [place for place, name in enumerate(names) if name]
    called = [name or str(place) for place, name in enumerate(names)]
    groups = [_group(known, study) for known in outcomes]
    aims = Aims(decides.claims, called, named, study.criterion.metric)
    return progress(groups, rules, decides.seeds, aims, entered=entered)


def _group(known: Mapping[int, Outcome], study: Study) -> Group:
    """What has finished of a compared configuration, from seed 0 on without a gap."""
    outcomes = [known[seed] for seed in itertools.takewhile(known.__contains__, itertools.count())]
    scores = [each.score(study.score) for each in outcomes]
    sign = 1.0 if study.criterion.direction == "max" else -1.0
    upward = sign * np.array([np.nan if score is None else score for score in scores], float)
    return Group(np.array([each.outcome == "converged" for each in outcomes], bool), {SCORE: upward})
