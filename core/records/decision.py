"""How a study decides: seeds and looks, the level and how it is shared, claims, and how much hangs on the criterion."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from seedsweep.core.records import parts
from seedsweep.core.records.section import Part

#: Version of the rules by which `analysis` decides: raised when the same outcomes may get another verdict.
RULES = 2
#: Axes on which configurations are compared; of each other measure that a claim names there is one more.
CONVERGING, SCORE = AXES = ("converging", "score")
#: What claims `below` have of the level, beside the axes.
BELOW = "below"


class SeedCounts(Part):
    """How many seeds there are, and when the comparison is tested.

    search: seeds of each explored configuration.  compare: fresh seeds of each compared one.
    vary: what follows a member's seed: `init`, its first weights; `order`, that of the samples; `draws`, what it draws;
        `sample`, a bootstrap of the training split. The others are 0 for all members, so that what is left of the
        spread is that of the named ones.
    looks: numbers of seeds at which the comparison is tested, the last being `compare`; all of them together keep the
        level. Left out: once, at the end. `any`: after every seed, by a test that is valid at any time.
    until: `decided`: the comparison begins with `least` seeds of each configuration and goes on, look by look, until
        each claim is decided, cannot be decided any more, or has `most` seeds (which stands for `compare`; left out:
        `compare`). Where no looks are declared: at `least`, twice that, and so on. `all`: all of `compare` are trained.
    least: seeds at the first look of `until: decided`.  most: seeds at the last one, in place of `compare`.
    paired: the members of a seed are alike in all configurations: pairs are tested seed by seed.
    """

    search: int = Field(3, ge=1)
    compare: int = Field(12, ge=1)
    vary: tuple[parts.Part, ...] = parts.VARIED
    looks: tuple[int, ...] | Literal["any"] = ()
    until: Literal["all", "decided"] = "all"
    least: int = Field(6, ge=2)
    most: int | None = Field(None, ge=2)
    paired: bool = False

    @model_validator(mode="before")
    @classmethod
    def _most_is_compare(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("until") != "decided":
            return given
        if given.get("most") is None:
            return given
        return {**given, "compare": given["most"]}

    @model_validator(mode="after")
    def _looks_grow(self) -> SeedCounts:
        if self.until == "all" and self.most is not None:
            raise ValueError(".most: applies only with until: decided; give compare")
        declared = isinstance(self.looks, tuple) and bool(self.looks)
        if self.until == "decided" and self.least > self.compare and not declared:
            raise ValueError(
                f".least: {self.least} is more than seeds.{'compare' if self.most is None else 'most'}, {self.compare}"
            )
        if isinstance(self.looks, str):
            return self
        if (
            any(one >= other for one, other in zip(self.looks, self.looks[1:], strict=False))
            or min(self.looks, default=1) < 1
        ):
            raise ValueError(f".looks: {list(self.looks)} does not grow; give numbers of seeds, the smallest first")
        most = "compare" if self.most is None else "most"
        if self.looks and self.looks[-1] != self.compare:
            raise ValueError(f".looks: the last is {self.looks[-1]}; it must be seeds.{most}, {self.compare}")
        return self

    @property
    def anytime(self) -> bool:
        """Whether the comparison is tested after every seed."""
        return self.looks == "any"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Seeds of each configuration at each look, growing; of `looks: any` in steps of `least`: the numbers after
        which it is asked whether to go on."""
        if isinstance(self.looks, tuple) and self.looks:
            return self.looks
        if self.until == "all":
            return (self.compare,)
        if self.anytime:
            return (*range(self.least, self.compare, self.least), self.compare)
        sizes = [self.least]
        while sizes[-1] < self.compare:
            sizes.append(min(2 * sizes[-1], self.compare))
        return tuple(sizes)


