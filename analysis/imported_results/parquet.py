"""A parquet file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from pyarrow.parquet import read_table

from seedsweep.analysis.errors import TableError
from seedsweep.analysis.imported_results.rows import Cell, Rows, cell, hashed

#: A parquet file begins with these bytes.
MAGIC = b"PAR1"


def read(data: bytes, what: str) -> Rows:
    """The rows of a file; of a number that is missing or not a number an empty cell. Errors: TableError, one line."""
    try:
        table = read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{what} is a damaged parquet file: {' '.join(str(error).split())[:120]}") from None
    if not table.num_rows:
        raise TableError(f"{what} has no rows")
    columns = {name: _cells(table.column(name)) for name in table.column_names}
    return Rows(columns, lambda row: f"{what} row {row + 1}", what, hashed([data]))


def _cells(column: pa.ChunkedArray) -> Sequence[Cell]:
    values = column.to_pylist()
    if pa.types.is_float32(column.type):
        values = [None if value is None else np.float32(value) for value in values]
    return [cell(value) for value in values]
