"""C++ and Numba return the same bytes: kernel by kernel on random input, and over all that is public."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import importlib.util
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cases
import equipoise
from equipoise import _backend, negatives

MODULES = {"cpp": "equipoise._core", "numba": "equipoise._numba"}
MISSING = [name for name in ("equipoise._core", "numba") if importlib.util.find_spec(name) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs both backends; missing here: {MISSING}")

NONE = np.empty(0, np.uint64)
U64 = st.integers(0, 2**64 - 1)
SEEDS = st.integers(0, 2**32 - 1)
EDGES = [0, 1, 2, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]


def both():
    return [importlib.import_module(name) for name in MODULES.values()]


def words(rng, size):
    """Random 64-bit words, the ends of every interval among them."""
    drawn = rng.integers(0, 2**64, size, dtype=np.uint64)
    return np.where(rng.random(size) < 0.3, rng.choice(np.array(EDGES, np.uint64), size), drawn)


def frozen(array):
    array.flags.writeable = False
    return array


def pack(x):
    """Whatever a call returns, as something whose equality is that of dtypes, shapes and bytes."""
    if isinstance(x, np.ndarray | np.generic):
        return (str(x.dtype), x.shape, x.tobytes())
    if dataclasses.is_dataclass(x):
        return tuple(pack(getattr(x, field.name)) for field in dataclasses.fields(x))
    if isinstance(x, dict):
        return {key: pack(value) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return [pack(value) for value in x]
    assert isinstance(x, bytes | str | int | float | bool | None), type(x)
    return x


# ---- the kernels, on random input -------------------------------------------------------------------------


def agree(name, *args, outs=()):
    """One call of both kernels on copies of what they write to; returns what came out of C++."""
    answers = []
    for kernels in both():
        mine = [a.copy() if i in outs else a for i, a in enumerate(args)]
        answers.append([getattr(kernels, name)(*mine), *(mine[i] for i in outs)])
    assert pack(answers[0]) == pack(answers[1]), name
    return answers[0]


@given(SEEDS)
@settings(max_examples=100)
def test_words(seed):
    rng = np.random.default_rng(seed)
    counters = rng.integers(0, 2**32, (9, 4), dtype=np.uint32)
    keys = rng.integers(0, 2**32, (9, 2), dtype=np.uint32)
    agree("philox", counters, keys, np.empty((9, 4), np.uint32), outs=[2])
    address = [int(w) for w in words(rng, 4)]
    agree("call_key", *address)
    assert all(k.call_key(*map(np.uint64, address)) == k.call_key(*address) for k in both())


@given(SEEDS)
@settings(max_examples=100)
def test_elementary(seed):
    rng = np.random.default_rng(seed)
    specials = [0.0, -0.0, 1.0, -1.0, 2.0**-1074, 2.0**-1022, 2.0**-53, -(2.0**-53), np.inf, -np.inf, np.nan]
    near_one = 1 + rng.standard_normal(200) * 10.0 ** rng.uniform(-17, 0, 200)
    bits = words(rng, 400).view(np.float64)  # every exponent alike: subnormals, huge ones, NaNs
    x = np.concatenate([specials, near_one, near_one - 1, bits, rng.uniform(-750, 750, 200)])
    for name in ("log", "exp", "log1p", "expm1"):
        one, two = (np.empty_like(x) for _ in range(2))
        for kernels, out in zip(both(), (one, two), strict=True):
            getattr(kernels, name)(x, out)
        one[np.isnan(one)] = two[np.isnan(two)] = np.nan  # a NaN is a NaN: its payload is not promised
        differ = one.view(np.uint64) != two.view(np.uint64)
        assert not differ.any(), (name, x[differ][:3], one[differ][:3], two[differ][:3])


def weights_of(rng, n):
    kind = rng.integers(4)
    if kind == 0:
        w = rng.random(n) * 10.0 ** rng.uniform(-320, 300, n)
    elif kind == 1:
        w = (words(rng, n) >> np.uint64(1)).astype(np.int64)
    elif kind == 2:
        w = rng.integers(0, 5, n)
    else:
        w = rng.integers(0, 2**11, n).astype(np.uint64).view(np.float64) * 2.0 ** rng.integers(0, 1000)
    w[rng.random(n) < 0.2] = 0
    return w


@given(SEEDS)
@settings(max_examples=300)
def test_units(seed):
    rng = np.random.default_rng(seed)
    w = weights_of(rng, int(rng.integers(1, 60)))
    top = int(w.max()).bit_length() if w.dtype == np.int64 else int(np.frexp(w.max())[1])
    grid = top + (w.size - 1).bit_length() - 126 + int(rng.integers(0, 130))
    agree("unit_sum", frozen(w), grid)
    high, low = int(words(rng, 1)[0]) | 1 << 63, int(words(rng, 1)[0])
    point = grid + 126 + int(rng.integers(-1, 140))
    _, units = agree("unit_floor", w, high, low, point, np.empty(w.size, np.uint64), outs=[4])
    if units.any():
        agree("unit_settle", units, int(rng.integers(0, 4 * w.size)), outs=[0])
        heavy = int((units >= np.uint64(2**32)).sum())
        if heavy:
            agree("unit_settle", units, -int(rng.integers(0, heavy * 2**31)), outs=[0])


@pytest.mark.parametrize(
    "units", [[], [0, 0], [2**64 - 1], [0, 2**64 - 1, 0, 2**64 - 2], [3, 0, 2**32, 2**33]]
)
@pytest.mark.parametrize("surplus", [0, 1, 2, 5, 1000, -1, -5, 2**63 - 1, -(2**63)])
def test_settling_ends(units, surplus):
    """Whatever it is given: units that wrap left it looking for ids of positive weight for ever."""
    _, settled = agree("unit_settle", np.array(units, np.uint64), surplus, outs=[0])
    least = 1 if surplus >= 0 else 2**32
    ids = [i for i, u in enumerate(units) if u >= least]
    wanted = list(units)
    for place, i in enumerate(ids):
        share, rest = divmod(abs(surplus), len(ids))
        wanted[i] += (share + (place < rest)) * (1 if surplus >= 0 else -1)
    assert settled.tolist() == [u % 2**64 for u in wanted]


def table_of(rng, n):
    """(n, units, cells, prefix sums) of random whole units that add up to n * 2^32."""
    if rng.random() < 0.2:
        return n, NONE, NONE, NONE
    w = np.maximum(weights_of(rng, n).astype(np.float64), 0)
    w[rng.integers(n)] += w.max() or 1.0
    units = equipoise.AliasTable(np.minimum(w, 1e300))._units
    prefix = np.concatenate([NONE, [np.uint64(0)], np.cumsum(units)])
    _, cells = agree("alias_build", units, np.empty(n, np.uint64), outs=[1])
    return n, units, cells, prefix


@given(SEEDS)
@settings(max_examples=200)
def test_draws(seed):
    rng = np.random.default_rng(seed)
    _, units, cells, _ = table_of(rng, int(rng.integers(1, 300)))
    key, start = int(words(rng, 1)[0]), 128 * int(rng.integers(0, 2**40))
    out = np.empty(int(rng.choice([0, 1, 127, 128, 129, 256, 1000])), np.int64)
    if units.size:
        _, drawn = agree("alias_draw", key, frozen(cells), start, out, outs=[3])
        assert ((drawn >= 0) & (drawn < units.size)).all()
    agree("uniform_draw", key, [1, 2, 1000, 2**32 - 1][rng.integers(4)], start, out, outs=[3])


def exclusions_of(rng, rows, n, longest):
    sizes = rng.integers(0, longest + 1, rows) * (rng.random(rows) < 0.8)
    indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    ids = np.minimum(n * rng.random(indptr[-1]) ** 2, n - 1).astype(np.uint32)
    for row in rng.permutation(rows)[: rows // 3]:
        ids[indptr[row] : indptr[row + 1]].sort()
    kept, indptr, ids = agree("exclusion_sort", indptr, ids, outs=[0, 1])
    return indptr, np.ascontiguousarray(ids[:kept])


@given(SEEDS)
@settings(max_examples=200)
def test_exclusions(seed):
    rng = np.random.default_rng(seed)
    n, rows = int(rng.choice([1, 2, 50, 5000])), int(rng.integers(0, 30))
    indptr, ids = exclusions_of(rng, rows, n, int(rng.choice([0, 1, 15, 16, 17, 40, 700])))
    for row in range(rows):
        mine = ids[indptr[row] : indptr[row + 1]]
        assert (mine[1:] > mine[:-1]).all()
    agree("exclusion_units", indptr, ids, words(rng, n), np.empty(rows, np.uint64), outs=[3])
    count = int(rng.choice([0, 1, 5, 300]))
    wanted = rng.integers(0, rows, 8) if rows else np.empty(0, np.int64)
    candidates, order = np.sort(rng.integers(0, n, count)), rng.permutation(count)
    hits = np.empty((wanted.size, count), np.bool_)
    _, hits = agree("exclusion_hits", indptr, ids, wanted, candidates, order, hits, outs=[5])
    for b, row in enumerate(wanted):
        assert (hits[b, order] == np.isin(candidates, ids[indptr[row] : indptr[row + 1]])).all()


@given(SEEDS)
@settings(max_examples=1000)
def test_rows_of_negatives(seed):
    """All that calls can come to, whatever their budget and window."""
    rng = np.random.default_rng(seed)
    n, units, cells, prefix = table_of(rng, int(rng.choice([1, 2, 7, 40, 300])))
    users, batch = int(rng.integers(1, 9)), int(rng.integers(0, 40))
    k, m = int(rng.choice([0, 1, 3, 16, 70, 200])), int(rng.choice([0, 1, 4]))
    excluding = rng.random() < 0.8
    indptr, excluded, sums = np.empty(0, np.int64), np.empty(0, np.uint32), NONE
    if excluding:
        indptr, excluded = exclusions_of(rng, users, n, int(rng.choice([1, n // 2 + 1, 3 * n])))
        if units.size:
            _, sums = agree("exclusion_units", indptr, excluded, units, np.empty(users, np.uint64), outs=[3])
    rows = rng.integers(0, users, batch) if excluding else rng.integers(-(2**63), 2**63 - 1, batch)
    row_keys = words(rng, batch) if rng.random() < 0.5 else NONE
    more = rng.integers(-1, n, (batch, m))
    unique, policy = bool(rng.integers(2)), int(rng.integers(3))
    longest = int(np.diff(indptr).max(initial=0))
    address = [int(w) for w in words(rng, 3)]
    start = 0 if rng.random() < 0.7 else int(rng.integers(0, batch + 1))
    stop = batch if rng.random() < 0.7 else int(rng.integers(start, batch + 1))
    budget = int(rng.choice([1, 300, 2**40, 2**40]))
    said = []
    for kernels in both():  # each comes back when it likes; where it ends and what it leaves are one
        out = [np.zeros((batch, k), dtype) for dtype in (np.int64, np.float32, np.bool_)]
        at, status, left, known_prefix = start, 0, 0, NONE
        scratch = np.zeros(longest + 2 * (m + k) + 7, np.uint64)  # a row that is paused goes on from here
        while at < stop and status < 2:
            at, status, left = kernels.negatives_draw(
                *address, row_keys, frozen(rows), frozen(more), frozen(indptr), frozen(excluded), sums,
                n, frozen(cells), frozen(units), known_prefix, unique, policy, at, stop, budget,
                scratch, *out,
            )  # fmt: skip
            if status == 1:
                assert not known_prefix.size
                known_prefix = prefix
        said.append([at, status, left, *(a[:at] for a in out)])
    assert pack(said[0]) == pack(said[1])
    assert not said[0][3][:start].any()


@given(SEEDS)
@settings(max_examples=200)
def test_shared(seed):
    rng = np.random.default_rng(seed)
    n, units, cells, _ = table_of(rng, int(rng.choice([1, 2, 7, 300, 3000])))
    address = [int(w) for w in words(rng, 3)]
    agree(
        "shared_draw",
        *address,
        n,
        cells,
        units,
        int(rng.integers(0, 2**40)),
        np.empty(99, np.int64),
        outs=[7],
    )
    positive = int(np.count_nonzero(units)) if units.size else n
    count = int(rng.integers(0, positive + 1)) if rng.random() < 0.7 else positive
    seen = np.full(1 << (2 * count).bit_length(), -1, np.int64)
    ids, state = np.zeros(count, np.int64), np.zeros(4, np.uint64)
    exact = True
    if rng.random() < 0.8:
        exact, seen, ids, state = agree(
            "shared_unique", *address, n, cells, units, seen, ids, state, outs=[6, 7, 8]
        )
    if exact and state[0] < count:
        tree = np.zeros(n + 1, np.uint64)
        for _ in range(2):  # the tree, then the ids
            _, tree, ids, state = agree(
                "shared_exact", *address, n, cells, units, tree, ids, state, outs=[6, 7, 8]
            )
    assert state[0] == count == np.unique(ids).size


REALS = (np.float32, np.float64)


def rows_of(rng, n, d, dtype):
    """Random rows, subnormals and signed zeros among them."""
    X = rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-40, 6, (n, d))
    return np.where(rng.random((n, d)) < 0.1, rng.choice([0.0, -0.0, 1.0], (n, d)), X).astype(dtype)


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


def test_large_tables():
    """Columns beyond 2^23, and totals whose top bit is set."""
    n = 2**24 + 1
    table = equipoise.AliasTable(1.0 / np.arange(1, n + 1))
    agree("alias_draw", 5, table._cells, 0, np.empty(4096, np.int64), outs=[3])
    agree("shared_draw", 5, 0, 0, 2**32 - 1, NONE, NONE, 0, np.empty(4096, np.int64), outs=[7])
    few = np.empty((4, 1000), np.int64), np.empty((4, 1000), np.float32), np.empty((4, 1000), np.bool_)
    empty = np.empty(0, np.int64), np.empty(0, np.uint32), NONE
    rows, none = np.zeros(4, np.int64), np.empty((4, 0), np.int64)
    agree(
        "negatives_draw", 5, 0, 0, NONE, rows, none, *empty, 2**32 - 1, NONE, NONE, NONE, True, 0, 0, 4, 9**9,
        np.zeros(2007, np.uint64), *few, outs=[19, 20, 21],
    )  # fmt: skip


def test_what_a_kernel_refuses():
    """Never reached by a user: the same class, and the same text where it is ours."""
    i, u, f = np.zeros(3, np.int64), np.zeros(3, np.uint64), np.zeros(3)
    ids = np.zeros(2, np.uint32)
    square, table = np.zeros((3, 3)), np.zeros((3, 2), np.int32)
    calls = [
        ("philox", np.zeros(4, np.uint32), np.zeros(1, np.uint32), np.zeros(4, np.uint32)),
        ("log", f, f[:2]),
        ("unit_floor", f, 1, 1, 1, u[:2]),
        ("alias_build", u, u[:2]),
        ("alias_draw", 1, u[:0], 0, i),
        ("alias_draw", 1, u, 1, i),
        ("alias_draw", 1, u, -128, i),
        ("uniform_draw", 1, 0, 0, i),
        ("uniform_draw", 1, 2**32, 0, i),
        ("uniform_draw", 1, 5, 64, i),
        ("exclusion_sort", i[:0], ids),
        ("exclusion_sort", i, ids),
        ("exclusion_units", i, ids, u, u),
        ("exclusion_hits", i, ids, i, i, i[:2], np.zeros((3, 2), np.bool_)),
        ("shared_draw", 1, 1, 1, 0, u[:0], u[:0], 0, i),
        ("shared_draw", 1, 1, 1, 4, u, u, 0, i),
        ("shared_draw", 1, 1, 1, 3, u[:2], u, 0, i),
        ("shared_unique", 1, 1, 1, 3, u, u, i, i[:2], np.zeros(4, np.uint64)),
        ("shared_unique", 1, 1, 1, 3, u, u, np.zeros(4, np.int64), i[:2], u),
        ("shared_exact", 1, 1, 1, 3, u, u, u, i, np.zeros(4, np.uint64)),
        ("interpolate", square, i, i, f, square[:2]),
        ("interpolate", square, i, i, f[:2], square),
        ("interpolate", square, i, i[:2], f, square),
        ("interpolate", square, i + 3, i, f, square),
        ("interpolate", square, i, i - 1, f, square),
        ("interpolate_csr_count", i, i, i, i, i[:2]),
        ("interpolate_csr_count", i, i[:0], i, i, i),
        ("interpolate_csr_count", i, np.arange(4), i + 3, i, i),
        ("interpolate_csr_count", i, np.array([0, 4, 2, 3]), i, i, i),
        ("interpolate_csr_count", i, np.array([0, -1, 2, 3]), i, i + 1, i),
        ("interpolate_csr", f[:2], i, np.arange(4), i, i, f, np.arange(4), f, i),
        ("interpolate_csr", f, i, np.arange(4), i, i, f[:2], np.arange(4), f, i),
        ("interpolate_csr", f, i, np.arange(4), i, i, f, np.arange(3), f, i),
        ("interpolate_csr", f, i, np.arange(4), i, i, f, np.arange(4), f[:2], i),
        ("interpolate_csr", f, i, np.arange(4), i, i, f, np.arange(4) + 1, f, i),
        ("interpolate_csr", f, i, np.arange(4), i, i, f, np.array([0, 2, 1, 3]), f, i),
        ("interpolate_csr", f, i, np.arange(4), i, i - 1, f, np.arange(4), f, i),
        ("column_moments", square, f[:2], f, f),
        ("column_moments", square, f, f, f[:2]),
        ("smote_draw", 1, 1, 1, square, table[:2], u[:0], i[:0], f, square, i, i, f),
        ("smote_draw", 1, 1, 1, square, table, u[:2], i[:0], f, square, i, i, f),
        ("smote_draw", 1, 1, 1, square, table, u[:0], i[:0], f, square[:, :2].copy(), i, i, f),
        ("smote_draw", 1, 1, 1, square, table, u[:0], i[:0], f, square, i[:2], i[:2], f[:2]),
        ("smote_draw", 1, 1, 1, square, table, u[:0], i[:0], f, square, i, i, f[:0]),
        ("smote_draw", 1, 1, 1, square, table, u[:0], i + 3, f, square, i, i, f),
        ("smote_draw", 1, 1, 1, square, table, u[:0], i[:0], f[:1], square, i, i, f),
        ("smote_draw", 1, 1, 1, square, table[:, :0].copy(), u[:0], i[:0], f, square, i, i, f),
        ("smote_draw", 1, 1, 1, square[:0], table[:0], u[:0], i[:0], f, square, i, i, f),
    ]
    for name, *args in calls:
        texts = set()
        for kernels in both():
            with pytest.raises(ValueError) as caught:
                getattr(kernels, name)(*args)
            texts.add(str(caught.value))
        assert len(texts) == 1, (name, texts)
    wrong_types = [
        ("alias_draw", 1, u.astype(np.int64), 0, i),
        ("alias_draw", 1, u, 0, i.astype(np.int32)),
        ("alias_draw", 1, u, 0, frozen(i.copy())),
        ("alias_draw", 1, u, 0, np.zeros(6, np.int64)[::2]),
        ("unit_sum", f.astype(np.float32), 0),
        ("interpolate", square, i, i, f.astype(np.float32), square),
        ("interpolate", square, i, i, f, frozen(square.copy())),
        ("smote_draw", 1, 1, 1, square, table.astype(np.int64), u[:0], i[:0], f, square, i, i, f),
        ("smote_draw", 1, 1, 1, square.T, table, u[:0], i[:0], f, square, i, i, f),
        ("log", f, np.zeros(6)[::2]),
    ]
    for name, *args in wrong_types:
        for kernels in both():
            with pytest.raises((TypeError, ValueError)):
                getattr(kernels, name)(*args)


# ---- the public surface, both backends in this process ----------------------------------------------------


@contextlib.contextmanager
def running(backend):
    """The package with the kernels of `backend`. What is chosen once, on import, is chosen anew here."""
    before = _backend._NAME
    try:
        _backend._NAME = backend
        _backend.kernels.cache_clear()
        assert equipoise.backend() == backend
        assert _backend.kernels().__name__ == MODULES[backend]
        yield
    finally:
        _backend._NAME = before
        _backend.kernels.cache_clear()


def check(make):
    """The same answer, or the same error, from both; make() builds all that it needs. Returns C++'s."""
    answers = []
    for backend in MODULES:
        with running(backend):
            try:
                answers.append(pack(make()))
            except (TypeError, ValueError, IndexError, OSError) as error:
                answers.append((type(error), str(error)))
    assert answers[0] == answers[1]
    return answers[0]


