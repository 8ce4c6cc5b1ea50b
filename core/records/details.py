"""Names of values that are parts of a measure, as of one slide or one point of a curve: tables of their own show them,
and no list of measures has them."""

from __future__ import annotations

SEPARATOR = ":"


def detail(*parts: str) -> str:
    """`slide:test_001:max`, of `slide`, `test_001` and `max`."""
    return SEPARATOR.join(part.replace(SEPARATOR, "_") for part in parts)


def parts_of(name: str) -> list[str]:
    """What `detail` was given; a measure's name alone."""
    return name.split(SEPARATOR)


def is_detail(name: str) -> bool:
    """Whether a value is no measure of its own."""
    return SEPARATOR in name
