"""The time of ``import equipoise`` after ``import numpy``, in new interpreters.

Run ``python -m bench.run --only imports``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from statistics import median

from .harness import Budget, Row
from .versions import IMPORT, Side


def run(budget: Budget) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as byte_code:
        side = Side(sys.executable, os.environ.get("PYTHONPATH"), "auto", byte_code)
        side.seconds(IMPORT, 1)  # the first run writes byte code and fills the page cache
        times = [side.seconds(IMPORT, 1) for _ in range(11 if budget.quick else 31)]
    row = Row("imports", IMPORT, "", measure="ms", goal=30, rounds=len(times), ours=median(times))
    row.value, row.low, row.high = 1e3 * median(times), 1e3 * min(times), 1e3 * max(times)
    yield row