def about(table, rng=7):
    """All that a table says."""
    n = len(table)
    some = np.arange(min(n, 300))
    return [
        n, table.nbytes, repr(table), table._units, table._cells, table._fingerprint(),
        table.prob(some), table.log_prob(some.reshape(1, -1)), table.sample(777, rng=rng),
        table.sample((3, 5), rng=np.random.default_rng(rng)), table.sample(300, rng=np.random.MT19937(rng)),
        table.sample(1000, rng=rng, n_threads=3, out=np.empty(1000, np.int64)),
    ]  # fmt: skip


@pytest.mark.parametrize("name", cases.WEIGHTS)
@pytest.mark.parametrize("n", [1, 2, 3, 1000])
def test_tables(name, n):
    w = cases.WEIGHTS[name](n)
    check(lambda: about(equipoise.AliasTable(w)))
    for dtype in cases.DTYPES:
        with np.errstate(over="ignore", under="ignore"):
            typed = cases.as_dtype(w, dtype)
        check(lambda typed=typed: about(equipoise.AliasTable(typed)))
        check(lambda typed=typed: about(equipoise.AliasTable(typed, power=0.75, smoothing=1)))
    for power in (0, 0.25, 0.5, 0.75, 2, -1, 0.1, 1 / 3):
        check(lambda power=power: about(equipoise.AliasTable(w, power=power)))
        check(lambda power=power: about(equipoise.AliasTable(w, power=power, smoothing=0.01)))


