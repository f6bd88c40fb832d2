"""Any mixture of arguments gives an answer or a documented error, which both backends share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings

import equipoise
from support.anything import calls, outcome

# Every error must name its argument.
NAMES = (
    *("weights", "power", "smoothing", "size", "ids", "items", "exclude", "seed", "stream", "rows", "rng"),
    *("num_negatives", "unique", "on_exhausted", "row_keys", "num_samples", "candidate_ids", "keep", "state"),
    *("X", "k_neighbors", "m_neighbors", "categorical", "parent_weights", "parents", "neighbors", "gaps"),
    *("return_parents", "y", "cls", "class "),
    *("n must", "out must", "out.", "n_threads", "epoch", "path", "mmap", "FOLDER"),
)


@given(calls)
@settings(max_examples=3000)
def test_only_documented_errors_are_raised(call):
    said = outcome(call)
    if "Error: " in said:
        assert any(name in said for name in NAMES), said


EVERYTHING = """
import random, sys, warnings
warnings.simplefilter("error")
sys.path.insert(0, sys.argv[1])
import equipoise._numba  # in both processes: Hypothesis takes constants from the modules that are loaded
from support import anything
from hypothesis import Phase, HealthCheck, given, seed, settings
said = []
@seed(20261124)
@settings(max_examples=2000, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None,
          deadline=None)
@given(anything.calls)
def record(call):
    said.append(anything.outcome(call))
record()
import hashlib
print(len(said), hashlib.sha256("\\n".join(said).encode()).hexdigest(), sum("Error: " in s for s in said))
"""


def test_both_backends_give_the_same_answers_and_errors():
    pytest.importorskip("numba", reason="numba is not installed (extra 'numba')")
    if (
        equipoise.backend() != "cpp"
        and subprocess.run([sys.executable, "-c", "import equipoise._core"], check=False).returncode
    ):
        pytest.skip("this installation has no compiled kernels to compare with")
    outputs = [
        subprocess.run(
            [sys.executable, "-c", EVERYTHING, str(Path(__file__).parents[1])],
            env={**os.environ, "EQUIPOISE_BACKEND": backend}, capture_output=True, text=True, check=True,
        ).stdout.split()
        for backend in ("cpp", "numba")
    ]  # fmt: skip
    assert outputs[0] == outputs[1]
    assert int(outputs[0][0]) >= 1000
    assert int(outputs[0][2]) >= 500
