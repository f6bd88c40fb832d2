"""Laws, by test. Everything that can be said exactly is in the other files: here only what needs draws.

False alarms. Every check has a level of at most ALPHA = 1e-8, and one run of the file makes at most 100 of
them, so a correct library fails this file for a given seed with probability at most 1e-6, and for any of
the seeds 0-99 (``--seeds 0-99``) with at most 1e-4. Counts are tested by G = 2 sum O log(O / E), which for
N multinomial draws in k cells obeys, for every N and every law,

    P(G >= 2 t) <= exp(-t) (e t / (k - 1))^(k - 1)    for t > k - 1

(R. Agrawal, "Finite-sample concentration of the multinomial in relative entropy", IEEE Transactions on
Information Theory, 2020), so that no cell needs a large expectation and no chi-square table is asked.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from equipoise import AliasTable, LogUniformTable, NegativeSampler, UniformTable
from support import cases
from support.laws import (
    check_counts,
    checks,
    counted,
    independent,
    law_of,
    normalized,
    threshold,
    without_replacement,
)


def test_the_threshold_is_a_bound_that_can_fail(any_seed):
    """A level of 1e-8 in one degree of freedom is above chi-square's own 32.8, and a wrong law does fail."""
    assert 32.8 < threshold(2) < 60
    draws = counted(np.random.default_rng(any_seed).integers(0, 4, 100_000))
    check_counts(draws, dict.fromkeys(range(4), 0.25), any_seed)
    with pytest.raises(AssertionError, match="G ="):
        check_counts(draws, {0: 0.28, 1: 0.22, 2: 0.25, 3: 0.25}, any_seed)
    with pytest.raises(AssertionError, match="impossible"):
        check_counts(draws, dict.fromkeys(range(3), 1 / 3), any_seed)


# ---- tables -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", cases.WEIGHTS)
def test_table_draws(name, any_seed):
    table = AliasTable(cases.WEIGHTS[name](50))
    check_counts(counted(table.sample(400_000, rng=any_seed)), law_of(table), any_seed)


def test_power_and_smoothing(any_seed):
    w = np.array([0.0, 1.0, 5.0, 30.0])
    for power, smoothing in ((0.75, 0.0), (-0.5, 2.0), (1.7, 0.1)):
        law = normalized(np.where(w + smoothing > 0, (w + smoothing + (w + smoothing == 0)) ** power, 0))
        table = AliasTable(w, power=power, smoothing=smoothing)
        law = {i: p for i, p in law.items() if w[i] + smoothing > 0}
        check_counts(counted(table.sample(300_000, rng=any_seed)), law, any_seed)


def test_log_uniform_draws(any_seed):
    n = 30
    law = {k: math.log((k + 2) / (k + 1)) / math.log(n + 1) for k in range(n)}
    check_counts(counted(LogUniformTable(n).sample(400_000, rng=any_seed)), law, any_seed)


