"""YAML as studies are written in it: version 1.2's plain values, and each key once.

`08:00:00` is a time and not 28800, `1e-3` a number, `yes` and `2020-01-01` are texts. A key is the text that stands
there: a configuration may be called 1e3 or 0.5.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

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

    def get_single_node(self) -> Node | None:
        """Each key once, no alias within what it stands for. Checked before merges (`<<`), which repeat keys."""
        node: Node | None = super().get_single_node()
        if node is not None:
            _check(node, [], set())
        return node

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Keys are the texts that stand there."""
        self.flatten_mapping(node)
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}


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


def _as_text(dumper: yaml.SafeDumper, text: str) -> ScalarNode:
    """In quotes where a reader of YAML 1.1 would take it for something else, too."""
    resolver = yaml.resolver.Resolver()
    other = resolver.resolve(ScalarNode, text, (True, False)) != _TAG + "str"  # type: ignore[no-untyped-call]
    return dumper.represent_scalar(_TAG + "str", text, style="'" if other and "\n" not in text else None)


_Dumper.add_representer(str, _as_text)


def read(path: Path) -> dict[str, Any]:
    """The mapping of a file. Errors: UserError, one line with the place."""
    try:
        values = _parse(path.read_text(encoding="utf-8"))
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
    """One value, as of `--set`. Errors: UserError."""
    return _parse(text)


def dump(values: Any) -> str:
    """As this reader reads it again."""
    text: str = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def _parse(text: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise UserError(f"{place}malformed YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise UserError(f"malformed YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UserError("malformed YAML: nested too deep") from None
    except ValueError as error:
        # A number of thousands of digits.
        raise UserError(f"malformed YAML: {error}") from None


def _check(node: Node, above: list[Node], seen: set[int]) -> None:
    """above: what the node lies in.  seen: what was checked. Errors: ConstructorError."""
    if any(node is other for other in above):
        raise yaml.constructor.ConstructorError(
            None, None, "an alias stands within what it stands for", node.start_mark
        )
    if id(node) in seen:
        return
    seen.add(id(node))
    inside: list[Node] = []
    if isinstance(node, MappingNode):
        lines: dict[str, int] = {}
        for key, below in node.value:
            if not isinstance(key, ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is one plain text", key.start_mark)
            if key.value in lines:
                problem = f"the key {key.value!r} stands twice, first in line {lines[key.value] + 1}"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            lines[key.value] = key.start_mark.line
            inside.append(below)
    elif isinstance(node, SequenceNode):
        inside = node.value
    for below in inside:
        _check(below, [*above, node], seen)
