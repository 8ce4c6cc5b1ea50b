"""Whole slides in a report: which are called wrongly, and their FROC curves."""

import itertools

import pandas as pd
import pytest

from seedsweep.analysis.slides import Slides, doubtful, draw


@pytest.fixture
def slides() -> Slides:
    """Two configurations of three seeds; each seed of `b` calls the normal slide a tumour slide, one of `a` misses."""
    rows = [
        {
            **{"configuration": label, "label": label, "seed": seed, "evaluation": "last"},
            **{"slide": slide, "tumour": slide == "t", "mean": 0.2, "max": 0.6},
            "called": label == "b" if slide == "n" else (label, seed) != ("a", 2),
        }
        for label, seed, slide in itertools.product("ab", range(3), "nt")
    ]
    curves = [
        {
            **{"configuration": label, "label": label, "seed": seed, "evaluation": "last"},
            **{"false_positives": rate, "sensitivity": min(rate / (seed + 1), 1.0)},
        }
        for label, seed, rate in itertools.product("ab", range(3), (0.25, 1.0, 4.0))
    ]
    return Slides(pd.DataFrame(rows), pd.DataFrame(curves))


def test_the_slides_that_are_called_wrongly_come_the_most_often_wrong_first(slides):
    assert doubtful(slides, "last").to_dict("records") == [
        {"label": "b", "slide": "n", "tumour": False, "called": 3, "seeds": 3},
        {"label": "a", "slide": "t", "tumour": True, "called": 2, "seeds": 3},
    ]
    assert len(doubtful(slides, "best")) == 0


def test_a_panel_a_configuration_and_a_line_a_seed(slides):
    drawn = draw(slides, "last")
    assert [len(axis.lines) for axis in drawn.figure.axes] == [4, 4]
    assert drawn.figure.axes[0].lines[-1].get_ydata().tolist() == pytest.approx([0.125, 0.5, 1.0])
    assert len(drawn.numbers) == len(slides.curves)
    assert draw(slides, "best") is None