@pytest.mark.parametrize("n", [2**16 - 1, 2**16, 2**16 + 1])
def test_middle_sized_tables(n):
    for name in ("zipf", "wide", "zeros_inside"):
        w = cases.WEIGHTS[name](n)
        check(lambda w=w: about(equipoise.AliasTable(w, power=0.7)))
    check(lambda: about(equipoise.LogUniformTable(n)))


def test_a_large_table():
    w = cases.zipf(10**6)
    check(lambda: about(equipoise.AliasTable(w, power=0.75)))


@pytest.mark.parametrize("n", [1, 2, 3, 1000, 2**24 + 1, 2**32 - 1])
def test_tables_without_weights(n):
    check(lambda: about(equipoise.UniformTable(n)))
    if n < 2000:
        check(lambda: about(equipoise.LogUniformTable(n)))


def test_table_files(tmp_path):
    """Saved by either, mapped or read by either, pickled either way."""

    def run():
        path = tmp_path / f"{equipoise.backend()}.table"
        equipoise.AliasTable(cases.pareto(500), power=0.6).save(path)
        loaded = [
            equipoise.AliasTable.load(tmp_path / f"{name}.table", mmap=m) for name in saved for m in (0, 1)
        ]
        again = [pickle.loads(pickle.dumps(table)) for table in loaded]
        return [path.read_bytes(), *(about(table) for table in loaded + again)]

    saved = ["cpp"]
    check(run)
    saved = ["cpp", "numba"]
    check(run)


