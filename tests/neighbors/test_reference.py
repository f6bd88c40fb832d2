"""Nearest neighbours, byte for byte those of the reference, whatever the points, layout and threads."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import equipoise
from equipoise.neighbors.search import mixed_neighbors
from support import reference
from support.points import POINTS, arrange, points

DTYPES = (np.float32, np.float64)
WIDTHS = (1, 2, 3, 4, 5, 7, 8, 16, 33, 128)
SMALL = (2, 3, 5, 127, 128, 129)


def same(got, wanted):
    """Indices and distances, byte for byte; the first columns of `wanted` if it has more."""
    k = got.indices.shape[1]
    indices, distances = (np.ascontiguousarray(a[:, :k]) for a in wanted)
    assert (got.indices.dtype, got.distances.dtype) == (np.int64, distances.dtype)
    assert got.indices.shape == got.distances.shape == indices.shape
    wrong = np.flatnonzero((got.indices != indices).any(axis=1) | (got.distances != distances).any(axis=1))
    if wrong.size:
        i = wrong[0]
        raise AssertionError(
            f"{wrong.size} of {len(indices)} rows differ, the first is {i}: {got.indices[i]} at "
            f"{got.distances[i]}, wanted {indices[i]} at {distances[i]}"
        )
    assert got.distances.tobytes() == distances.tobytes()


def alike(a, b):
    assert a.indices.dtype == b.indices.dtype
    assert a.distances.dtype == b.distances.dtype
    assert a.indices.tobytes() == b.indices.tobytes()
    assert a.distances.tobytes() == b.distances.tobytes()


def some_k(n):
    return sorted({1, min(5, n - 1), n - 1})


# ---- a row's neighbours among the others ------------------------------------------------------------------


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", POINTS)
def test_few_rows(name, dtype, d):
    """About a block of rows, and the least there can be."""
    for n in SMALL:
        x = points(name, n, d, dtype)
        wanted = reference.neighbors(x, n - 1)
        for k in some_k(n):
            same(equipoise.nearest_neighbors(x, k), wanted)


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["clustered", "uniform", "heavy_tailed", "duplicated"])
def test_a_thousand_rows(name, dtype, d):
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
def test_sixteen_hundred_rows(name, d, dtype):
    x = points(name, 1600, d, dtype)
    wanted = reference.neighbors(x, 1599)
    for k in some_k(1600):
        same(equipoise.nearest_neighbors(x, k), wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["clustered", "uniform", "grid", "identical", "duplicated", "far_clusters"])
def test_any_number_of_neighbours(name, dtype):
    """Up to 5 and up to 10 upper bounds are kept in one way each, more in another."""
    x = points(name, 700, 3, dtype)
    queries = points(name, 130, 3, dtype, seed=1)
    wanted, asked = reference.neighbors(x, 40), reference.neighbors(x, 40, queries=queries)
    for k in (*range(1, 13), 40):
        same(equipoise.nearest_neighbors(x, k), wanted)
        same(equipoise.nearest_neighbors(x, k, queries=queries), asked)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", POINTS)
def test_many_rows(name, dtype):
    """Enough for blocks of blocks; every hundredth row's answer is checked."""
    n, d, k = 20_000 if name not in ("wide", "denormal") else 6_000, 6, 5  # of these nothing is passed over
    x = points(name, n, d, dtype)
    rows = np.arange(k % 7, n, 100)
    got = equipoise.nearest_neighbors(x, k, n_threads=2)
    same(type(got)(got.indices[rows], got.distances[rows]), reference.neighbors(x, k, rows=rows))


