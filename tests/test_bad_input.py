"""Bad input gets a clear error and loses nothing: right class, argument, first bad position, wanted, got."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise

NAN, INF = float("nan"), float("inf")


def sampler(**settings):
    return equipoise.NegativeSampler(
        [4, 3, 2, 1, 0], exclude=([0, 2, 2, 7], [0, 1, 4, 3, 2, 1, 0]), **settings
    )


def frozen(a):
    a.flags.writeable = False
    return a


class CudaTensor:
    """What a CUDA tensor shows of itself, for machines without one."""

    dtype = "int64"

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, **_):
        raise AssertionError("nobody may touch the device")


BAD_WEIGHTS = [
    ([1.0, -2.0], ValueError, r"weights\[1\] must be finite and >= 0, got -2"),
    ([1, -2], ValueError, r"weights\[1\] must be finite and >= 0, got -2"),
    ([1.0, 2.0, NAN, NAN], ValueError, r"weights\[2\] must be finite and >= 0, got nan"),
    ([INF], ValueError, r"weights\[0\] must be finite and >= 0, got inf"),
    ([-INF, 1], ValueError, r"weights\[0\] must be finite"),
    ([0.0, 0.0], ValueError, "weights must not all be zero, got 2 zeros"),
    ([], ValueError, "weights must have between 1 and 2.32 - 1 entries, got 0"),
    ([[1.0, 2.0]], ValueError, r"weights must be 1-D, not 2-D \(shape \(1, 2\)\)"),
    (np.float64(3), ValueError, "weights must be 1-D, not 0-D"),
    ([1e308] * 20, ValueError, "weights must have a finite sum"),
    (np.array([2**63], np.uint64), ValueError, r"weights\[0\] must be below 2\^63"),
    ([True, False], TypeError, "weights must be float32, float64, int32, int64 or uint32, got bool array"),
    ([1j], TypeError, "weights must be .* got complex128 array"),
    (["a"], TypeError, "weights must be .* got <U1 array"),
    ([None], TypeError, "weights must be .* got object array"),
    ([[1], [1, 2]], ValueError, "weights must be a rectangular array"),
    (np.ones(3, np.longdouble), TypeError, "weights must be"),
    (np.ma.masked_array([1.0, 2.0], [0, 1]), TypeError, "weights must be a plain array, got a masked array"),
    (
        CudaTensor(),
        TypeError,
        r"weights must be in CPU memory, got a CudaTensor on another device: call \.cpu\(\) first",
    ),
    (None, TypeError, "weights"),
    ("abc", TypeError, "weights"),
    ({}, TypeError, "weights"),
]


@pytest.mark.parametrize(("weights", "error", "text"), BAD_WEIGHTS)
def test_weights(weights, error, text):
    with pytest.raises(error, match=text):
        equipoise.AliasTable(weights)


CALLS = [
    (lambda: equipoise.AliasTable([1], power="a"), TypeError, "power must be a real number, got str"),
    (lambda: equipoise.AliasTable([1], power=NAN), ValueError, "power must be finite, got nan"),
    (lambda: equipoise.AliasTable([1, 100], power=1e308), ValueError, "power must leave"),
    (
        lambda: equipoise.AliasTable([1], smoothing=-1),
        ValueError,
        "smoothing must be finite and >= 0, got -1",
    ),
    (lambda: equipoise.AliasTable([0, 0], smoothing=0), ValueError, "weights must not all be zero"),
    (
        lambda: equipoise.AliasTable([1e308, 1e308], smoothing=1e308),
        ValueError,
        "weights must have a finite sum|weights \\+ smoothing",
    ),
    (lambda: equipoise.UniformTable(0), ValueError, r"n must be in \[1, 4294967295\], got 0"),
    (lambda: equipoise.UniformTable(2**32), ValueError, r"n must be in \[1, 4294967295\]"),
    (lambda: equipoise.UniformTable(2.0), TypeError, "n must be an integer, got float"),
    (lambda: equipoise.LogUniformTable(-1), ValueError, "n must be in"),
    (lambda: equipoise.UniformTable(5).sample(-1), ValueError, "size must be >= 0, got -1"),
    (lambda: equipoise.UniformTable(5).sample((2, -1)), ValueError, r"size\[1\] must be >= 0, got -1"),
    (
        lambda: equipoise.UniformTable(5).sample(2**62),
        ValueError,
        "size must ask for fewer than 2.60 entries",
    ),
    (lambda: equipoise.UniformTable(5).sample((2**31, 2**31)), ValueError, "size must ask for fewer than"),
    (lambda: equipoise.UniformTable(5).sample((1,) * 40), ValueError, "size must have at most 32 dimensions"),
    (lambda: sampler().sample([0], 2**62), ValueError, "num_negatives must ask for fewer than 2.60 entries"),
    (lambda: sampler().sample_shared(2**62, unique=False), ValueError, "num_samples must ask for fewer than"),
    (lambda: equipoise.UniformTable(5).sample(2.5), TypeError, "size must be an integer, got float"),
    (lambda: equipoise.UniformTable(5).sample(2, rng=1.5), TypeError, "rng must be None, an int"),
    (lambda: equipoise.UniformTable(5).sample(2, rng=-1), ValueError, "rng must be"),
    (lambda: equipoise.UniformTable(5).sample(2, rng="x"), TypeError, "rng must be"),
    (lambda: equipoise.UniformTable(5).sample(2, n_threads=0), ValueError, "n_threads must be >= 1, got 0"),
    (lambda: equipoise.UniformTable(5).sample(2, n_threads=1.0), TypeError, "n_threads must be an integer"),
    (lambda: equipoise.UniformTable(5).sample(2, out=[0, 0]), TypeError, "out must be a NumPy array"),
    (
        lambda: equipoise.UniformTable(5).sample(2, out=np.zeros(2, np.int32)),
        TypeError,
        "out must be of dtype int64, got int32",
    ),
    (
        lambda: equipoise.UniformTable(5).sample(2, out=np.zeros(2, ">i8")),
        TypeError,
        "out must be of dtype int64",
    ),
    (
        lambda: equipoise.UniformTable(5).sample(2, out=np.zeros(3, np.int64)),
        ValueError,
        r"out must have shape \(2,\), got \(3,\)",
    ),
    (
        lambda: equipoise.UniformTable(5).sample(2, out=np.zeros(4, np.int64)[::2]),
        ValueError,
        "out must be C-contiguous",
    ),
    (
        lambda: equipoise.UniformTable(5).sample(2, out=frozen(np.zeros(2, np.int64))),
        ValueError,
        "out must be writable",
    ),
    (lambda: equipoise.UniformTable(5).prob([0.0]), TypeError, "ids must be integers, got float64 array"),
    (lambda: equipoise.UniformTable(5).prob([0, 5]), IndexError, r"ids\[1\] must be in \[0, 5\), got 5"),
    (
        lambda: equipoise.AliasTable([1, 2]).log_prob([[0], [-1]]),
        IndexError,
        r"ids\[1, 0\] must be in \[0, 2\), got -1",
    ),
    (lambda: equipoise.NegativeSampler(0), ValueError, "items must be in"),
    (lambda: equipoise.NegativeSampler(2.5), TypeError, "items must be an integer, got float"),
    (lambda: equipoise.NegativeSampler(None), TypeError, "items must be"),
    (lambda: equipoise.NegativeSampler([1, -1]), ValueError, r"items\[1\] must be finite and >= 0, got -1"),
    (lambda: equipoise.NegativeSampler([[1], []]), ValueError, "items must be a rectangular array"),
    (
        lambda: equipoise.NegativeSampler(5, seed=-1),
        ValueError,
        r"seed must be in \[0, 18446744073709551615\], got -1",
    ),
    (lambda: equipoise.NegativeSampler(5, seed=2**64), ValueError, "seed must be in"),
    (lambda: equipoise.NegativeSampler(5, seed="1"), TypeError, "seed must be an integer, got str"),
    (lambda: equipoise.NegativeSampler(5, stream=1.0), TypeError, "stream must be an integer, got float"),
    (
        lambda: equipoise.NegativeSampler(5, exclude=[[0, 2], [1, 2]]),
        TypeError,
        "exclude must be a pair.*list",
    ),
    (
        lambda: equipoise.NegativeSampler(5, exclude=7),
        TypeError,
        r"exclude must be a pair \(indptr, indices\)",
    ),
    (
        lambda: equipoise.NegativeSampler(5, exclude=([0, 2, 1], [0, 1])),
        ValueError,
        r"exclude indptr\[2\] must be >= indptr\[1\] = 2, got 1",
    ),
    (
        lambda: equipoise.NegativeSampler(5, exclude=([1, 2], [0, 1])),
        ValueError,
        r"exclude indptr\[0\] must be 0, got 1",
    ),
    (
        lambda: equipoise.NegativeSampler(5, exclude=([], [])),
        ValueError,
        r"exclude indptr\[0\] must be 0, got an empty array",
    ),
    (
        lambda: equipoise.NegativeSampler(5, exclude=([0, 3], [0, 1])),
        ValueError,
        r"exclude indptr\[1\] must be 2, the number of indices, got 3",
    ),
    (
        lambda: equipoise.NegativeSampler(5, exclude=([0, 2], [0, 5])),
        IndexError,
        r"exclude indices\[1\] must be in \[0, 5\), got 5",
    ),
    (
        lambda: equipoise.NegativeSampler(5, exclude=([0, 1], [0.0])),
        TypeError,
        "exclude indices must be integers",
    ),
    (
        lambda: equipoise.NegativeSampler(5, exclude=([0, 1], [[0]])),
        ValueError,
        "exclude indices must be 1-D",
    ),
    (lambda: sampler().sample([0.0], 2), TypeError, "rows must be integers, got float64 array"),
    (lambda: sampler().sample([True], 2), TypeError, "rows must be integers, got bool array"),
    (lambda: sampler().sample([0, 3], 2), IndexError, r"rows\[1\] must be in \[0, 3\), got 3"),
    (lambda: sampler().sample([0, -1], 2), IndexError, r"rows\[1\] must be in \[0, 3\), got -1"),
    (lambda: sampler().sample([[0]], 2), ValueError, "rows must be 1-D, not 2-D"),
    (lambda: sampler().sample(0, 2), ValueError, "rows must be 1-D, not 0-D"),
    (lambda: sampler().sample(CudaTensor(), 2), TypeError, r"rows must be in CPU memory.*\.cpu\(\)"),
    (lambda: sampler().sample([0], -1), ValueError, "num_negatives must be >= 0, got -1"),
    (lambda: sampler().sample([0], 2.0), TypeError, "num_negatives must be an integer, got float"),
    (
        lambda: sampler().sample([0], 2, exclude_ids=[5]),
        IndexError,
        r"exclude_ids\[0\] must be in \[-1, 5\), got 5",
    ),
    (
        lambda: sampler().sample([0], 2, exclude_ids=[-2]),
        IndexError,
        r"exclude_ids\[0\] must be in \[-1, 5\), got -2",
    ),
    (
        lambda: sampler().sample([0], 2, exclude_ids=[1, 2]),
        ValueError,
        "exclude_ids must have 1 entries, one for each row, got 2",
    ),
    (
        lambda: sampler().sample([0], 2, exclude_ids=[[[1]]]),
        ValueError,
        "exclude_ids must be 1-D or 2-D, not 3-D",
    ),
    (lambda: sampler().sample([0], 2, exclude_ids=[0.5]), TypeError, "exclude_ids must be integers"),
    (lambda: sampler().sample([0], 2, row_keys=[1, 2]), ValueError, "row_keys must have 1 entries"),
    (lambda: sampler().sample([0], 2, row_keys=[1.0]), TypeError, "row_keys must be integers"),
    (
        lambda: sampler().sample([0], 2, on_exhausted="skip"),
        ValueError,
        "on_exhausted must be 'raise' or 'mask' or 'replace', got 'skip'",
    ),
    (
        lambda: sampler().sample([0], 2, on_exhausted=["mask"]),
        TypeError,
        "on_exhausted must be a string, got list",
    ),
    (
        lambda: sampler().sample([0], 2, on_exhausted="replace"),
        ValueError,
        "on_exhausted='replace' must come with unique=True",
    ),
    (lambda: sampler().sample([0], 2, unique="yes"), TypeError, "unique must be True or False, got str"),
    (
        lambda: sampler().sample([1, 0, 2], 1),
        ValueError,
        r"rows\[2\] = 2 has 0 ids of positive weight left, num_negatives=1",
    ),
    (
        lambda: sampler().sample([1, 0], 3, unique=True),
        ValueError,
        r"rows\[1\] = 0 has 2 ids of positive weight left, unique=True wants 3",
    ),
    (
        lambda: sampler().sample([2], 1, unique=True, on_exhausted="replace"),
        ValueError,
        r"rows\[0\] = 2 has 0 ids",
    ),
    (lambda: sampler().sample([0], 1, out=3), TypeError, "out must be a Negatives of arrays, got int"),
    (
        lambda: sampler().sample(
            [0], 1, out=equipoise.Negatives(np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)))
        ),
        TypeError,
        "out.ids must be of dtype int64, got float64",
    ),
    (
        lambda: sampler().sample(
            [0], 1, out=equipoise.Negatives(np.zeros((1, 1), np.int64), np.zeros((1, 1)), np.zeros((1, 1)))
        ),
        TypeError,
        "out.log_q must be of dtype float32, got float64",
    ),
    (
        lambda: sampler().sample_shared(5),
        ValueError,
        "num_samples must be at most 4, the ids of positive weight.* got 5",
    ),
    (lambda: sampler().sample_shared(-1), ValueError, "num_samples must be >= 0, got -1"),
    (lambda: sampler().sample_shared(1.0), TypeError, "num_samples must be an integer"),
    (lambda: sampler().sample_shared(1, unique=1), TypeError, "unique must be True or False, got int"),
    (lambda: sampler().accidental_hits([3], [0]), IndexError, r"rows\[0\] must be in \[0, 3\), got 3"),
    (
        lambda: sampler().accidental_hits([0], [5]),
        IndexError,
        r"candidate_ids\[0\] must be in \[0, 5\), got 5",
    ),
    (
        lambda: sampler().accidental_hits([0], [0], keep=[1]),
        IndexError,
        r"keep\[0\] must be in \[0, 1\), got 1",
    ),
    (lambda: sampler().accidental_hits([0], [0], keep=[0, 0]), ValueError, "keep must have 1 entries"),
    (lambda: sampler().accidental_hits([0], [0.0]), TypeError, "candidate_ids must be integers"),
    (lambda: sampler().set_epoch(-1), ValueError, r"epoch must be in \[0, 4294967295\], got -1"),
    (lambda: sampler().set_epoch(0.5), TypeError, "epoch must be an integer"),
    (lambda: sampler().load_state_dict(3), TypeError, "state must be a mapping"),
    (
        lambda: sampler().load_state_dict({}),
        ValueError,
        r"state\['sampler'\] must be 'NegativeSampler', got no such key",
    ),
    (
        lambda: sampler().load_state_dict({**sampler().state_dict(), "version": 2}),
        ValueError,
        r"state\['version'\] must be 1",
    ),
    (
        lambda: sampler().load_state_dict(sampler(seed=1).state_dict()),
        ValueError,
        r"state\['fingerprint'\] must be",
    ),
    (
        lambda: sampler().load_state_dict(sampler(stream=1).state_dict()),
        ValueError,
        r"state\['fingerprint'\] must be",
    ),
    (
        lambda: sampler().load_state_dict(equipoise.NegativeSampler([4, 3, 2, 1, 0]).state_dict()),
        ValueError,
        "fingerprint",
    ),
    (
        lambda: sampler().load_state_dict({**sampler().state_dict(), "rows_drawn": -1}),
        ValueError,
        r"state\['rows_drawn'\] must be in",
    ),
    (
        lambda: sampler().load_state_dict({**sampler().state_dict(), "epoch": "0"}),
        TypeError,
        r"state\['epoch'\] must be an integer",
    ),
]


@pytest.mark.parametrize("case", range(len(CALLS)))
def test_calls(case):
    call, error, text = CALLS[case]
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("form", ["csc", "coo", "wide", "explicit zero"])
def test_scipy(form):
    sparse = pytest.importorskip("scipy.sparse", reason="scipy is not installed")
    dense = np.array([[0, 1, 0], [1, 0, 1]])
    if form == "wide":
        with pytest.raises(
            ValueError, match=r"exclude must have 4 columns, one for each item, got shape \(2, 3\)"
        ):
            equipoise.NegativeSampler(4, exclude=sparse.csr_array(dense))
    elif form == "explicit zero":  # the pattern counts
        csr = sparse.csr_array((np.zeros(1), np.array([2]), np.array([0, 1])), shape=(1, 3))
        assert 2 not in equipoise.NegativeSampler(3, exclude=csr).sample([0], 50).ids
    else:
        with pytest.raises(
            TypeError, match=rf"exclude must be in CSR format, got '{form}': call .tocsr\(\) first"
        ):
            equipoise.NegativeSampler(3, exclude=getattr(sparse, f"{form}_array")(dense))
        got = equipoise.NegativeSampler(3, exclude=sparse.csr_array(dense)).sample([0, 1], 30).ids
        assert 1 not in got[0]
        assert set(got[1].tolist()) == {1}


def test_an_error_loses_nothing():
    s = sampler(seed=3)
    s.sample([0, 1], 2)
    before = json.dumps(s.state_dict())
    for call, error in (
        (lambda: s.sample([0, 2], 1), ValueError),
        (lambda: s.sample([9], 1), IndexError),
        (lambda: s.sample_shared(9), ValueError),
        (lambda: s.load_state_dict({"version": 1}), ValueError),
        (lambda: s.load_state_dict({**s.state_dict(), "epoch": 5, "rows_drawn": "x"}), TypeError),
        (lambda: s.set_epoch(-3), ValueError),
    ):
        with pytest.raises(error):
            call()
        assert json.dumps(s.state_dict()) == before


# Any mixture of good and bad arguments: what comes out is an answer or one of the documented errors, and both
# backends say the same.
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
            got = sampler().sample_shared(count, unique=a[1])
            return repr((got.ids.tolist(), got.log_q.tolist(), got.num_tries))
        if kind == "hits":
            return repr(
                equipoise.NegativeSampler(5, exclude=a[0]).accidental_hits(a[1], a[2], keep=a[3]).tolist()
            )
        return repr(sampler().load_state_dict(a[0]))
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
import test_bad_input as t
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


@pytest.mark.parametrize(
    ("wanted", "text"), [("fortran", "EQUIPOISE_BACKEND must be 'auto', 'cpp' or 'numba', got 'fortran'")]
)
def test_backend_variable(wanted, text):
    done = subprocess.run(
        [sys.executable, "-c", "import equipoise"],
        env={**os.environ, "EQUIPOISE_BACKEND": wanted},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"ImportError: {text}" in done.stderr


def test_a_missing_backend_says_how_to_get_it():
    code = (
        "import importlib.util as u, sys; real = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == sys.argv[1] else real(name, *a)\n"
        "import equipoise"
    )
    for missing, wanted, text in (
        ("numba", "numba", "python -m pip install numba"),
        ("equipoise._core", "cpp", "this installation has no compiled kernels"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, missing],
            env={**os.environ, "EQUIPOISE_BACKEND": wanted}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "ImportError" in done.stderr
        assert text in done.stderr