def test_uniform_draws_of_many(any_seed):
    """2^32 - 1 ids: the high bits and the remainders of the low ones."""
    ids = UniformTable(2**32 - 1).sample(400_000, rng=any_seed)
    edges = [(2**32 - 1) * i // 20 for i in range(21)]
    law = {i: (edges[i + 1] - edges[i]) / (2**32 - 1) for i in range(20)}
    check_counts(counted(np.searchsorted(edges, ids, side="right") - 1), law, any_seed)
    check_counts(counted(ids % 15), dict.fromkeys(range(15), 1 / 15), any_seed)  # 15 divides 2^32 - 1


@pytest.mark.parametrize("lag", [1, 64, 128])
def test_draws_are_independent(lag, any_seed):
    """A run's neighbours, and the same place in neighbouring blocks."""
    w = [1.0, 2.0, 3.0, 0.5, 0.1]
    ids = AliasTable(w).sample(512_000, rng=any_seed).reshape(-1, 2 * lag)
    pairs = np.stack([ids[:, :lag].ravel(), ids[:, lag:].ravel()], axis=1)
    check_counts(counted(pairs), independent(normalized(w), 2), any_seed)


def test_neighbouring_seeds_are_independent(any_seed):
    w = [1.0, 2.0, 3.0]
    table = AliasTable(w)
    pairs = np.stack([table.sample(100_000, rng=any_seed), table.sample(100_000, rng=any_seed + 1)], axis=1)
    check_counts(counted(pairs), independent(normalized(w), 2), any_seed)


# ---- rows -------------------------------------------------------------------------------------------------

WEIGHTED = [1.0, 2.0, 0.0, 4.0, 8.0]


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize("items", [WEIGHTED, 5], ids=["weights", "uniform"])
def test_joint_law_of_unique_rows(items, keyed, any_seed):
    w = [1.0] * 5 if items == 5 else items
    sampler = NegativeSampler(items, exclude=cases.csr([[], [4], [0, 1]]), seed=any_seed)
    size = 150_000
    for row, blocked, k in ((0, (), 4), (1, (4,), 3), (2, (0, 1), 2)):
        keys = np.arange(row * size, (row + 1) * size) if keyed else None
        ids = sampler.sample(np.full(size, row), k, unique=True, row_keys=keys).ids
        check_counts(counted(ids), without_replacement(w, k, blocked), any_seed)


@pytest.mark.parametrize("items", [WEIGHTED, 5], ids=["weights", "uniform"])
def test_rows_with_replacement_are_independent_slots(items, any_seed):
    w = [1.0] * 5 if items == 5 else items
    sampler = NegativeSampler(items, exclude=cases.csr([[4], []]), seed=any_seed)
    for row in (0, 1):
        law = normalized([x for i, x in enumerate(w) if row == 1 or i != 4])
        ids = sampler.sample(np.full(150_000, row), 3).ids
        check_counts(counted(ids), independent(law, 3), any_seed)


def test_replace_goes_on_with_replacement(any_seed):
    """Slots 0 and 1 are a permutation of what is left, slots 2 and 3 two free draws from it."""
    sampler = NegativeSampler([3.0, 1.0, 5.0], exclude=cases.csr([[2]]), seed=any_seed)
    ids = sampler.sample(np.zeros(100_000, int), 4, unique=True, on_exhausted="replace").ids
    first, rest = without_replacement([3.0, 1.0], 2), independent({0: 0.75, 1: 0.25}, 2)
    law = {a + b: first[a] * rest[b] for a in first for b in rest}
    check_counts(counted(ids), law, any_seed)


@pytest.mark.parametrize("heavy", [10.0, 1e3, 1e9, 1e300])
def test_exact_draws_from_the_complement(heavy, any_seed):
    """The excluded head holds from a third of the mass to nearly all: redraws, both, exact draws alone."""
    table = AliasTable([1.0, heavy, 5.0, 2.0, 8.0, 4.0])
    sampler = NegativeSampler(table, exclude=cases.csr([[1]]), seed=any_seed)
    w = table.prob(np.arange(6)).tolist()
    law = normalized([0.0 if i == 1 else x for i, x in enumerate(w)])
    ids = sampler.sample(np.zeros(100_000, int), 2).ids
    check_counts(counted(ids), independent(law, 2), any_seed)
    unique = sampler.sample(np.zeros(100_000, int), 3, unique=True).ids
    check_counts(counted(unique), without_replacement(w, 3, (1,)), any_seed)


def test_addresses_are_independent(any_seed):
    """Pairs of draws from neighbouring row keys, epochs, streams, seeds; keyed, counted and shared ones."""
    size = 60_000
    law = independent(dict.fromkeys(range(4), 0.25), 2)

    def draws(keyed=True, seed=any_seed, stream=0, epoch=0, first=0):
        sampler = NegativeSampler(4, seed=seed, stream=stream)
        sampler.set_epoch(epoch)
        keys = np.arange(first, first + size) if keyed else None
        return sampler.sample(np.zeros(size, int), 1, row_keys=keys).ids[:, 0]

    plain = draws()
    for other in (
        draws(first=1),
        draws(first=2**32),
        draws(epoch=1),
        draws(stream=1),
        draws(stream=2**32),
        draws(seed=any_seed + 1),
        draws(seed=any_seed + 2**32),
        draws(keyed=False),
        NegativeSampler(4, seed=any_seed).sample_shared(size, unique=False).ids,
    ):
        check_counts(counted(np.stack([plain, other], axis=1)), law, any_seed)


# ---- shared negatives -------------------------------------------------------------------------------------


def num_tries_law(weights, c, most):
    """P(num_tries = t) for t < most, and the rest: a walk over the sets of ids got so far."""
    p = [w / math.fsum(weights) for w in weights]
    states, law = {frozenset(): 1.0}, {}
    for t in range(1, most):
        after = Counter()
        for got, mass in states.items():
            after[got] += mass * math.fsum(p[i] for i in got)
            for i, x in enumerate(p):
                if i not in got:
                    after[got | {i}] += mass * x
        law[t] = math.fsum(mass for got, mass in after.items() if len(got) == c)
        states = {got: mass for got, mass in after.items() if len(got) < c}
    return law | {most: math.fsum(states.values())}


@pytest.mark.parametrize("items", [[1.0, 2.0, 4.0, 8.0], 4], ids=["weights", "uniform"])
def test_shared_unique_law_and_num_tries(items, any_seed):
    w = [1.0] * 4 if items == 4 else items
    sampler = NegativeSampler(items, seed=any_seed)
    answers = [sampler.sample_shared(3) for _ in range(20_000)]
    check_counts(counted(np.array([a.ids for a in answers])), without_replacement(w, 3), any_seed)
    tries = Counter(min(a.num_tries, 20) for a in answers)
    check_counts(tries, num_tries_law(w, 3, 20), any_seed)


def test_shared_unique_law_where_the_exact_draw_decides(any_seed):
    """One id holds 1 - 5e-5: the others are drawn exactly, and the tries they would have taken as well."""
    w = [1.0, 4e5, 2.0, 7.0, 10.0]
    sampler = NegativeSampler(w, seed=any_seed)
    answers = [sampler.sample_shared(3) for _ in range(20_000)]
    head_first = np.array([a.ids for a in answers if a.ids[0] == 1])
    tries = np.array([a.num_tries for a in answers if a.ids[0] == 1])
    law = without_replacement([1.0, 0.0, 2.0, 7.0, 10.0], 2)
    check_counts(counted(head_first[:, 1:]), law, any_seed)
    # num_tries = 1 + two geometric waits: the first, alone in a call for two ids, by ten cells of a tenth; of
    # their sum the mean.
    total = math.fsum(w)
    p = 20.0 / total
    firsts = [sampler.sample_shared(2) for _ in range(20_000)]
    waits = [a.num_tries - 1 for a in firsts if a.ids[0] == 1]
    edges = [math.ceil(math.log1p(-i / 10) / math.log1p(-p)) for i in range(1, 10)]
    cumulative = [0.0, *(-math.expm1(e * math.log1p(-p)) for e in edges), 1.0]
    check_counts(
        counted(np.searchsorted(edges, waits)),
        {i: cumulative[i + 1] - cumulative[i] for i in range(10)},
        any_seed,
    )
    # A mean of 20,000 sums: 7 standard errors leave 1e-11, and what skewness adds stays far below ALPHA.
    checks[any_seed] += 1
    mean = 1 / p + math.fsum(w[i] / 20.0 * total / (20.0 - w[i]) for i in (0, 2, 3, 4))
    assert abs((tries - 1).mean() - mean) < 7 * tries.std() / math.sqrt(len(tries))


def test_shared_with_replacement(any_seed):
    w = [1.0, 2.0, 4.0]
    sampler = NegativeSampler(w, seed=any_seed)
    check_counts(counted(sampler.sample_shared(200_000, unique=False).ids), normalized(w), any_seed)
    pairs = np.array([sampler.sample_shared(2, unique=False).ids for _ in range(10_000)])
    check_counts(counted(pairs), independent(normalized(w), 2), any_seed)
