"""Studies of a user's module, `net.py`, as fields, and the line with which one is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from seedsweep.core.errors import UserError
from seedsweep.core.records.study import Study

#: Of `Net`.
STUDY = {
    "question": "Why?",
    "task": "net.py:Net",
    "data": {"name": "net.py:Points"},
    "training": {"steps": 400, "batch": 16},
    "criterion": {"metric": "accuracy", "threshold": 0.9},
}
#: Of `train`.
FUNCTION = {
    "question": "Why?",
    "task": "net.py:train",
    "metrics": {"accuracy": "max"},
    "hyperparameters": {"lr": 0.1, "units": 3},
    "criterion": {"metric": "accuracy", "threshold": 0.9},
}


def bad(load_it: Callable[[], Study]) -> str:
    """The line with which a study is refused, without its file."""
    with pytest.raises(UserError) as caught:
        load_it()
    text = str(caught.value)
    file, _, words = text.partition(": ")
    assert text.startswith("--set ") or Path(file).name in ("own.yaml", "small.yaml")
    assert "\n" not in text
    return text if text.startswith("--set ") else words
