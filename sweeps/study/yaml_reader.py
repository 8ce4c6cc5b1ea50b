"""YAML as studies are written in it: version 1.2's plain values, and each key once.

`08:00:00` is a time and not 28800, `1e-3` a number, `yes` and `2020-01-01` are texts. A key is the text that stands
there: a configuration may be called 1e3 or 0.5.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from seedsweep.core.errors import UserError

_TAG = "tag:yaml.org,2002:"
#: Plain texts that are something else: tag, pattern, first characters.
_PLAIN = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Keys are the texts that stand there, each once. A merge (`<<`) may say a key again."""
        lines: dict[str, int] = {}
        for key, value in node.value:
            problem = ""
            if not isinstance(key, ScalarNode):
                problem = "a key is one plain text"
            elif node.flow_style and _is_glued(key, value):
                name, _, rest = key.value.partition(":")
                problem = f"{key.value!r} is a key without a value; a colon needs a space behind it: {name}: {rest}"
            elif key.value in lines:
                problem = f"the key {key.value!r} stands twice, first in line {lines[key.value] + 1}"
            if problem:
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            lines[key.value] = key.start_mark.line
        self.flatten_mapping(node)
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}


def _is_glued(key: ScalarNode, value: Node) -> bool:
    """Whether `{until:decided}` stands there: YAML reads a key with a colon, and no value."""
    return key.style is None and ":" in key.value.strip(":") and isinstance(value, ScalarNode) and value.value == ""


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    def ignore_aliases(self, data: Any) -> bool:
        """Everything is written out."""
        return True


for _name, _pattern, _first in _PLAIN:
    for _kind in (_Loader, _Dumper):
        _kind.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_pattern})$"), _first)
_Loader.add_constructor(_TAG + "int", lambda loader, node: int(node.value))
_Loader.add_constructor(_TAG + "float", lambda loader, node: float(node.value))


def read(path: Path) -> dict[str, Any]:
    """The mapping of a file. Errors: UserError, one line with the place."""
    try:
        values = value(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is no text in UTF-8") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: a study is a mapping of fields, not {type(values).__name__}")
    return values


def value(text: str) -> Any:
    """What a text says, a file's or that of `--set`. Errors: UserError, one line with the place."""
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        # As where a line begins further to the left or right than the one before.
        indented = "; is it indented as the lines around it?" if "block" in str(error.problem) else ""
        raise UserError(f"{place}malformed YAML: {error.problem}{indented}") from None
    except yaml.YAMLError as error:
        raise UserError(f"malformed YAML: {' '.join(str(error).split())}") from None


def dump(values: Any) -> str:
    """As this reader reads it again."""
    text: str = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text
