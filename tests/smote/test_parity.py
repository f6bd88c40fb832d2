"""Both backends make the same synthetic rows and refuse the same arguments."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings

import equipoise
from equipoise.smote.interpolation import Pairs
from equipoise.smote.sampler import Neighborhood
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
def test_interpolation_agrees(seed):
    rng = np.random.default_rng(seed)
    dtype, n, d, m = (
        REALS[seed % 2],
        int(rng.integers(1, 30)),
        int(rng.integers(0, 40)),
        int(rng.integers(0, 70)),
    )
    X, a, b = rows_of(rng, n, d, dtype), rng.integers(0, n, m), rng.integers(0, n, m)
    gaps = rng.normal(size=m).astype(dtype)
    pairs = Pairs(frozen(a), b, frozen(gaps))
    _, out = agree("interpolate", frozen(X), pairs, np.empty((m, d), dtype), outs=[2])
    assert out.tobytes() == (X[a] + gaps[:, np.newaxis] * (X[b] - X[a])).tobytes()
    agree("column_moments", X, rng.normal(size=d), rng.normal(size=d), rng.normal(size=d), outs=[2, 3])
    stored = rng.random((n, d)) < rng.random()
    indptr = np.concatenate([[0], np.cumsum(stored.sum(axis=1))])
    csr = frozen(np.nonzero(stored)[1].copy()), frozen(indptr)
    _, counts = agree("interpolate_csr_count", *csr, a, b, np.empty(m, np.int64), outs=[4])
    assert (counts == (stored[a] | stored[b]).sum(axis=1)).all()
    ends = np.concatenate([[0], np.cumsum(counts)])
    out = np.empty(ends[-1], dtype), np.empty(ends[-1], np.int64)
    agree("interpolate_csr", frozen(X[stored]), *csr, pairs, ends, *out, outs=[5, 6])


@given(SEEDS)
@settings(max_examples=300)
def test_kernel_rows_agree(seed):
    """Test random tables, weights, categories and positions in the stream, with and without parents."""
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
    source = Neighborhood(frozen(X), frozen(table), frozen(cells), columns)
    answers = []
    for kernels in both():
        out, pairs = np.zeros((count, d), dtype), [np.zeros(told, t) for t in ("i8", "i8", dtype)]
        kernels.smote_draw(key, lane, first, source, np.empty(k, dtype), told == count, out, Pairs(*pairs))
        answers.append([out, *pairs])
    assert pack(answers[0]) == pack(answers[1])


@pytest.mark.parametrize("dtype", REALS)
def test_samplers_agree(dtype):
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


def test_kernels_refuse_bad_calls_alike():
    """Users never see these errors. They protect memory. Class and text are the same on both backends."""
    i, u, f, none = np.zeros(3, np.int64), np.zeros(3, np.uint64), np.zeros(3), np.zeros(0, np.int64)
    square, ptr, pairs = np.zeros((3, 3)), np.arange(4), Pairs(i, i, f)
    source = Neighborhood(square, np.zeros((3, 2), np.int32), np.zeros(0, np.uint64), none)
    outside, short = Pairs(i, i - 1, f), Pairs(i, i, f[:2])

    def draw(source=source, votes=f, told=True, out=square, pairs=pairs):
        return ("smote_draw", 1, 1, 1, source, votes, told, out, pairs)

    calls = [
        ("interpolate", square, pairs, square[:2]),
        ("interpolate", square, short, square),
        ("interpolate", square, Pairs(i, i[:2], f), square),
        ("interpolate", square, Pairs(i + 3, i, f), square),
        ("interpolate", square, outside, square),
        ("interpolate_csr_count", i, i, i, i, i[:2]),
        ("interpolate_csr_count", i, i[:0], i, i, i),
        ("interpolate_csr_count", i, ptr, i + 3, i, i),
        ("interpolate_csr_count", i, np.array([0, 4, 2, 3]), i, i, i),
        ("interpolate_csr_count", i, np.array([0, -1, 2, 3]), i, i + 1, i),
        ("interpolate_csr", f[:2], i, ptr, pairs, ptr, f, i),
        ("interpolate_csr", f, i, ptr, short, ptr, f, i),
        ("interpolate_csr", f, i, ptr, pairs, ptr[:3], f, i),
        ("interpolate_csr", f, i, ptr, pairs, ptr, f[:2], i),
        ("interpolate_csr", f, i, ptr, pairs, ptr + 1, f, i),
        ("interpolate_csr", f, i, ptr, pairs, np.array([0, 2, 1, 3]), f, i),
        ("interpolate_csr", f, i, ptr, outside, ptr, f, i),
        ("column_moments", square, f[:2], f, f),
        ("column_moments", square, f, f, f[:2]),
        draw(source._replace(table=source.table[:2])),
        draw(source._replace(cells=u[:2])),
        draw(source._replace(categorical=i + 3)),
        draw(source._replace(table=source.table[:, :0].copy())),
        draw(source._replace(X=square[:0], table=source.table[:0])),
        draw(out=square[:, :2].copy()),
        draw(votes=f[:1]),
        draw(pairs=Pairs(i[:2], i[:2], f[:2])),
        draw(pairs=Pairs(i, i, f[:0])),
    ]
    for name, *args in calls:
        texts = set()
        for kernels in both():
            with pytest.raises(ValueError) as caught:
                getattr(kernels, name)(*args)
            texts.add(str(caught.value))
        assert len(texts) == 1, (name, texts)
    wrong_types = [
        ("interpolate", square, Pairs(i, i, f.astype(np.float32)), square),
        ("interpolate", square, pairs, frozen(square.copy())),
        draw(source._replace(table=source.table.astype(np.int64))),
        draw(source._replace(X=square[:, ::-1])),
        draw(pairs=Pairs(i.astype(np.int32), i, f)),
    ]
    for name, *args in wrong_types:
        for kernels in both():
            with pytest.raises((TypeError, ValueError)):
                getattr(kernels, name)(*args)
