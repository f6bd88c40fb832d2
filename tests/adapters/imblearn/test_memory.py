"""The drop-in classes need little memory besides the result."""

from __future__ import annotations

import contextlib
import tracemalloc

import numpy as np
import pytest

pytest.importorskip("imblearn", reason="imbalanced-learn is not installed (extra 'imblearn')")
import equipoise.imblearn as ours


def peak(sampler, X, y):
    some = np.concatenate([np.flatnonzero(y == label)[:50] for label in np.unique(y)])
    with contextlib.suppress(ValueError):  # if a class has enough rows already
        sampler.fit_resample(X[some], y[some])  # so that everything is imported and compiled
    tracemalloc.start()
    try:
        sampler.fit_resample(X, y)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_smotenc_needs_little_memory_for_many_categories():
    """With 1500 categories, imbalanced-learn needs 5 one-hot rows, 60 kB, for each new row."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [3000, 1000])
    X = np.column_stack([rng.normal(size=(4000, 2)), rng.integers(1500, size=4000)])
    # The data take 96 kB and the new rows 48 kB.
    assert peak(ours.SMOTENC([2], random_state=0), X, y) < 6e6


@pytest.mark.parametrize("classes", [2, 3])
def test_smoten_needs_little_memory_for_many_rows(classes):
    """All distances within a class of 3000 rows would take 72 MB."""
    rng = np.random.default_rng(0)
    y = np.minimum(np.repeat([0, 1, 2], [3000, 2900, 100]), classes - 1)
    X = rng.integers(0, 30, size=(6000, 3))
    sampler = ours.SMOTEN(sampling_strategy={1: 3200}, random_state=0)
    assert peak(sampler, X, y) < 35e6


def test_near_miss_2_needs_little_memory():
    """All distances from 20000 rows to 2000 would take 320 MB. Two blocks take at most 64 MB each."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [20000, 2000])
    X = rng.normal(size=(22000, 2))
    assert peak(ours.NearMiss(version=2), X, y) < 200e6


def test_smote_needs_little_memory_beside_the_result():
    """The table of neighbors and the draws are needed, but no second copy of the result."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [40000, 500])
    X = rng.normal(size=(40500, 60)).astype(np.float32)
    result = 80000 * 60 * 4
    assert peak(ours.SMOTE(random_state=0), X, y) < 1.5 * result
