"""Self-contained pages: one file, no network."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from matplotlib.figure import Figure

_ENVIRONMENT = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)


def render(template: str, **values: Any) -> str:
    """A page of `analysis/templates`."""
    return _ENVIRONMENT.get_template(template).render(**values)


def inline(figure: Figure) -> str:
    """A figure as the source of an image."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