ITEMS = {
    "int": int,
    "uniform": equipoise.UniformTable,
    "log_uniform": equipoise.LogUniformTable,
    "weights": np.arange,
    "zipf": lambda n: equipoise.AliasTable(cases.zipf(n), power=0.75),
    "zeros": cases.zeros_inside,
    "crushing": cases.one_crushing,
}


@pytest.mark.parametrize("items", ITEMS)
def test_samplers(items):
    """Every argument against every other, rows that have nothing left among them."""
    n = 60
    rows_of = list(cases.exclusions(cases.zeros_inside(n)).values())
    exclude = cases.csr(rows_of)
    rows = np.arange(len(rows_of) * 4) % len(rows_of)
    keys = (rows * 7 - 20).astype(np.int64)
    more = np.random.default_rng(0).integers(-1, n, (rows.size, 3))

    def run(exclude, k, **how):
        sampler = equipoise.NegativeSampler(ITEMS[items](n), exclude=exclude, seed=2**64 - 1, stream=3)
        keyed = how.pop("keyed")
        said = [sampler.sample(rows, k, row_keys=keys if keyed else None, **how) for _ in range(2)]
        sampler.set_epoch(5)
        said += [sampler.sample(rows[::-1], k, row_keys=keys if keyed else None, **how)]
        return [said, sampler.state_dict(), repr(sampler)]

    for given_exclude in (None, exclude):
        for unique, policy in [
            (False, "raise"),
            (False, "mask"),
            (True, "raise"),
            (True, "mask"),
            (True, "replace"),
        ]:
            for exclude_ids in (None, more[:, 0], more):
                for k in (0, 1, 5, 65):
                    how = {"unique": unique, "on_exhausted": policy, "exclude_ids": exclude_ids}
                    check(lambda g=given_exclude, k=k, how=how: run(g, k, keyed=k % 2 == 0, **how))


