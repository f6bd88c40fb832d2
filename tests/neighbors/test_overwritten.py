"""X is overwritten during a search: an error or rows of X, never memory that holds neither.

Another thread could do this at any moment. Here it happens between two steps of the search.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import equipoise
from equipoise.neighbors import search

MOMENTS = ["before the blocks are made", "after the blocks are made"]
VALUES = [np.nan, np.inf, -np.inf, 1e30]


def spoil(monkeypatch, X, rows, value, moment):
    """Overwrite some rows of X with a value in the middle of the next searches."""
    make = search.make_blocks

    def made(points, threads):
        if moment == MOMENTS[0]:
            X[rows] = value
        blocks = make(points, threads)
        X[rows] = value
        return blocks

    monkeypatch.setattr(search, "make_blocks", made)


def test_fewer_rows_than_k_are_an_error(monkeypatch):
    X = np.random.default_rng(0).normal(size=(1_000, 4))
    queries = X[:10].copy()
    spoil(monkeypatch, X, slice(None), np.nan, MOMENTS[0])
    with pytest.raises(ValueError, match="X must not change during the search, got fewer than k neighbors"):
        equipoise.nearest_neighbors(X, 3)
    X[:] = 1.0
    with pytest.raises(ValueError, match="X and queries must not change during the search"):
        equipoise.nearest_neighbors(X, 3, queries=queries)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_search_returns_rows_of_x_or_an_error(monkeypatch, moment, value, dtype):
    rng, refused = np.random.default_rng(1), 0
    for (n, d, k), share in itertools.product([(2_500, 3, 5), (700, 20, 12), (150, 1, 1)], [0.01, 0.5, 1.0]):
        X = rng.normal(size=(n, d)).astype(dtype)
        with monkeypatch.context() as patch, np.errstate(all="ignore"):
            spoil(patch, X, np.flatnonzero(rng.random(n) < share), value, moment)
            try:
                found = equipoise.nearest_neighbors(X, k, n_threads=2).indices
            except ValueError as error:
                refused += "must not change" in str(error)
                continue
        assert found.min() >= 0
        assert found.max() < n
    assert refused or not np.isnan(value)


def test_smote_refuses_x_that_changes(monkeypatch):
    X = np.random.default_rng(2).normal(size=(500, 3))
    spoil(monkeypatch, X, slice(None), np.nan, MOMENTS[1])
    with pytest.raises(ValueError, match="X must not change"):
        equipoise.SmoteSampler(X)
    spoil(monkeypatch, X, slice(None), np.nan, MOMENTS[0])
    X[:] = np.arange(1_500.0).reshape(500, 3)
    with pytest.raises(ValueError, match="X and queries must not change"):
        equipoise.borderline_weights(X, np.arange(500) % 2, 1)


def test_a_table_of_neighbors_outside_x_is_refused():
    """The kernels read the rows that a table names without looking, so a sampler looks when it gets one."""
    sampler = equipoise.SmoteSampler(np.arange(20.0).reshape(10, 2))
    for bad in (-1, 10):
        state = sampler.__getstate__()
        state["_table"] = state["_table"].copy()
        state["_table"][4, 1] = bad
        with pytest.raises(IndexError, match=rf"neighbors\[4, 1\] must be in \[0, 10\), got {bad}"):
            sampler.__copy__().__setstate__(state)
