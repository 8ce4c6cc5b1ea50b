"""Differences between the report's setting and a configuration of ours are read from both."""

import pytest

from seedsweep.analysis.report_2019.aspects import ASPECTS, Setting, differences, same
from seedsweep.core.records.criterion import Criterion

F1 = Criterion("f1", 0.9, 3)


def read(aspect, **values):
    dotted = {path.replace("__", "."): value for path, value in values.items()}
    return ASPECTS[aspect].read(Setting(dotted, F1, 24))


@pytest.mark.parametrize(
    ("aspect", "values", "found"),
    [
        ("model", {"task": "edram"}, "EDRAM"),
        ("backbone", {"task": "edram"}, "EDRAM's own glimpse network"),
        ("backbone", {"task": "edram", "settings__backbone": "inception_v3"}, "Inception v3"),
        ("backbone", {"task": "unet", "settings__depth": 4, "settings__width": 64}, "depth 4, width 64"),
        ("start weights", {"settings__backbone__weights": "imagenet"}, "ImageNet's"),
        ("start weights", {"settings__backbone__weights": ""}, "random"),
        ("start weights", {"init_from__run": "alpha_seed_study"}, "an earlier run's"),
        ("location loss", {"settings__location": "combined", "settings__glimpses": 3, "alpha": 1.0}, "area"),
        ("location loss", {"settings__location": "combined", "settings__glimpses": 3, "alpha": 0}, "distance"),
        ("location loss", {"settings__location": "distance", "settings__glimpses": 0}, None),
        ("last layer", {"settings__emission__bias": 20.0, "settings__glimpses": 3}, "saturated"),
        ("reduction of glimpse 0", {"data__size": 64, "settings__glimpse_size": 16}, 4),
        (
            "reduction of glimpse 0",
            {"data__size": 64, "data__downsized_from": 219, "settings__glimpse_size": 64},
            pytest.approx(1024 / 299, abs=0.01),
        ),
        ("rank loss", {"settings__rank": 0.0}, "none"),
        ("lr decay", {}, "none"),
        ("lr decay", {"schedules__lr__name": "step", "schedules__lr__factor": 0.1, "schedules__lr__every": 350},
         "x0.1 every 350 steps"),
        ("gamma decay", {"schedules__gamma__name": "cosine"}, "cosine"),
        ("data", {"data__name": "pattern1", "data__anywhere": False}, "pattern 1"),
        ("data", {"data__name": "packed"}, "patches of slides"),
        ("background", {"data__name": "packed"}, "tissue"),
        ("background", {"data__name": "pattern1", "data__background": "tissue"}, "tissue"),
        ("criterion", {}, "f1 at least 0.9 in the last 3 evaluations"),
        ("seeds", {}, 24),
    ],
)  # fmt: skip
def test_what_is_read_of_a_configuration(aspect, values, found):
    assert read(aspect, **values) == found


def test_only_what_the_report_gives_or_lets_infer_can_differ():
    setting = Setting({"task": "edram", "settings.glimpses": 6, "training.steps": 500}, F1, 24)
    found = differences(setting, {"model": "recurrent attention", "glimpses": 6}, {"steps": 10000}, ["model"])
    assert [(each.aspect, each.report, each.here) for each in found] == [
        ("model", "recurrent attention", "EDRAM"),
        ("steps", "10000", "500"),
    ]
    assert [(each.inferred, each.about) for each in found] == [(False, True), (True, False)]
    assert all(each.why for each in found)


def test_what_ours_lacks_is_a_difference():
    (found,) = differences(Setting({}, F1, 24), {"glimpse px": 299}, {}, [])
    assert found.here == "none"


@pytest.mark.parametrize(
    ("theirs", "own", "expected"),
    [(3.42, 3.4219, True), (4, 3.42, False), (0, 0.0, True), ("none", None, False), (None, None, True)],
)
def test_when_two_values_are_one(theirs, own, expected):
    assert same(theirs, own) == expected
