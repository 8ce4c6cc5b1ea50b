"""How large a whole study is."""

from __future__ import annotations

from typing import Any


def total(settings: dict[str, Any]) -> tuple[int, int]:
    """Cohorts and members of a whole study, as far as can be known before it has run; the most, if seeds are raced.

    settings: as study.yaml has them.
    """
    search, seeds, size = settings["search"], settings["seeds"], settings["resources"]["cohort"]
    named = len(search["first"])
    compared = len(settings["variants"]) + named + (1 if search["explore"] > named else 0)
    if not isinstance(size, int):
        # It is being measured.
        size = max(seeds["search"], seeds["compare"])
    wanted = ((search["explore"], seeds["search"]), (compared, seeds["compare"]))
    return sum(count * -(-each // size) for count, each in wanted), sum(count * each for count, each in wanted)
