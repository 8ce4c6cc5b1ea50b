"""A study that stops when it is decided: how many seeds it takes, against one of a fixed number, and how often it says
what is not so. Prints the table.

python -m tests.calibration.savings --studies 400       some minutes
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from dataclasses import replace

import numpy as np

from seedsweep.analysis.decisions import decide
from seedsweep.core.records.decision import CONVERGING, Claim
from tests.calibration.of_pages import (
    EQUAL,
    ONE_AXIS,
    SOME,
    Config,
    World,
    at_its_bound,
    equal,
    judged_falsely,
    stopped_study,
    until_decided,
)

MOST = 40
#: Studies that one process simulates at a time.
CHUNK = 25
BEST = (Claim(best="0"),)
WORLDS = [
    (World("two of .9 and .3", (Config(0.9), Config(0.3))), BEST),
    (World("two of .9 and .6", (Config(0.9), Config(0.6))), BEST),
    (World("two of .6", equal(2, 0.6)), BEST),
    (World("four, one of .95, three of .4", (Config(0.95), *equal(3, 0.4))), BEST),
    (EQUAL[4], BEST),
    (EQUAL[4], ()),
    (SOME[0], ()),
    (ONE_AXIS[0], ()),
    (EQUAL[1], (at_its_bound(EQUAL[1], 0.0),)),
]
COLUMNS = ("seeds", "futile", "said", "once", "false")


def studies(task: tuple[int, int]) -> tuple[int, list[tuple[float, ...]]]:
    """Some studies of a world, a row each as COLUMNS has it. task: the world's place, and a number for its seed."""
    place, number = task
    (world, claims), found = WORLDS[place], []
    rng = np.random.default_rng([place, number])
    _, rules = until_decided(MOST, *claims)
    for _ in range(CHUNK):
        groups, seen = stopped_study(world, MOST, rng, *claims)
        says = []
        for own, reached in ((rules, seen.reached), (replace(rules, sizes=()), None)):
            axis = decide(groups, own, reached, estimates=False).axes[CONVERGING]
            says.append(all(axis.pair(0, other).differs > 0 for other in range(1, len(groups))))
        false = judged_falsely(world, groups, rules, seen.reached, *claims)
        found.append((float(np.mean(seen.wanted)), seen.stopped == "futile", *says, false))
    return place, found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.calibration.savings", description=__doc__.split("\n")[0])
    parser.add_argument("--studies", type=int, default=200, help="of each truth")
    count, start = parser.parse_args().studies, time.monotonic()
    tasks = [(place, number) for number in range(-(-count // CHUNK)) for place in range(len(WORLDS))]
    rows: dict[int, list[tuple[float, ...]]] = {place: [] for place in range(len(WORLDS))}
    with multiprocessing.Pool(len(os.sched_getaffinity(0))) as pool:
        for place, found in pool.imap_unordered(studies, tasks):
            rows[place] += found
    print("| P(converge) | claims | studies | seeds each, of 40 | stopped as futile | best shown | with 40 | false |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for (world, claims), found in zip(WORLDS, rows.values(), strict=True):
        seeds, futile, said, once, false = np.mean(found, axis=0)
        claimed = ["the best" if claim.below is None else f"below {claim.below[1]:g}" for claim in claims]
        cells = [world.name, ", ".join(claimed) or "none", str(len(found)), f"{seeds:.1f}"]
        print("|", " | ".join([*cells, *(f"{share:.1%}" for share in (futile, said, once, false))]), "|", flush=True)
    print(f"in {time.monotonic() - start:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
