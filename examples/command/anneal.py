"""Any program: its arguments come from the study, its lines of JSON are evaluations."""

import argparse
import json
import math
import random
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--cooling", type=float, required=True)
parser.add_argument("--out", type=Path, required=True)
options = parser.parse_args()

rng = random.Random(options.seed)
place, heat = rng.uniform(-8, 8), 2.0


def energy(x: float) -> float:
    return 0.05 * x * x + 1 - math.cos(2 * x)


for step in range(1, 401):
    tried = place + rng.gauss(0, 0.5)
    if energy(tried) < energy(place) or rng.random() < math.exp((energy(place) - energy(tried)) / heat):
        place = tried
    heat *= options.cooling
    if step % 50 == 0:
        print(json.dumps({"step": step, "energy": energy(place)}), flush=True)
(options.out / "place.txt").write_text(f"{place}\n")
