"""On simulated seeds of known truth: intervals hold as often as they say, and tests keep their size. With few simulated
studies; `make calibrate` has many."""

import numpy as np
import pytest

from tests.calibration.row import Row, Seen, holds, run, table
from tests.calibration.rows import ROWS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "seeds"),
    [pytest.param(row, n, id=f"{row.name}, {n} seeds") for row in ROWS for n in row.seeds if n not in row.heavy],
)
def test_it_is_as_often_as_it_should_be(row, seeds):
    line = run(row, seeds, row.short)
    assert line.met is not False, f"{line.worst:.1%} of {line.at}"


@pytest.mark.parametrize(
    ("share", "rounds", "size", "held"),
    [
        (0.93, 0, False, True),
        (0.92, 0, False, False),
        (0.92, 4000, False, True),
        (0.91, 4000, False, False),
        (0.05, 0, True, True),
        (0.051, 0, True, False),
        (0.055, 2000, True, True),
        (0.07, 2000, True, False),
    ],
)
def test_a_simulation_may_miss_by_its_error_alone(share, rounds, size, held):
    assert holds(Seen("", share, rounds), size=size) == held


def test_the_table_says_the_worst_and_where_seeds_are_too_few():
    def measure(seeds, rounds, rng):
        return [Seen("one", 0.96 if seeds > 5 else np.nan, rounds), Seen("two", 0.8 if seeds > 5 else np.nan, rounds)]

    row = Row("an interval", measure, seeds=(5, 12))
    lines = table(run(row, seeds, 1000) for seeds in row.seeds).splitlines()
    assert lines[2] == "| an interval | 5 | 2 | 1000 |  |  |  | coverage >= 93% | too few seeds for an interval |"
    assert lines[3] == "| an interval | 12 | 2 | 4000 | 80.0% | two | 88.0% | coverage >= 93% | **no** |"


@pytest.mark.parametrize(("later", "met"), [(0.95, True), (0.85, False)])
def test_what_seems_to_miss_is_decided_by_more_studies(later, met):
    def measure(_seeds, rounds, _rng):
        return [Seen("one", 0.85 if rounds == 1000 else later, rounds)]

    line = run(Row("an interval", measure), 12, 1000)
    assert (line.met, line.worst, line.rounds) == (met, later, 4000)