def test_whole_numbers_exactly():
    """Independent of any rounding: order and distances of an exact computation in whole numbers."""
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
def test_ties_go_to_the_smaller_index(dtype):
    """By index, not by place: identical rows have the first others, in order."""
    for n, k in ((2, 1), (3, 2), (129, 5), (3000, 1), (3000, 7)):
        got = equipoise.nearest_neighbors(points("identical", n, 4, dtype), k)
        wanted = np.tile(np.arange(k), (n, 1))
        for i in range(min(k, n)):
            wanted[i] = [j for j in range(k + 1) if j != i]
        assert got.indices.tolist() == wanted.tolist()
        assert not got.distances.any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_copies_in_any_order(dtype):
    """More of each row than a list of candidates holds: the first of them, found one by one."""
    rng = np.random.default_rng(5)
    x = np.eye(4, dtype=dtype)[rng.integers(0, 4, 1500)] + dtype(0.1)
    codes = codes_of(rng, 1500, 2, most=2)
    wanted, mixed = reference.neighbors(x, 40), reference.neighbors(x, 40, codes=codes, mismatch=0.5)
    for k in (1, 4, 7, 11, 40):
        same(equipoise.nearest_neighbors(x, k), wanted)
        same(mixed_neighbors(x, codes, 0.5, k), mixed)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_power_of_two_changes_nothing_but_the_distances(dtype):
    x = points("clustered", 500, 5, dtype)
    plain = equipoise.nearest_neighbors(x, 5)
    for factor in (2.0**-100, 2.0**-3, 2.0**7, 2.0**90):
        got = equipoise.nearest_neighbors(x * dtype(factor), 5)
        assert got.indices.tobytes() == plain.indices.tobytes()
        assert got.distances.tobytes() == (plain.distances * dtype(factor)).tobytes()


@pytest.mark.parametrize("name", ["clustered", "uniform", "heavy_tailed"])
def test_the_order_of_the_rows_does_not_matter_without_ties(name):
    x = points(name, 3000, 7, np.float64)
    order = np.random.default_rng(1).permutation(3000)
    plain, shuffled = equipoise.nearest_neighbors(x, 5), equipoise.nearest_neighbors(x[order], 5)
    assert order[shuffled.indices].tobytes() == plain.indices[order].tobytes()
    assert shuffled.distances.tobytes() == plain.distances[order].tobytes()


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
def test_anything(search):
    x, queries, k, threads = search
    got = equipoise.nearest_neighbors(x, k, queries=queries, n_threads=threads)
    same(got, reference.neighbors(x, k, queries=queries))


def test_scikit_learn_says_the_same():
    neighbors = pytest.importorskip("sklearn.neighbors", reason="scikit-learn is not installed")
    for name in ("clustered", "uniform", "heavy_tailed"):
        for d in (2, 16):
            x = points(name, 2000, d, np.float64)  # distances do not tie in float64
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


# ---- queries ----------------------------------------------------------------------------------------------


def asked_of(x, rng):
    """name -> queries of `x`: where they are matters to what is skipped, and to the scale."""
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
def test_queries(name, dtype, d):
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
def test_queries_of_extreme_points(name, dtype):
    x, queries = points(name, 500, 5, dtype), points(name, 60, 5, dtype, seed=1)
    same(equipoise.nearest_neighbors(x, 9, queries=queries), reference.neighbors(x, 9, queries=queries))
    tiny = points("denormal", 60, 5, dtype)  # beside X they are all the origin
    same(equipoise.nearest_neighbors(x, 9, queries=tiny), reference.neighbors(x, 9, queries=tiny))
    same(equipoise.nearest_neighbors(tiny, 9, queries=x), reference.neighbors(tiny, 9, queries=x))


def test_many_queries():
    x, queries = (
        points("clustered", 5000, 16, np.float32),
        points("clustered", 20_000, 16, np.float32, seed=1),
    )
    got = equipoise.nearest_neighbors(x, 5, queries=queries, n_threads=2)
    rows = np.arange(0, 20_000, 50)
    wanted = reference.neighbors(x, 5, queries=queries, rows=rows)
    same(type(got)(got.indices[rows], got.distances[rows]), wanted)


def test_a_query_that_is_a_row_finds_it():
    x = points("uniform", 1000, 4, np.float32)
    got = equipoise.nearest_neighbors(x, 3, queries=x)
    assert got.indices[:, 0].tolist() == list(range(1000))
    assert not got.distances[:, 0].any()
    others = equipoise.nearest_neighbors(x, 2)
    assert got.indices[:, 1:].tobytes() == others.indices.tobytes()


def test_an_answer_does_not_depend_on_the_queries_beside_it():
    """Of one scale: a query of another power of two may change what is rounded."""
    x, queries = points("uniform", 800, 6, np.float32), points("uniform", 200, 6, np.float32, seed=1)
    together = equipoise.nearest_neighbors(x, 5, queries=queries)
    for i in range(0, 200, 13):
        alone = equipoise.nearest_neighbors(x, 5, queries=queries[i : i + 1])
        assert alone.indices[0].tolist() == together.indices[i].tolist()
        assert alone.distances.tobytes() == together.distances[i : i + 1].tobytes()


