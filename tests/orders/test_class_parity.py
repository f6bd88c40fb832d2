"""Both backends make the same class-balanced batches, and refuse the same calls of kernels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from equipoise.orders import ClassBatches
from equipoise.orders.batches import Shares
from equipoise.orders.classes import ClassRows
from support.backends import MISSING, SEEDS, agree, both, check, frozen, words

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs both backends; missing here: {MISSING}")
UNITS = 1 << 52


@given(SEEDS)
@settings(max_examples=200)
def test_quotas_agree(seed):
    """Test shares of many kinds, also ones that do not add up."""
    rng = np.random.default_rng(seed)
    count, batches = int(rng.integers(1, 40)), int(rng.integers(0, 60))
    rest = rng.integers(0, UNITS, count) * (rng.random(count) < 0.8)
    rest[rng.random(count) < 0.2] = rng.choice([1, UNITS // 2, UNITS // 2 - 1, UNITS - 1])
    lags = rng.integers(1 - UNITS, UNITS, count) * (rest > 0)
    shares = Shares(rng.integers(0, 9, count), frozen(rest), int(rng.integers(0, count + 1)))
    totals, scratch = rng.integers(0, 2**40, count), np.zeros(3 * count, np.int64)
    out = np.zeros((batches, count) if rng.random() < 0.8 else (0, 0), np.int64)
    try:
        agree("class_quotas", batches, shares, lags, totals, scratch, out, outs=[2, 3, 5])
    except ValueError as error:
        pytest.fail(str(error))


@given(SEEDS)
@settings(max_examples=100)
def test_groups_agree(seed):
    """Some classes have more rows than were counted, or a number outside."""
    rng = np.random.default_rng(seed)
    count, n = int(rng.integers(1, 20)), int(rng.integers(0, 200))
    codes = rng.integers(0, count, n)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=count))])
    if n and rng.random() < 0.3:
        codes[rng.integers(n)] = rng.choice([-1, 0, count - 1, count, 2**62, -(2**62)])
    places, rows, first = offsets[:-1].copy(), np.zeros(n, np.uint32), int(rng.choice([0, 7, 2**32 - 300]))
    agree("class_group", frozen(codes), first, frozen(offsets[1:].copy()), places, rows, outs=[3, 4])


@given(SEEDS)
@settings(max_examples=200)
def test_rows_agree(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.choice([0, 1, 2, 100, 127, 128, 129, 130, 1000], int(rng.integers(1, 6)))
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    source = ClassRows(frozen(rng.integers(0, 2**32, offsets[-1]).astype(np.uint32)), frozen(offsets))
    begins = rng.choice([0, 1, 1000, 2**40], (int(rng.integers(0, 4)), sizes.size))
    ends = begins + rng.integers(0, 300, begins.shape) * (sizes > 0)
    key, first, step = (int(w) for w in words(rng, 3))
    out = np.zeros((ends - begins).sum(), np.int64)
    agree("class_rows", key, source, begins, ends, out, outs=[4])
    places = np.tile(np.arange(rng.integers(0, 300)), (3, 1))
    _, shuffled = agree("batch_shuffle", key, first, step, places, outs=[3])
    assert (np.sort(shuffled, axis=1) == places).all()


def test_batches_agree():
    y = np.random.default_rng(1).choice(5, 3000, p=[0.5, 0.3, 0.15, 0.04, 0.01])

    def run(y=y, **how):
        made = ClassBatches(y, 37, seed=3, **how)
        return [
            made.rows(range(5, 90, 2), 2**32 - 1),
            made.probs(0),
            list(made.fingerprint()),
            made.classes.digest,
        ]

    check(run)
    check(lambda: run(class_probs="sqrt"))
    check(lambda: run([str(c) for c in y], schedule=lambda epoch: "proportional"))
    check(lambda: run(class_probs=[1, 1, 0, 0, 0]))
    check(lambda: run(y * 1.5))


def test_kernels_refuse_bad_calls_alike():
    """Users never see these errors. They protect memory. Class and text are the same on both backends."""
    i, m, none = np.zeros(3, np.int64), np.zeros((2, 3), np.int64), np.zeros((0, 0), np.int64)
    rows, shares = np.zeros(6, np.uint32), Shares(i, i + 5, 1)
    source = ClassRows(rows, np.array([0, 2, 2, 6]))

    some, room, six = np.array([2, 0, 1]), np.zeros(9, np.int64), np.zeros(6, np.int64)

    def quotas(batches=2, shares=shares, lags=i, totals=i, scratch=room, out=m):
        return ("class_quotas", batches, shares, lags, totals, scratch, out)

    def drawn(source=source, begins=m, ends=m + some, out=six):
        return ("class_rows", 1, source, begins, ends, out)

    calls = [
        quotas(batches=-1, out=none),
        quotas(batches=3),
        quotas(lags=i[:2]),
        quotas(totals=i[:2]),
        quotas(scratch=room[:8]),
        quotas(out=m[:, :2].copy()),
        quotas(lags=i + UNITS),
        quotas(lags=i - UNITS),
        quotas(shares=Shares(i, i, 1), lags=i + 1),
        quotas(shares=Shares(i[:2], i, 1)),
        quotas(shares=Shares(i, i + UNITS, 1)),
        quotas(shares=Shares(i, i - 1, 1)),
        quotas(shares=Shares(i, i, 4)),
        quotas(shares=Shares(i, i, -1)),
        ("class_group", i, -1, i, i, rows),
        ("class_group", i, 0, i, i[:2], rows),
        ("class_group", i, 0, i + 7, i, rows),
        ("class_group", i, 0, i, i - 1, rows),
        drawn(source=ClassRows(rows[:5], source.offsets)),
        drawn(source=ClassRows(rows, i[:0])),
        drawn(source=ClassRows(rows, source.offsets + 1)),
        drawn(source=ClassRows(rows, np.array([0, 3, 2, 6]))),
        drawn(begins=m[:1]),
        drawn(begins=m[:, :2].copy(), ends=m[:, :2].copy()),
        drawn(ends=m + some[[0, 2, 1]]),
        drawn(begins=m - 1),
        drawn(begins=m + 3),
        drawn(ends=m + 2**62),
        drawn(out=np.zeros(7, np.int64)),
        drawn(out=np.zeros(5, np.int64)),
    ]
    for name, *args in calls:
        texts = set()
        for kernels in both():
            with pytest.raises(ValueError) as caught:
                getattr(kernels, name)(*args)
            texts.add(str(caught.value))
        assert len(texts) == 1, (name, texts)
    wrong_types = [
        quotas(shares=(i, i)),
        quotas(lags=i.astype(np.int32)),
        quotas(lags=frozen(i.copy())),
        drawn(source=ClassRows(rows.astype(np.int64), source.offsets)),
        drawn(out=np.zeros(12, np.int64)[::2]),
        ("batch_shuffle", 1, 0, 1, m.astype(np.int32)),
        ("batch_shuffle", 1, 0, 1, i),
        ("class_group", i, 0, i, i, rows.astype(np.int64)),
        ("class_group", i, 0, i, frozen(i.copy()), rows),
    ]
    for name, *args in wrong_types:
        for kernels in both():
            with pytest.raises((TypeError, ValueError)):
                getattr(kernels, name)(*args)
