"""The page of a study that runs: one that is open takes in what is new from a script that lies beside it.

A page that was opened from disk may not read another file, but it may run one: `live.js` calls `seedsweepLive` with the
new content, and the page changes the sections that are not as they were.
"""

from __future__ import annotations

import functools
import hashlib
import json
from typing import Any

from markupsafe import Markup

from seedsweep.analysis.page.render import TEMPLATES, render, with_contents
from seedsweep.core.records.files import replace
from seedsweep.core.records.paths import ReportPaths


def write(report: ReportPaths, title: str, content: str, data: dict[str, Any] | None, *, unfinished: bool) -> None:
    """Write the page, and what open ones are to take in.

    content: HTML of `<main>`.  data: of the charts (`page.charts`); None where there are none.  unfinished: whether the
    page is to look for what is new.
    """
    content = with_contents(content)
    encoded = json.dumps(data, separators=(",", ":"), allow_nan=False)
    stamp = hashlib.sha256(f"{content}{encoded}".encode()).hexdigest()[:16]
    page = render(
        TEMPLATES / "report.html",
        title=title,
        content=Markup(content),
        data=Markup(encoded.replace("<", "\\u003c")) if data else None,
        libraries=_libraries() if data else (),
        stamp=stamp,
        live=report.live.name if unfinished else "",
    )
    replace(report.page, page.encode())
    script = report.live
    # A page that was opened while the study ran takes in its end.
    if unfinished or script.exists():
        fresh = json.dumps({"stamp": stamp, "content": content, "ended": not unfinished})
        replace(script, f'seedsweepLive({fresh[:-1]},"data":{encoded}}});\n'.encode())


@functools.cache
def _libraries() -> tuple[Markup, ...]:
    """What draws the charts."""
    return tuple(Markup((TEMPLATES / "vendor" / f"{name}.min.js").read_text()) for name in ("d3", "plot"))