# ---- layouts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 5, 16])
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_layout(dtype, d):
    x, queries = points("clustered", 300, d, dtype), points("uniform", 50, d, dtype)
    plain, asked = equipoise.nearest_neighbors(x, 5), equipoise.nearest_neighbors(x, 5, queries=queries)
    same(plain, reference.neighbors(x, 5))
    for name, other in arrange(x).items():
        assert other.tolist() == x.tolist(), name
        before = other.tobytes()
        alike(equipoise.nearest_neighbors(other, 5), plain)
        alike(equipoise.nearest_neighbors(other, 5, queries=queries), asked)
        assert other.tobytes() == before, name
    for other in arrange(queries).values():
        alike(equipoise.nearest_neighbors(x, 5, queries=other), asked)
    if dtype is np.float64:
        alike(equipoise.nearest_neighbors(x.tolist(), 5), plain)


def test_the_same_value_everywhere_through_strides_of_zero():
    x = np.broadcast_to(np.float32(3.5), (300, 4))
    same(equipoise.nearest_neighbors(x, 5), reference.neighbors(np.array(x), 5))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mapped_file(dtype, order, tmp_path):
    x = points("uniform", 700, 9, dtype)
    file = tmp_path / "points"
    mapped = np.memmap(file, dtype, "w+", offset=64, shape=x.shape, order=order)
    mapped[:] = x
    mapped.flush()
    del mapped
    before = file.read_bytes()
    mapped = np.memmap(file, dtype, "r", offset=64, shape=x.shape, order=order)
    got = equipoise.nearest_neighbors(mapped, 5, queries=mapped[::3])
    same(got, reference.neighbors(x, 5, queries=x[::3]))
    assert type(got.indices) is type(got.distances) is np.ndarray
    del mapped
    assert file.read_bytes() == before


def test_the_result_is_the_callers_own():
    got = equipoise.nearest_neighbors(points("uniform", 40, 3, np.float32), 4)
    for a in (got.indices, got.distances):
        assert a.flags.writeable
        assert a.flags.c_contiguous
        assert a.flags.owndata
    with pytest.raises(AttributeError):
        got.indices = None


# ---- continuous columns and categories --------------------------------------------------------------------


def codes_of(rng, n, c, most=4):
    return rng.integers(0, most, (n, c)).astype(np.int32)


