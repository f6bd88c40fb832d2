"""Reservoirs return the rows of the reference, byte for byte."""

from __future__ import annotations

import datetime
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise import ClassReservoir, Reservoir, weighted_sample
from equipoise.rng import key_from_rng
from support import cases, reference

SEEDS = st.integers(0, 2**32 - 1)


def address(rng):
    """Return (seed, stream), often at the ends of their ranges."""
    ends = [0, 1, 2**32, 2**63, 2**64 - 1]
    return tuple(int(rng.choice(np.array(ends, np.uint64))) for _ in range(2))


def size(rng):
    return int(rng.choice([0, 1, 5, 63, 64, 65, 127, 128, 129, 200, 320]))


def ids_of(rng, n):
    """Return distinct ids, including those at the ends of int64."""
    ids = rng.permutation(3 * n + 9)[:n] - n
    ends = [-(2**63), 2**63 - 1, -(2**62), 2**40][: max(n - 1, 0)]
    ids[: len(ends)] = ends
    return rng.permutation(ids)


def same_rows(sample, expected, inclusion=True):
    """Assert that a sample is as expected. Without ``inclusion``, compare inclusion up to rounding."""
    ids, weights, p, classes, streams = expected
    assert sample.ids.tolist() == ids.tolist()
    assert sample.weights.tobytes() == weights.tobytes()
    if inclusion:
        assert sample.inclusion.tobytes() == p.tobytes()
    else:
        np.testing.assert_allclose(sample.inclusion, p, rtol=1e-12, atol=5e-324)
    for mine, wanted, dtype in ((sample.classes, classes, np.int64), (sample.streams, streams, np.uint64)):
        if wanted is None:
            assert mine is None or not mine.size
        else:
            assert mine.dtype == dtype
            assert mine.tolist() == wanted.tolist()


def feed(reservoir, at, *columns, **named):
    """Update a reservoir with pieces of these columns, some of which may be None."""
    for begin, end in itertools.pairwise(at):
        piece = [c if c is None else c[begin:end] for c in columns]
        reservoir.update(*piece, **{k: v if v is None else v[begin:end] for k, v in named.items()})
    return reservoir


@given(SEEDS)
@settings(max_examples=600)
def test_samples_without_replacement_equal_the_reference(seed):
    """Draw random weights, sizes, k, keys, chunks and tails."""
    rng = np.random.default_rng(seed)
    n, (s, stream) = size(rng), address(rng)
    w, k = cases.row_weights(rng, n), int(rng.choice([1, 2, 3, 10, 64, 100, 500]))
    ids = ids_of(rng, n) if rng.random() < 0.5 else None
    times, half_life = cases.row_times(rng, n) if rng.random() < 0.3 else (None, None)
    reservoir = Reservoir(k, half_life=half_life, seed=s, stream=stream)
    feed(reservoir, cases.cuts(rng, n), w, ids, times=times)
    points = reference.reservoir_points(w, ids=ids, times=times, half_life=half_life, seed=s, stream=stream)
    latest = None if times is None else times.max(where=w > 0, initial=-np.inf)
    same_rows(reservoir.sample(), reference.reservoir_sample(points, k, half_life=half_life, latest=latest))
    assert reservoir.n_seen == n


@given(SEEDS)
@settings(max_examples=300)
def test_samples_with_replacement_equal_the_reference(seed):
    rng = np.random.default_rng(seed)
    n, (s, stream) = size(rng) // 2, address(rng)
    w, k = cases.row_weights(rng, n), int(rng.choice([1, 2, 3, 10, 20]))
    ids = ids_of(rng, n) if rng.random() < 0.5 else None
    times, half_life = cases.row_times(rng, n) if rng.random() < 0.3 else (None, None)
    reservoir = Reservoir(k, replacement=True, half_life=half_life, seed=s, stream=stream)
    feed(reservoir, cases.cuts(rng, n), w, ids, times=times)
    points = reference.reservoir_points(
        w, ids=ids, times=times, half_life=half_life, replacement=k, seed=s, stream=stream
    )
    latest = None if times is None else times.max(where=w > 0, initial=-np.inf)
    expected = reference.reservoir_sample(
        points, k, replacement=True, half_life=half_life, latest=latest, total=reservoir.total_weight
    )
    same_rows(reservoir.sample(), expected, inclusion=False)


