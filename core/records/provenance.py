"""Where a run's members come from: its launches, and the changes of code that were accepted."""

from __future__ import annotations

import json
from typing import Any

from seedsweep.core.records.paths import RunPaths
from seedsweep.core.records.study import RecordError


def read_provenance(paths: RunPaths) -> dict[str, list[dict[str, Any]]]:
    """What was recorded of `launches`, and of `accepted_code`, the oldest first. Errors: RecordError."""
    file = paths.provenance
    try:
        return {"launches": [], "accepted_code": [], **(json.loads(file.read_text()) if file.exists() else {})}
    except (ValueError, TypeError):
        raise RecordError(f"{file} is damaged: remove it, and launch again") from None
