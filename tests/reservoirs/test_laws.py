"""Rows are drawn with the right probabilities, and their inclusion gives unbiased estimates.

False alarms. Counts are tested at a level of at most 1e-8 by the bound at the top of ``support/laws.py``,
at most 60 times in a run. Means are tested against 7 standard errors of at least 4,000 independent copies,
which leave 3e-12, and at most 40 times. Their skewness adds less than 1e-8, because the estimates have more
than four moments: no such sample has fewer than six rows. So a correct library fails this file for a given
seed with probability at most 1e-6, and for any of the seeds 0-99 (``--seeds 0-99``) with probability at most
1e-4.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from equipoise import ClassReservoir, Reservoir, weighted_sample
from support import laws
from support.laws import ALPHA, counted, independent, normalized, without_replacement

COPIES = 5_000
MAX_MEANS = 40
means = Counter()


def check_counts(counts, law, seed):
    laws.check_counts(counts, law, ("reservoirs", seed))
    assert laws.checks["reservoirs", seed] <= 60


def check_mean(values, truth, seed):
    """Assert that the mean of independent copies is within 7 standard errors of the truth."""
    means[seed] += 1
    assert means[seed] <= MAX_MEANS, "more checks than the budget at the top of this file pays for"
    assert len(values) >= 4_000
    values = np.asarray(values, np.float64)
    error = values.std() / math.sqrt(values.size)
    assert abs(values.mean() - truth) < 7 * error, (values.mean(), truth, error)


def seeds(any_seed, count=COPIES):
    """Return consecutive seeds. Their samples must be independent."""
    return range(any_seed * 1_000_000, any_seed * 1_000_000 + count)


# ---- which rows, in which order ----------------------------------------------------------------------------
#
# Every way to key the same four rows is a function (k, seed, w) that returns the sampled rows in order.

TIMES = np.array(["2019-03-01T12", "2024-02-29T00", "2021-07-04T01", "2022-12-31T23"], "M8[s]")
DAYS = 250.0 * 86_400


def spread(w, places):
    """Return a longer stream with the rows at these places, and a map from places to rows."""
    wide = np.zeros(max(places) + 1)
    wide[list(places)] = w
    return wide, {place: i for i, place in enumerate(places)}


def by_id(k, seed, w):
    reservoir = Reservoir(k, seed=seed)
    reservoir.update(w, ids=[10**12, -7, 0, 2**32][: len(w)])
    back = {10**12: 0, -7: 1, 0: 2, 2**32: 3}
    return [back[i] for i in reservoir.sample().ids.tolist()]


def by_position(places):
    def rows(k, seed, w):
        wide, back = spread(w, places[: len(w)])
        reservoir = Reservoir(k, seed=seed)
        reservoir.update(wide)
        return [back[i] for i in reservoir.sample().ids.tolist()]

    return rows


def by_stream(k, seed, w):
    """Merge streams that have one row each."""
    whole = Reservoir(k, seed=seed, stream=0)
    for i, x in enumerate(w):
        part = Reservoir(k, seed=seed, stream=i + 1)
        part.update([x])
        whole.merge(part)
    return [int(s) - 1 for s in whole.sample().streams]


def by_class(ids):
    def rows(k, seed, w):
        reservoir = ClassReservoir(k, seed=seed)
        reservoir.update([5, 1] * len(w), np.repeat(w, 2), np.arange(2 * len(w)) if ids else None)
        sample = reservoir.sample()
        return [i // 2 for i in sample.ids[sample.classes == 5].tolist()]

    return rows


def by_decay(ids):
    """Read weights that decay to w."""

    def rows(k, seed, w):
        times = TIMES[: len(w)]
        age = (times.max() - times) / np.timedelta64(1, "s")
        reservoir = Reservoir(k, half_life=DAYS, seed=seed)
        reservoir.update(w * 2.0 ** (age / DAYS), ids=np.arange(len(w)) if ids else None, times=times)
        return reservoir.sample().ids.tolist()

    return rows


KEYINGS = {
    "ids": by_id,
    "one column of a block": by_position((0, 8, 24, 56)),
    "columns of a block": by_position((1, 2, 44, 63)),
    "two blocks": by_position((3, 7, 64, 130)),
    "blocks": by_position((0, 64, 128, 8192)),
    "streams": by_stream,
    "rows with classes": by_class(False),
    "ids with classes": by_class(True),
    "decay": by_decay(False),
    "decay of ids": by_decay(True),
}


def test_the_expected_law_is_right():
    """Check the law that the tests below expect, for weights 100, 1, 1 and k = 2."""
    law = without_replacement([100.0, 1.0, 1.0], 2)
    included = [math.fsum(p for rows, p in law.items() if i in rows) for i in range(3)]
    assert [round(p, 4) for p in included] == [0.9998, 0.5001, 0.5001]
    assert ALPHA == 1e-8


@pytest.mark.parametrize("name", KEYINGS)
def test_rows_are_included_with_the_right_frequencies(name, any_seed):
    sets = Counter(frozenset(KEYINGS[name](2, seed, np.array([100.0, 1.0, 1.0]))) for seed in seeds(any_seed))
    law = Counter()
    for rows, p in without_replacement([100.0, 1.0, 1.0], 2).items():
        law[frozenset(rows)] += p
    check_counts(sets, law, any_seed)


@pytest.mark.parametrize("name", KEYINGS)
def test_the_order_is_that_of_successive_draws(name, any_seed):
    """This is the law of Plackett and Luce."""
    w = np.array([5.0, 1.0, 2.0, 0.5])
    orders = Counter(tuple(KEYINGS[name](3, seed, w)) for seed in seeds(any_seed))
    check_counts(orders, without_replacement(w.tolist(), 3), any_seed)


def test_rows_of_a_block_are_picked_by_weight(any_seed):
    """Pick the first of 64 rows of different weights, in 10,000 blocks."""
    w = np.concatenate([np.arange(1.0, 41.0), np.zeros(4), np.full(20, 7.0)])
    counts = Counter()
    for seed in seeds(any_seed, 100):
        for stream in range(100):
            reservoir = Reservoir(1, seed=seed, stream=stream)
            reservoir.update(w)
            counts[int(reservoir.sample().ids[0])] += 1
    check_counts(counts, normalized(w.tolist()), any_seed)


def test_rows_come_from_all_blocks_equally_often(any_seed):
    """Count from which blocks the two rows come, for k = 2 of 192 equal rows."""
    reservoirs = [Reservoir(2, seed=seed) for seed in seeds(any_seed)]
    for reservoir in reservoirs:
        reservoir.update(np.ones(192, np.float32))
    pairs = Counter(tuple((r.sample().ids // 64).tolist()) for r in reservoirs)
    same, other = 63 / (3 * 191), 64 / (3 * 191)
    law = {(a, b): same if a == b else other for a, b in itertools.product(range(3), repeat=2)}
    check_counts(pairs, law, any_seed)


@pytest.mark.parametrize("ids", [True, False])
def test_many_classes_are_independent(ids, any_seed):
    """Count pairs of the first rows of neighboring classes of one call."""
    classes = 50_000
    reservoir = ClassReservoir(1, seed=any_seed)
    w = np.tile([4.0, 2.0, 1.0], classes)
    labels = np.repeat(np.arange(classes), 3)
    reservoir.update(labels, w, np.arange(3 * classes) if ids else None)
    first = reservoir.sample().ids % 3
    check_counts(counted(first.reshape(-1, 2)), independent(normalized([4.0, 2.0, 1.0]), 2), any_seed)


def test_neighboring_seeds_and_streams_are_independent(any_seed):
    """Count pairs of samples, of ids and of positions."""
    w = np.array([2.0, 1.0, 1.0])
    law = independent(normalized(w.tolist()), 2)

    def first(seed, stream=0, ids=None):
        reservoir = Reservoir(1, seed=seed, stream=stream)
        reservoir.update(w, ids=ids)
        return int(reservoir.sample().ids[0]) % 3

    some = seeds(any_seed, 3_000)
    check_counts(Counter((first(s), first(s + 1)) for s in some), law, any_seed)
    check_counts(Counter((first(s), first(s, stream=1)) for s in some), law, any_seed)
    check_counts(Counter((first(s), first(s, stream=2**32)) for s in some), law, any_seed)
    check_counts(Counter((first(s), first(s, ids=[0, 1, 2])) for s in some), law, any_seed)
    check_counts(Counter((first(s, ids=[0, 1, 2]), first(s, ids=[3, 4, 5])) for s in some), law, any_seed)


# ---- decay -------------------------------------------------------------------------------------------------


def test_decay_halves_the_weights(any_seed):
    """Sample rows years apart, some of them old and heavy, as if the weights had been halved beforehand."""
    w = np.array([1000.0, 1.0, 30.0, 2.0])
    then = w * 2.0 ** ((TIMES - TIMES.max()) / np.timedelta64(1, "s") / DAYS)
    law = without_replacement(then.tolist(), 2)
    orders = Counter()
    for seed in seeds(any_seed):
        reservoir = Reservoir(2, half_life=DAYS, seed=seed)
        for i in (2, 0, 3, 1):  # late ones, too
            reservoir.update(w[i : i + 1], ids=[i], times=TIMES[i : i + 1])
        orders[tuple(reservoir.sample().ids.tolist())] += 1
    check_counts(orders, law, any_seed)
    sample = reservoir.sample()
    np.testing.assert_allclose(sample.weights, then[sample.ids], rtol=1e-6)
    assert math.isclose(reservoir.total_weight, then.sum(), rel_tol=1e-6)


def test_times_may_be_numbers_or_datetimes_of_any_unit():
    """The same seconds give the same sample, and adding a constant to all times keeps the rows."""
    n = 3000
    rng = np.random.default_rng(0)
    days = np.sort(rng.integers(0, 365 * 8, n))
    w = rng.pareto(1.0, n) + 0.1
    samples = []
    for times in (
        days * 86_400.0 + 1.6e9 // 86_400 * 86_400,
        (days + int(1.6e9 // 86_400)).astype("M8[D]"),
        (days + int(1.6e9 // 86_400)).astype("M8[D]").astype("M8[ns]"),
        (days + int(1.6e9 // 86_400)).astype("M8[D]").astype("M8[h]"),
    ):
        reservoir = Reservoir(40, half_life=90 * 86_400.0, seed=4)
        reservoir.update(w, times=times)
        samples.append(reservoir.sample())
    for other in samples[1:]:
        assert other.ids.tobytes() == samples[0].ids.tobytes()
        assert other.inclusion.tobytes() == samples[0].inclusion.tobytes()
    earlier = Reservoir(40, half_life=90.0, seed=4)
    earlier.update(w, times=days)
    assert earlier.sample().ids.tolist() == samples[0].ids.tolist()
    np.testing.assert_allclose(earlier.sample().inclusion, samples[0].inclusion, rtol=1e-9)
    months = np.array(["2020-01", "2023-05", "2024-12"], "M8[M]")
    for times in (months, months.astype("M8[D]"), months.astype("M8[us]")):
        reservoir = Reservoir(3, half_life=1e7, seed=1)
        reservoir.update([9.0, 3.0, 1.0], ids=[0, 1, 2], times=times)
        age = (months.max().astype("M8[s]") - months.astype("M8[s]")) / np.timedelta64(1, "s")
        sample = reservoir.sample()
        then = np.array([9.0, 3.0, 1.0]) * 2.0 ** (-age / 1e7)
        np.testing.assert_allclose(sample.weights, then[sample.ids], rtol=1e-9)


# ---- with replacement --------------------------------------------------------------------------------------


def replaced(k, seed, w, way):
    if way == "decay":
        age = (TIMES.max() - TIMES[: len(w)]) / np.timedelta64(1, "s")
        reservoir = Reservoir(k, replacement=True, half_life=DAYS, seed=seed)
        reservoir.update(w * 2.0 ** (age / DAYS), times=TIMES[: len(w)])
        return reservoir, reservoir.sample().ids.tolist()
    reservoir = Reservoir(k, replacement=True, seed=seed)
    if way == "ids":
        reservoir.update(w, ids=np.arange(len(w)))
        return reservoir, reservoir.sample().ids.tolist()
    wide, back = spread(w, (0, 8, 33) if way == "block" else (0, 64, 8192))
    reservoir.update(wide)
    return reservoir, [back[i] for i in reservoir.sample().ids.tolist()]


@pytest.mark.parametrize("way", ["ids", "block", "blocks", "decay"])
def test_draws_with_replacement_are_independent(way, any_seed):
    w = np.array([4.0, 2.0, 1.0])
    triples = Counter()
    for seed in seeds(any_seed):
        reservoir, rows = replaced(3, seed, w, way)
        triples[tuple(rows)] += 1
    check_counts(triples, independent(normalized(w.tolist()), 3), any_seed)
    sample = reservoir.sample()
    assert np.allclose(sample.inclusion, 3 * sample.weights / 7.0, rtol=1e-6 if way == "decay" else 1e-15)


def test_more_draws_than_rows_follow_the_weights(any_seed):
    """Draw more points than a block has rows."""
    w = np.array([4.0, 2.0, 1.0, 0.0, 9.0])
    pairs = Counter()
    for seed in seeds(any_seed, 100):
        for ids in (None, np.arange(5)):
            reservoir = Reservoir(400, replacement=True, seed=seed)
            reservoir.update(w, ids=ids)
            pairs.update(zip(*[iter(reservoir.sample().ids.tolist())] * 2, strict=True))
    check_counts(pairs, independent(normalized(w.tolist()), 2), any_seed)


# ---- weighted_sample ---------------------------------------------------------------------------------------


def test_the_order_of_a_weighted_sample_does_not_depend_on_weight(any_seed):
    w = [5.0, 1.0, 0.0, 2.0]
    orders = Counter(tuple(weighted_sample(w, 2, rng=seed).tolist()) for seed in seeds(any_seed))
    law = Counter()
    for rows, p in without_replacement(w, 2).items():
        for order in itertools.permutations(rows):
            law[order] += p / 2
    check_counts(orders, law, any_seed)


def test_weighted_sample_with_replacement_follows_the_weights(any_seed):
    w = [5.0, 1.0, 0.0, 2.0]
    pairs = Counter(
        tuple(weighted_sample(w, 2, rng=seed, replacement=True).tolist()) for seed in seeds(any_seed)
    )
    check_counts(pairs, independent(normalized(w), 2), any_seed)


# ---- estimates ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["ids", "rows", "decay"])
def test_inclusion_makes_unbiased_estimates(way, any_seed):
    """Estimate sums, counts, single rows and the variance of a sum, from 6 of 10 rows in 30,000 classes."""
    copies, n, k = 30_000, 10, 6
    w = np.array([8.0, 0.1, 3.0, 1.0, 0.5, 1.0, 20.0, 0.3, 2.0, 1.0])
    values = np.array([1.0, -2.0, 3.0, 0.5, 9.0, 1.0, 25.0, 0.0, 4.0, 2.0])
    labels = np.repeat(np.arange(copies), n)
    times, half_life = None, None
    if way == "decay":
        half_life, times = 500.0, np.tile(np.arange(n) * 37.0, copies)
    reservoir = ClassReservoir(k, num_classes=copies, half_life=half_life, seed=any_seed)
    ids = np.arange(n * copies) if way == "ids" else None
    reservoir.update(labels, np.tile(w, copies), ids, times=times)
    sample = reservoir.sample()
    assert (np.bincount(sample.classes) == k).all()
    row, p = sample.ids % n, sample.inclusion

    def sums(x):
        return np.bincount(sample.classes, x, copies)

    check_mean(sums(1 / p), n, any_seed)
    check_mean(sums(values[row] / p), values.sum(), any_seed)
    for i in (1, 4, 6):
        check_mean(sums((row == i) / p), 1.0, any_seed)
    error = (sums(values[row] / p) - values.sum()) ** 2 - sums(values[row] ** 2 * (1 - p) / p**2)
    check_mean(error, 0.0, any_seed)


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("keyed", ["positions", "ids"])
def test_estimates_and_their_standard_errors_are_right(replacement, keyed, any_seed):
    """Sample 100 of 1,000 rows 4,000 times. Estimates are unbiased, and their z-scores have variance 1."""
    n, k, copies = 1000, 100, 4_000
    rng = np.random.default_rng(5)
    w = 1.0 + rng.pareto(2.5, n)
    x, some = w * rng.uniform(0.5, 1.5, n), np.arange(n) < 400
    truths = np.array([x.sum(), n, some.sum(), x[some].sum()])
    estimates = np.empty((copies, 4, 2))
    for i, seed in enumerate(seeds(any_seed, copies)):
        reservoir = Reservoir(k, replacement=replacement, seed=seed)
        reservoir.update(w, ids=np.arange(n) if keyed == "ids" else None)
        ids = reservoir.sample().ids
        mine, part = x[ids], some[ids]
        estimates[i] = (
            tuple(reservoir.estimate(mine)),
            tuple(reservoir.estimate()),
            tuple(reservoir.estimate(where=part)),
            tuple(reservoir.estimate(mine, part)),
        )
    for j, truth in enumerate(truths):
        off, error = estimates[:, j, 0] - truth, estimates[:, j, 1]
        check_mean(off, 0.0, any_seed)
        # Seven standard errors of a variance are 0.16. Standard errors are estimates, so z is a little wider.
        assert 0.84 < (off / error).var() < 1.25
        assert abs((off**2).mean() / (error**2).mean() - 1) < 0.2
