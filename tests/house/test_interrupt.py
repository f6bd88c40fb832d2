"""Ctrl-C in the middle of long draws: KeyboardInterrupt soon, no thread left, nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "support" / "interrupted.py"
THREADED = ("table", "uniform", "rows", "unique", "exact", "exclude_ids", "reservoir")
LONG_ROWS = ("one long row", "one long uniform row", "one unique row", "one unique uniform row")
NEIGHBORS = ("neighbors", "wide neighbors", "neighbors of queries", "equal neighbors")
SHARED = ("shared", "shared log q", "shared by rejection", "shared tree", "shared exactly")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are sent the POSIX way here")


def interrupted(what, threads):
    """Seconds that KeyboardInterrupt took; no thread may be left, and the counters are as before."""
    done = subprocess.run(
        [sys.executable, PROGRAM, what, str(threads)], capture_output=True, text=True, check=False
    )
    words = done.stdout.split()
    assert words[:1] == ["interrupted"], done.stdout + done.stderr
    assert words[2:] == ["0", "True"]
    return float(words[1])


@pytest.mark.parametrize(
    ("what", "threads"),
    [(what, n) for what in (*THREADED, *NEIGHBORS) for n in (1, 3)]
    + [(what, 1) for what in (*LONG_ROWS, "hits", *SHARED, "synthetic rows")],
)
def test_ctrl_c(what, threads):
    # Promised: 0.2 s. A machine that shares its cores may sleep for longer, so the best of three counts.
    best = float("inf")
    for _ in range(3):
        best = min(best, interrupted(what, threads))
        if best < 0.2:
            return
    raise AssertionError(f"KeyboardInterrupt took {best} s, wanted less than 0.2 s")


@pytest.mark.parametrize("what", ["waited for", "twice"])
def test_ctrl_c_while_threads_are_waited_for(what):
    """The caller's own part is done, or stopped: nobody goes on writing once the call has raised."""
    interrupted(what, 3)
