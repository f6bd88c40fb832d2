"""C++ and Numba return the same bytes: synthetic rows."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings

import equipoise
from support import cases
from support.backends import (
    MISSING,
    NONE,
    REALS,
    SEEDS,
    agree,
    both,
    check,
    frozen,
    pack,
    rows_of,
    weights_of,
    words,
)

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs both backends; missing here: {MISSING}")


@given(SEEDS)
@settings(max_examples=200)
def test_interpolation(seed):
    rng = np.random.default_rng(seed)
    dtype, n, d, m = (
        REALS[seed % 2],
        int(rng.integers(1, 30)),
        int(rng.integers(0, 40)),
        int(rng.integers(0, 70)),
    )
    X, a, b = rows_of(rng, n, d, dtype), rng.integers(0, n, m), rng.integers(0, n, m)
    gaps = rng.normal(size=m).astype(dtype)
    _, out = agree("interpolate", frozen(X), frozen(a), b, frozen(gaps), np.empty((m, d), dtype), outs=[4])
    assert out.tobytes() == (X[a] + gaps[:, np.newaxis] * (X[b] - X[a])).tobytes()
    agree("column_moments", X, rng.normal(size=d), rng.normal(size=d), rng.normal(size=d), outs=[2, 3])
    stored = rng.random((n, d)) < rng.random()
    indptr = np.concatenate([[0], np.cumsum(stored.sum(axis=1))])
    csr = frozen(np.nonzero(stored)[1].copy()), frozen(indptr), a, b
    _, counts = agree("interpolate_csr_count", *csr, np.empty(m, np.int64), outs=[4])
    assert (counts == (stored[a] | stored[b]).sum(axis=1)).all()
    ends = np.concatenate([[0], np.cumsum(counts)])
    out = np.empty(ends[-1], dtype), np.empty(ends[-1], np.int64)
    agree("interpolate_csr", frozen(X[stored]), *csr, gaps, ends, *out, outs=[7, 8])


@given(SEEDS)
@settings(max_examples=300)
def test_synthetic_rows(seed):
    """Any table, weights, categories, place in the stream; told or not."""
    rng = np.random.default_rng(seed)
    dtype, n, d = REALS[seed % 2], int(rng.integers(1, 40)), int(rng.choice([1, 2, 5, 16, 33, 100]))
    k, count = int(rng.choice([1, 2, 5, 30])), int(rng.choice([0, 1, 63, 64, 65, 200]))
    X, table = rows_of(rng, n, d, dtype), rng.integers(0, n, (n, k)).astype(np.int32)
    X[:, : d // 2] = rng.integers(-1, 2, (n, d // 2))
    columns = np.flatnonzero(rng.random(d) < rng.choice([0, 0.3, 1]))
    cells = NONE
    if rng.random() < 0.5:
        cells = equipoise.AliasTable(np.maximum(weights_of(rng, n).astype(float), 0) + rng.random(n))._cells
    key, lane, first = (int(w) for w in words(rng, 3))
    told = count if rng.random() < 0.7 else 0
    out = [np.empty(k, dtype), np.empty((count, d), dtype), *(np.empty(told, t) for t in ("i8", "i8", dtype))]
    given_args = key, lane, first, frozen(X), frozen(table), frozen(cells), columns
    answers = []
    for kernels in both():
        mine = [np.zeros_like(a) for a in out]
        kernels.smote_draw(*given_args, *mine)
        answers.append(mine[1:])
    assert pack(answers[0]) == pack(answers[1])


@pytest.mark.parametrize("dtype", REALS)
def test_synthetic_rows_of_a_sampler(dtype):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(120, 6)).astype(dtype)
    X[:, 2:4] = rng.integers(0, 3, (120, 2))
    X[50:60] = X[:10]

    def run(**how):
        sampler = equipoise.SmoteSampler(X, seed=2**64 - 1, **how)
        said = [sampler.sample(n, return_parents=True) for n in (1, 0, 130, 500)]
        sampler.set_epoch(3)
        return [
            said,
            sampler.sample(77),
            sampler.state_dict(),
            sampler._table,
            repr(sampler),
            pickle.dumps(sampler),
        ]

    check(run)
    check(lambda: run(k_neighbors=1, parent_weights=cases.zipf(120)))
    check(lambda: run(categorical=[3, 2]))
    check(lambda: run(categorical=range(6)) if dtype == np.float32 else run(k_neighbors=109))
    y = rng.integers(0, 2, 120)
    check(
        lambda: [
            f(X, y, c) for f in (equipoise.borderline_weights, equipoise.safe_level_weights) for c in (0, 1)
        ]
    )
