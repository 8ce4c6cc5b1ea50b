"""In what a configuration differs from what the report of 2019 did: aspect by aspect, read from the resolved
configuration on our side and from `rows.yaml` on the report's. None of it is written by hand for a row."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from seedsweep.analysis.report_2019.spelling import spelt
from seedsweep.core.records.criterion import Criterion

Value = str | float
MODELS = {
    "recurrent_attention": "recurrent attention",
    "edram": "EDRAM",
    "unet": "U-Net",
    "multilevel_unet": "U-Net of several levels",
}
BACKBONES = {
    "small": "small convolutions",
    "published": "EDRAM's own glimpse network",
    "inception_v3": "Inception v3",
    "efficientnet_lite0": "EfficientNet-Lite0",
}
LOSSES = {"mse": "squared error to the mask's centre", "area": "area", "distance": "distance", "none": "none"}
MAPS = {"report_2019": "sigmoid to (-0.5, 0.5)", "tanh": "tanh"}
EXTRACTIONS = {"gaussian": "Gaussian", "spatial_transformer": "spatial transformer"}
DATA = {
    "ellipses": "ellipses",
    "ellipses_varied": "ellipses of varied size",
    "pattern1_offset": "pattern 1 with offset",
    "pattern2": "pattern 2",
    "pattern2_rgb": "pattern 2 in 3 channels",
    "packed": "patches of slides",
    "camelyon16": "patches of slides",
    "colon_ihc": "colon tissue",
}
#: A bias of the last layer at which float32's sigmoid and tanh are within 1 % of their ends.
SATURATED = 5.0
#: So near, as a share, a deviation is Xavier's.
XAVIER = 0.2


@dataclass(frozen=True)
class Setting:
    """A configuration of ours. values: all that it was resolved to, dotted path -> value, a hyperparameter by its bare
    name (`core.records.cohort_spec.CohortSpec.values`).  criterion: of its study.  seeds: of the comparison."""

    values: Mapping[str, Any]
    criterion: Criterion
    seeds: int


@dataclass(frozen=True)
class Aspect:
    """why: what a difference in it may change.  read: its value of a setting of ours; None where it has none."""

    why: str
    read: Callable[[Setting], Value | None]


@dataclass(frozen=True)
class Difference:
    """One aspect. report, here: its values.  inferred: the report does not give its own.  about: the row's claim is
    about this aspect, so that the claim is not tested.  beside: why it is not about it; empty where nobody said so."""

    aspect: str
    report: str
    here: str
    why: str
    inferred: bool
    about: bool
    beside: str = ""


def differences(
    setting: Setting,
    report: Mapping[str, Value],
    inferred: Mapping[str, Value],
    about: Iterable[str],
    beside: Mapping[str, str] | None = None,
) -> list[Difference]:
    """The aspects of which the report's value is known, and ours is another one; in the order of ASPECTS.

    beside: aspect -> why the claim is not about it.
    """
    about, found = set(about), []
    for name, aspect in ASPECTS.items():
        if name not in report and name not in inferred:
            continue
        theirs, own = report.get(name, inferred.get(name)), aspect.read(setting)
        if not same(theirs, own):
            is_inferred, reason = name not in report, (beside or {}).get(name, "")
            found.append(
                Difference(name, shown(theirs), shown(own), aspect.why, is_inferred, name in about, beside=reason)
            )
    return found


def same(theirs: Value | None, own: Value | None) -> bool:
    """Whether two values of an aspect are one: numbers to a twentieth, so that 3.4 is 1024 / 299."""
    if isinstance(theirs, int | float) and isinstance(own, int | float):
        return abs(theirs - own) <= 0.05 * abs(theirs)
    return theirs == own


def shown(value: Value | None) -> str:
    """A value for people."""
    return "none" if value is None else f"{value:g}" if isinstance(value, int | float) else value


def _named(path: str, names: Mapping[str, str]) -> Callable[[Setting], Value | None]:
    """Reads the name of a component, in the words of a table."""

    def read(setting: Setting) -> Value | None:
        value = setting.values.get(path)
        return None if value is None else names.get(value, str(value))

    return read


def _number(path: str) -> Callable[[Setting], Value | None]:
    def read(setting: Setting) -> Value | None:
        value = setting.values.get(path)
        return float(value) if isinstance(value, int | float) else None

    return read


def _backbone(setting: Setting) -> Value | None:
    values = setting.values
    if values.get("task") in ("unet", "multilevel_unet"):
        return f"depth {values.get('settings.depth')}, width {values.get('settings.width')}"
    name = values.get("settings.backbone", "published")
    return BACKBONES.get(name, str(name))


def _weights(setting: Setting) -> Value | None:
    values = setting.values
    if values.get("init_from.run"):
        return "an earlier run's"
    given = values.get("settings.backbone.weights")
    return "random" if not given else "ImageNet's" if given == "imagenet" else "those of a file"


def _location_loss(setting: Setting) -> Value | None:
    values = setting.values
    name = values.get("settings.location")
    if name is None or not values.get("settings.glimpses"):
        return None
    if name != "combined":
        return LOSSES.get(name, str(name))
    alpha = float(values.get("alpha", 0.5))
    return "area" if alpha == 1 else "distance" if alpha == 0 else f"area and distance, alpha {alpha:g}"


def _last_layer(setting: Setting) -> Value | None:
    """Where it starts: activation, bias and, beside Xavier's, the deviation of its weights."""
    values = setting.values
    if "settings.emission.bias" not in values or not values.get("settings.glimpses"):
        return None
    bias = float(values["settings.emission.bias"])
    form = "relu" if values.get("settings.emission.activation") == "relu" else "linear"
    if form == "relu" and bias <= -SATURATED:
        return "dead"
    if abs(bias) >= SATURATED:
        return "saturated"
    std = float(values.get("settings.emission.std", 0.0))
    # Of a layer from the state to two numbers.
    xavier = math.sqrt(2 / (int(values.get("settings.state", 0)) + 2))
    if abs(std - xavier) <= XAVIER * xavier:
        return f"{form}, Xavier's deviation"
    return f"{form}, small" if std < xavier else f"{form}, large"


