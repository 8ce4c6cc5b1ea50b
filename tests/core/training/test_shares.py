"""What one configuration's members take out of the state that several trained to is what they come to alone."""

import numpy as np
import pytest
import torch

from seedsweep.core.records.criterion import Criterion
from seedsweep.core.records.study import Stop
from seedsweep.core.training.shares import share_of

CRITERION = Criterion("loss", 1.0, direction="min")


@pytest.fixture
def company(task, members):
    """Members of two configurations, those of the second learn nothing and stop."""
    return [*members(task, 0, 1, lr=2e-3), *members(task, 0, 1, lr=0.0)]


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize("places", [(0, 1), (2, 3)])
@pytest.mark.parametrize("steps", [5, 12])
def test_a_share_goes_on_as_in_company(task, company, trained, cohort, values, places, steps, at_once):
    """To the bit where members go one after another; 12 steps end between two evaluations of more."""
    stop = Stop(metric="loss", patience=2)
    options = {"stop": stop, "criterion": CRITERION}
    short = trained(task, company, at_once, steps=steps, **options)
    whole = trained(task, company, at_once, steps=40, **options)
    alone = cohort(task, [company[place] for place in places], at_once, steps=40, **options)
    alone.load(share_of(short.state(), places))
    while not alone.done:
        alone.advance()
    assert alone.stopped_at == [whole.stopped_at[place] for place in places]
    expected = values(whole)[: len(alone.evaluated), places]
    if at_once == 1:
        np.testing.assert_array_equal(values(alone), expected)
        assert alone.test() == [whole.test()[place] for place in places]
    else:
        np.testing.assert_allclose(values(alone), expected, atol=0.05, rtol=1e-3)


def test_where_all_have_stopped_training_ends_with_the_last(task, company, trained):
    options = {"steps": 60, "stop": Stop(metric="loss", patience=1), "criterion": CRITERION}
    whole, alone = trained(task, company, 1, **options), trained(task, company[2:], 1, **options)
    assert alone.step < whole.step
    share, own = share_of(whole.state(), (2, 3)), alone.state()
    assert share.keys() == own.keys()
    for name in ("step", "seeds", "evaluated", "stopped_at", "before_end"):
        assert share[name] == own[name]
    for name in ("weights", "evaluations", "windows", "diverged_at"):
        torch.testing.assert_close(share[name], own[name], rtol=0, atol=0, equal_nan=True)
    assert share["best"]["places"] == own["best"]["places"]


def test_of_all_members_it_is_the_state(task, company, trained):
    state = {**trained(task, company).state(), "seconds": 3.0}
    assert share_of(state, range(4)) == state