def test_many_rows():
    """Batches that one budget does not cover, on one thread and on three."""
    rng = np.random.default_rng(1)
    exclude = cases.csr([list(rng.integers(0, 40, rng.integers(0, 60))) for _ in range(400)])
    rows = rng.integers(0, 400, 30_000)

    def run():
        sampler = equipoise.NegativeSampler(cases.zipf(100), exclude=exclude, seed=1)
        return [sampler.sample(rows, 8, unique=u, n_threads=t) for u in (False, True) for t in (1, 3)]

    check(run)


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


def test_out_is_filled():
    def run():
        out = equipoise.Negatives(
            np.empty((9, 4), np.int64), np.empty((9, 4), np.float32), np.empty((9, 4), bool)
        )
        sampler = equipoise.NegativeSampler(cases.zipf(30), exclude=([0, 2], [0, 1]))
        assert sampler.sample([0] * 9, 4, out=out) is out
        return out

    check(run)


@pytest.mark.parametrize("items", ITEMS)
def test_shared_negatives(items):
    n = 300

    def run():
        sampler = equipoise.NegativeSampler(ITEMS[items](n), seed=4)
        most = sampler._table._num_positive()
        said = [sampler.sample_shared(c) for c in (0, 1, 50, most - 1, most)]
        said += [sampler.sample_shared(c, unique=False) for c in (0, 1, 999)]
        return [said, sampler.state_dict()]

    check(run)
    check(lambda: equipoise.NegativeSampler(ITEMS[items](n)).sample_shared(n + 1))


