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


def inline(picture: Path) -> str:
    """An SVG file as the source of an image."""
    return "data:image/svg+xml;base64," + base64.b64encode(picture.read_bytes()).decode()
