"""Self-contained pages: one file, no network."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

_ENVIRONMENT = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)


def render(template: str, **values: Any) -> str:
    """A page of `analysis/templates`."""
    return _ENVIRONMENT.get_template(template).render(**values)


def inline(picture: bytes, kind: str = "svg+xml") -> str:
    """A picture as the source of an image."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