def test_shared_negatives_in_many_chunks():
    check(lambda: equipoise.NegativeSampler(cases.zipf(10**5), seed=4).sample_shared(99_000))
    check(lambda: equipoise.NegativeSampler(10**6, seed=4).sample_shared(300_000, unique=False))


def test_hits_and_probabilities():
    rng = np.random.default_rng(3)
    exclude = cases.csr([list(rng.integers(0, 200, size)) for size in (0, 1, 30, 150, 7)])

    def run():
        sampler = equipoise.NegativeSampler(cases.zipf(200), exclude=exclude)
        rows = np.array([4, 2, 0, 3, 1, 3])
        return [
            sampler.accidental_hits(rows, np.arange(200)),
            sampler.accidental_hits(rows, [3, 3, 7, 150], keep=[0, 1, 2, 3, 0, 1]),
            sampler.accidental_hits(rows, rng.permutation(200)[:0]),
            sampler.log_prob(np.arange(200).reshape(10, 20)),
            equipoise.NegativeSampler(200).accidental_hits(rows, [1, 2]),
        ]

    check(run)


def test_a_state_of_either_continues_in_the_other():
    states, went_on = {}, {}

    def sampler():
        return equipoise.NegativeSampler(cases.zipf(50), exclude=([0, 2], [1, 0]), seed=9)

    for backend in MODULES:
        with running(backend):
            first = sampler()
            first.set_epoch(3)
            first.sample([0] * 11, 4)
            first.sample_shared(5)
            states[backend] = json.loads(json.dumps(first.state_dict()))
            went_on[backend] = pack([first.sample([0], 6), first.sample_shared(7)])
    assert states["cpp"] == states["numba"]
    for backend, other in (("cpp", "numba"), ("numba", "cpp")):
        with running(backend):
            resumed = pickle.loads(pickle.dumps(sampler()))
            resumed.load_state_dict(states[other])
            assert pack([resumed.sample([0], 6), resumed.sample_shared(7)]) == went_on[other]


