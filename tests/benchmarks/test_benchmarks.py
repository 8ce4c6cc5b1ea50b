"""Benchmarks run at a small size: those that are made for a GPU, where there is none; the one that needs other
libraries, with those that are here."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PEERS = ["plain torch, one after another", "`torch.func` ensemble"]
JAX = "JAX `jit`, one after another"
#: Checked to compute what ours do.
JAX_ROW = f"{JAX}: its first losses are ours" if importlib.util.find_spec("jax") else f"{JAX}: left out, jax is not"


@pytest.mark.parametrize(
    ("name", "arguments", "rows"),
    [
        ("bench_cohorts", "--check --models edram unet", ["members together and alone take the same step"]),
        (
            "bench_cohorts",
            "--models attention --members 1 2 --seconds 0.02 --rounds 1",
            ["; first loss", "| 1 | float32 |", "| 2 | float32 |", "a step of 12 members: products and convolutions"],
        ),
        ("bench_glimpses", "--side 96 --glimpse 16 --batch 2 --rounds 1 --seconds 0.02", ["| cut and filtered |"]),
        (
            "bench_peers",
            "--models attention --ways torch torch-func jax --members 1 --seconds 0.02 --rounds 1",
            [
                *(f"{way}: its first losses are ours" for way in PEERS),
                JAX_ROW,
                *(f"| {way} | - | - |" for way in PEERS),
            ],
        ),
        ("bench_report_scale", "--members 1 --rounds 1 --batch 1", ["| frozen | float32 | 1 |", "| fine-tuned |"]),
    ],
)
def test_a_benchmark_ends_in_its_table(name, arguments, rows):
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "benchmarks" / f"{name}.py"), *arguments.split()],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    for row in rows:
        assert row in done.stdout
