"""Rows on two threads. Each subject has its own process, on all cores, timed by the wall clock.

When a library is loaded, its thread pool reads environment variables, and its threads inherit the cores. That
is too early for the process of ``run``, which is kept to one thread and one core. Other work on the machine
disturbs wall times, so each row also has the ratio of CPU times, which are disturbed less.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import median

from .harness import Budget, Row

ROOT = Path(__file__).resolve().parents[1]
THREADS = 2
POOLS = ("OMP", "MKL", "OPENBLAS", "NUMBA", "EQUIPOISE")
LONG = 15.0  # seconds; a rival that takes longer is run once, or twice for publishing


def spread(subject: str, *arguments: str) -> subprocess.Popen[str]:
    """Start the subject's file as a program that may use all cores and two threads in each pool."""
    environment = os.environ | {f"{pool}_NUM_THREADS": str(THREADS) for pool in POOLS}
    if path := os.environ.get("PYTHONPATH"):
        environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, path.split(os.pathsep)))
    command = [sys.executable, "-m", f"bench.{subject}", *arguments]
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if cores:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    finally:
        if cores:
            os.sched_setaffinity(0, cores)


def rows_of(subject: str, budget: Budget) -> Iterator[Row]:
    """Yield the rows that the subject's program prints, as they come."""
    process = spread(subject, "quick" if budget.quick else "full")
    assert process.stdout is not None
    for line in process.stdout:
        yield Row(**json.loads(line))
    if process.wait():
        raise RuntimeError(f"bench.{subject} ended with status {process.returncode}")


def print_rows(rows: Callable[[Budget], Iterator[Row]]) -> None:
    """Print the rows of such a program."""
    budget = Budget.make(quick=sys.argv[1:] == ["quick"])
    for row in rows(budget):
        print(json.dumps(asdict(row)), flush=True)


def seconds(run: Callable[[], object]) -> tuple[float, float]:
    """Return the wall and CPU time of a call. Its result is freed after the clocks stop."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    del result
    return wall, cpu


def duel(row: Row, ours: Callable[[], object], theirs: Callable[[], object], budget: Budget) -> Row:
    """Fill in the medians of rounds in which both take turns. A first round warms up short calls.

    "speedup" is theirs / ours, "slowdown" ours / theirs.
    """
    times: list[tuple[tuple[float, float], tuple[float, float]]] = []
    start = time.perf_counter()
    for i in range(100):
        times.append((seconds(ours), seconds(theirs)))
        slowest = max(wall for wall, _ in times[0])
        passed = time.perf_counter() - start
        least = (1 if budget.quick else 2) if slowest > LONG else 2 if passed > 60 else budget.rounds + 1
        if i + 1 >= least and (slowest > LONG or passed > budget.seconds):
            break
    if slowest <= LONG:
        del times[0]
    a, b = ([pair[side][0] for pair in times] for side in (0, 1))
    fraction = (lambda x, y: y / x) if row.measure == "speedup" else (lambda x, y: x / y)
    ratios = [fraction(x, y) for x, y in zip(a, b, strict=True)]
    row.ours, row.theirs, row.rounds = median(a), median(b), len(times)
    row.value, row.low, row.high = median(ratios), min(ratios), max(ratios)
    row.cpu, row.threads = median(fraction(x[1], y[1]) for x, y in times), THREADS
    return row
