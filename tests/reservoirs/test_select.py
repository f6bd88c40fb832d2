"""The selection of the smallest ranks keeps the rows that a sort would keep."""

from __future__ import annotations

import importlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise._runtime.backend import kernels
from equipoise.reservoirs.bottom_k import RankedRows, ascending
from support.adversary import Adversary, in_python

NO_CLASSES = np.empty(0, np.int64)


def select(classes, ranks, ids, quotas, thresholds):
    n = ranks.size
    thresholds, keep = thresholds.copy(), np.empty(n, np.int64)
    kept = kernels().reservoir_select(
        RankedRows(classes, ranks, ids), quotas, thresholds, np.empty(n + 2 * quotas.size, np.int64),
        np.empty(n), keep,
    )  # fmt: skip
    return keep[:kept], thresholds


def selected(classes, ranks, ids, quotas, thresholds):
    classes = classes if classes.size else np.zeros(ranks.size, np.int64)
    rows, thresholds = [], thresholds.copy()
    for c, quota in enumerate(quotas):
        own = np.flatnonzero(classes == c)
        own = own[np.lexsort((ids[own], ranks[own]))]
        if own.size >= quota > 0:
            thresholds[c] = min(thresholds[c], ranks[own[quota - 1]])
        own = own[:quota]
        rows.append(own[ranks[own] <= thresholds[c]])
    return np.sort(np.concatenate(rows)), thresholds