class Decision(Part):
    """The level, and how it is shared.

    level: of all that a page claims, in all axes and looks.  shares: of the level: of `converging`, `score`, each
    measure that a claim names, and `below`, all claims of that kind; left out: half for converging, the rest in equal
    parts.
    """

    level: float = Field(0.05, gt=0, lt=0.5)
    shares: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _shares_of_something(self) -> Decision:
        if self.shares and (min(self.shares.values()) < 0 or not sum(self.shares.values())):
            raise ValueError(f".shares: {self.shares} are no parts of a whole; give numbers from 0 up, not all 0")
        return self

    def shares_of(self, parts: tuple[str, ...]) -> dict[str, float]:
        """What each of `parts_of`, converging the first, has of the level: they add up to 1."""
        given = {part: self.shares.get(part, 0.0) for part in parts} if self.shares else {}
        if not sum(given.values()):
            first, *rest = parts
            given = {first: 0.5 if rest else 1.0, **{part: 0.5 / len(rest) for part in rest}}
        whole = sum(given.values())
        return {part: share / whole for part, share in given.items()}


class Claim(Part):
    """What somebody claimed; one of `best`, `better`, `alike`, `below`.

    best: name of the configuration that is better than every other named one.  better: [A, B], A is better than B.
    alike: [A, B], they differ by less than the margin.  below: [A, share], P(converge) of A is less.
    measure: by which scores are compared; the criterion's where it is left out.
    axis: `converging` or `score`; a claim that names a measure is of scores.
    margin: the difference that would not matter, of P(converge) or of the score. Of `alike`, which needs it; of `best`
    and `better`: the claim is refuted where they are alike within it, too.
    """

    best: str | None = None
    better: tuple[str, str] | None = None
    alike: tuple[str, str] | None = None
    below: tuple[str, float] | None = None
    margin: float | None = Field(None, gt=0)
    measure: str | None = None
    axis: Literal["converging", "score"] = "converging"

    @model_validator(mode="before")
    @classmethod
    def _of_scores(cls, given: Any) -> Any:
        return {"axis": "score", **given} if isinstance(given, dict) and given.get("measure") else given

    @model_validator(mode="after")
    def _is_one(self) -> Claim:
        kinds = [kind for kind in ("best", "better", "alike", "below") if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(f"is exactly one of best, better, alike, below, not {' and '.join(kinds) or 'none'}")
        if len(self.names) != len(set(self.names)):
            raise ValueError(f".{kinds[0]}: names {self.names[0]!r} twice")
        if self.below and not 0 < self.below[1] <= 1:
            raise ValueError(f".below: {self.below[1]:g} is no share; it must be above 0 and at most 1")
        if self.alike and self.margin is None:
            raise ValueError(".margin: is missing; alike within which difference?")
        if self.margin is not None and self.margin >= 1 and self.axis == "converging":
            raise ValueError(
                f".margin: {self.margin:g} is no difference of shares; it must be below 1 (0.05: 5 points)"
            )
        if self.margin is not None and self.below:
            raise ValueError(".margin: is of a difference, and below has none")
        if self.measure and (self.below or self.axis == "converging"):
            raise ValueError(".measure: a claim about convergence takes no measure; leave it out, or say axis: score")
        if self.below and self.axis == "score":
            raise ValueError(".axis: below is of P(converge); leave it out")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Of the configurations that it is about, its subject first."""
        return self.below[:1] if self.below else self.better or self.alike or (self.best or "",)


def axes_of(claims: tuple[Claim, ...], metric: str) -> tuple[str, ...]:
    """On which configurations are compared: AXES, and the measures beside the criterion's that claims name."""
    named = dict.fromkeys(claim.measure for claim in claims if claim.measure not in (None, metric))
    return (*AXES, *(str(measure) for measure in named))


def parts_of(claims: tuple[Claim, ...], metric: str) -> tuple[str, ...]:
    """What the level is divided between: `axes_of`, and BELOW where a claim is of that kind."""
    return (*axes_of(claims, metric), *([BELOW] if any(claim.below for claim in claims) else []))


class Sensitivity(Part):
    """Criteria beside the study's own, by which the answer is judged again, to show how much hangs on it.

    threshold: values that are tried; left out: some on both sides of the criterion's own.
    hold: values that are tried; left out: 1, and twice the criterion's own.
    """

    threshold: tuple[float, ...] = ()
    hold: tuple[int, ...] = ()
