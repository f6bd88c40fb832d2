"""Permutations by keyed words: every length is complete, short ones are uniform, long ones nearly so."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise._runtime.backend import kernels
from equipoise.orders.classes import ClassRows
from support import laws, reference


def permutations(n, cycles, key):
    """Return the orders of a class of n rows in its first cycles."""
    source = ClassRows(np.arange(n, dtype=np.uint32), np.array([0, n]))
    out = np.empty(cycles * n, np.int64)
    kernels().class_rows(key, source, np.array([[0]]), np.array([[cycles * n]]), out)
    return out.reshape(cycles, n)


@given(st.one_of(st.integers(1, 300), st.sampled_from([1023, 1024, 1025, 10_000])), st.integers(0, 2**64 - 1))
def test_a_permutation_equals_the_reference(n, key):
    found = permutations(n, 2, key)
    assert found[1].tolist() == reference.permutation(reference.Run(key, 1, 1), n)
    assert (np.sort(found, axis=1) == np.arange(n)).all()


@pytest.mark.parametrize("n", [2**16 - 1, 2**16 + 1, 1_000_003, 10**7])
def test_a_long_permutation_has_every_number_once(n):
    seen = np.zeros(n, np.int8)
    seen[permutations(n, 1, 5)[0]] = 1
    assert seen.all()


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_short_permutations_are_uniform(n, any_seed):
    drawn = permutations(n, 60_000, any_seed)
    law = dict.fromkeys(itertools.permutations(range(n)), 1 / math.factorial(n))
    laws.check_counts(laws.counted(drawn), law, any_seed)


@pytest.mark.parametrize("n", [10, 100, 129, 1000])
def test_numbers_and_their_neighbors_are_uniform(n, any_seed):
    """Test single places, and the differences of neighbors and of places that share a digit."""
    drawn = permutations(n, 4_000_000 // n // 10, any_seed)
    uniform = dict.fromkeys(range(n), 1 / n)
    for place in (0, n // 2, n - 1):
        laws.check_counts(laws.counted(drawn[:, place]), uniform, any_seed)
    law = {d: (n - abs(d)) / (n * (n - 1)) for d in range(1 - n, n) if d}
    width = -(-n // (math.isqrt(n - 1) + 1))
    for step in {1, width}:
        # One difference of each permutation, since those of one are not independent.
        laws.check_counts(laws.counted(drawn[:, step] - drawn[:, 0]), law, any_seed)


@pytest.mark.parametrize("n", [129, 400])
def test_long_permutations_have_the_descents_of_random_ones(n, any_seed):
    """Test the number of descents, whose law is the Eulerian numbers: six rounds failed for 129 rows."""
    drawn = permutations(n, 20_000, any_seed)
    counts = Counter((drawn[:, 1:] < drawn[:, :-1]).sum(axis=1).tolist())
    law = [1.0]
    for m in range(2, n + 1):
        longer = [0.0] * m
        for k, p in enumerate(law):
            longer[k] += p * (k + 1) / m
            longer[k + 1] += p * (m - 1 - k) / m
        law = longer
    total = math.fsum(law)
    laws.check_counts(counts, {k: p / total for k, p in enumerate(law)}, any_seed)


def test_cycles_classes_and_keys_have_their_own_permutations():
    found = permutations(300, 3, 1)
    source = ClassRows(np.arange(600, dtype=np.uint32), np.array([0, 300, 600]))
    out = np.empty(600, np.int64)
    kernels().class_rows(1, source, np.array([[0, 0]]), np.array([[300, 300]]), out)
    orders = [*found, out[300:] - 300, permutations(300, 1, 2)[0]]
    assert len({order.tobytes() for order in orders}) == 5
    assert (out[:300] == found[0]).all()
