"""Negatives: their log q in exact fractions, nothing excluded, and rows that hardly leave anything."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from equipoise import AliasTable, LogUniformTable, NegativeSampler, UniformTable
from support import cases
from support.answers import shares, within
from support.cases import EXACT

# ---- the laws, by enumeration -----------------------------------------------------------------------------


def test_log_q_with_replacement():
    sampler = NegativeSampler(EXACT, exclude=cases.csr([[], [3], [0, 1], [1, 1, 3, 1]]))
    for row, blocked in enumerate([(), (3,), (0, 1), (1, 3)]):
        answer = sampler.sample([row] * 50, 8)
        left = sum(w for i, w in enumerate(EXACT) if i not in blocked)
        assert not set(answer.ids.ravel().tolist()) & set(blocked)
        for i, log_q in zip(answer.ids.ravel(), answer.log_q.ravel(), strict=True):
            assert within(log_q, Fraction(EXACT[i], left))


def test_an_id_excluded_twice_counts_once():
    """In the CSR twice, in exclude_ids twice, and in both: the same bytes as once."""
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
            # The last slot had one id to give: the probability is 1 and its logarithm 0, to the bit.
            assert answer.log_q[:, -1].tolist() == [0.0] * 40


def test_log_q_is_not_clipped():
    """The tail of a large catalogue keeps its own probabilities, far below 1e-6."""
    w = np.ones(1000)
    w[0] = 1e12
    sampler = NegativeSampler(w, exclude=cases.csr([[0], []]))
    table = AliasTable(w)
    assert np.all(sampler.log_prob(np.arange(1, 1000)) < math.log(1e-11))
    answer = sampler.sample([0] * 10, 10)
    p = shares(table)
    for i, log_q in zip(answer.ids.ravel(), answer.log_q.ravel(), strict=True):
        assert within(log_q, p[i] / (1 - p[0]))


def test_log_prob_is_the_tables():
    table = AliasTable(cases.pareto(300))
    ids = np.array([[0, 5, 299], [7, 7, 1]])
    assert NegativeSampler(table).log_prob(ids).tobytes() == table.log_prob(ids).tobytes()
    assert NegativeSampler(7).log_prob([0, 6]).tolist() == UniformTable(7).log_prob([0, 6]).tolist()


# ---- exclusion --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("items", ["table", "uniform"])
@pytest.mark.parametrize("unique", [False, True])
def test_never_an_excluded_id(items, unique):
    n, rows = 2000, 300
    draw = np.random.default_rng(1)
    lists = [draw.integers(0, n, draw.integers(0, 1500)).tolist() for _ in range(rows)]
    # The head is where a popularity sampler looks first: excluded nearly always.
    lists = [row + list(range(40)) if i % 10 else row for i, row in enumerate(lists)]
    sampler = NegativeSampler(n if items == "uniform" else cases.zipf(n), exclude=cases.csr(lists))
    extra = draw.integers(-1, n, (rows, 3))
    answer = sampler.sample(np.arange(rows), 40, exclude_ids=extra, unique=unique)
    assert answer.mask.all()
    for row in range(rows):
        got = answer.ids[row].tolist()
        assert not set(got) & (set(lists[row]) | set(extra[row].tolist()))
        assert not unique or len(set(got)) == 40


# ---- a million items --------------------------------------------------------------------------------------


def test_all_but_the_lightest_of_a_million():
    """No loop without an end, and 1 - q without cancellation: what is left is some 1e-13 of the mass."""
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


def test_all_but_one_of_a_million_uniform_items():
    n = 10**6
    for last in (0, 777_777, n - 1):
        indices = np.setdiff1d(np.arange(n), [last])
        sampler = NegativeSampler(n, exclude=(np.array([0, n - 1]), indices[::-1]))
        answer = sampler.sample([0] * 5, 3)
        assert np.all(answer.ids == last)
        assert answer.log_q.tolist() == [[0.0] * 3] * 5


@pytest.mark.parametrize("light", [1.0, 1e-200])
def test_one_item_holds_nearly_everything(light):
    """p is 1 - 1e-12 and more: rejection alone would not come back."""
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


# ---- real interactions ------------------------------------------------------------------------------------


def test_real_interactions(data_dir):
    """Every user of a shop: no purchase is ever a negative, and a row taken whole ends with log q = 0."""
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


def test_pairs_of_rows_are_not_alike():
    """Neighbouring keys share no run: over 200 rows of 8 from 10^9 items not one id repeats."""
    ids = NegativeSampler(10**9).sample([0] * 200, 8, row_keys=range(200)).ids
    assert len(set(itertools.chain.from_iterable(ids.tolist()))) >= 1598
