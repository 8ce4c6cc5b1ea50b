"""Self-contained pages: one file, no network."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

TEMPLATES = Path(__file__).parent / "templates"


def render(template: Path, **values: Any) -> str:
    """A page from a template, which may include what is in TEMPLATES."""
    environment = Environment(loader=FileSystemLoader([template.parent, TEMPLATES]), autoescape=True)
    return environment.get_template(template.name).render(**values)


def inline(picture: bytes, kind: str = "svg+xml") -> str:
    """A picture as the source of an image."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