@given(SEEDS)
@settings(max_examples=400)
def test_samples_of_classes_equal_the_reference(seed):
    rng = np.random.default_rng(seed)
    n, (s, stream) = size(rng), address(rng)
    w, k = cases.row_weights(rng, n), int(rng.choice([1, 2, 3, 10, 64, 100]))
    few = np.array([-(2**63), 2**63 - 1, 0, -1, 7, 10**12])[: rng.integers(1, 7)]
    known = rng.random() < 0.3
    classes = rng.integers(0, 5, n) if known else rng.choice(few, n)
    quotas = rng.integers(1, 12, 5).tolist() if known and rng.random() < 0.5 else k
    ids = ids_of(rng, n) if rng.random() < 0.5 else None
    times, half_life = cases.row_times(rng, n) if rng.random() < 0.3 else (None, None)
    reservoir = ClassReservoir(
        quotas, num_classes=5 if known else None, half_life=half_life, seed=s, stream=stream
    )
    given_weights = w
    if rng.random() < 0.2:
        given_weights, w = None, np.ones(n)
    feed(reservoir, cases.cuts(rng, n), classes, given_weights, ids, times=times)
    points = reference.reservoir_points(
        w,
        ids=ids, times=times, half_life=half_life, classes=classes, seed=s, stream=stream,
    )  # fmt: skip
    latest = None if times is None else times.max(where=w > 0, initial=-np.inf)
    of_each = k if quotas is k else dict(enumerate(quotas))
    expected = reference.reservoir_sample(points, of_each, half_life=half_life, latest=latest)
    same_rows(reservoir.sample(), expected)
    values, counts = np.unique(classes, return_counts=True)
    assert reservoir.counts == dict(zip(values.tolist(), counts.tolist(), strict=True))
    assert list(reservoir.counts) == values.tolist()


@given(SEEDS)
@settings(max_examples=200)
def test_weighted_sample_equals_the_reference(seed):
    rng = np.random.default_rng(seed)
    n, replacement = size(rng), bool(rng.integers(2))
    w, k = cases.row_weights(rng, n), int(rng.choice([1, 2, 10, 500] if not replacement else [1, 2, 15]))
    if not (np.asarray(w, np.float64) > 0).any():
        with pytest.raises(ValueError, match="weights must not"):
            weighted_sample(w, k, rng=seed)
        return
    ids, weights, p = reference.weighted_sample(w, k, reference.key_from_rng(seed), replacement=replacement)
    sample = weighted_sample(w, k, rng=seed, replacement=replacement, return_inclusion=True)
    same_rows(sample, (ids, weights, p, None, None), inclusion=not replacement)
    assert weighted_sample(w, k, rng=seed, replacement=replacement).tolist() == ids.tolist()


def test_datetimes_of_the_standard_library_are_accepted():
    times = [datetime.datetime(2026, 1, 1), datetime.datetime(2026, 1, 1, 0, 0, 30, 500_000)]
    one, other = (Reservoir(2, half_life=60.0, seed=3) for _ in range(2))
    one.update([1.0, 2.0], times=times)
    other.update([1.0, 2.0], times=np.array(times, "M8[ms]"))
    assert one.to_bytes() == other.to_bytes()
    aware = [t.replace(tzinfo=datetime.UTC) for t in times]
    with pytest.raises(TypeError, match="times must be numbers or datetimes without time zones, got object"):
        one.update([1.0, 2.0], times=aware)


@pytest.mark.parametrize("weight", [1.0, 5e-324, 1e305])
def test_weighted_sample_keeps_the_rows_of_a_reservoir(weight):
    """weighted_sample does not sort ranks. If there is one row too many, it drops the largest (rank, id)."""
    weights = np.full(1_000, weight)
    reservoir = Reservoir(10, seed=key_from_rng(7))
    reservoir.update(weights)
    sample = weighted_sample(weights, 10, rng=7, return_inclusion=True)
    assert np.array_equal(np.sort(sample.ids), np.sort(reservoir.sample().ids))
    assert np.array_equal(np.sort(sample.ids), np.sort(weighted_sample(weights, 10, rng=7)))
    assert set(sample.inclusion) == set(reservoir.sample().inclusion)
    assert (sample.inclusion < 1).all()
