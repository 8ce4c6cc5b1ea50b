"""A report's answer for programs: `answer.json` beside its page. It is a view, written anew with the page.

Reading one needs neither SciPy nor pandas.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seedsweep.analysis.as_json import as_json
from seedsweep.core.records.files import replace
from seedsweep.core.records.paths import ReportPaths

if TYPE_CHECKING:
    import pandas as pd

    from seedsweep.analysis.answer import Answer
    from seedsweep.analysis.claims import Judged
    from seedsweep.analysis.comparison import Comparison
    from seedsweep.analysis.results import Results

#: Of a configuration and of a pair, those columns of `tables/` that the record has.
OF_A_CONFIGURATION = (
    *("label", "name", "origin", "exploratory", "members", "converged", "fell_back", "never", "diverged"),
    *("p", "low", "high", "median_score", "median_score_low", "median_score_high", "iqm", "iqm_low", "iqm_high"),
    *("median_steps", "median_steps_low", "median_steps_high", "rank_low", "rank_high"),
)
OF_A_PAIR = (
    *("first", "second", "exploratory", "difference", "low", "high", "adjusted", "differs"),
    *("better", "better_low", "better_high", "shift", "shift_low", "shift_high", "score_adjusted", "score_differs"),
)


def write(
    report: ReportPaths,
    results: Results,
    comparison: Comparison,
    said: Answer,
    judged: Sequence[Judged],
    pairs: pd.DataFrame,
    *,
    unfinished: bool,
) -> None:
    """Leave the record of a report.

    judged: the claims in their order.  pairs: those of the comparison that the page shows; of very many not all.
    """
    criterion = results.study.criterion
    record = {
        "study": results.study.name,
        "question": results.study.question.strip(),
        "finished": not unfinished,
        "members": len(results.members),
        "verdict": said.verdict,
        "answer": said.paragraphs,
        "claims": [
            {"verdict": one.verdict, "sentence": sentence} for one, sentence in zip(judged, said.claims, strict=True)
        ],
        "exploratory": said.exploratory,
        "changes": said.changes,
        "facts": said.facts,
        "notes": said.notes,
        "criterion": {name: getattr(criterion, name) for name in ("metric", "threshold", "hold", "direction")},
        "score": results.study.score,
        "level": results.decision.level,
        "configurations": _rows(comparison.configurations, OF_A_CONFIGURATION),
        "pairs": _rows(pairs, OF_A_PAIR),
        "all_pairs": len(comparison.pairs),
    }
    replace(report.answer, as_json(record).encode())


def read(report: ReportPaths) -> dict[str, Any] | None:
    """The record of a report; None where there is none, or it cannot be read."""
    try:
        found = json.loads(report.answer.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _rows(table: pd.DataFrame, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """Its rows, with those of the columns that it has."""
    known = [name for name in columns if name in table]
    return [dict(zip(known, row, strict=True)) for row in table[known].itertuples(index=False, name=None)]
