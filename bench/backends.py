"""The cost of a call on each backend, and the time of Numba relative to C++.

Run ``python -m bench.run --only backends``. The calls are those of ``versions``, measured in the same way.
Each backend has a process of its own, and they take turns. Times do not include compiling.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator

from .harness import Budget, Row
from .versions import Side, measure, medians

GOALS = {
    "Table.sample": 3,
    "nearest_neighbors": 6,
}  # goals: at most so many times the time of C++; for other rows 4


def run(budget: Budget) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as byte_code:
        path = os.environ.get("PYTHONPATH")
        sides = [Side(sys.executable, path, backend, byte_code) for backend in ("cpp", "numba")]
        try:
            for side in sides:
                side.about()
        except RuntimeError:
            yield Row("backends", "all calls", "C++", note="a backend is not installed")
            return
        starts, rounds = (1, 3) if budget.quick else (3, 9)
        times = measure(sides, sides[0].rows(wants_all=True), starts, rounds)
    for call, found in times.items():
        goal = next((goal for part, goal in GOALS.items() if part in call), 4)
        row = Row("backends", call, "C++", measure="slowdown", goal=goal, rounds=starts * rounds)
        (row.theirs, row.ours), row.value = medians(found)
        ratios = [numba / cpp for start in found for cpp, numba in start]
        row.low, row.high = min(ratios), max(ratios)
        yield row
