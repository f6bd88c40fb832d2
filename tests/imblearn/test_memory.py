"""The drop-in classes need little memory beside the result."""

from __future__ import annotations

import contextlib
import tracemalloc

import numpy as np
import pytest

pytest.importorskip("imblearn", reason="imbalanced-learn is not installed (extra 'imblearn')")
import equipoise.imblearn as ours


def peak(sampler, X, y):
    some = np.concatenate([np.flatnonzero(y == label)[:50] for label in np.unique(y)])
    with contextlib.suppress(ValueError):  # a count that is reached already
        sampler.fit_resample(X[some], y[some])  # imports and compiles
    tracemalloc.start()
    try:
        sampler.fit_resample(X, y)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_of_many_categories():
    """SMOTENC over a column of 1500 categories: imbalanced-learn holds 5 of them a new row, 60 kB."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [3000, 1000])
    X = np.column_stack([rng.normal(size=(4000, 2)), rng.integers(1500, size=4000)])
    # The table is 96 kB, the new rows 48 kB.
    assert peak(ours.SMOTENC([2], random_state=0), X, y) < 6e6


@pytest.mark.parametrize("classes", [2, 3])
def test_memory_of_many_rows_of_categories(classes):
    """SMOTEN: all distances within the class of 3000 would be 72 MB."""
    rng = np.random.default_rng(0)
    y = np.minimum(np.repeat([0, 1, 2], [3000, 2900, 100]), classes - 1)
    X = rng.integers(0, 30, size=(6000, 3))
    sampler = ours.SMOTEN(sampling_strategy={1: 3200}, random_state=0)
    assert peak(sampler, X, y) < 35e6


def test_memory_of_near_miss_2():
    """All distances of 20000 rows to 2000 would be 320 MB; a block is at most 64 MB, twice."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [20000, 2000])
    X = rng.normal(size=(22000, 2))
    assert peak(ours.NearMiss(version=2), X, y) < 200e6


def test_memory_of_smote():
    """The result, the table of neighbors, the draws; never a second copy of the result."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [40000, 500])
    X = rng.normal(size=(40500, 60)).astype(np.float32)
    result = 80000 * 60 * 4
    assert peak(ours.SMOTE(random_state=0), X, y) < 1.5 * result