def _start_of_lstm(setting: Setting) -> Value | None:
    starts = {"overview": "glimpse 0's features", "context": "the image at 12 px"}
    return starts.get(str(setting.values.get("settings.initial")))


def _data(setting: Setting) -> Value | None:
    name = setting.values.get("data.name")
    if name is None:
        return None
    if name == "pattern1":
        return "one field of pattern 1 anywhere" if setting.values.get("data.anywhere") else "pattern 1"
    return DATA.get(name, str(name))


def _background(setting: Setting) -> Value | None:
    name = setting.values.get("data.name")
    if name is None:
        return None
    if str(name).startswith("ellipses"):
        return "plain"
    return (
        "tissue"
        if name in ("packed", "camelyon16", "colon_ihc")
        else str(setting.values.get("data.background", "noise"))
    )


def _balance(setting: Setting) -> Value | None:
    """Of slides the kind of the training split says it."""
    found = setting.values.get("data.balance", setting.values.get("data.kind"))
    return None if found is None else str(found)


def _side(setting: Setting) -> Value | None:
    """Pixels along a side of the drawn image, before it is averaged down."""
    side = setting.values.get("data.downsized_from") or setting.values.get("data.size")
    return float(side) if side else None


def _reduction(setting: Setting) -> Value | None:
    """Pixels of the drawn image, along a side, in one of glimpse 0."""
    side, glimpse = _side(setting), setting.values.get("settings.glimpse_size")
    return round(float(side) / glimpse, 2) if side and glimpse else None


def _rank(setting: Setting) -> Value | None:
    weight = setting.values.get("settings.rank")
    return None if weight is None else "equation 4" if weight else "none"


def _decay(name: str) -> Callable[[Setting], Value | None]:
    def read(setting: Setting) -> Value | None:
        of = {key: setting.values.get(f"schedules.{name}.{key}") for key in ("name", "factor", "every")}
        if of["name"] in (None, "constant"):
            return "none"
        return f"x{of['factor']:g} every {of['every']:g} steps" if of["name"] == "step" else str(of["name"])

    return read


def _criterion(setting: Setting) -> Value | None:
    own = setting.criterion
    side = "at least" if own.direction == "max" else "at most"
    return f"{spelt(own.metric)} {side} {own.threshold:g} in the last {own.hold} evaluations"


#: By name, in the order in which they are listed.
ASPECTS: dict[str, Aspect] = {
    "model": Aspect("another model fails in other ways", _named("task", MODELS)),
    "backbone": Aspect("a small network sees less, and is trained in fewer steps", _backbone),
    "start weights": Aspect("a network that knows photographs needs fewer images and steps", _weights),
    "LSTM's start": Aspect("what the first state holds of the image decides the first look", _start_of_lstm),
    "location loss": Aspect("it is what moves the glimpses", _location_loss),
    "location map": Aspect("its ends are where locations saturate", _named("settings.location_map", MAPS)),
    "last layer": Aspect("where it starts decides whether locations have a gradient", _last_layer),
    "where's bias": Aspect("at 0 the product of what and where begins near 0", _number("settings.where_bias")),
    "extraction": Aspect("it decides how far a glimpse's gradient reaches", _named("settings.extraction", EXTRACTIONS)),
    "rank loss": Aspect("it asks later glimpses to be better than earlier ones", _rank),
    "glimpses": Aspect("with more of them there is more to be wrong about", _number("settings.glimpses")),
    "glimpse px": Aspect("it decides what glimpse 0 shows of the whole image", _number("settings.glimpse_size")),
    "reduction of glimpse 0": Aspect("a pattern is lost where its period falls under 2 px", _reduction),
    "data": Aspect("an easier or harder task is converged on more or less often", _data),
    "pattern's period": Aspect("another period is another task", _number("data.period")),
    "background": Aspect("in noise a field stands out; in tissue it may not", _background),
    "balance": Aspect("precision, recall and F1 follow the share of tumours", _balance),
    "image px": Aspect("a tumour is a smaller or larger part of what is seen", _side),
    "training images": Aspect("with fewer, a network learns them by heart", _number("data.train")),
    "batch": Aspect("it decides how noisy a step is", _number("training.batch")),
    "steps": Aspect("what has not converged yet might with more of them", _number("training.steps")),
    "lr": Aspect("too high a rate diverges, too low a one stands still", _number("lr")),
    "lr decay": Aspect("what has not converged by then hardly does afterwards", _decay("lr")),
    "gamma decay": Aspect("afterwards locations are free of their loss", _decay("gamma")),
    "criterion": Aspect("whether a seed counts as converged hangs on the threshold", _criterion),
    "seeds": Aspect("one run says nothing of the spread", lambda setting: setting.seeds),
}
