"""Statistical tests of tables. Properties with exact answers are tested in the other files.

The statistical tests and their budget of false alarms are those of ``support/laws.py``.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from equipoise import AliasTable, LogUniformTable, UniformTable
from support import cases
from support.laws import (
    check_counts,
    counted,
    independent,
    law_of,
    normalized,
    threshold,
)


def test_the_threshold_is_a_bound_and_detects_wrong_laws(any_seed):
    """At level 1e-8 and one degree of freedom, the bound is above the 32.8 of chi-square; wrong laws fail."""
    assert 32.8 < threshold(2) < 60
    draws = counted(np.random.default_rng(any_seed).integers(0, 4, 100_000))
    check_counts(draws, dict.fromkeys(range(4), 0.25), any_seed)
    with pytest.raises(AssertionError, match="G ="):
        check_counts(draws, {0: 0.28, 1: 0.22, 2: 0.25, 3: 0.25}, any_seed)
    with pytest.raises(AssertionError, match="impossible"):
        check_counts(draws, dict.fromkeys(range(3), 1 / 3), any_seed)


@pytest.mark.parametrize("name", cases.WEIGHTS)
def test_draws_follow_the_units(name, any_seed):
    table = AliasTable(cases.WEIGHTS[name](50))
    check_counts(counted(table.sample(400_000, rng=any_seed)), law_of(table), any_seed)


def test_power_and_smoothing_set_the_frequencies(any_seed):
    w = np.array([0.0, 1.0, 5.0, 30.0])
    for power, smoothing in ((0.75, 0.0), (-0.5, 2.0), (1.7, 0.1)):
        law = normalized(np.where(w + smoothing > 0, (w + smoothing + (w + smoothing == 0)) ** power, 0))
        table = AliasTable(w, power=power, smoothing=smoothing)
        law = {i: p for i, p in law.items() if w[i] + smoothing > 0}
        check_counts(counted(table.sample(300_000, rng=any_seed)), law, any_seed)


def test_log_uniform_draws_follow_their_formula(any_seed):
    n = 30
    law = {k: math.log((k + 2) / (k + 1)) / math.log(n + 1) for k in range(n)}
    check_counts(counted(LogUniformTable(n).sample(400_000, rng=any_seed)), law, any_seed)


def test_uniform_draws_of_billions_of_ids(any_seed):
    """For 2^32 - 1 ids, both the high bits and the remainders of the low bits are uniform."""
    ids = UniformTable(2**32 - 1).sample(400_000, rng=any_seed)
    edges = [(2**32 - 1) * i // 20 for i in range(21)]
    law = {i: (edges[i + 1] - edges[i]) / (2**32 - 1) for i in range(20)}
    check_counts(counted(np.searchsorted(edges, ids, side="right") - 1), law, any_seed)
    check_counts(counted(ids % 15), dict.fromkeys(range(15), 1 / 15), any_seed)  # 15 divides 2^32 - 1


@pytest.mark.parametrize("lag", [1, 64, 128])
def test_draws_are_independent(lag, any_seed):
    """Draws next to each other in a run, or at the same position of consecutive blocks, are independent."""
    w = [1.0, 2.0, 3.0, 0.5, 0.1]
    ids = AliasTable(w).sample(512_000, rng=any_seed).reshape(-1, 2 * lag)
    pairs = np.stack([ids[:, :lag].ravel(), ids[:, lag:].ravel()], axis=1)
    check_counts(counted(pairs), independent(normalized(w), 2), any_seed)


def test_neighboring_seeds_are_independent(any_seed):
    w = [1.0, 2.0, 3.0]
    table = AliasTable(w)
    pairs = np.stack([table.sample(100_000, rng=any_seed), table.sample(100_000, rng=any_seed + 1)], axis=1)
    check_counts(counted(pairs), independent(normalized(w), 2), any_seed)


def words_of(n, column, coins):
    """Return how many of the 2^64 words propose a column with a coin below `coins` (equipoise.rng)."""
    first, last = column << 64, (column << 64) + (coins << 32)
    return -(-last // n) - -(-first // n)


@pytest.mark.parametrize("n", [1, 3, 1000, 2**24, 10**8, 10**9, 2**32 - 1])
def test_words_of_a_cell_are_those_that_draw_from_it(n):
    for column in {0, 1 % n, n // 3, n - 1}:
        for coins in (1, 77, 2**31, 2**32):
            first = -(-(column << 64) // n)
            count = words_of(n, column, coins)
            for word in {0, first - 1, first, first + count - 1, first + count, 2**64 - 1}:
                if 0 <= word < 2**64:
                    product = word * n
                    drawn = product >> 64 == column and (product % 2**64) >> 32 < coins
                    assert drawn == (first <= word < first + count)


@pytest.mark.parametrize(
    ("n", "least", "most"), [(2 * 10**7, 0.99, 1.01), (10**8, 0.97, 1.03), (10**9, 0.93, 1.17)]
)
def test_a_draw_is_within_one_word_of_the_share_of_a_cell(n, least, most):
    """The limit that AliasTable states: 2^-64 for each cell, seen at ids of one unit in large tables."""
    columns = np.random.default_rng(n).integers(0, n, 2000).tolist()
    ratios = [words_of(n, column, 1) * n / 2**32 for column in columns]
    assert least <= min(ratios) < 1 < max(ratios) <= most
    for column in columns:
        for coins in (1, 1000, 2**32 - 1):
            assert abs(words_of(n, column, coins) * n - (coins << 32)) < n


def test_heavy_ids_give_up_the_units_of_very_light_ones():
    """The limit that AliasTable states: 1,999 units, where two would be the rule."""
    n = 2000
    table = AliasTable([1e30] + [1.0] * (n - 1))
    units = table.units_of(np.arange(n)).tolist()
    assert units == [n * 2**32 - 1999] + [1] * 1999
    assert table.prob(0) == (n * 2**32 - 1999) / (n * 2**32)


@pytest.mark.parametrize("name", ["zipf", "pareto", "zeros_inside", "two_levels"])
def test_shares_are_within_two_units_of_the_weights(name):
    w = cases.WEIGHTS[name](1000)
    exact = [Fraction(x) for x in np.asarray(w).tolist()]
    units = AliasTable(w).units_of(np.arange(1000)).tolist()
    for x, got in zip(exact, units, strict=True):
        assert abs(got - x * 1000 * 2**32 / sum(exact)) <= 2


@pytest.mark.parametrize("unit", [5e-324, 1e-310, 1e-308, 1e300, 1e308 / 8])
def test_weights_of_any_size_have_the_units_of_their_proportions(unit, any_seed):
    """Units are exact, so tables have no weights that are too small or too large."""
    w = np.array([1.0, 3.0, 0.0, 2.0, 2.0])
    table = AliasTable(w * unit)
    assert table.prob(np.arange(5)).tolist() == AliasTable(w).prob(np.arange(5)).tolist()
    assert table.sample(1_000, rng=any_seed).tolist() == AliasTable(w).sample(1_000, rng=any_seed).tolist()
    check_counts(counted(table.sample(100_000, rng=any_seed)), normalized(w.tolist()), any_seed)


def test_weights_beside_far_larger_ones_have_one_unit():
    """Whatever its weight, an id is drawn at least once in n 2^32 draws."""
    table = AliasTable([5e-324, 1.0, 1e300])
    assert (table.prob([0, 1]) * 3 * 2**32).tolist() == [1.0, 1.0]
