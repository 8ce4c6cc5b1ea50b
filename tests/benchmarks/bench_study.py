"""The laptop study, twice, from nothing and with the cache of the first run: wall time (aim: 5 minutes on 2 cores) and
peak memory of all its processes (aim: 5 GB)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
LAUNCH = [sys.executable, "sweeps/launch.py", "alpha_seed_study", "--on", "here", "--scale", "laptop"]


def memory(pid: int) -> int:
    """Bytes of a process and its descendants, shared pages counted once (proportional set size)."""
    total = 0
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def run(folder: str, cache: str) -> tuple[float, int]:
    """Seconds of one run, and the most bytes of all its processes."""
    start, peak = time.monotonic(), 0
    launch = subprocess.Popen([*LAUNCH, "--runs", folder], cwd=ROOT, env={**os.environ, "SEEDSWEEP_CACHE": cache})

    def watch() -> None:
        nonlocal peak
        while launch.poll() is None:
            try:
                peak = max(peak, memory(launch.pid))
            except psutil.NoSuchProcess:
                return
            time.sleep(0.5)

    threading.Thread(target=watch, daemon=True).start()
    if code := launch.wait():
        sys.exit(code)
    return time.monotonic() - start, peak


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, said in (("first", "from nothing"), ("second", "of another run, with the cache of the first")):
            seconds, peak = run(f"{folder}/{name}", f"{folder}/cache")
            print(f"study, {said}: {seconds:.0f} s on {len(os.sched_getaffinity(0))} cores (aim 300), "
                  f"at most {peak / 1e9:.1f} GB (aim 5)")  # fmt: skip


if __name__ == "__main__":
    main()
