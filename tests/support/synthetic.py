"""Rows, samplers and comparisons for the tests of synthetic rows."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise import SmoteSampler

DTYPES = (np.float32, np.float64)


def points(n=60, d=4, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)


def mixed(n=80, d=5, categorical=(1, 3), dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(dtype)
    X[:, list(categorical)] = rng.integers(-2, 3, (n, len(categorical)))
    return X


def parts(drawn):
    return [a.tobytes() for a in (drawn.rows, drawn.parents, drawn.neighbors, drawn.gaps)]


def check_formula(X, drawn):
    """Require the docstring's formula in NumPy, where every operation is rounded once to X's dtype."""
    base, neighbor, gap = X[drawn.parents], X[drawn.neighbors], drawn.gaps[:, np.newaxis]
    assert drawn.rows.dtype == drawn.gaps.dtype == X.dtype
    assert drawn.rows.tobytes() == (base + gap * (neighbor - base)).tobytes()


VARIANTS = {
    "plain": lambda **how: SmoteSampler(points(), **{"seed": 4} | how),
    "float64": lambda **how: SmoteSampler(points(dtype=np.float64), **{"seed": 4} | how),
    "weighted": lambda **how: SmoteSampler(points(), **{"parent_weights": np.arange(60.0), "seed": 4} | how),
    "categorical": lambda **how: SmoteSampler(mixed(), **{"categorical": [1, 3], "seed": 4} | how),
}


variants = pytest.mark.parametrize("make", VARIANTS.values(), ids=VARIANTS)


class Found:
    """A neighbors estimator that has only what a sampler may use."""

    def __init__(self, found, n_neighbors):
        self.found, self.n_neighbors, self.fitted = found, n_neighbors, None

    def fit(self, X):
        self.fitted = X
        return self

    def kneighbors(self, X, return_distance=True):
        assert return_distance is False
        assert X is self.fitted
        return np.asarray(self.found)


def saved(path, X):
    np.save(path, X)
    return np.load(path, mmap_mode="r")