@pytest.mark.parametrize("mismatch", [0.0, 0.3, 2.0, 1e3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [0, 1, 3, 5, 16])
def test_mixed(d, dtype, mismatch):
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
def test_mixed_of_any_scale(dtype):
    """The part of a mismatch may be far above or below all of X's."""
    rng = np.random.default_rng(0)
    for name in ("wide", "denormal", "largest", "zeros", "far_clusters"):
        x, codes = points(name, 300, 4, dtype), codes_of(rng, 300, 3)
        for mismatch in (1e-300, 1e-40, 1e-5, 1.0, 1e5, 1e30, 1e300):
            wanted = reference.neighbors(x, 9, codes=codes, mismatch=mismatch)
            same(mixed_neighbors(x, codes, mismatch, 9), wanted)


def test_mixed_of_many_rows():
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
def test_mixed_of_anything(seed):
    rng = np.random.default_rng(seed)
    n, d, c = int(rng.integers(2, 60)), int(rng.integers(0, 6)), int(rng.integers(1, 4))
    dtype = DTYPES[seed % 2]
    x = np.round(rng.standard_normal((n, d)) * 2, int(rng.integers(0, 3))).astype(dtype)
    codes, mismatch = codes_of(rng, n, c, 3), float(rng.choice([0, 0.5, 1, np.sqrt(2), rng.random()]))
    k, threads = int(rng.integers(1, n)), int(rng.integers(1, 4))
    got = mixed_neighbors(x, codes, mismatch, k, n_threads=threads)
    same(got, reference.neighbors(x, k, codes=codes, mismatch=mismatch))


def test_mixed_without_mismatches_is_plain():
    x, codes = points("uniform", 900, 5, np.float32), np.zeros((900, 2), np.int32)
    alike(mixed_neighbors(x, codes, 3.0, 5), equipoise.nearest_neighbors(x, 5))
    differing = codes_of(np.random.default_rng(0), 900, 2)
    alike(mixed_neighbors(x, differing, 0.0, 5), equipoise.nearest_neighbors(x, 5))


# ---- threads, backends, CPU paths -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["clustered", "uniform", "duplicated", "grid"])
def test_threads(name, own_threads):
    x, codes = points(name, 12_000, 5, np.float32), codes_of(np.random.default_rng(1), 12_000, 2)
    queries = points(name, 3000, 5, np.float32, seed=1)
    for search in (
        lambda n: equipoise.nearest_neighbors(x, 5, n_threads=n),
        lambda n: equipoise.nearest_neighbors(x[:4000], 40, queries=queries, n_threads=n),
        lambda n: mixed_neighbors(x[:4000], codes[:4000], 0.7, 5, n_threads=n),
    ):
        one = search(1)
        for n in (2, 3, 7):
            alike(search(n), one)
        assert own_threads.left() == 0


def test_threads_of_the_environment(monkeypatch):
    x = points("clustered", 3000, 5, np.float32)
    one = equipoise.nearest_neighbors(x, 5)
    monkeypatch.setenv("EQUIPOISE_NUM_THREADS", "3")
    alike(equipoise.nearest_neighbors(x, 5), one)


def digest():
    """Of answers for all named points, several widths and numbers of threads."""
    seen = hashlib.sha256()
    for name in POINTS:
        for dtype in DTYPES:
            for n, d, k in ((300, 3, 5), (700, 17, 299), (1500, 8, 4)):
                x, asked = points(name, n, d, dtype), points(name, 100, d, dtype, seed=1)
                codes = codes_of(np.random.default_rng(0), n, 2)
                answers = [
                    equipoise.nearest_neighbors(x, k, n_threads=1 + n % 3),
                    equipoise.nearest_neighbors(x, k, queries=asked),
                    mixed_neighbors(x, codes, 0.5, k),
                ]
                for got in answers:
                    seen.update(got.indices.tobytes() + got.distances.tobytes())
    return seen.hexdigest()


def elsewhere(**environment):
    """The digest of another process, and its CPU path."""
    program = (
        "import test_neighbors; from equipoise._runtime.backend import kernels; "
        "print(kernels().cpu_path()[0], test_neighbors.digest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **environment},
    )
    return done.stdout.split()


@pytest.fixture(scope="module")
def here():
    return digest()


@pytest.mark.parametrize("off", ["avx512", "avx512,avx2", "AVX512,AVX2"])
def test_every_cpu_path(off, here):
    path, seen = elsewhere(EQUIPOISE_DISABLE_CPU_FEATURES=off)
    assert seen == here
    if equipoise.backend() == "cpp":
        assert path != "avx512"


def test_both_backends(here):
    other = {"cpp": "numba", "numba": "cpp"}[equipoise.backend()]
    if importlib.util.find_spec({"cpp": "equipoise._core", "numba": "numba"}[other]) is None:
        pytest.skip(f"the backend {other} is not installed")
    path, seen = elsewhere(EQUIPOISE_BACKEND=other)
    assert (path == "numba") == (other == "numba")
    assert seen == here


# ---- progress ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3])
def test_progress_is_told(threads):
    x = points("uniform", 9000, 16, np.float32)
    calls = []
    got = equipoise.nearest_neighbors(x, 5, n_threads=threads, progress=lambda *c: calls.append(c))
    alike(got, equipoise.nearest_neighbors(x, 5))
    assert len(calls) > 1
    totals = {total for _, total in calls}
    assert len(totals) == 1
    done = [d for d, _ in calls]
    assert done == sorted(done)
    assert done[0] >= 0
    assert done[-1] == totals.pop()
    assert all(type(number) is int for call in calls for number in call)


def test_progress_of_queries_and_of_mixed_columns():
    x, codes = points("uniform", 500, 3, np.float32), np.zeros((500, 1), np.int32)
    for search in (
        lambda p: equipoise.nearest_neighbors(x, 5, queries=x[:300], progress=p),
        lambda p: equipoise.nearest_neighbors(x, 5, queries=x[:0], progress=p),
        lambda p: mixed_neighbors(x, codes, 1.0, 5, progress=p),
    ):
        calls = []
        alike(search(lambda *c, calls=calls: calls.append(c)), search(None))
        assert not calls or calls[-1][0] == calls[-1][1]


class Stop(Exception):
    pass


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("last", [False, True])
def test_an_exception_of_the_callback_comes_out(threads, last, own_threads):
    x = points("uniform", 9000, 16, np.float32)

    def progress(done, total):
        if done == total or not last:
            raise Stop

    with pytest.raises(Stop):
        equipoise.nearest_neighbors(x, 5, n_threads=threads, progress=progress)
    assert own_threads.made >= threads - 1
    assert own_threads.left() == 0
    alike(equipoise.nearest_neighbors(x, 5, n_threads=threads), equipoise.nearest_neighbors(x, 5))


def test_progress_comes_from_the_callers_thread():
    """A bar or a widget need not bear being called from anywhere else."""
    seen = set()
    x = points("uniform", 9000, 16, np.float32)
    equipoise.nearest_neighbors(x, 5, n_threads=3, progress=lambda *_: seen.add(threading.get_ident()))
    assert seen == {threading.get_ident()}


def test_a_bar_on_stderr(capfd):
    pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'progress')")
    x = points("uniform", 3000, 8, np.float32)
    alike(equipoise.nearest_neighbors(x, 5, progress=True), equipoise.nearest_neighbors(x, 5))
    assert capfd.readouterr().out == ""


