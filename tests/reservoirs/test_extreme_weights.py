"""Every positive float64 is a weight, from 5e-324 to 1.8e308, alone or beside others, and nothing warns.

False alarms. Counts are tested at a level of at most 1e-8 by the bound at the top of ``support/laws.py``, at
most 100 times in a run, and six means against 7 standard errors of 2,000 independent copies. So a correct
library fails this file for a given seed with a probability of at most 2e-6, and for any of the seeds 0-99
(``--seeds 0-99``) of at most 2e-4.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from equipoise import ClassReservoir, Reservoir, weighted_sample
from equipoise.reservoirs.ranks import LEAST_PLAIN, MOST_PLAIN, is_rank, times_rank
from support import laws, reference
from support.laws import independent

COPIES = 1_500
TINY = 5e-324
WEIGHTS = {
    "the smallest": [TINY, TINY, TINY, TINY],
    "subnormal": [TINY, 2 * TINY, 3 * TINY, 5 * TINY],
    "1e-310": [1e-310, 1e-310, 8e-310, 2e-310],
    "exp(-720)": np.exp([-720.0, -721.0, -719.5, -722.0]).tolist(),
    "1e-308": [1e-308, 3e-308, 2e-308, 0.5e-308],
    "1": [1.0, 3.0, 2.0, 0.5],
    "1e300": [1e300, 3e300, 2e300, 0.5e300],
    "1e308": [1e308 / 4, 1e308 / 2, 1e308 / 8, 1e308 / 8],
    "both ends": [1e300, 3e300, TINY, 3 * TINY],
    "three decades of 1e300": [1e300, 1.0, TINY, 2 * TINY],
}
sizes = pytest.mark.parametrize("name", WEIGHTS)


def check_counts(counts, law, seed):
    laws.check_counts(counts, law, ("extreme weights", seed))


def seeds(any_seed, count=COPIES):
    return range(any_seed * 1_000_000, any_seed * 1_000_000 + count)


def law_of(weights, k):
    """Return the law of k successive draws. Fractions neither overflow nor vanish."""
    law, w = {}, [Fraction(x) for x in weights]
    for rows in itertools.permutations(range(len(w)), k):
        p, left = Fraction(1), sum(w)
        for i in rows:
            p *= w[i] / left
            left -= w[i]
        law[rows] = float(p)
    return law


# ---- which rows, in which order ----------------------------------------------------------------------------
#
# Every way is a function (k, seed, w) that returns the sampled rows in order.


def by_id(k, seed, w):
    reservoir = Reservoir(k, seed=seed)
    reservoir.update(w, ids=np.arange(len(w)))
    return reservoir.sample().ids.tolist()


def by_position(places):
    def rows(k, seed, w):
        wide = np.zeros(max(places) + 1)
        wide[list(places)] = w
        reservoir = Reservoir(k, seed=seed)
        reservoir.update(wide)
        return [places.index(i) for i in reservoir.sample().ids.tolist()]

    return rows


def by_class(k, seed, w):
    reservoir = ClassReservoir(k, seed=seed)
    reservoir.update([7] * len(w), w)
    return reservoir.sample().ids.tolist()


def by_decay(k, seed, w):
    reservoir = Reservoir(k, half_life=1e6, seed=seed)
    reservoir.update(w, times=np.full(len(w), 1.7e9))
    return reservoir.sample().ids.tolist()


WAYS = {
    "ids": by_id,
    "a column of a block": by_position((0, 8, 24, 56)),
    "columns of a block": by_position((1, 2, 44, 63)),
    "blocks": by_position((0, 64, 128, 8192)),
    "classes": by_class,
    "decay": by_decay,
}


@sizes
@pytest.mark.parametrize("way", WAYS)
def test_the_order_is_that_of_successive_draws(name, way, any_seed):
    w = WEIGHTS[name]
    orders = Counter(tuple(WAYS[way](3, seed, w)) for seed in seeds(any_seed))
    check_counts(orders, law_of(w, 3), any_seed)


@sizes
def test_weighted_sample_follows_the_law(name, any_seed):
    w, law = WEIGHTS[name], Counter()
    for rows, p in law_of(w, 2).items():
        for order in itertools.permutations(rows):
            law[order] += p / 2
    orders = Counter(tuple(weighted_sample(w, 2, rng=seed).tolist()) for seed in seeds(any_seed))
    check_counts(orders, law, any_seed)


@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("name", ["the smallest", "subnormal", "1e300", "both ends"])
def test_draws_with_replacement_follow_the_weights(name, ids, any_seed):
    w, triples = WEIGHTS[name], Counter()
    for seed in seeds(any_seed):
        reservoir = Reservoir(3, replacement=True, seed=seed)
        reservoir.update(w, ids=np.arange(4) if ids else None)
        triples[tuple(reservoir.sample().ids.tolist())] += 1
    check_counts(triples, independent({i: p for (i,), p in law_of(w, 1).items()}, 3), any_seed)
    sample = reservoir.sample()
    expected = [float(3 * Fraction(w[i]) / sum(map(Fraction, w))) for i in sample.ids.tolist()]
    np.testing.assert_allclose(sample.inclusion, expected, rtol=1e-12)


@pytest.mark.parametrize("unit", [TINY, 1e-310, 1e-306, 1e300, 1e308 / 2_000])
def test_rows_of_a_whole_block_are_picked_by_weight(unit, any_seed):
    """Count the first two rows of blocks of 64 rows."""
    w = np.concatenate([np.arange(1.0, 41.0), np.zeros(4), np.full(20, 7.0)])
    groups = np.repeat([0, 1, 2, 3], [20, 20, 4, 20])  # the third has no weight
    pairs = Counter()
    for seed in seeds(any_seed, 4_000):
        reservoir = Reservoir(2, seed=seed)
        reservoir.update(w * unit)
        pairs[tuple(groups[reservoir.sample().ids].tolist())] += 1
    law = Counter()
    for i, j in itertools.permutations(np.flatnonzero(w).tolist(), 2):
        law[groups[i].item(), groups[j].item()] += w[i] / w.sum() * w[j] / (w.sum() - w[i])
    check_counts(pairs, law, any_seed)


# ---- ranks -------------------------------------------------------------------------------------------------


def test_ranks_are_in_order():
    """Stored ranks are in the order of the numbers that they stand for, also where they change their form."""
    cuts = [LEAST_PLAIN, MOST_PLAIN, 1.0]
    e = np.unique([x * f for x in (1e-16, 1e-3, 1.0, 36.0) for f in (1 - 2**-53, 1.0, 1 + 2**-52, 1.5)])
    w = np.unique(
        [c * 2.0**x for c in cuts for x in range(-180, 181, 7) if 0 < c * 2.0**x < 1.7e308] + [TINY, 1.7e308]
    )
    exact = [
        (reference.rank_after(0.0, a, b), math.log2(a) - math.log2(b)) for a in e.tolist() for b in w.tolist()
    ]
    assert is_rank(np.array([stored for stored, _ in exact])).all()
    for (one, log_one), (other, log_other) in itertools.pairwise(sorted(exact)):
        assert one <= other
        assert log_one <= log_other + 1e-9


@pytest.mark.parametrize("weights", [[TINY, 1e-310, 1.0, 1e300], [1e300, 1e307, 1.7e308]])
def test_products_of_weights_and_ranks(weights):
    """w * (E / w) is E, to some digits."""
    for e in (2.0**-53, 0.1, 1.0, 36.0):
        w = np.array(weights)
        ranks = np.array([reference.rank_after(0.0, e, x) for x in weights])
        np.testing.assert_allclose(times_rank(w, ranks), e, rtol=1e-14)
        assert (times_rank(w, np.full(w.size, math.inf)) == math.inf).all()


# ---- inclusion and estimates -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "ids"),
    [(TINY, True), (1e-309, False), (1e-309, True), (1e-250, False), (1e250, True), (1e306, False)],
)
def test_estimates_do_not_depend_on_the_unit(unit, ids, any_seed):
    """Estimate the number of 50 equal rows from 10 of them."""
    estimates = np.empty((2_000, 2))
    for i, seed in enumerate(seeds(any_seed, len(estimates))):
        reservoir = Reservoir(10, seed=seed)
        reservoir.update(np.full(50, unit), ids=np.arange(50) if ids else None)
        value, error = reservoir.estimate()
        estimates[i] = value, error
    values, errors = estimates.T
    assert abs(values.mean() - 50) < 7 * values.std() / math.sqrt(len(values))
    assert 12 < values.std() < 20
    assert abs((errors**2).mean() / values.var() - 1) < 0.3


@pytest.mark.parametrize("kind", ["positions", "ids", "classes", "replacement"])
def test_powers_of_two_change_nothing_but_the_weights(kind):
    """Samples of weights 2^x, for all x, have the inclusion of weights 1. With ids, the rows differ."""
    wanted, n = None, 300
    for x in (0, *range(-1074, 1015, 87)):
        w = np.full(n, 2.0**x)
        if kind == "classes":
            reservoir = ClassReservoir(20, seed=5)
            reservoir.update(np.arange(n) % 2, w)
        else:
            reservoir = Reservoir(20, replacement=kind == "replacement", seed=5)
            reservoir.update(w, ids=np.arange(n) if kind == "ids" else None)
        sample = reservoir.sample()
        if kind == "ids":
            assert len(set(sample.ids.tolist())) == 20
            assert 0.02 < sample.inclusion[0] < 0.2
        else:
            wanted = sample if wanted is None else wanted
            assert sample.ids.tolist() == wanted.ids.tolist()
            np.testing.assert_allclose(sample.inclusion, wanted.inclusion, rtol=1e-13)
        assert sample.weights.tolist() == [2.0**x] * sample.weights.size


# ---- how rows arrive ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("ids", [False, True])
def test_chunks_threads_and_merges_do_not_matter(ids, replacement):
    rng = np.random.default_rng(0)
    n = 150_000
    w = rng.choice([0.0, TINY, 1e-310, 1e-308, 1e-200, 1.0, 1e200, 1e300], n) * rng.integers(1, 4, n)
    few = np.where(rng.random(n) < 0.001, w, 5 * TINY)
    for weights in (w, few, np.full(n, TINY), np.full(n, 1e302)):
        whole, merged = (Reservoir(300, replacement=replacement, seed=3) for _ in range(2))
        whole.update(weights, ids=np.arange(n) if ids else None, n_threads=2)
        for piece in np.array_split(np.arange(n), 9):
            part = merged if not ids else Reservoir(300, replacement=replacement, seed=3)
            part.update(weights[piece], ids=piece if ids else None)
            if ids:
                merged.merge(part)
        again = Reservoir.from_bytes(merged.to_bytes())
        for other in (merged, again):
            assert other.sample().ids.tolist() == whole.sample().ids.tolist()
            np.testing.assert_allclose(other.sample().inclusion, whole.sample().inclusion, rtol=1e-9)
        if not replacement:
            ranks = whole._complete_sketch()["ranks"]
            assert is_rank(ranks).all()
            assert np.unique(ranks).size > 0.99 * ranks.size


# ---- warnings ----------------------------------------------------------------------------------------------

SIZES = {
    "5e-324 and 1e-320": lambda rng: np.array([TINY, 1e-320] * 100),
    "float32": lambda rng: np.full(200, 1e-45, np.float32),
    "1e-308": lambda rng: rng.random(200) * 1e-308,
    "the largest sum": lambda rng: np.r_[1.79e308 / 2, np.zeros(199)],
    "1e308": lambda rng: np.full(200, 0.8e308 / 200),
    "all sizes": lambda rng: rng.choice([TINY, 1e-310, 1e-200, 1.0, 1e200, 1e305], 200),
}
TIMES = {
    "seconds": 1.7e9 + np.arange(200) * 1e6,
    "tiny": np.arange(200) * 1e-310,
    "before 1970": -np.arange(200) * 1e5,
    "dates": np.datetime64("2020-01-01", "ns") + np.arange(200) * np.timedelta64(1, "D"),
}


def everything(reservoir, *columns, **named):
    """Call every method that computes."""
    reservoir.update(*columns, **named)
    reservoir.update(*columns, **named, n_threads=2)
    sample = reservoir.sample()
    assert math.isfinite(reservoir.total_weight)
    for value in (TINY, 1e-200, 1.0, 1e200, 1e308):
        reservoir.estimate(np.full(sample.ids.size, value), sample.ids % 2 == 0)
    again = type(reservoir).from_bytes(reservoir.to_bytes())
    assert again.sample().ids.tolist() == sample.ids.tolist()
    assert again.sample().inclusion.tobytes() == sample.inclusion.tobytes()
    if isinstance(reservoir, ClassReservoir):
        reservoir.sample(total=7, policy="sqrt")


@pytest.mark.parametrize("state", ["raise", "warn"])
@pytest.mark.parametrize("name", SIZES)
def test_numpy_neither_raises_nor_warns(name, state):
    """Warnings are errors in these tests."""
    w, ids = SIZES[name](np.random.default_rng(0)), np.arange(200)
    with np.errstate(all=state):
        for k, keys in itertools.product((3, 500), (None, ids)):
            everything(Reservoir(k), w, keys)
            everything(Reservoir(k, replacement=True), w, keys)
            everything(ClassReservoir(k), ids % 3, w, keys)
            for times, half_life in itertools.product(TIMES.values(), (1e-3, 1e6, 1e300)):
                everything(Reservoir(k, half_life=half_life), w, keys, times=times)
                everything(Reservoir(k, half_life=half_life, replacement=True), w, keys, times=times)
                everything(ClassReservoir(k, half_life=half_life), ids % 3, w, keys, times=times)
        for k, replacement in itertools.product((3, 500), (False, True)):
            weighted_sample(w, k, rng=1, replacement=replacement, return_inclusion=True)


@pytest.mark.parametrize("state", ["raise", "warn"])
def test_merges_and_guesses_neither_raise_nor_warn(state):
    with np.errstate(all=state):
        for half_life in (None, 1.0):
            one, other = (Reservoir(5, half_life=half_life, stream=i) for i in range(2))
            one.update([TINY, 1e-320], times=None if half_life is None else [0.0, 1.0])
            other.update([1e-310, 1e300], times=None if half_life is None else [500.0, 1e5])
            one.merge(other)
            assert one.sample().ids.size == 4
            assert one.total_weight > 0
        for w in (np.full(140_000, TINY), np.full(140_000, 1e300), np.linspace(0, 5e302, 140_000)):
            for replacement in (False, True):
                everything(Reservoir(300, replacement=replacement), w)
            weighted_sample(w, 5_000, rng=1)


@pytest.mark.parametrize("state", ["raise", "warn"])
@pytest.mark.parametrize("half_life", [None, 1.0])
@pytest.mark.parametrize("ids", [False, True])
def test_an_infinite_sum_is_a_value_error(ids, half_life, state):
    def update(n):
        times = None if half_life is None else np.zeros(n)
        reservoir.update(np.full(n, 1e308), ids=np.arange(n) if ids else None, times=times)

    with np.errstate(all=state):
        reservoir = Reservoir(3, half_life=half_life)
        for n in (2, 63, 200):
            with pytest.raises(ValueError, match="weights must have a finite sum"):
                update(n)
        update(1)
        with pytest.raises(ValueError, match="finite sum"):
            update(1)
        assert reservoir.n_seen == 1
