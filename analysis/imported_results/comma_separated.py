"""Text with a line a row, and the names of the columns in the first one."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator

from seedsweep.analysis.errors import TableError
from seedsweep.analysis.imported_results.rows import Rows, hashed

#: Between cells: the first one by which most of the wanted columns are found, and most of all.
DELIMITERS = (",", ";", "\t")


def read(data: bytes, what: str, wanted: Collection[str]) -> Rows:
    """The rows of a file, with cells as they are written, without the blanks around them.

    wanted: columns that must be there once. Blank lines, and empty cells behind the last column, as a comma at the end
    of each line makes them, are passed over. Errors: TableError, one line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TableError(f"{what} is no CSV file: it is no text in UTF-8") from None
    wanted = set(wanted)
    try:
        headers = {delimiter: _header(text, delimiter) for delimiter in DELIMITERS}
        delimiter = max(headers, key=lambda each: (len(wanted & set(headers[each])), len(headers[each])))
        header = headers[delimiter]
        if not header:
            raise TableError(f"{what} is no CSV file: it is empty")
        for name in wanted:
            if header.count(name) > 1:
                raise TableError(f"{what}: there are {header.count(name)} columns {name!r}; leave one")
        _, *rows = _rows(text, delimiter)
    except csv.Error as error:
        raise TableError(f"{what} is no CSV file: {error}") from None
    if not rows:
        raise TableError(f"{what} has no rows")
    for line, cells in rows:
        if len(cells) < len(header) or any(cells[len(header) :]):
            raise TableError(f"{what} line {line}: has {len(cells)} cells, and the first line {len(header)}")
    places = {name: header.index(name) for name in header if name}
    columns = {name: [cells[place] for _, cells in rows] for name, place in places.items()}
    lines = [line for line, _ in rows]
    return Rows(columns, lambda row: f"{what} line {lines[row]}", what, hashed([data]), comma=delimiter == ";")


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
