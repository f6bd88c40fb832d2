"""Parents, neighbors and gaps follow their distributions, and are independent."""

from __future__ import annotations

import math

import numpy as np
import pytest

from equipoise import SmoteSampler
from support import reference
from support.synthetic import DTYPES, points

# Each check below compares the mean of N independent terms in [0, 1] with its expectation. By Hoeffding's
# inequality, it is off by more than sqrt(log(2 / ALPHA) / (2 N)) with probability at most ALPHA = 1e-10.
# A seed has fewer than 700 such checks, so a correct library fails for one of the seeds 0-99 with probability
# at most 7e-6.
ALPHA, N = 1e-10, 200_000

BOUND = math.sqrt(math.log(2 / ALPHA) / (2 * N))


def law(dtype, seed, **how):
    X = points(40, 3, dtype)
    return SmoteSampler(X, seed=seed, **how), X


@pytest.mark.parametrize("dtype", DTYPES)
def test_parents_columns_and_gaps_are_uniform_and_independent(any_seed, dtype):
    sampler, _ = law(dtype, any_seed)
    drawn = sampler.sample(N, return_parents=True)
    column = (sampler._table[drawn.parents] == drawn.neighbors[:, np.newaxis]).argmax(axis=1)
    cells = np.zeros((40, 5, 1))
    np.add.at(cells, (drawn.parents, column, 0), 1 / N)
    assert np.abs(cells.sum(axis=(1, 2)) - 1 / 40).max() < BOUND
    assert np.abs(cells - 1 / 200).max() < BOUND
    assert drawn.gaps.min() >= 0
    assert drawn.gaps.max() < 1
    for edge in np.linspace(0.1, 0.9, 9):
        assert abs((drawn.gaps < edge).mean() - edge) < BOUND
    low = drawn.gaps < 0.5
    for c in range(5):
        assert abs((low & (column == c)).mean() - 0.1) < BOUND
    bits = (drawn.gaps * (2**24 if dtype == np.float32 else 2**53)).astype(np.int64)
    for bit in range(24):  # the low bits are as good as the high ones
        assert abs((bits >> bit & 1).mean() - 0.5) < BOUND
    # Pairs overlap, so only every second one is independent of the others.
    assert abs((low[1:] & low[:-1]).mean() - 0.25) < 2 * BOUND


def test_parents_follow_their_weights(any_seed):
    weights = np.arange(40.0)
    sampler, _ = law(np.float32, any_seed, parent_weights=weights)
    drawn = sampler.sample(N, return_parents=True)
    shares = np.bincount(drawn.parents, minlength=40) / N
    assert shares[0] == 0
    assert np.abs(shares - weights / weights.sum()).max() < BOUND


def test_two_classes_with_one_seed_are_independent(any_seed):
    """In imbalanced-learn both get the same parents, neighbors and gaps."""
    one, two = (SmoteSampler(points(40, 3, seed=s), seed=any_seed) for s in (0, 1))
    a, b = one.sample(N, return_parents=True), two.sample(N, return_parents=True)
    assert abs((a.parents == b.parents).mean() - 1 / 40) < BOUND
    assert abs(((a.gaps < 0.5) == (b.gaps < 0.5)).mean() - 0.5) < BOUND
    assert abs((a.gaps * b.gaps).mean(dtype=np.float64) - 0.25) < BOUND + 2**-23


def test_gaps_of_the_reference_reach_both_ends_of_their_interval():
    """Words of all zeros and all ones give the smallest and the largest gap."""
    numbers = {np.float32: 1 - 2.0**-24, np.float64: 1 - 2.0**-53}
    for dtype, most in numbers.items():
        assert reference.fraction(0, dtype) == 0
        assert reference.fraction(2**64 - 1, dtype) == most < 1
