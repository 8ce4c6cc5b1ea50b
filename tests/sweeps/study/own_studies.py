"""Studies of a user's module, `net.py`, as fields."""

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