def test_errors():
    sampler = lambda **how: equipoise.NegativeSampler(  # noqa: E731
        [3, 2, 1, 0], exclude=([0, 3, 3], [0, 1, 2]), **how
    )
    bad = [
        lambda: equipoise.AliasTable([1, -1]),
        lambda: equipoise.AliasTable([0, 0]),
        lambda: equipoise.AliasTable([1.0, np.nan]),
        lambda: equipoise.AliasTable(["a"]),
        lambda: equipoise.AliasTable([1, 100], power=1e308),
        lambda: equipoise.AliasTable([1]).sample(-1),
        lambda: equipoise.AliasTable([1]).sample(2, out=np.empty(2, np.int32)),
        lambda: equipoise.AliasTable([1]).prob([1]),
        lambda: equipoise.AliasTable.load("there is no such file"),
        lambda: equipoise.UniformTable(0),
        lambda: equipoise.LogUniformTable(1.5),
        lambda: sampler(seed=-1),
        lambda: sampler().sample([0], 1),
        lambda: sampler().sample([1, 0], 1),
        lambda: sampler().sample([1], 4, unique=True),
        lambda: sampler().sample([1, 1], 3, unique=True, exclude_ids=[3, 0]),
        lambda: sampler().sample([0], 1, unique=True, on_exhausted="replace"),
        lambda: sampler().sample([2], 1),
        lambda: sampler().sample([0.5], 1),
        lambda: sampler().sample([1], 1, exclude_ids=[4]),
        lambda: sampler().sample_shared(4),
        lambda: sampler().accidental_hits([5], [0]),
        lambda: sampler().load_state_dict({}),
        lambda: sampler().load_state_dict(sampler(seed=1).state_dict()),
        lambda: equipoise.SmoteSampler(np.full((9, 2), np.nan)),
        lambda: equipoise.SmoteSampler(np.eye(3)),
        lambda: equipoise.SmoteSampler(np.ones((9, 2))),
        lambda: equipoise.SmoteSampler(np.eye(9), categorical=[9]),
        lambda: equipoise.SmoteSampler(np.eye(9)).sample(3, out=np.empty((3, 8))),
        lambda: equipoise.borderline_weights(np.eye(20), np.zeros(20), 0),
        lambda: equipoise.safe_level_weights(np.eye(20), np.arange(20), 3),
    ]
    for make in bad:
        error, text = check(make)
        assert issubclass(error, TypeError | ValueError | IndexError | OSError)
        assert text


