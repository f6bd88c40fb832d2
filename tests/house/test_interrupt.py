"""Ctrl-C stops a long call soon, and no thread and no row is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
THREADED = ("table", "uniform", "rows", "unique", "exact", "exclude_ids", "reservoir")
LONG_ROWS = ("one long row", "one long uniform row", "one unique row", "one unique uniform row")
NEIGHBORS = ("neighbors", "wide neighbors", "neighbors of queries", "equal neighbors")
SHARED = ("shared", "shared log q", "shared by rejection", "shared tree", "shared exactly")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the test sends POSIX signals")


def interrupted(what, threads):
    """Return the seconds until KeyboardInterrupt. Check that it left no thread and no gap in the rows."""
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "support.interrupted", what, str(threads)],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    words = done.stdout.split()
    assert words[:1] == ["interrupted"], done.stdout + done.stderr
    assert words[2:] == ["0", "True"]
    return float(words[1])


@pytest.mark.parametrize(
    ("what", "threads"),
    [(what, n) for what in (*THREADED, *NEIGHBORS) for n in (1, 3)]
    + [(what, 1) for what in (*LONG_ROWS, "hits", *SHARED, "synthetic rows")],
)
def test_ctrl_c_stops_a_call_soon(what, threads):
    # The promise is 0.2 s. A shared machine may pause for longer, so the best of three runs counts.
    best = float("inf")
    for _ in range(3):
        best = min(best, interrupted(what, threads))
        if best < 0.2:
            return
    raise AssertionError(f"KeyboardInterrupt took {best} s, wanted less than 0.2 s")


@pytest.mark.parametrize("what", ["waited for", "twice"])
def test_ctrl_c_while_the_call_waits_for_threads(what):
    """No thread writes to the caller's arrays after the call has raised."""
    interrupted(what, 3)
