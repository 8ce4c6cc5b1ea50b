import numpy as np

from seedsweep.analysis.statistics.cache import remembered


def test_it_computes_once_for_the_same_values():
    asked = []

    @remembered
    def total(values, factor=1.0):
        asked.append(values)
        return sum(np.sum(value) for value in values) * factor

    values = [np.arange(3.0), np.arange(4.0)]
    assert total(values) == total([value.copy() for value in values]) == 9
    assert len(asked) == 1
    assert total(values, factor=2.0) == 18
    values[0][0] = 1
    assert total(values) == 10
    # Alike bytes of another shape or kind are another question.
    assert total([np.zeros((2, 3))]) == total([np.zeros((3, 2))]) == total([np.zeros(6, np.int64)])
    assert len(asked) == 6
