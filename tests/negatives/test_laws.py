"""Negatives follow their distributions; tests are exact where possible, and otherwise statistical.

The statistical tests and their budget of false alarms are those of ``support/laws.py``.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from equipoise import AliasTable, LogUniformTable, NegativeSampler, UniformTable
from support import cases
from support.answers import shares, within
from support.cases import EXACT
from support.laws import (
    check_counts,
    count_check,
    counted,
    independent,
    normalized,
    without_replacement,
)


def test_log_q_with_replacement_is_exact():
    sampler = NegativeSampler(EXACT, exclude=cases.csr([[], [3], [0, 1], [1, 1, 3, 1]]))
    for row, blocked in enumerate([(), (3,), (0, 1), (1, 3)]):
        answer = sampler.sample([row] * 50, 8)
        left = sum(w for i, w in enumerate(EXACT) if i not in blocked)
        assert not set(answer.ids.ravel().tolist()) & set(blocked)
        for i, log_q in zip(answer.ids.ravel(), answer.log_q.ravel(), strict=True):
            assert within(log_q, Fraction(EXACT[i], left))


def test_an_id_excluded_twice_counts_once():
    """Repeating an id in the CSR matrix, in exclude_ids or in both does not change a byte."""
    exclude = cases.csr([[3], [3, 3, 3], [], [3]])
    sampler = NegativeSampler(EXACT, exclude=exclude)
    keys = [8, 8, 8, 8]
    answer = sampler.sample(
        [0, 1, 2, 3], 6, exclude_ids=[[-1, -1], [-1, -1], [3, 3], [3, 3]], row_keys=keys, unique=False
    )
    for row in range(4):
        assert answer.ids[row].tolist() == answer.ids[0].tolist()
        assert answer.log_q[row].tolist() == answer.log_q[0].tolist()
        for i, log_q in zip(answer.ids[row], answer.log_q[row], strict=True):
            assert within(log_q, Fraction(EXACT[i], 6))


@pytest.mark.parametrize("items", [EXACT, 4, AliasTable(cases.zipf(6)), LogUniformTable(5)], ids=str)
def test_log_q_of_unique_rows_is_sequential(items):
    sampler = NegativeSampler(items, exclude=cases.csr([[], [0], [1, 2]]))
    table = items if hasattr(items, "_units") else AliasTable(np.ones(4) if items == 4 else items)
    p = shares(table)
    for row, blocked in enumerate([(), (0,), (1, 2)]):
        extra = [[-1, 3], [0, 0], [-1, -1]]
        for more in extra:
            gone = set(blocked) | {i for i in more if i >= 0}
            k = len(p) - len(gone)
            answer = sampler.sample([row] * 40, k, exclude_ids=[more] * 40, unique=True)
            assert answer.mask.all()
            for ids, log_q in zip(answer.ids.tolist(), answer.log_q, strict=True):
                assert sorted(ids) == [i for i in range(len(p)) if i not in gone]
                before = set(gone)
                for i, got in zip(ids, log_q, strict=True):
                    left = 1 - sum(p[b] for b in before)
                    assert within(got, p[i] / left)
                    before.add(i)
            # The last slot has one possible id, so the log of its probability is exactly 0.
            assert answer.log_q[:, -1].tolist() == [0.0] * 40


def test_log_q_is_not_clipped():
    """The rarest items of a large catalog keep their probabilities, which are far below 1e-6."""
    w = np.ones(1000)
    w[0] = 1e12
    sampler = NegativeSampler(w, exclude=cases.csr([[0], []]))
    table = AliasTable(w)
    assert np.all(sampler.log_prob(np.arange(1, 1000)) < math.log(1e-11))
    answer = sampler.sample([0] * 10, 10)
    p = shares(table)
    for i, log_q in zip(answer.ids.ravel(), answer.log_q.ravel(), strict=True):
        assert within(log_q, p[i] / (1 - p[0]))


def test_log_prob_is_that_of_the_table():
    table = AliasTable(cases.pareto(300))
    ids = np.array([[0, 5, 299], [7, 7, 1]])
    assert NegativeSampler(table).log_prob(ids).tobytes() == table.log_prob(ids).tobytes()
    assert NegativeSampler(7).log_prob([0, 6]).tolist() == UniformTable(7).log_prob([0, 6]).tolist()


@pytest.mark.parametrize("items", ["table", "uniform"])
@pytest.mark.parametrize("unique", [False, True])
def test_excluded_ids_are_never_drawn(items, unique):
    n, rows = 2000, 300
    draw = np.random.default_rng(1)
    lists = [draw.integers(0, n, draw.integers(0, 1500)).tolist() for _ in range(rows)]
    # A popularity sampler proposes popular items first. They are nearly always excluded here.
    lists = [row + list(range(40)) if i % 10 else row for i, row in enumerate(lists)]
    sampler = NegativeSampler(n if items == "uniform" else cases.zipf(n), exclude=cases.csr(lists))
    extra = draw.integers(-1, n, (rows, 3))
    answer = sampler.sample(np.arange(rows), 40, exclude_ids=extra, unique=unique)
    assert answer.mask.all()
    for row in range(rows):
        got = answer.ids[row].tolist()
        assert not set(got) & (set(lists[row]) | set(extra[row].tolist()))
        assert not unique or len(set(got)) == 40


def test_excluding_all_but_the_lightest_of_a_million_items():
    """With about 1e-13 of the mass left, draws end and 1 - q does not suffer from cancellation."""
    n = 10**6
    w = cases.zipf(n) ** 2
    everything_but = [np.setdiff1d(np.arange(n), keep) for keep in ([n - 1], [n - 1, n - 2], [n - 1, 5])]
    indptr = np.cumsum([0, *map(len, everything_but)])
    sampler = NegativeSampler(w, exclude=(indptr, np.concatenate(everything_but)))
    units = np.asarray(AliasTable(w)._units)
    answer = sampler.sample([0] * 4, 16)
    assert np.all(answer.ids == n - 1)
    assert answer.log_q.tobytes() == np.zeros((4, 16), dtype=np.float32).tobytes()
    two = sampler.sample([1] * 200, 16)
    assert set(two.ids.ravel().tolist()) == {n - 1, n - 2}
    left = int(units[n - 1]) + int(units[n - 2])
    for i, log_q in zip(two.ids.ravel(), two.log_q.ravel(), strict=True):
        assert within(log_q, Fraction(int(units[i]), left))
    both = sampler.sample([2] * 50, 2, unique=True)
    assert np.all(np.sort(both.ids, axis=1) == [5, n - 1])
    assert both.log_q[:, 1].tolist() == [0.0] * 50
    with pytest.raises(ValueError, match="row"):
        sampler.sample([0], 2, unique=True)


def test_excluding_all_but_one_of_a_million_uniform_items():
    n = 10**6
    for last in (0, 777_777, n - 1):
        indices = np.setdiff1d(np.arange(n), [last])
        sampler = NegativeSampler(n, exclude=(np.array([0, n - 1]), indices[::-1]))
        answer = sampler.sample([0] * 5, 3)
        assert np.all(answer.ids == last)
        assert answer.log_q.tolist() == [[0.0] * 3] * 5


@pytest.mark.parametrize("light", [1.0, 1e-200])
def test_draws_end_if_one_item_has_nearly_all_the_weight(light):
    """With p >= 1 - 1e-12, rejection alone would never end."""
    w = np.full(6, light)
    w[2] = 1e13
    sampler = NegativeSampler(w, exclude=cases.csr([[], [2]]))
    answer = sampler.sample([0, 1], 6, unique=True, on_exhausted="mask")
    assert sorted(answer.ids[0].tolist()) == list(range(6))
    assert sorted(answer.ids[1, :5].tolist()) == [0, 1, 3, 4, 5]
    assert set(sampler.sample([1] * 50, 20).ids.ravel().tolist()) == {0, 1, 3, 4, 5}
    shared = sampler.sample_shared(6)
    assert sorted(shared.ids.tolist()) == list(range(6))
    assert 10**9 < shared.num_tries <= 2**62
    assert np.all(np.isfinite(shared.log_q))
    assert np.all(shared.log_q <= 0)


def test_no_real_purchase_is_a_negative(data_dir):
    """No user gets a purchase as a negative, and if all other ids are drawn, the last has log q = 0."""
    parquet = pytest.importorskip("pyarrow.parquet")
    path = data_dir / "online_retail" / "interactions_5core.parquet"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    table = parquet.read_table(path, columns=["user_id", "item_id"])
    user, item = table["user_id"].to_numpy(), table["item_id"].to_numpy()
    order = np.argsort(user, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(user))])
    n = int(item.max()) + 1
    sampler = NegativeSampler(np.bincount(item, minlength=n), exclude=(indptr, item[order]))
    users = np.arange(len(indptr) - 1)
    answer = sampler.sample(users, 50, unique=True)
    bought = set(zip(user.tolist(), item.tolist(), strict=True))
    assert not any(
        (u, i) in bought for u, ids in zip(users.tolist(), answer.ids.tolist(), strict=True) for i in ids
    )
    assert answer.mask.all()
    assert all(len(set(ids)) == 50 for ids in answer.ids.tolist())
    for u in users[:5]:
        left = n - len(np.unique(item[user == u]))
        whole = sampler.sample([u], left, unique=True)
        assert len(set(whole.ids[0].tolist())) == left
        assert whole.log_q[0, -1] == 0


def test_rows_with_neighboring_keys_differ():
    """Consecutive keys do not share words: 200 rows of 8 ids from 10^9 items have hardly any repeats."""
    ids = NegativeSampler(10**9).sample([0] * 200, 8, row_keys=range(200)).ids
    assert len(set(itertools.chain.from_iterable(ids.tolist()))) >= 1598


@pytest.mark.parametrize("items", [[1, 0, 2, 3], 4], ids=["table", "uniform"])
def test_on_exhausted_raises_masks_or_replaces(items):
    all_of_it = list(range(4))
    sampler = NegativeSampler(items, exclude=cases.csr([[], all_of_it, [0, 1], [0, 1, 2]]))
    for unique in (False, True):
        with pytest.raises(ValueError, match=r"row 1\b|rows\[\d\].*\b1\b"):
            sampler.sample([0, 1], 2, unique=unique)
        masked = sampler.sample([0, 1], 2, unique=unique, on_exhausted="mask")
        assert masked.mask.tolist() == [[True, True], [False, False]]
        assert masked.ids[1].tolist() == [-1, -1]
        assert masked.log_q[1].tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match=r"\b3\b.*\b1\b"):
        sampler.sample([3], 2, unique=True)
    part = sampler.sample([2, 3], 4, unique=True, on_exhausted="mask")
    assert part.mask.tolist() == [[True, True, False, False], [True, False, False, False]]
    assert sorted(part.ids[0, :2].tolist()) == [2, 3]
    assert part.ids[1].tolist() == [3, -1, -1, -1]
    again = sampler.sample([2, 3], 60, unique=True, on_exhausted="replace")
    assert again.mask.all()
    assert sorted(again.ids[0, :2].tolist()) == [2, 3]
    assert set(again.ids[0, 2:].tolist()) == {2, 3}
    assert set(again.ids[1].tolist()) == {3}
    p = [Fraction(w, 5) for w in (0, 0, 2, 3)] if items != 4 else [Fraction(1, 2)] * 4
    assert all(within(log_q, p[i]) for i, log_q in zip(again.ids[0, 2:], again.log_q[0, 2:], strict=True))
    with pytest.raises(ValueError, match=r"\b1\b"):
        sampler.sample([1], 1, unique=True, on_exhausted="replace")


def test_shared_log_q_is_the_expected_count():
    for items, p in ((EXACT, [w / 16 for w in EXACT]), (8, [1 / 8] * 8)):
        sampler = NegativeSampler(items)
        plain = sampler.sample_shared(20, unique=False)
        assert plain.num_tries == 20
        np.testing.assert_allclose(plain.log_q, [math.log(20 * p[i]) for i in plain.ids], rtol=2e-7)
        for c in (1, 2, 4):
            shared = sampler.sample_shared(c)
            assert len(set(shared.ids.tolist())) == c <= shared.num_tries
            wanted = [math.log(-math.expm1(shared.num_tries * math.log1p(-p[i]))) for i in shared.ids]
            np.testing.assert_allclose(shared.log_q, wanted, rtol=2e-7, atol=1e-9)


@pytest.mark.parametrize("items", [[0, 5, 0, 1, 1e-9, 3], 4], ids=["table", "uniform"])
def test_shared_draws_all_ids_of_positive_weight_and_no_others(items):
    sampler = NegativeSampler(items)
    everything = list(range(4)) if items == 4 else [1, 3, 4, 5]
    for _ in range(20):
        assert sorted(sampler.sample_shared(4).ids.tolist()) == everything
    with pytest.raises(ValueError, match=r"num_samples.*4"):
        sampler.sample_shared(5)
    assert set(sampler.sample_shared(5, unique=False).ids.tolist()) <= set(everything)
    assert sampler.sample_shared(0).ids.shape == (0,)
    assert sampler.sample_shared(0).num_tries == 0
    with pytest.raises(ValueError, match="num_samples"):
        sampler.sample_shared(-1)


def test_shared_set_of_one_item():
    sampler = NegativeSampler([3.0])
    shared = sampler.sample_shared(1)
    assert (shared.ids.tolist(), shared.log_q.tolist(), shared.num_tries) == ([0], [0.0], 1)


WEIGHTED = [1.0, 2.0, 0.0, 4.0, 8.0]


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize("items", [WEIGHTED, 5], ids=["weights", "uniform"])
def test_unique_rows_follow_their_joint_law(items, keyed, any_seed):
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


def test_replace_draws_the_rest_with_replacement(any_seed):
    """Slots 0 and 1 are a permutation of the ids that are left; slots 2 and 3 are independent draws."""
    sampler = NegativeSampler([3.0, 1.0, 5.0], exclude=cases.csr([[2]]), seed=any_seed)
    ids = sampler.sample(np.zeros(100_000, int), 4, unique=True, on_exhausted="replace").ids
    first, rest = without_replacement([3.0, 1.0], 2), independent({0: 0.75, 1: 0.25}, 2)
    law = {a + b: first[a] * rest[b] for a in first for b in rest}
    check_counts(counted(ids), law, any_seed)


@pytest.mark.parametrize("heavy", [10.0, 1e3, 1e9, 1e300])
def test_draws_follow_the_law_of_the_complement(heavy, any_seed):
    """The excluded id has a third to nearly all of the mass, so redraws, exact draws or both occur."""
    table = AliasTable([1.0, heavy, 5.0, 2.0, 8.0, 4.0])
    sampler = NegativeSampler(table, exclude=cases.csr([[1]]), seed=any_seed)
    w = table.prob(np.arange(6)).tolist()
    law = normalized([0.0 if i == 1 else x for i, x in enumerate(w)])
    ids = sampler.sample(np.zeros(100_000, int), 2).ids
    check_counts(counted(ids), independent(law, 2), any_seed)
    unique = sampler.sample(np.zeros(100_000, int), 3, unique=True).ids
    check_counts(counted(unique), without_replacement(w, 3, (1,)), any_seed)


def test_addresses_are_independent(any_seed):
    """Draws with adjacent row keys, epochs, streams or seeds, or of another kind, are independent."""
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


def num_tries_law(weights, c, most):
    """Return P(num_tries = t) for t < most, and the remaining mass, from all sets of drawn ids."""
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
def test_shared_sets_and_num_tries_follow_their_law(items, any_seed):
    w = [1.0] * 4 if items == 4 else items
    sampler = NegativeSampler(items, seed=any_seed)
    answers = [sampler.sample_shared(3) for _ in range(20_000)]
    check_counts(counted(np.array([a.ids for a in answers])), without_replacement(w, 3), any_seed)
    tries = Counter(min(a.num_tries, 20) for a in answers)
    check_counts(tries, num_tries_law(w, 3, 20), any_seed)


def test_shared_sets_that_need_exact_draws_follow_their_law(any_seed):
    """One id has 1 - 5e-5 of the mass, so the others and their numbers of tries are drawn exactly."""
    w = [1.0, 4e5, 2.0, 7.0, 10.0]
    sampler = NegativeSampler(w, seed=any_seed)
    answers = [sampler.sample_shared(3) for _ in range(20_000)]
    head_first = np.array([a.ids for a in answers if a.ids[0] == 1])
    tries = np.array([a.num_tries for a in answers if a.ids[0] == 1])
    law = without_replacement([1.0, 0.0, 2.0, 7.0, 10.0], 2)
    check_counts(counted(head_first[:, 1:]), law, any_seed)
    # num_tries is 1 plus two geometric waits. A call for two ids has only the first wait, which is tested in
    # ten cells of probability 1/10 each. The mean of the sum is tested, too.
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
    # For a mean of 20,000 sums, 7 standard errors give 1e-11, and skewness adds far less than ALPHA.
    count_check(any_seed)
    mean = 1 / p + math.fsum(w[i] / 20.0 * total / (20.0 - w[i]) for i in (0, 2, 3, 4))
    assert abs((tries - 1).mean() - mean) < 7 * tries.std() / math.sqrt(len(tries))


def test_shared_draws_with_replacement_follow_the_table(any_seed):
    w = [1.0, 2.0, 4.0]
    sampler = NegativeSampler(w, seed=any_seed)
    check_counts(counted(sampler.sample_shared(200_000, unique=False).ids), normalized(w), any_seed)
    pairs = np.array([sampler.sample_shared(2, unique=False).ids for _ in range(10_000)])
    check_counts(counted(pairs), independent(normalized(w), 2), any_seed)


def same_slots(a, b, any_seed):
    """Check that the ids of two results agree as often as those of independent draws from ten equal ids."""
    agreeing = int((a == b).sum())
    check_counts({0: agreeing, 1: a.size - agreeing}, {0: 0.1, 1: 0.9}, any_seed)


def test_samplers_with_other_tables_are_independent(any_seed):
    """With one seed, samplers of nearly equal tables once had half of their ids in common."""
    rows = np.zeros(50_000, np.int64)
    nearly = np.ones(10)
    nearly[0] += 1e-9
    first = NegativeSampler(AliasTable(np.ones(10)), seed=any_seed)
    for items in (10, nearly):
        second = NegativeSampler(items, seed=any_seed)
        same_slots(first.sample(rows, 2).ids, second.sample(rows, 2).ids, any_seed)
        keyed = [s.sample(rows, 2, row_keys=np.arange(rows.size)).ids for s in (first, second)]
        same_slots(*keyed, any_seed)
        shared = [s.sample_shared(100_000, unique=False).ids for s in (first, second)]
        same_slots(*shared, any_seed)
    same = NegativeSampler(np.ones(10, np.int32), exclude=([0, 0], []), seed=any_seed)
    first.set_epoch(0)
    assert (
        first.sample(rows, 2).ids == same.sample(rows, 2).ids
    ).all()  # an equal table, however it was made


def test_streams_of_one_table_are_independent(any_seed):
    rows = np.zeros(50_000, np.int64)
    first, second = (NegativeSampler(10, seed=any_seed, stream=stream) for stream in (0, 1))
    same_slots(first.sample(rows, 2).ids, second.sample(rows, 2).ids, any_seed)
