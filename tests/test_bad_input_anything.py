"""Any mixture of arguments comes to an answer or to a documented error, the same on both backends."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from cases import five

good_ids = st.lists(st.integers(0, 4), max_size=6)
numbers = st.one_of(
    st.integers(-3, 8),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=2),
)
arrays = st.one_of(
    good_ids,
    st.lists(numbers, max_size=5),
    st.lists(good_ids, max_size=3),
    st.sampled_from(
        ["int8", "uint64", ">i8", "float32", "bool", "complex64", "datetime64[s]", "S3", "O"]
    ).map(lambda d: np.zeros(3, d)),
    st.just(np.zeros((0, 3), np.int64)),
    st.just(np.array([], np.float64)),
    numbers,
)
weights = st.one_of(st.lists(st.floats(0, 10), min_size=5, max_size=5), arrays)
pairs = st.one_of(
    st.none(), st.tuples(arrays, arrays), st.just(([0, 2, 2, 7], [0, 1, 4, 3, 2, 1, 0])), numbers
)
flags = st.one_of(st.booleans(), st.booleans(), numbers)
words = st.sampled_from(["raise", "mask", "replace", "x", 3, None])
calls = st.one_of(
    st.tuples(st.just("table"), weights, numbers, numbers, numbers),
    st.tuples(st.just("prob"), weights, arrays),
    st.tuples(st.just("sampler"), weights, pairs, numbers, numbers),
    st.tuples(
        st.just("sample"),
        pairs,
        arrays,
        numbers,
        st.one_of(st.none(), arrays),
        flags,
        words,
        st.one_of(st.none(), arrays),
    ),
    st.tuples(st.just("shared"), numbers, flags),
    st.tuples(st.just("hits"), pairs, arrays, arrays, st.one_of(st.none(), arrays)),
    st.tuples(
        st.just("state"),
        st.dictionaries(
            st.sampled_from(["sampler", "version", "fingerprint", "epoch", "rows_drawn"]), numbers
        ),
    ),
)
NAMES = (
    *("weights", "power", "smoothing", "size", "ids", "items", "exclude", "seed", "stream", "rows", "rng"),
    *("num_negatives", "unique", "on_exhausted", "row_keys", "num_samples", "candidate_ids", "keep", "state"),
)
DOCUMENTED = (TypeError, ValueError, IndexError)


def outcome(call) -> str:
    """What a call came to, as text that must not depend on the backend."""
    kind, *a = call
    try:
        if kind == "table":
            power, smoothing, size = a[1:]
            size = min(size, 100) if isinstance(size, int) else size
            return repr(
                equipoise.AliasTable(a[0], power=power, smoothing=smoothing).sample(size, rng=1).tolist()
            )
        if kind == "prob":
            return repr(equipoise.AliasTable(a[0]).log_prob(a[1]).tolist())
        if kind == "sampler":
            return repr(
                equipoise.NegativeSampler(a[0], exclude=a[1], seed=a[2], stream=a[3])
                .sample([0], 3)
                .ids.tolist()
            )
        if kind == "sample":
            k = min(a[2], 50) if isinstance(a[2], int) else a[2]
            s = equipoise.NegativeSampler([4, 3, 2, 1, 0], exclude=a[0], seed=1)
            got = s.sample(a[1], k, exclude_ids=a[3], unique=a[4], on_exhausted=a[5], row_keys=a[6])
            return repr((got.ids.tolist(), got.log_q.tolist(), got.mask.tolist()))
        if kind == "shared":
            count = min(a[0], 50) if isinstance(a[0], int) else a[0]
            got = five().sample_shared(count, unique=a[1])
            return repr((got.ids.tolist(), got.log_q.tolist(), got.num_tries))
        if kind == "hits":
            return repr(
                equipoise.NegativeSampler(5, exclude=a[0]).accidental_hits(a[1], a[2], keep=a[3]).tolist()
            )
        return repr(five().load_state_dict(a[0]))
    except DOCUMENTED as error:
        return f"{type(error).__name__}: {error}"


@given(calls)
@settings(max_examples=3000)
def test_nothing_but_the_documented_errors(call):
    said = outcome(call)
    if "Error: " in said:
        assert any(name in said for name in NAMES), said


EVERYTHING = """
import random, sys, warnings
warnings.simplefilter("error")
sys.path.insert(0, sys.argv[1])
import equipoise._numba  # both processes: Hypothesis draws constants from the modules that are loaded
import test_bad_input_anything as t
from hypothesis import Phase, HealthCheck, given, seed, settings
said = []
@seed(20261124)
@settings(max_examples=2000, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None,
          deadline=None)
@given(t.calls)
def record(call):
    said.append(t.outcome(call))
record()
import hashlib
print(len(said), hashlib.sha256("\\n".join(said).encode()).hexdigest(), sum("Error: " in s for s in said))
"""


def test_both_backends_say_the_same():
    pytest.importorskip("numba", reason="numba is not installed (extra 'numba')")
    if (
        equipoise.backend() != "cpp"
        and subprocess.run([sys.executable, "-c", "import equipoise._core"], check=False).returncode
    ):
        pytest.skip("this installation has no compiled kernels to compare with")
    outputs = [
        subprocess.run(
            [sys.executable, "-c", EVERYTHING, os.path.dirname(__file__)],
            env={**os.environ, "EQUIPOISE_BACKEND": backend}, capture_output=True, text=True, check=True,
        ).stdout.split()
        for backend in ("cpp", "numba")
    ]  # fmt: skip
    assert outputs[0] == outputs[1]
    assert int(outputs[0][0]) >= 1000
    assert int(outputs[0][2]) >= 500