# ---- memory -----------------------------------------------------------------------------------------------

MEMORY = """
import sys
import numpy as np
import equipoise

def memory(what):
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith(what)) * 1024

n, d, k, threads, asked = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
x = rng.standard_normal((n, d), np.float32)
x += 30 * rng.standard_normal((50, d), np.float32)[rng.integers(0, 50, n)]
queries = x[:asked] if asked else None
equipoise.nearest_neighbors(x[:300], k, queries=queries[:300] if asked else None, n_threads=threads)
open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
before = memory("VmRSS")
got = equipoise.nearest_neighbors(x, k, queries=queries, n_threads=threads)
print("took", memory("VmHWM") - before, got.indices.nbytes + got.distances.nbytes)
"""


@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="peaks are read from Linux' /proc"
)
@pytest.mark.parametrize(
    ("n", "d", "k", "threads", "asked"),
    [(60_000, 16, 5, 1, 0), (60_000, 16, 5, 2, 0), (60_000, 4, 100, 1, 0), (60_000, 8, 5, 2, 30_000)],
)
def test_memory_is_that_of_the_points_and_of_the_answer(n, d, k, threads, asked):
    """Never n^2: 60,000^2 bits alone are 450 MB."""
    arguments = map(str, (n, d, k, threads, asked))
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *arguments], capture_output=True, text=True, check=True
    )
    word, took, answer = done.stdout.split()
    assert word == "took"
    # Four copies of the points in float64 and twice the answer, and room for what an allocator keeps.
    limit = 4 * 8 * (n + asked) * d + 2 * int(answer) + 32 * 2**20
    assert int(took) < limit, f"{int(took) / 2**20:.0f} MB, limit {limit / 2**20:.0f}"


@pytest.mark.parametrize("huge", [1e150, 1e160, 1e200, 1e300, np.finfo(float).max])
def test_one_huge_value_leaves_the_others_their_neighbors(huge):
    """As np.nan_to_num puts in the place of an infinity."""
    x = np.random.default_rng(4).normal(size=(500, 4))
    x[499, 2] = huge
    np.testing.assert_array_equal(
        equipoise.nearest_neighbors(x, 3).indices[:499], equipoise.nearest_neighbors(x[:499], 3).indices
    )


def test_lengths_whose_squares_underflow():
    """Copies of one row in two blocks, beside rows so near to 0 that a radius of theirs is 0."""
    x = np.zeros((257, 1))
    x[0], x[1:128, 0], x[128] = 1e-162, np.linspace(2e-162, 2.4e-162, 127), 0.75
    same(equipoise.nearest_neighbors(x, 1), reference.neighbors(x, 1))
