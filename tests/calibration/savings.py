"""How many seeds a study that stops when it is decided takes, against one of a fixed number: prints the table.

python -m tests.calibration.savings
"""

from __future__ import annotations

import argparse

import numpy as np

from seedsweep.analysis.decisions import Rules, decide
from seedsweep.core.records.decision import CONVERGING, Claim
from tests.calibration.of_pages import LEVEL, SHARES, Config, World, equal, stopped_study, until_decided

MOST = 40
WORLDS = [
    World("two of .9 and .3", (Config(0.9), Config(0.3))),
    World("two of .9 and .6", (Config(0.9), Config(0.6))),
    World("two of .6", equal(2, 0.6)),
    World("four, one of .95, three of .4", (Config(0.95), *equal(3, 0.4))),
]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.calibration.savings", description=__doc__.split("\n")[0])
    parser.add_argument("--studies", type=int, default=200)
    rounds, rng = parser.parse_args().studies, np.random.default_rng(0)
    _, rules = until_decided(MOST)
    print("| P(converge) | seeds each, fixed | mean | shown the best, fixed | until decided | stopped as futile |")
    print("| --- | --- | --- | --- | --- | --- |")
    for world in WORLDS:
        used, shown, once, futile = [], [], [], []
        for _ in range(rounds):
            groups, seen = stopped_study(world, MOST, rng, Claim(best="0"))
            used.append(np.mean(seen.wanted))
            futile.append(seen.stopped == "futile")
            for found, made in (
                (shown, decide(groups, rules, seen.reached, estimates=False)),
                (once, decide(groups, Rules(LEVEL, SHARES), estimates=False)),
            ):
                axis = made.axes[CONVERGING]
                found.append(all(axis.pair(0, other).differs > 0 for other in range(1, len(groups))))
        cells = [world.name, str(MOST), f"{np.mean(used):.1f}"]
        print("|", " | ".join([*cells, *(f"{np.mean(found):.0%}" for found in (once, shown, futile))]), "|", flush=True)


if __name__ == "__main__":
    main()
