"""Sizes and coverages of every test and interval, by simulation of studies whose truth is known: prints the table.

python -m tests.calibration                       all rows, in some minutes
python -m tests.calibration --rows median best    those whose names have one of these words in them
python -m tests.calibration --part 0.1            with a tenth of the simulated studies
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time

from tests.calibration.row import Line, run, table
from tests.calibration.rows import ROWS


def line_of(task: tuple[int, int, float]) -> tuple[tuple[int, int, float], Line, float]:
    """One row at one number of seeds, and how many seconds it took."""
    start, (place, seeds, part) = time.monotonic(), task
    line = run(ROWS[place], seeds, max(int(ROWS[place].rounds * part), 1))
    return task, line, time.monotonic() - start


def main() -> int:
    """Returns the exit code: 1 where a row is not met."""
    parser = argparse.ArgumentParser(prog="python -m tests.calibration", description=__doc__.split("\n")[0])
    parser.add_argument("--rows", nargs="*", default=[""], help="words of the names of rows")
    parser.add_argument("--part", type=float, default=1.0, help="share of the simulated studies")
    arguments = parser.parse_args()
    chosen = [place for place, row in enumerate(ROWS) if any(word in row.name for word in arguments.rows)]
    tasks = [(place, seeds, arguments.part) for place in chosen for seeds in ROWS[place].seeds]
    start, lines = time.monotonic(), {}
    with multiprocessing.Pool(len(os.sched_getaffinity(0))) as pool:
        # What takes longest comes first.
        for task, line, seconds in pool.imap_unordered(line_of, sorted(tasks, key=lambda task: -task[1])):
            lines[task] = line
            said = f"{len(lines)}/{len(tasks)}  {line.row.name}, {line.seeds} seeds: {seconds:.1f} s"
            print(said, file=sys.stderr, flush=True)
    print(table(lines[task] for task in tasks))
    print(f"{len(tasks)} lines in {time.monotonic() - start:.0f} s", file=sys.stderr)
    return int(any(line.met is False for line in lines.values()))


if __name__ == "__main__":
    sys.exit(main())
