"""Pictures of where members look."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from seedsweep.analysis.figures.glimpses import Watched, draw


def member(windows, outcome="converged"):
    return Watched("alpha 0.5", 3, outcome, [10, 20], np.array(windows, float), np.zeros((64, 64), np.uint8))


def test_a_window_covers_the_pixels_that_it_stands_for():
    """Half of the image around its middle, then a quarter in the corner, whose centre is that of the last pixel."""
    drawn = draw([member([[[0, 0, 0.5, 0.5]], [[1, 1, 0.25, 0.25]]])])
    patches = [patch for axes in drawn.figure.axes for patch in axes.patches]
    boxes = [patch.get_bbox().extents for patch in patches if isinstance(patch, Rectangle)]
    assert drawn.numbers[["step", "glimpse", "x", "width"]].to_numpy().tolist() == [[10, 1, 0, 0.5], [20, 1, 1, 0.25]]
    # Pixel i reaches from i - 1/2 to i + 1/2: the middle of 64 pixels is at 31.5.
    assert boxes[0] == pytest.approx([15.5, 15.5, 47.5, 47.5])
    assert boxes[1] == pytest.approx([55, 55, 71, 71])
    assert "number of its glimpse" in drawn.caption


def test_a_path_ends_where_the_last_window_is():
    drawn = draw([member([[[0, 0, 0.5, 0.5]], [[1, -1, 0.5, 0.5]]])])
    path, end = drawn.figure.axes[-1].lines
    assert path.get_xydata().tolist() == [[31.5, 31.5], [63, 0]]
    assert end.get_xydata().tolist() == [[63, 0]]


def test_each_member_has_its_row_with_its_outcome():
    drawn = draw([member([[[0, 0, 0.5, 0.5]]] * 2), member([[[0, 0, 0.5, 0.5]]] * 2, "fell_back")])
    words = [text.get_text() for text in drawn.figure.findobj(Text) if "seed" in text.get_text()]
    assert words == [
        "alpha 0.5, seed 3: converged",
        "alpha 0.5, seed 3: fell back",
    ]
