"""Synthetic and interpolated rows equal those of the reference and of the formula, byte for byte."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from equipoise import SmoteSampler
from equipoise.neighbors import table
from equipoise.neighbors.search import nearest_neighbors
from equipoise.smote import interpolation
from equipoise.smote import sampler as smote
from support import reference
from support.synthetic import DTYPES, Found, check_formula, mixed, parts, points


@settings(max_examples=250)
@given(st.data())
def test_random_calls_equal_the_reference(data):
    dtype = data.draw(st.sampled_from(DTYPES), label="dtype")
    n, d = data.draw(st.integers(2, 12), label="n"), data.draw(st.integers(1, 5), label="d")
    k = data.draw(st.integers(1, min(6, n - 1)), label="k")
    value = st.sampled_from([0.0, -0.0, 1.0, 1.0, -2.0, 0.5, 3.0, 1024.0])  # copies and ties are common
    cells = data.draw(st.lists(value, min_size=n * d, max_size=n * d), label="X")
    X = np.array(cells, dtype).reshape(n, d)
    categorical = data.draw(st.sets(st.integers(0, d - 1), max_size=2), label="categorical")
    for j in categorical:
        X[:, j] = np.floor(X[:, j])
    weight = st.sampled_from([0.0, 1e-9, 1.0, 3.0])
    weights = data.draw(
        st.one_of(st.none(), st.lists(weight, min_size=n, max_size=n).filter(sum)), label="weights"
    )
    table = reference.smote_table(X, k, sorted(categorical))
    how = {"k_neighbors": k, "categorical": sorted(categorical), "parent_weights": weights}
    if len(table[0]) < k:
        with pytest.raises(ValueError, match=rf"different rows?; k_neighbors={k} needs at least {k + 1}$"):
            SmoteSampler(X, **how)
        return
    seed, epoch = data.draw(st.integers(0, 2**64 - 1)), data.draw(st.integers(0, 2**32 - 1))
    sampler = SmoteSampler(X, seed=seed, **how)
    assert sampler._table.tolist() == table
    sampler.set_epoch(epoch)
    parents = reference.alias_table(weights) if weights else None
    first = 0
    for count in data.draw(st.lists(st.integers(0, 150), min_size=1, max_size=3), label="counts"):
        wanted = reference.synthetic_rows(
            X, table, count, parents=parents, categorical=sorted(categorical), seed=seed, epoch=epoch,
            first=first,
        )  # fmt: skip
        assert parts(sampler.sample(count, return_parents=True)) == [a.tobytes() for a in wanted]
        first += count


def test_late_rows_and_rows_of_a_worker_equal_the_reference(monkeypatch):
    """The counter is above 32 bits or wraps at 64, and a worker's seed is in the address."""
    X = points(20, 3)
    table = reference.smote_table(X, 5)
    for first in (2**32 - 3, 2**63 - 70, 2**64 - 100):
        for lane in (0, 2**64 - 1, 12345):
            monkeypatch.setattr(smote, "worker_lane", lambda lane=lane: lane)
            sampler = SmoteSampler(X, seed=7)
            sampler._rows_drawn = first
            wanted = reference.synthetic_rows(X, table, 90, seed=7, first=first, lane=lane)
            assert parts(sampler.sample(90, return_parents=True)) == [a.tobytes() for a in wanted]
    sampler._rows_drawn = 2**64 - 64
    sampler.sample(65)
    assert sampler.state_dict()["rows_drawn"] == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "d", "k"), [(6, 1, 5), (500, 3, 1), (300, 16, 5), (40, 130, 39)])
def test_every_row_follows_the_formula_toward_one_of_the_k_neighbors(n, d, k, dtype):
    X = points(n, d, dtype)
    drawn = SmoteSampler(X, k_neighbors=k, seed=1).sample(5000, return_parents=True)
    check_formula(X, drawn)
    nearest = nearest_neighbors(X, k).indices
    assert (nearest[drawn.parents] == drawn.neighbors[:, np.newaxis]).sum(axis=1).tolist() == [1] * 5000
    assert (drawn.gaps >= 0).all()
    assert (drawn.gaps < 1).all()
    assert (drawn.rows <= np.maximum(X[drawn.parents], X[drawn.neighbors])).all()
    assert (drawn.rows >= np.minimum(X[drawn.parents], X[drawn.neighbors])).all()


