"""Weights and measures equal their formulas, computed slowly, within 1e-12."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import equipoise
from support import reference

LABELS = st.one_of(
    *(
        st.lists(label, min_size=1, max_size=60)
        for label in (
            st.integers(-3, 3),
            st.sampled_from([-(2**63), 2**63 - 1, 10**9]),
            st.booleans(),
            st.text(max_size=2),
            st.floats(allow_nan=False, allow_infinity=False, width=16),
        )
    )
)
COUNTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any)
SCHEMES = ["balanced", "inverse", "sqrt", "effective"]


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-300)


def mapped(counts):
    return dict(enumerate(counts))


@given(LABELS)
def test_counts(y):
    found = equipoise.class_counts(y)
    assert (found.classes.tolist(), found.counts.tolist()) == reference.balance.class_counts(y)
    assert found.counts.dtype == np.int64


@given(LABELS, st.randoms(use_true_random=False))
def test_counts_in_a_given_order(y, random):
    classes = sorted({*y, type(y[0])(1)})
    random.shuffle(classes)
    found = equipoise.class_counts(y, classes=classes)
    assert (found.classes.tolist(), found.counts.tolist()) == reference.balance.class_counts(y, classes)


@given(COUNTS, st.sampled_from(SCHEMES), st.sampled_from([0.0, 0.5, 0.999, 1 - 1e-10]))
def test_class_weights(counts, scheme, beta):
    found = equipoise.class_weights(mapped(counts), scheme, beta=beta)
    close(found, reference.balance.class_weights(counts, scheme, beta))
    assert found.dtype == np.float64


@pytest.mark.parametrize("beta", [0.9, 1 - 1e-6, 1 - 1e-10, 1 - 1e-12, 1 - 2**-53])
def test_effective_numbers_keep_their_digits(beta):
    """1 - beta**n loses up to all of them."""
    counts = [1, 2, 3, 10, 999, 10**5, 10**9, 10**12, 10**15]
    found = equipoise.class_weights(mapped(counts), "effective", beta=beta)
    np.testing.assert_allclose(found, reference.balance.class_weights(counts, "effective", beta), rtol=1e-13)


@given(LABELS, st.sampled_from(SCHEMES), st.booleans())
def test_sample_weights(y, scheme, normalize):
    found = equipoise.sample_weights(y, scheme, normalize=normalize)
    close(found, reference.balance.sample_weights(y, scheme, normalize))
    assert abs(found.sum() - 1) < 1e-12 or not normalize


@given(COUNTS, st.integers(0, 5), st.integers(0, 5), st.sampled_from([0.0, 0.99, 0.9999]))
def test_deferred_weights(counts, epoch, start, beta):
    found = equipoise.deferred_weights(counts, epoch, start=start, beta=beta)
    close(found, reference.balance.deferred_weights(counts, epoch, start, beta))


@given(COUNTS, st.integers(0, 12), st.integers(1, 10))
def test_progressive_probs(counts, epoch, num_epochs):
    found = equipoise.progressive_probs(counts, epoch, num_epochs)
    np.testing.assert_allclose(
        found, reference.balance.progressive_probs(counts, epoch, num_epochs), rtol=1e-12, atol=1e-16
    )
    assert abs(found.sum() - 1) < 1e-12


ROWS = st.lists(st.lists(st.integers(0, 6), max_size=5), min_size=1, max_size=30)


@given(ROWS, st.sampled_from([0.001, 0.1, 0.3, 1.0]))
def test_repeat_factors(rows, threshold):
    wanted = reference.balance.repeat_factors(rows, threshold)
    close(equipoise.repeat_factors(rows, threshold), wanted)
    texts = [[f"label {label}" for label in row] for row in rows]
    close(equipoise.repeat_factors(texts, threshold), wanted)
    indptr = np.cumsum([0, *map(len, rows)])
    indices = np.array([label for row in rows for label in row], np.int32)
    close(equipoise.repeat_factors((indptr, indices), threshold), wanted)
    matrix = np.zeros((len(rows), 7), np.int8)
    for i, row in enumerate(rows):
        matrix[i, row] = 1
    close(equipoise.repeat_factors(matrix, threshold), wanted)


@pytest.mark.parametrize("rng", [0, 1, 2**70])
def test_repeated_rows(rng):
    """Across blocks of 64 rows and chunks of 2^16, bit by bit."""
    random = np.random.default_rng(5)
    factors = np.concatenate((random.random(90), 1 + random.random(100) * 3, [0, 1, 7, 1e-17]))
    found = equipoise.repeat_rows(factors, rng=rng)
    assert found.dtype == np.int64
    assert found.tolist() == reference.balance.repeat_rows(factors.tolist(), rng)


def test_repeated_rows_beyond_a_chunk():
    factors = np.full((1 << 16) + 70, 1.25)
    rows = equipoise.repeat_rows(factors, rng=3)
    wanted = reference.balance.repeat_rows(factors[: 1 << 16].tolist(), 3)
    assert rows[: len(wanted)].tolist() == wanted


@given(COUNTS)
def test_imbalance(counts):
    found = equipoise.imbalance(mapped(counts))
    for name, wanted in reference.balance.imbalance(counts).items():
        np.testing.assert_allclose(getattr(found, name), wanted, rtol=1e-12, atol=1e-15, err_msg=name)
    assert found.counts.tolist() == counts


@given(COUNTS, st.integers(0, 100))
def test_top_share(counts, percent):
    found = equipoise.imbalance(mapped(counts)).top_share(percent / 100)
    close(found, reference.balance.top_share(counts, Fraction(percent, 100)))


@given(st.integers(2, 6), st.integers(2, 20), st.integers(0, 2**32 - 1))
def test_multilabel_imbalance(labels, rows, seed):
    matrix = np.random.default_rng(seed).random((rows, labels)) < 0.4
    matrix[0, :2] = True
    found = equipoise.imbalance(matrix)
    for name, wanted in reference.balance.multilabel(matrix.tolist()).items():
        np.testing.assert_allclose(getattr(found, name), wanted, rtol=1e-12, atol=1e-15, err_msg=name)


PRIORS = st.lists(st.floats(1e-9, 1e9), min_size=3, max_size=3)


@given(st.lists(st.floats(1e-300, 1), min_size=3, max_size=3), PRIORS, PRIORS)
@example([1e-300, 1e-300, 0.5], [0.5, 483160.0, 515689.0], [426334461.0, 0.25, 1e-09])
def test_prior_correct(p, train, true):
    rows = np.array(p) / math.fsum(p)
    close(
        equipoise.prior_correct([rows, rows], train, true)[1],
        reference.balance.prior_correct(rows, train, true),
    )
    (x, *_), pair = rows, (train[:2], true[:2])
    close(
        equipoise.prior_correct([x], *pair),
        [float(Fraction(x) * r / (Fraction(x) * r + (1 - Fraction(x)))) for r in [ratio(*pair)]],
    )


def ratio(train, true):
    """Return the ratio of class 1, where that of class 0 is 1."""
    return Fraction(true[1]) / Fraction(train[1]) * Fraction(train[0]) / Fraction(true[0])


PROBS = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
TRIPLES = st.lists(
    st.tuples(st.booleans(), PROBS, st.sampled_from([0.0, 0.5, 1.0, 3.0])), min_size=1, max_size=40
)


@given(TRIPLES, st.integers(1, 12), st.integers(1, 3))
def test_calibration(triples, bins, num_groups):
    y, p, w = (list(column) for column in zip(*triples, strict=True))
    w[0] = 2.0
    groups = [i % num_groups for i in range(len(y))]
    found = equipoise.calibration(y, p, groups=groups, sample_weights=w, bins=bins)
    check_calibration(found, reference.balance.calibration(y, p, w, bins))
    for g, label in enumerate(found.groups.labels.tolist()):
        mine = [i for i in range(len(y)) if groups[i] == label]
        part = [[column[i] for i in mine] for column in (y, p, w)]
        if sum(part[2]):
            check_calibration(found.groups, reference.balance.calibration(*part, bins), g)
        else:
            assert math.isnan(found.groups.log_loss[g])


def check_calibration(found, wanted, at=None):
    for name, value in wanted.items():
        mine = getattr(found, name) if at is None else getattr(found, name)[at]
        np.testing.assert_allclose(mine, value, rtol=1e-12, atol=1e-15, err_msg=name)
