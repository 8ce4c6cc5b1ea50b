"""The cells of a file of comma-separated values, as they are written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seedsweep.analysis.errors import TableError

#: Between cells: the first one by which all columns are found.
DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Cells:
    """columns: of each its cells [N], without the blanks around them.  lines: of the file, where each row ends, [N]."""

    columns: dict[str, list[str]]
    lines: list[int]
    delimiter: str


def read_cells(path: Path, columns: Sequence[str]) -> Cells:
    """The cells of some columns. Other columns, blank lines, and empty cells behind the last column, as a comma at the
    end of each line makes them, are passed over. Errors: TableError, one line."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TableError(f"{path} is no CSV file: it is no text in UTF-8") from None
    try:
        headers = {delimiter: _header(text, delimiter) for delimiter in DELIMITERS}
        delimiter = next((each for each in DELIMITERS if set(columns) <= set(headers[each])), DELIMITERS[0])
        return _columns(path, text, columns, headers[delimiter], delimiter)
    except csv.Error as error:
        raise TableError(f"{path} is no CSV file: {error}") from None


def _columns(path: Path, text: str, columns: Sequence[str], header: list[str], delimiter: str) -> Cells:
    if not header:
        raise TableError(f"{path} is no CSV file: it is empty")
    for name in columns:
        if name not in header:
            raise TableError(f"{path}: there is no column {name!r}; it needs {', '.join(columns)}")
        if header.count(name) > 1:
            raise TableError(f"{path}: there are {header.count(name)} columns {name!r}; leave one")
    _, *rows = _rows(text, delimiter)
    if not rows:
        raise TableError(f"{path} has no rows")
    for line, cells in rows:
        if len(cells) < len(header) or any(cells[len(header) :]):
            raise TableError(f"{path} line {line}: has {len(cells)} cells, and the first line {len(header)}")
    lines = [line for line, _ in rows]
    return Cells({n: [cells[header.index(n)] for _, cells in rows] for n in columns}, lines, delimiter)


def _header(text: str, delimiter: str) -> list[str]:
    """Names of the columns; none where there is no line."""
    _, names = next(_rows(text, delimiter), (0, []))
    while names and not names[-1]:
        names.pop()
    return names


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Lines and cells of the rows that are not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    for row in reader:
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield reader.line_num, cells
