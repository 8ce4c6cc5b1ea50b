"""The rows of the replication table: each a claim of the report of 2019, as `rows.yaml` beside this file has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from seedsweep.analysis.report_2019.aspects import Value
from seedsweep.analysis.report_2019.spelling import spelt

ROWS = Path(__file__).with_name("rows.yaml")
#: Kinds of rules: what compares P(converge), what compares measures, and what is said of a share of the seeds.
OF_CONVERGING, OF_MEASURES, OF_SHARES = (
    ("better", "alike", "somewhere", "anywhere"),
    ("close", "higher", "ahead", "sooner"),
    ("mostly", "rarely", "sometimes"),
)
#: Kinds that ask several rates, each at its part of the level.
SWEPT = ("somewhere", "anywhere")
SIDES = ("above", "below", "within", "beyond")


@dataclass(frozen=True)
class Condition:
    """What holds of a seed at its last evaluation. side: one of SIDES.  limit: of `within` and `beyond` the largest
    distance from the measure `of`."""

    measure: str
    side: str
    limit: float
    of: str = ""

    @property
    def words(self) -> str:
        """`F1 above 0.5`."""
        of = f" of {spelt(self.of)}" if self.of else ""
        return f"{spelt(self.measure)} {self.side} {self.limit:g}{of}"


@dataclass(frozen=True)
class Rule:
    """What decides a claim about a configuration; see `judging`.

    kind: one of OF_CONVERGING, OF_MEASURES and OF_SHARES.  others: configurations that it is compared with, or, of
    `anywhere`, that stand for the report's run as well as the subject.
    conditions: that hold of a seed, all of them; none: that it converges.  cases: of `somewhere`, pairs of
    configurations.
    """

    kind: str
    others: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    cases: tuple[tuple[str, str], ...] = ()

    @property
    def configurations(self) -> tuple[str, ...]:
        """All that are named, without the subject."""
        return (*self.others, *dict.fromkeys(name for case in self.cases for name in case))

    @property
    def measures(self) -> tuple[str, ...]:
        """All that conditions read."""
        named = ((condition.measure, condition.of) for condition in self.conditions)
        return tuple(dict.fromkeys(name for pair in named for name in pair if name))

    @property
    def words(self) -> str:
        """What holds of a seed: `F1 above 0.5 and AUC above 0.6`, `converged`."""
        return " and ".join(condition.words for condition in self.conditions) or "converged"


@dataclass(frozen=True)
class Control:
    """What must hold of a configuration of the same study, so that the study can express the claim; why it shows
    that."""

    configuration: str
    judge: Rule
    why: str


@dataclass(frozen=True)
class Row:
    """A claim.

    row: its number; a letter where the report says several things.  quote: its words.  claim: what is judged.
    study, configuration: what stands for the report's run.  measures: name -> the report's number, None where it gave
    none; the first is drawn.  reason: why this measure and threshold stand for the words.  supports, refutes: what
    result would.  report, inferred: the report's setting, by aspect.  about: aspects that the claim is about.
    beside: aspect in which ours differs at laptop scale -> why the claim is not about it.
    not_tested: why no result could decide it.
    """

    row: str
    quote: str
    claim: str
    study: str
    configuration: str
    measures: dict[str, float | None]
    judge: Rule
    reason: str
    supports: str
    refutes: str
    report: dict[str, Value]
    inferred: dict[str, Value] = field(default_factory=dict)
    about: tuple[str, ...] = ()
    beside: dict[str, str] = field(default_factory=dict)
    control: Control | None = None
    not_tested: str = ""

    @property
    def configurations(self) -> tuple[str, ...]:
        """All of its study that the verdict needs, its subject first."""
        control = (self.control.configuration, *self.control.judge.configurations) if self.control else ()
        return tuple(dict.fromkeys((self.configuration, *self.judge.configurations, *control)))

    @property
    def measure(self) -> str:
        """The one that is drawn, and that rules OF_MEASURES compare."""
        return next(iter(self.measures))


def read_rows() -> list[Row]:
    """The report's claims, in its order."""
    entries: list[dict[str, Any]] = yaml.safe_load(ROWS.read_text())["rows"]
    return [_row(entry) for entry in entries]


def _row(entry: Mapping[str, Any]) -> Row:
    given = dict(entry)
    control = given.pop("control", None)
    if control:
        control = Control(control["configuration"], _rule(control["judge"]), control["why"])
    about = tuple(given.pop("about", ()))
    return Row(**{**given, "row": str(given["row"]), "judge": _rule(given["judge"])}, about=about, control=control)


def _rule(given: Mapping[str, Any]) -> Rule:
    ((kind, about),) = given.items()
    if kind == "somewhere":
        return Rule(kind, cases=tuple((first, second) for first, second in about))
    if kind not in OF_SHARES:
        return Rule(kind, others=tuple(about))
    if about == "converged":
        return Rule(kind)
    return Rule(kind, conditions=tuple(_condition(measure, own) for measure, own in about.items()))


def _condition(measure: str, given: Mapping[str, Any]) -> Condition:
    side = next(side for side in SIDES if side in given)
    return Condition(measure, side, float(given[side]), given.get("of", ""))
