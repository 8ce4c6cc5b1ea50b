"""A table on a terminal, and elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

#: Columns where the output is no terminal.
WIDE = 10_000


def show(table: Table, console: Console) -> None:
    """Print a table. On a terminal it is cut to its width; in a file or a pipe it is whole."""
    if console.is_terminal:
        console.print(table, soft_wrap=False)
        return
    width, console.width = console.width, WIDE
    with console.capture() as captured:
        console.print(table, soft_wrap=False)
    # Without the blanks that fill the last column.
    lines = [line.rstrip() for line in captured.get().splitlines()]
    console.print("\n".join(lines), soft_wrap=True, markup=False, highlight=False, emoji=False)
    console.width = width
