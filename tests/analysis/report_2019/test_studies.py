"""The studies of the report's rows: what they register can come out either way."""

import numpy as np
import pytest

from seedsweep.analysis.decisions import Group, Rules, decide
from seedsweep.analysis.report_2019.rows import read_rows
from seedsweep.analysis.verdicts import Compared, verdict
from seedsweep.core.records.decision import CONVERGING, SCORE
from seedsweep.sweeps.study.loading import load

STUDIES = sorted({row.study for row in read_rows()})


def as_claimed(claim, name, *, holds):
    """Whether a configuration converges, and is high, where a claim holds, or fails, as clearly as can be."""
    if claim.alike:
        return holds or name == claim.names[0]
    return (name == claim.names[0]) == (holds if claim.below is None else not holds)


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["laptop", "report"])
@pytest.mark.parametrize("study", STUDIES)
def test_what_a_study_registers_can_come_out_either_way(study, scale, inception):
    loaded = load(study, scale)
    metric, seeds = loaded.criterion.metric, loaded.seeds.compare
    rules = Rules.of(loaded.seeds, loaded.decision, loaded.claims, metric)
    names, axes = list(loaded.configurations), {SCORE, *rules.shares} - {CONVERGING}
    for claim in loaded.claims:
        for holds, expected in ((True, "supported"), (False, "refuted")):
            flags = [as_claimed(claim, name, holds=holds) for name in names]
            scores = [(0.9 if high else 0.3) + np.linspace(-0.005, 0.005, seeds) for high in flags]
            groups = [
                Group(np.full(seeds, high), dict.fromkeys(axes, score))
                for high, score in zip(flags, scores, strict=True)
            ]
            own = Compared(names, range(len(names)), groups, rules, [1] * len(names), decide(groups, rules))
            assert verdict(claim, own, metric) == expected, claim


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_that_registers_nothing_says_so(study):
    assert load(study).claims or study == "unet_decay"
