"""What ``import equipoise`` adds to ``import numpy``, in fresh interpreters."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from harness import Budget, Row

PROGRAM = "from time import process_time as clock; start = clock(); import {}; print(clock() - start)"


def seconds(module: str) -> float:
    return float(subprocess.check_output([sys.executable, "-c", PROGRAM.format(module)], text=True))


def run(budget: Budget) -> Iterator[Row]:
    for module in ("numpy", "equipoise"):  # byte code written, files in the page cache
        seconds(module)
    pairs = [(seconds("numpy"), seconds("equipoise")) for _ in range(11 if budget.quick else 31)]
    extra = [1e3 * (ours - theirs) for theirs, ours in pairs]
    work, setting = "import equipoise, beyond import numpy", "fresh interpreters in turn"
    row = Row("imports", work, "import numpy", setting, measure="ms", target=30)
    row.theirs, row.ours, row.rounds = median(t for t, _ in pairs), median(o for _, o in pairs), len(pairs)
    row.value, row.low, row.high = median(extra), min(extra), max(extra)
    yield row