@pytest.mark.parametrize("n", [0, 1, 2, 17, 300, 20_000, 70_000])
@pytest.mark.parametrize("kind", ["spread", "tied", "all alike", "infinite", "sorted"])
@pytest.mark.parametrize("num_classes", [0, 1, 40])
def test_the_smallest_are_kept(n, kind, num_classes):
    rng = np.random.default_rng(n)
    ranks = {
        "spread": lambda: rng.standard_exponential(n),
        "tied": lambda: rng.integers(0, max(n // 8, 2), n).astype(float),
        "all alike": lambda: np.full(n, -2.5),
        "infinite": lambda: np.where(rng.random(n) < 0.5, np.inf, rng.normal(size=n)),
        "sorted": lambda: -np.arange(n, dtype=float),
    }[kind]()
    ids = rng.permutation(n)
    classes = rng.integers(0, num_classes, n) if num_classes else NO_CLASSES
    groups = max(num_classes, 1)
    for quota in (0, 1, n // groups // 3, n // groups, n + 5):
        quotas = np.full(groups, quota)
        quotas[-1] += quota > 0
        for threshold in (np.inf, np.median(ranks) if n else 1.0):
            thresholds = np.full(groups, threshold)
            if threshold < np.inf:  # as in the library, at least `quota` ranks are below the threshold
                quotas = np.minimum(
                    quotas,
                    [
                        np.sum((ranks <= threshold) & ((classes == c) if num_classes else True))
                        for c in range(groups)
                    ],
                )
            rows, lower = select(classes, ranks, ids, quotas, thresholds)
            wanted_rows, wanted = selected(classes, ranks, ids, quotas, thresholds)
            np.testing.assert_array_equal(rows, wanted_rows)
            np.testing.assert_array_equal(lower, wanted)


# ---- an adversary ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("nth", [0, 1, 999, 1998, 1999])
@pytest.mark.parametrize("twin", ["reservoirs.select", "neighbors.blocks"])
def test_a_selection_takes_n_log_n_comparisons(twin, nth):
    """Without a fallback, these selections took 500,000 to 750,000 comparisons. C++: tests/kernels."""
    pytest.importorskip("numba", reason="numba is not installed (extra 'numba')")
    n = 2000
    adversary = Adversary(n)
    values, rows = adversary.values.copy(), list(range(n))
    select = in_python(importlib.import_module(f"equipoise._numba.{twin}"), "nth_smallest")
    select(values, *(() if twin == "reservoirs.select" else (rows,)), 0, n, nth)
    assert adversary.comparisons < 8 * n * math.log2(n)
    ranks = adversary.ranks(values)
    assert ranks[nth] == nth
    assert max(ranks[:nth], default=-1) < nth < min(ranks[nth + 1 :], default=n)


@pytest.mark.parametrize("num_classes", [0, 1])
@pytest.mark.parametrize("quota", [1, 2, 4000, 7999])
def test_ranks_of_an_adversary_are_selected(num_classes, quota):
    pytest.importorskip("numba", reason="the ranks are chosen against a twin")
    n = 8000
    adversary = Adversary(n)
    chosen = in_python(importlib.import_module("equipoise._numba.reservoirs.select"), "nth_smallest")
    chosen(adversary.values.copy(), 0, n, quota - 1)
    ranks, ids = np.array(adversary.ranks(adversary.values)), np.arange(n)[::-1].copy()
    for tied in (ranks, ranks // 3):
        classes = np.zeros(n, np.int64) if num_classes else NO_CLASSES
        arguments = classes, tied, ids, np.array([quota]), np.array([np.inf])
        for got, wanted in zip(select(*arguments), selected(*arguments), strict=True):
            np.testing.assert_array_equal(got, wanted)


def equal(ranks, rows):
    words = 2 << (rows.size // 4).bit_length()
    return kernels().reservoir_equal(ranks, rows, np.empty(words, np.uint64), np.empty(rows.size))


@pytest.mark.parametrize("n", [100, 3001, 100_000])
def test_equal_ranks_are_found(n):
    rng = np.random.default_rng(n)
    powers = np.ldexp(1.0, rng.integers(-1000, 1000, n))
    for kind in (rng.random(n), rng.standard_cauchy(n), np.arange(n, dtype=float), powers):
        ranks = np.unique(kind)
        rng.shuffle(ranks)
        rows = np.arange(ranks.size)
        assert not equal(ranks, rows)
        again = ranks.copy()
        for i, j in rng.integers(0, ranks.size, (20, 2)):
            again[:] = ranks
            again[i] = again[j]
            assert equal(again, rows) == (i != j)
        some = rows[1::2].copy()
        assert equal(again, some) == (np.unique(again[some]).size < some.size)
    zeros = rng.random(n)
    zeros[[3, 50]] = 0.0, -0.0
    assert equal(zeros, np.arange(n))
    zeros[[3, 50]] = np.inf
    assert equal(zeros, np.arange(n))
    assert equal(np.ones(n), np.arange(n))


@pytest.mark.parametrize("n", range(12))
def test_equal_ranks_among_few_rows_are_found(n):
    ranks = np.random.default_rng(n).random(n)
    if n > 1:
        ranks[-1] = ranks[0]
        assert equal(ranks, np.arange(n))
    else:
        equal(ranks, np.arange(n))  # either answer is allowed here


def test_arrays_that_do_not_fit_are_refused():
    one = np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="reservoir_equal"):
        kernels().reservoir_equal(np.ones(1), one, np.empty(1, np.uint64), np.empty(1))
    ranks, rows = np.random.default_rng(0).random(10), np.arange(10)
    for seen, room, wrong in (
        (4, 10, rows),
        (6, 10, rows),
        (8, 9, rows),
        (8, 10, rows + 1),
        (8, 10, rows - 1),
    ):
        with pytest.raises(ValueError, match="reservoir_equal"):
            kernels().reservoir_equal(ranks, wrong, np.empty(seen, np.uint64), np.empty(room))


FLOATS = st.floats(allow_nan=False) | st.sampled_from(
    [0.0, -0.0, 1.0, np.inf, -np.inf, 5e-324, 1.7e308, -1.7e308]
)


@given(st.lists(FLOATS, max_size=40), st.sampled_from(["few", "many"]), st.integers(0, 2**32))
def test_ascending_is_a_stable_sort(special, how, seed):
    rng = np.random.default_rng(seed)
    values = np.array(special, dtype=float)
    if how == "many":
        values = np.concatenate((values, rng.random(5000), rng.integers(0, 9, 90).astype(float)))
        rng.shuffle(values)
    np.testing.assert_array_equal(ascending(values), np.argsort(values, kind="stable"))


@pytest.mark.parametrize(
    "values", [np.zeros(5000), np.full(5000, np.inf), np.full(5000, -1e308), -np.arange(9999.0)]
)
def test_ascending_sorts_values_that_cannot_be_rounded(values):
    np.testing.assert_array_equal(ascending(values), np.argsort(values, kind="stable"))
