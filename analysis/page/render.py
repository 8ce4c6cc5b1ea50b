"""Self-contained pages: one file, no network."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

TEMPLATES = Path(__file__).parent / "templates"


def render(template: Path, **values: Any) -> str:
    """A page from a template, which may include what is in TEMPLATES."""
    environment = Environment(loader=FileSystemLoader([template.parent, TEMPLATES]), autoescape=True)
    return environment.get_template(template.name).render(**values)


def with_contents(content: str) -> str:
    """With a list of its sections and of the figures in them, in the place of `<!--contents-->`."""
    entries: list[str] = []
    for section, title, figure, name in _HEADINGS.findall(content):
        if section:
            entries.append(f'<li><a href="#{section}">{title}</a></li>')
        else:
            entries.append(f'<li class="sub"><a href="#{figure}">{name}</a></li>')
    listed = f'<nav id="contents" aria-label="Contents"><ul>{"".join(entries)}</ul></nav>' if entries else ""
    return content.replace("<!--contents-->", listed, 1)


_HEADINGS = re.compile(r'<section id="([^"]+)"><h2>(.*?)</h2>|<h3 id="([^"]+)">(.*?)</h3>')


def inline(picture: bytes, kind: str = "svg+xml") -> str:
    """A picture as the source of an image."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
