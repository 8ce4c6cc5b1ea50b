"""What the sections of a study have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from seedsweep.core.component import choose


def _one_value(given: Any) -> Any:
    if not isinstance(given, bool | int | float | str):
        raise ValueError(
            f"is one number, text or boolean, not {given!r}; several are compared (configurations) or searched "
            "(search.space)"
        )
    return given


def _component(given: Any) -> Any:
    if isinstance(given, str):
        raise ValueError(f"is a mapping: write {{name: {given}}}")
    return given


#: What a field may have that is searched or overridden.
Scalar = Annotated[bool | int | float | str, BeforeValidator(_one_value)]
#: The section of a component: its name, and its settings beside it.
Section = Annotated[dict[str, Any], BeforeValidator(_component)]


class Part(BaseModel):
    """A section of a study: no unknown fields, no NaN.

    Its validators' messages begin with a dot where they are of a field below the section.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, given: Any) -> Any:
        known = {field.alias or name: name for name, field in cls.model_fields.items()}
        for key in given if isinstance(given, dict) else ():
            if key not in known and key not in known.values():
                raise ValueError(f".{key}: there is no such field; {choose(str(key), known)}")
        return given
