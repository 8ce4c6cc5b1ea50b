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
        ("pattern's period", {"data__period": 8}, 8),
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
        ("criterion", {}, "F1 at least 0.9 in the last 3 evaluations"),
        ("seeds", {}, 24),
    ],
)  # fmt: skip
def test_what_is_read_of_a_configuration(aspect, values, found):
    assert read(aspect, **values) == found


@pytest.mark.parametrize(
    ("activation", "std", "bias", "state", "found"),
    [
        ("relu", 0.17, 0.0, 64, "relu, Xavier's deviation"),
        ("relu", 0.062, 0.0, 512, "relu, Xavier's deviation"),
        # Of a state of 512 that is nearly three times Xavier's.
        ("relu", 0.17, 0.0, 512, "relu, large"),
        ("relu", 0.01, 0.0, 64, "relu, small"),
        ("none", 0.01, 0.0, 64, "linear, small"),
        ("none", 0.17, 0.0, 64, "linear, Xavier's deviation"),
        ("none", 0.01, 20.0, 64, "saturated"),
        ("none", 0.01, -20.0, 64, "saturated"),
        ("relu", 0.17, 20.0, 64, "saturated"),
        # Its output is 0 wherever the state goes.
        ("relu", 0.17, -20.0, 64, "dead"),
    ],
)
def test_where_the_last_layer_starts(activation, std, bias, state, found):
    emission = {"activation": activation, "std": std, "bias": bias}
    values = {f"settings__emission__{name}": value for name, value in emission.items()}
    assert read("last layer", settings__state=state, settings__glimpses=3, **values) == found


def test_only_what_the_report_gives_or_lets_infer_can_differ():
    setting = Setting({"task": "edram", "settings.glimpses": 6, "training.steps": 500}, F1, 24)
    found = differences(
        setting, {"model": "recurrent attention", "glimpses": 6}, {"steps": 10000}, ["model"], {"steps": "small"}
    )
    assert [each.beside for each in found] == ["", "small"]
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
