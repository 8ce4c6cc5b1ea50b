"""The part of a cohort's state that some of its members are, where members of several configurations train together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor


def share_of(state: Mapping[str, Any], places: Sequence[int]) -> dict[str, Any]:
    """The `Cohort.state()` of some members as if they had trained alone: where every one of them has stopped, training
    ended with the last. `state` may hold more than that: numbers, and lists and tensors with an entry a member.

    places: of the members, in any order.
    """
    if list(places) == list(range(len(state["seeds"]))):
        return dict(state)
    share = {name: _share(name, value, list(places)) for name, value in state.items()}
    stopped = share["stopped_at"]
    if min(stopped) >= 0 and max(stopped) < share["step"]:
        count = share["evaluated"].index(max(stopped)) + 1
        share |= {name: share[name][:count] for name in ("evaluated", "evaluations", "windows")}
        share |= {"step": max(stopped), "before_end": {}}
    return share


def _share(name: str, value: Any, places: list[int]) -> Any:
    if name in ("columns", "evaluated"):
        return value
    if name in ("evaluations", "windows"):
        return value[:, places]
    if name in ("best", "stopping"):
        rows = {what: value[what][places] for what in ("scores", "without_better")}
        kept = {what: tensor[places] for what, tensor in value["kept"].items()}
        return {**rows, "kept": kept, "places": [new for new, old in enumerate(places) if old in value["places"]]}
    if name == "before_end":
        return {part: _share(part, of_part, places) for part, of_part in value.items()}
    if isinstance(value, Mapping):
        return {part: tensor[places] for part, tensor in value.items()}
    if isinstance(value, list):
        return [value[place] for place in places]
    return value[places] if isinstance(value, Tensor) else value
