"""Nearest neighbors of any points equal those of the reference, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import equipoise
from equipoise.neighbors.search import mixed_neighbors
from support import reference
from support.points import DTYPES, POINTS, codes_of, points, same

WIDTHS = (1, 2, 3, 4, 5, 7, 8, 16, 33, 128)

SMALL = (2, 3, 5, 127, 128, 129)


def some_k(n):
    return sorted({1, min(5, n - 1), n - 1})


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", POINTS)
def test_few_rows_equal_the_reference(name, dtype, d):
    """Test the smallest numbers of rows, and those around the size of a block."""
    for n in SMALL:
        x = points(name, n, d, dtype)
        wanted = reference.neighbors(x, n - 1)
        for k in some_k(n):
            same(equipoise.nearest_neighbors(x, k), wanted)


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["clustered", "uniform", "heavy_tailed", "duplicated"])
def test_a_thousand_rows_equal_the_reference(name, dtype, d):
    x = points(name, 1000, d, dtype)
    wanted = reference.neighbors(x, 999)
    for k in some_k(1000):
        same(equipoise.nearest_neighbors(x, k), wanted)


@pytest.mark.parametrize(
    ("name", "d", "dtype"),
    [
        ("clustered", 2, np.float32),
        ("clustered", 33, np.float64),
        ("uniform", 3, np.float64),
        ("uniform", 128, np.float32),
        ("heavy_tailed", 8, np.float32),
        ("heavy_tailed", 1, np.float64),
        ("grid", 4, np.float32),
    ],
)
def test_sixteen_hundred_rows_equal_the_reference(name, d, dtype):
    x = points(name, 1600, d, dtype)
    wanted = reference.neighbors(x, 1599)
    for k in some_k(1600):
        same(equipoise.nearest_neighbors(x, k), wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["clustered", "uniform", "grid", "identical", "duplicated", "far_clusters"])
def test_any_number_of_neighbors_equals_the_reference(name, dtype):
    """The kernel keeps up to 5, up to 10 and more upper bounds in different ways."""
    x = points(name, 700, 3, dtype)
    queries = points(name, 130, 3, dtype, seed=1)
    wanted, asked = reference.neighbors(x, 40), reference.neighbors(x, 40, queries=queries)
    for k in (*range(1, 13), 40):
        same(equipoise.nearest_neighbors(x, k), wanted)
        same(equipoise.nearest_neighbors(x, k, queries=queries), asked)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", POINTS)
def test_many_rows_equal_the_reference(name, dtype):
    """Search many blocks, and check the answer of every hundredth row."""
    # Wide and denormal points would take long, since no block can be skipped.
    n, d, k = 6_000 if name in ("wide", "denormal") else 20_000, 6, 5
    x = points(name, n, d, dtype)
    rows = np.arange(k % 7, n, 100)
    got = equipoise.nearest_neighbors(x, k, n_threads=2)
    same(type(got)(got.indices[rows], got.distances[rows]), reference.neighbors(x, k, rows=rows))


def test_whole_numbers_are_ranked_exactly():
    """Order and distances equal those of an exact computation in whole numbers."""
    for dtype in DTYPES:
        rng = np.random.default_rng(3)
        x = rng.integers(-1000, 1000, (400, 3))
        got = equipoise.nearest_neighbors(x.astype(dtype), 20)
        for i, row in enumerate(x.tolist()):
            squares = [(sum((a - b) ** 2 for a, b in zip(row, other, strict=True))) for other in x.tolist()]
            order = sorted((s, j) for j, s in enumerate(squares) if j != i)[:20]
            assert got.indices[i].tolist() == [j for _, j in order]
            assert got.distances[i].tolist() == [float(dtype(np.sqrt(float(s)))) for s, _ in order]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_first_copies_of_a_row_are_found(dtype):
    """Each row has more copies than the list of candidates can hold."""
    rng = np.random.default_rng(5)
    x = np.eye(4, dtype=dtype)[rng.integers(0, 4, 1500)] + dtype(0.1)
    codes = codes_of(rng, 1500, 2, most=2)
    wanted, mixed = reference.neighbors(x, 40), reference.neighbors(x, 40, codes=codes, mismatch=0.5)
    for k in (1, 4, 7, 11, 40):
        same(equipoise.nearest_neighbors(x, k), wanted)
        same(mixed_neighbors(x, codes, 0.5, k), mixed)


@st.composite
def searches(draw):
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.tuples(st.integers(2, 60), st.integers(1, 9)))
    width = 32 if dtype is np.float32 else 64
    most = float(np.finfo(dtype).max) / 8
    values = draw(
        st.sampled_from(
            [
                st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5]),
                st.floats(-1, 1, width=width),
                st.floats(-most, most, width=width),
            ]
        )
    )
    x = draw(hnp.arrays(dtype, shape, elements=values))
    queries = draw(st.none() | hnp.arrays(dtype, (draw(st.integers(0, 9)), shape[1]), elements=values))
    return x, queries, draw(st.integers(1, shape[0] - 1)), draw(st.integers(1, 4))


@given(searches())
@settings(max_examples=300)
def test_random_searches_equal_the_reference(search):
    x, queries, k, threads = search
    got = equipoise.nearest_neighbors(x, k, queries=queries, n_threads=threads)
    same(got, reference.neighbors(x, k, queries=queries))


def test_scikit_learn_finds_the_same():
    neighbors = pytest.importorskip("sklearn.neighbors", reason="scikit-learn is not installed")
    for name in ("clustered", "uniform", "heavy_tailed"):
        for d in (2, 16):
            x = points(name, 2000, d, np.float64)  # no distances are equal in float64
            for algorithm in ("kd_tree", "brute"):
                theirs = neighbors.NearestNeighbors(n_neighbors=6, algorithm=algorithm).fit(x)
                got = equipoise.nearest_neighbors(x, 6)
                distances, indices = theirs.kneighbors()
                assert got.indices.tolist() == indices.tolist()
                np.testing.assert_allclose(got.distances, distances, rtol=1e-6)
                asked = points(name, 300, d, np.float64, seed=1)
                distances, indices = theirs.kneighbors(asked)
                got = equipoise.nearest_neighbors(x, 6, queries=asked)
                assert got.indices.tolist() == indices.tolist()
                np.testing.assert_allclose(got.distances, distances, rtol=1e-6)


def asked_of(x, rng):
    """Return named queries for `x`. Their position decides which blocks are skipped, and the scale."""
    n, d = x.shape
    some = x[rng.integers(0, n, 70)]
    extent = float(np.abs(x).max()) or 1.0
    noise = rng.standard_normal((70, d)) * extent
    return {
        "rows of X": some,
        "all of X": x,
        "near": (some + 1e-3 * noise).astype(x.dtype),
        "far away": (some + extent * 1e3).astype(x.dtype),
        "of larger scale": (noise * 1e6).astype(x.dtype),
        "of smaller scale": (noise * 1e-9).astype(x.dtype),
        "one": some[:1],
        "zero": some[:0],
        "one far": (some[:1] - extent * 1e3).astype(x.dtype),
        "equal": np.repeat(some[:1], 150, axis=0),
    }


@pytest.mark.parametrize("d", [1, 3, 16, 33])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name", ["clustered", "uniform", "shifted", "duplicated", "identical", "grid", "zeros"]
)
def test_queries_equal_the_reference(name, dtype, d):
    for n in (2, 129, 700):
        x = points(name, n, d, dtype)
        for what, queries in asked_of(x, np.random.default_rng(n)).items():
            wanted = reference.neighbors(x, n, queries=queries)
            for k in (*some_k(n), n):
                got = equipoise.nearest_neighbors(x, k, queries=queries)
                try:
                    same(got, wanted)
                except AssertionError as failure:
                    raise AssertionError(f"queries {what}, n = {n}, k = {k}: {failure}") from None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["wide", "wide_columns", "denormal", "largest", "far_clusters"])
def test_queries_of_extreme_points_equal_the_reference(name, dtype):
    x, queries = points(name, 500, 5, dtype), points(name, 60, 5, dtype, seed=1)
    same(equipoise.nearest_neighbors(x, 9, queries=queries), reference.neighbors(x, 9, queries=queries))
    tiny = points("denormal", 60, 5, dtype)  # compared with X they are all at the origin
    same(equipoise.nearest_neighbors(x, 9, queries=tiny), reference.neighbors(x, 9, queries=tiny))
    same(equipoise.nearest_neighbors(tiny, 9, queries=x), reference.neighbors(tiny, 9, queries=x))


def test_many_queries_equal_the_reference():
    x, queries = (
        points("clustered", 5000, 16, np.float32),
        points("clustered", 20_000, 16, np.float32, seed=1),
    )
    got = equipoise.nearest_neighbors(x, 5, queries=queries, n_threads=2)
    rows = np.arange(0, 20_000, 50)
    wanted = reference.neighbors(x, 5, queries=queries, rows=rows)
    same(type(got)(got.indices[rows], got.distances[rows]), wanted)


@pytest.mark.parametrize("mismatch", [0.0, 0.3, 2.0, 1e3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [0, 1, 3, 5, 16])
def test_mixed_columns_equal_the_reference(d, dtype, mismatch):
    for name in ("clustered", "grid", "identical", "shifted"):
        for n, c in ((2, 1), (129, 1), (300, 2), (301, 7)):
            rng = np.random.default_rng([n, c])
            x = points(name, n, d, dtype) if d else np.empty((n, 0), dtype)
            codes = codes_of(rng, n, c)
            wanted = reference.neighbors(x, n - 1, codes=codes, mismatch=mismatch)
            for k in some_k(n):
                same(mixed_neighbors(x, codes, mismatch, k), wanted)
            queries, asked = x[: n // 2] * dtype(1.25), codes_of(rng, n // 2, c, most=6)
            more = {"queries": queries, "query_codes": asked}
            wanted = reference.neighbors(x, n - 1, codes=codes, mismatch=mismatch, **more)
            for k in some_k(n):
                same(mixed_neighbors(x, codes, mismatch, k, **more), wanted)


@pytest.mark.parametrize("dtype", DTYPES)
def test_mixed_columns_of_any_scale_equal_the_reference(dtype):
    """A mismatch may add far more or far less than the numbers."""
    rng = np.random.default_rng(0)
    for name in ("wide", "denormal", "largest", "zeros", "far_clusters"):
        x, codes = points(name, 300, 4, dtype), codes_of(rng, 300, 3)
        for mismatch in (1e-300, 1e-40, 1e-5, 1.0, 1e5, 1e30, 1e300):
            wanted = reference.neighbors(x, 9, codes=codes, mismatch=mismatch)
            same(mixed_neighbors(x, codes, mismatch, 9), wanted)


def test_many_rows_of_mixed_columns_equal_the_reference():
    rng = np.random.default_rng(5)
    for d, most in ((4, 4), (0, 3), (2, 1000)):
        x = points("clustered", 20_000, d, np.float32) if d else np.empty((20_000, 0), np.float32)
        codes = codes_of(rng, 20_000, 3, most)
        got = mixed_neighbors(x, codes, 1.5, 5, n_threads=2)
        rows = np.arange(0, 20_000, 100)
        wanted = reference.neighbors(x, 5, codes=codes, mismatch=1.5, rows=rows)
        same(type(got)(got.indices[rows], got.distances[rows]), wanted)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=100)
def test_random_mixed_searches_equal_the_reference(seed):
    rng = np.random.default_rng(seed)
    n, d, c = int(rng.integers(2, 60)), int(rng.integers(0, 6)), int(rng.integers(1, 4))
    dtype = DTYPES[seed % 2]
    x = np.round(rng.standard_normal((n, d)) * 2, int(rng.integers(0, 3))).astype(dtype)
    codes, mismatch = codes_of(rng, n, c, 3), float(rng.choice([0, 0.5, 1, np.sqrt(2), rng.random()]))
    k, threads = int(rng.integers(1, n)), int(rng.integers(1, 4))
    got = mixed_neighbors(x, codes, mismatch, k, n_threads=threads)
    same(got, reference.neighbors(x, k, codes=codes, mismatch=mismatch))


def test_rows_whose_squares_underflow_equal_the_reference():
    """Copies of a row are in two blocks, with rows so close to 0 that the radius of a block becomes 0."""
    x = np.zeros((257, 1))
    x[0], x[1:128, 0], x[128] = 1e-162, np.linspace(2e-162, 2.4e-162, 127), 0.75
    same(equipoise.nearest_neighbors(x, 1), reference.neighbors(x, 1))