def test_the_formula_is_the_same_in_code_and_docstrings():
    from pathlib import Path

    line = "base + gap * (neighbor - base)"
    root, package = Path(__file__).parents[2], Path(equipoise.__file__).parent
    texts = [
        package / "smote" / "interpolation.py",
        package / "rng.py",
        package / "_numba" / "smote" / "synthesis.py",
    ]
    for path in texts + [root / "cpp" / "smote" / "synthesis.hpp"] * (root / "cpp").is_dir():
        assert line in path.read_text(), path
    assert line in SmoteSampler.__doc__
    assert line in interpolation.interpolate.__doc__
    assert line in interpolation.interpolate_csr.__doc__


def test_copies_of_a_row_are_one_point():
    """If the five nearest rows of a copy were other copies, every synthetic row would be a copy, too."""
    X = points(30, 4)
    repeated = np.repeat(X, 10, axis=0)
    assert (nearest_neighbors(repeated, 5).distances == 0).all()
    drawn = SmoteSampler(repeated, seed=3).sample(4000, return_parents=True)
    check_formula(repeated, drawn)
    own = {row.tobytes() for row in X}
    copies = sum(row.tobytes() in own for row in drawn.rows)
    # A row is a copy if its gap is 0 (probability 2^-24), or so small that it is rounded away.
    assert copies <= (drawn.gaps == 0).sum() + 8
    # The neighbors are those without the copies, and all copies are parents.
    single = nearest_neighbors(X, 5).indices
    assert (single[drawn.parents // 10] * 10 == drawn.neighbors[:, np.newaxis]).any(axis=1).all()
    # P(some parent is missing) < 300 * exp(-4000 / 300) < 5e-4. With seed 3 none is.
    assert np.unique(drawn.parents).size == 300


def test_some_copies_do_not_change_the_neighbors():
    X = points(50, 3, np.float64)
    X[17] = X[3]
    X[40:44] = X[20]
    X[9] = 0.0
    X[33] = -0.0
    assert SmoteSampler(X)._table.tolist() == reference.smote_table(X, 5)


def test_zeros_of_both_signs_are_equal():
    X = np.array([[0.0], [-0.0], [1.0]])
    assert SmoteSampler(X, k_neighbors=1)._table.tolist() == [[2], [2], [0]]


def test_rows_whose_distance_underflows_are_different_points():
    """Different rows are different points even if the square of their distance is 0."""
    X = np.array([[0.0], [1e-200], [1.0]])
    assert SmoteSampler(X, k_neighbors=2).sample(50).max() < 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("categorical", [(1, 3), (0,), (0, 1, 2, 3, 4)])
def test_categories_are_chosen_by_vote(categorical, dtype):
    X = mixed(dtype=dtype, categorical=categorical)
    sampler = SmoteSampler(X, categorical=categorical[::-1], seed=5)
    table = np.array(reference.smote_table(X, 5, categorical))
    assert sampler._table.tolist() == table.tolist()
    drawn = sampler.sample(2000, return_parents=True)
    others = [j for j in range(5) if j not in categorical]
    base, neighbor, gap = X[drawn.parents], X[drawn.neighbors], drawn.gaps[:, np.newaxis]
    assert (drawn.rows == base + gap * (neighbor - base))[:, others].all()
    for j in categorical:
        for parent, code in zip(drawn.parents, drawn.rows[:, j], strict=True):
            codes, counts = np.unique(X[table[parent], j], return_counts=True)
            assert code == codes[counts.argmax()]  # sorted, so the first of the largest is the smallest


def test_a_mismatch_adds_the_squared_median_deviation():
    """A mismatch adds the squared median of the continuous columns' standard deviations."""
    rng = np.random.default_rng(1)
    X = np.concatenate([rng.normal(size=(40, 3)) * [1, 10, 100], rng.integers(0, 3, (40, 1))], axis=1)
    m = np.median(X[:, :3].std(axis=0))
    numbers = np.ascontiguousarray(X[:, :3])
    assert math.isclose(table._mismatch(numbers, np.arange(3)), m, rel_tol=1e-13)
    assert table._mismatch(numbers[:, :0], np.arange(0)) == 1.0
    squares = ((X[:, None, :3] - X[:, :3]) ** 2).sum(-1) + m**2 * (X[:, None, 3] != X[:, 3])
    np.fill_diagonal(squares, np.inf)
    wanted = np.argsort(squares, axis=1, kind="stable")[:, :5]
    assert SmoteSampler(X, categorical=[3])._table.tolist() == wanted.tolist()


def test_copies_do_not_change_the_distance_of_a_category():
    """The median is over all rows. Without copies it would be 1.09, and row 6 would be row 1's neighbor."""
    X = np.array([[1, 0], [0, 0], [0, 0], [0, 0], [0, -2], [0, 0], [0, 1], [0, 0]], np.float32)
    table = SmoteSampler(X, k_neighbors=1, categorical=[0])._table
    assert table.ravel().tolist() == [1, 0, 0, 0, 1, 0, 1, 0]
    assert table.tolist() == reference.smote_table(X, 1, [0])


def test_an_estimator_counts_the_row_itself():
    X = points(4, 2)
    found = [[0, 1, 2], [3, 1, 0], [3, 0, 1], [2, 3, 3]]  # itself first, in the middle, missing, first of two
    sampler = SmoteSampler(X, k_neighbors=Found(found, 3))
    assert sampler._table.tolist() == [[1, 2], [3, 0], [3, 0], [2, 3]]
    check_formula(X, sampler.sample(500, return_parents=True))


def test_the_estimator_of_scikit_learn_gives_the_same_rows():
    neighbors = pytest.importorskip("sklearn.neighbors", reason="scikit-learn is not installed")
    X = points(300, 6)
    theirs = SmoteSampler(X, k_neighbors=neighbors.NearestNeighbors(n_neighbors=6), seed=2)
    ours = SmoteSampler(X, seed=2)
    assert theirs.sample(1000).tobytes() == ours.sample(1000).tobytes()
    ours.load_state_dict(theirs.state_dict())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [1, 3, 16, 100])
def test_interpolation_follows_the_formula(dtype, d, monkeypatch):
    rng = np.random.default_rng(d)
    X = points(50, d, dtype)
    a, b = rng.integers(0, 50, (2, 333))
    gaps = rng.normal(size=333).astype(dtype)  # anywhere on the line, not only on the segment
    wanted = X[a] + gaps[:, np.newaxis] * (X[b] - X[a])
    assert interpolation.interpolate(X, a, b, gaps).tobytes() == wanted.tobytes()
    monkeypatch.setattr(interpolation, "_CHUNK", 500)
    out = np.empty_like(wanted)
    assert interpolation.interpolate(X, a, b, gaps, out=out, n_threads=3) is out
    assert out.tobytes() == wanted.tobytes()
    assert interpolation.interpolate(np.asfortranarray(X), a, b, gaps).tobytes() == wanted.tobytes()
    assert interpolation.interpolate(X, [], [], np.empty(0, dtype)).shape == (0, d)


@pytest.mark.parametrize("dtype", DTYPES)
def test_interpolation_of_sparse_rows_follows_the_formula(dtype, monkeypatch):
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    rng = np.random.default_rng(3)
    X = points(60, 30, dtype) * (rng.random((60, 30)) < rng.random((60, 1)))
    X[5] = 0
    matrix = sparse.csr_matrix(X)
    matrix.data[7] = 0  # an explicit zero stays an entry
    a, b = rng.integers(0, 60, (2, 400))
    b[:20] = a[:20]
    gaps = rng.random(400).astype(dtype)
    gaps[::7] = 0
    gaps[3::7] = 1
    X = matrix.toarray()
    wanted = X[a] + gaps[:, np.newaxis] * (X[b] - X[a])
    made = interpolation.interpolate_csr(matrix.data, matrix.indices, matrix.indptr, a, b, gaps)
    assert [x.dtype for x in made] == [dtype, np.int64, np.int64]
    result = sparse.csr_matrix(made, shape=(400, 30))
    assert result.has_canonical_format
    assert result.toarray().tobytes() == (wanted + dtype(0)).tobytes()
    for i in range(400):
        stored = result.indices[result.indptr[i] : result.indptr[i + 1]].tolist()
        mine, other = (set(matrix[r].indices.tolist()) for r in (a[i], b[i]))
        assert stored == sorted(mine | other)
    monkeypatch.setattr(interpolation, "_CHUNK", 100)
    again = interpolation.interpolate_csr(matrix.data, matrix.indices, matrix.indptr, a, b, gaps, n_threads=3)
    assert [x.tobytes() for x in again] == [x.tobytes() for x in made]
    none = interpolation.interpolate_csr(matrix.data, matrix.indices, matrix.indptr, [], [], gaps[:0])
    assert [x.tolist() for x in none] == [[], [], [0]]