@given(SEEDS)
@settings(max_examples=300)
def test_any_sampler(seed):
    """Random samplers and calls, small budgets: whatever one backend says, the other says, too."""
    rng = np.random.default_rng(seed)
    n, users, batch = int(rng.integers(1, 80)), int(rng.integers(1, 12)), int(rng.integers(0, 60))
    w = weights_of(rng, n)
    kind, power, smoothing = (
        rng.integers(3),
        float(rng.choice([1, 0.75, 0.3, 2])),
        float(rng.choice([0, 0.5])),
    )
    exclude = cases.csr([list(rng.integers(0, n, rng.integers(0, 2 * n))) for _ in range(users)])
    rows, keys = rng.integers(0, users, batch), words(rng, batch)
    how = {
        "unique": (unique := bool(rng.integers(2))),
        "on_exhausted": str(rng.choice(["raise", "mask", "replace"] if unique else ["raise", "mask"])),
        "exclude_ids": [None, rng.integers(-1, n, batch), rng.integers(-1, n, (batch, 4))][rng.integers(3)],
        "row_keys": [None, keys, keys.view(np.int64)][rng.integers(3)],
        "n_threads": int(rng.integers(1, 3)),
    }
    k, budget = int(rng.integers(0, 90)), int(rng.choice([1, 100, 2**17]))

    def run():
        items = n if kind == 0 else equipoise.AliasTable(w, power=power, smoothing=smoothing)
        sampler = equipoise.NegativeSampler(items, exclude=exclude, seed=seed)
        drawn = sampler.sample(rows, k, **how)
        shared = sampler.sample_shared(int(rng_count % (sampler._table._num_positive() + 1)))
        return [drawn, shared, sampler.accidental_hits(rows, np.arange(n)), sampler.state_dict()]

    rng_count = int(rng.integers(0, 1000))
    before, negatives._BUDGET = negatives._BUDGET, budget
    try:
        check(run)
    finally:
        negatives._BUDGET = before


# ---- two processes, each with the backend that its environment names --------------------------------------

PROGRAM = """
import sys
import numpy as np, equipoise
table = equipoise.AliasTable(1 / np.arange(1, 1001), power=0.75)
sampler = equipoise.NegativeSampler(table, exclude=([0, 3, 900], [7, 0, 7, *range(897)]), seed=3)
got = sampler.sample([0, 1] * 50, 20)
shared = sampler.sample_shared(990)
print(equipoise.backend(), "numba" in sys.modules)
for array in (table.sample(10_000, rng=1), got.ids, got.log_q, got.mask, shared.ids, shared.log_q):
    print(array.tobytes().hex())
X = np.random.default_rng(0).normal(size=(200, 9))
for rows in (X, X.astype(np.float32)):
    smote = equipoise.SmoteSampler(rows, parent_weights=np.arange(200), seed=1)
    drawn = smote.sample(777, return_parents=True)
    print(drawn.rows.tobytes().hex(), drawn.parents.tobytes().hex(), smote.state_dict())
print(shared.num_tries, sampler.state_dict())
"""


def test_two_processes():
    said = {}
    for backend in MODULES:
        env = {**os.environ, "EQUIPOISE_BACKEND": backend}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM],
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        first, _, said[backend] = done.stdout.partition("\n")
        assert first == f"{backend} {backend == 'numba'}"
    assert hashlib.sha256(said["cpp"].encode()).digest() == hashlib.sha256(said["numba"].encode()).digest()
