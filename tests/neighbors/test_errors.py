"""Bad input to the neighbor search raises a clear error, the same from both backends."""

from __future__ import annotations

import numpy as np
import pytest

import equipoise
from support.backends import MISSING, check

NAN, INF = float("nan"), float("inf")
X = np.arange(30.0).reshape(10, 3)
X32 = X.astype(np.float32)


def with_bad(row, column, value, dtype=np.float64, n=10, d=3, order="C"):
    x = np.ones((n, d), dtype, order=order)
    x[row, column] = value
    return x


def both_bad():
    """Return two bad values. The first in row order must be named, although it is the second in memory."""
    x = with_bad(4, 0, NAN, order="F")
    x[2, 2] = -INF
    return x


# name -> (arguments, error, text)
BAD = {
    # k
    "k = n": ((X, 10), {}, ValueError, r"k must be less than the number of rows of X, got 10 for 10 rows"),
    "k > n": ((X, 11), {}, ValueError, r"k must be less than .*, got 11 for 10 rows"),
    "k = 2^63": ((X, 2**63), {}, ValueError, r"k must be less than .*, got 9223372036854775808 for 10 rows"),
    "one row": ((X[:1], 1), {}, ValueError, r"k must be less than .*, got 1 for 1 row$"),
    "k = 0": ((X, 0), {}, ValueError, r"k must be >= 1, got 0"),
    "k < 0": ((X, -3), {}, ValueError, r"k must be >= 1, got -3"),
    "k > n with queries": ((X, 11), {"queries": X}, ValueError, r"k must be at most .*, got 11 for 10 rows"),
    "k a float": ((X, 3.0), {}, TypeError, r"k must be an integer, got float"),
    "k a NumPy float": ((X, np.float64(3)), {}, TypeError, r"k must be an integer, got float64"),
    "k a bool": ((X, True), {}, TypeError, r"k must be an integer, got bool"),
    "k a NumPy bool": ((X, np.True_), {}, TypeError, r"k must be an integer, got bool"),
    "k a string": ((X, "3"), {}, TypeError, r"k must be an integer, got str"),
    "k None": ((X, None), {}, TypeError, r"k must be an integer, got NoneType"),
    "k an array": ((X, np.array([1, 2])), {}, TypeError, r"k must be an integer"),
    # values that are not finite
    "NaN": ((with_bad(3, 1, NAN), 2), {}, ValueError, r"X\[3, 1\] must be finite, got nan"),
    "NaN float32": (
        (with_bad(3, 1, NAN, np.float32), 2), {}, ValueError, r"X\[3, 1\] must be finite, got nan",
    ),
    "infinity": ((with_bad(9, 2, INF), 2), {}, ValueError, r"X\[9, 2\] must be finite, got inf"),
    "-infinity": ((with_bad(0, 0, -INF, np.float32), 2), {}, ValueError, r"X\[0, 0\] must .*, got -inf"),
    "Fortran order": ((both_bad(), 2), {}, ValueError, r"X\[2, 2\] must be finite, got -inf"),
    "far down": (
        (with_bad(70_001, 4, NAN, np.float32, 100_000, 5), 2), {}, ValueError,
        r"X\[70001, 4\] must be finite, got nan",
    ),
    "all NaN": ((np.full((5, 2), NAN), 2), {}, ValueError, r"X\[0, 0\] must be finite, got nan"),
    "NaN in queries": (
        (X, 2), {"queries": with_bad(4, 0, NAN)}, ValueError, r"queries\[4, 0\] must be finite, got nan",
    ),
    "infinity in queries": (
        (X32, 2), {"queries": with_bad(1, 2, INF, np.float32)}, ValueError,
        r"queries\[1, 2\] must be finite, got inf",
    ),
    # shapes
    "0-D": ((3.0, 1), {}, ValueError, r"X must be 2-D \(rows, columns\), got shape \(\)"),
    "1-D": ((X[:, 0], 1), {}, ValueError, r"X must be 2-D .*, got shape \(10,\)"),
    "3-D": ((np.ones((4, 3, 2)), 1), {}, ValueError, r"X must be 2-D .*, got shape \(4, 3, 2\)"),
    "ragged": (([[1.0], [1.0, 2.0]], 1), {}, ValueError, r"X must be a rectangular array"),
    "no rows": ((np.empty((0, 3)), 1), {}, ValueError, r"X must have at least 1 row, got shape \(0, 3\)"),
    "no columns": ((np.empty((5, 0)), 1), {}, ValueError, r"X must have at least one column"),
    "nothing": (([], 1), {}, ValueError, r"X must be 2-D .*, got shape \(0,\)"),
    "queries 1-D": ((X, 2), {"queries": X[0]}, ValueError, r"queries must be 2-D .*, got shape \(3,\)"),
    "queries 3-D": ((X, 2), {"queries": X[None]}, ValueError, r"queries must be 2-D .*, got shape \(1, 10"),
    "queries narrower": ((X, 2), {"queries": X[:, :2]}, ValueError, r"queries must have 3 columns.*got 2"),
    "queries wider": ((X, 2), {"queries": np.ones((2, 4))}, ValueError, r"queries must have 3 col.*got 4"),
    "queries without columns": (
        (X, 2), {"queries": np.ones((2, 0))}, ValueError, r"queries must have 3 columns, like X, got 0",
    ),
    # dtypes
    "whole numbers": ((X.astype(int), 2), {}, TypeError, r"X must be float32 or float64, got int64"),
    "bytes": ((X.astype(np.uint8), 2), {}, TypeError, r"X must be float32 or float64, got uint8"),
    "bool": ((X > 3, 2), {}, TypeError, r"X must be float32 or float64, got bool"),
    "float16": ((X.astype(np.float16), 2), {}, TypeError, r"X must be float32 or float64, got float16"),
    "complex": ((X + 1j, 2), {}, TypeError, r"X must be float32 or float64, got complex128"),
    "objects": ((X.astype(object), 2), {}, TypeError, r"X must be float32 or float64, got object"),
    "strings": ((X.astype(str), 2), {}, TypeError, r"X must be float32 or float64, got (<U|str)"),
    "dates": ((X.astype("M8[D]"), 2), {}, TypeError, r"X must be float32 or float64, got datetime64"),
    "fields": (
        (np.zeros((5, 2), [("a", np.float32)]), 2), {}, TypeError, r"X must be float32 or float64",
    ),
    "a masked array": (
        (np.ma.masked_array(X, X > 3), 2), {}, TypeError, r"X must be a plain array, got a masked array",
    ),
    "None": ((None, 2), {}, (TypeError, ValueError), r"X must be"),
    "a word": (("points", 2), {}, (TypeError, ValueError), r"X must be"),
    "a dict": (({}, 2), {}, (TypeError, ValueError), r"X must be"),
    "queries of whole numbers": (
        (X, 2), {"queries": X.astype(int)}, TypeError, r"queries must be float32 or float64, got int64",
    ),
    "queries of another dtype": (
        (X, 2), {"queries": X32}, TypeError, r"queries must be float64, like X, got float32",
    ),
    "X of another dtype": (
        (X32, 2), {"queries": X}, TypeError, r"queries must be float32, like X, got float64",
    ),
    "queries a word": ((X, 2), {"queries": "rows"}, (TypeError, ValueError), r"queries must be"),
    # threads
    "no thread": ((X, 2), {"n_threads": 0}, ValueError, r"n_threads must be >= 1, got 0"),
    "-1 threads": ((X, 2), {"n_threads": -1}, ValueError, r"n_threads must be >= 1, got -1"),
    "1.5 threads": ((X, 2), {"n_threads": 1.5}, TypeError, r"n_threads must be an integer, got float"),
    "True threads": ((X, 2), {"n_threads": True}, TypeError, r"n_threads must be an integer, got bool"),
    "a word of threads": ((X, 2), {"n_threads": "2"}, TypeError, r"n_threads must be an integer, got str"),
    # progress
    "progress a number": ((X, 2), {"progress": 1}, TypeError, r"progress must be None, .*, got (int|str)"),
    "progress a word": ((X, 2), {"progress": "yes"}, TypeError, r"progress must be None, .*, got (int|str)"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name):
    args, more, error, text = BAD[name]
    before = [np.array(a) for a in args if type(a) is np.ndarray]
    with pytest.raises(error, match=text) as caught:
        equipoise.nearest_neighbors(*args, **more)
    assert type(caught.value) in (TypeError, ValueError)  # not a subclass, which means something else
    after = [a for a in args if type(a) is np.ndarray]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(after, before, strict=True) if a.dtype != object)


@pytest.mark.parametrize("variable", ["0", "-1", "two", "1.5"])
def test_a_bad_environment_variable_is_refused(monkeypatch, variable):
    monkeypatch.setenv("EQUIPOISE_NUM_THREADS", variable)
    with pytest.raises(ValueError, match="EQUIPOISE_NUM_THREADS must be a whole number >= 1"):
        equipoise.nearest_neighbors(X, 2)
    assert equipoise.nearest_neighbors(X, 2, n_threads=1).indices.shape == (10, 2)


def test_unknown_and_positional_arguments_are_refused():
    for wrong in ({"n_jobs": 2}, {"radius": 1.0}):
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            equipoise.nearest_neighbors(X, 2, **wrong)
    with pytest.raises(TypeError, match="positional"):
        equipoise.nearest_neighbors(X, 2, X)
    with pytest.raises(TypeError, match=r"missing .* 'k'"):
        equipoise.nearest_neighbors(X)


def texts():
    """Return the type and text of each error, by name."""
    said = {}
    for name, (args, more, *_) in BAD.items():
        try:
            equipoise.nearest_neighbors(*args, **more)
        except Exception as failure:
            said[name] = f"{type(failure).__name__}: {failure}"
    return said


@pytest.mark.skipif(bool(MISSING), reason=f"needs both backends; missing here: {MISSING}")
def test_both_backends_raise_the_same_errors():
    assert check(texts).keys() == BAD.keys()


# ---- the smallest valid input -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_rows_are_enough(dtype):
    got = equipoise.nearest_neighbors(np.array([[0.0, 0.0], [3.0, 4.0]], dtype), 1)
    assert got.indices.tolist() == [[1], [0]]
    assert got.distances.tolist() == [[5.0], [5.0]]
    assert got.distances.dtype == dtype
    got = equipoise.nearest_neighbors(np.zeros((2, 1), dtype), 1, n_threads=7)
    assert got.indices.tolist() == [[1], [0]]
    assert got.distances.tolist() == [[0.0], [0.0]]


def test_there_may_be_no_queries():
    got = equipoise.nearest_neighbors(X32, 2, queries=X32[:0])
    assert got.indices.shape == got.distances.shape == (0, 2)
    assert (got.indices.dtype, got.distances.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize("k", [np.int32(3), np.uint8(3), np.int64(3)])
def test_any_integer_type_is_accepted_for_k(k):
    got = equipoise.nearest_neighbors(X, k)
    assert got.indices.tobytes() == equipoise.nearest_neighbors(X, 3).indices.tobytes()


def test_the_largest_finite_numbers_are_ranked():
    """Only a distance beyond the range of the dtype becomes infinite, and it is still ranked."""
    for dtype in (np.float32, np.float64):
        most = np.finfo(dtype).max
        got = equipoise.nearest_neighbors(np.array([[-most], [most], [0.0], [most / 2]], dtype), 3)
        assert got.indices.tolist() == [[2, 3, 1], [3, 2, 0], [3, 0, 1], [1, 2, 0]]
        assert got.distances[2].tolist() == [most / 2, most, most]
        assert got.distances[0].tolist() == [most, INF, INF]
