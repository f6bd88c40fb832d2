"""Negatives: the reference's bytes, laws by enumeration in exact fractions, and what must not matter."""

from __future__ import annotations

import copy
import itertools
import json
import math
import pickle
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cases
import reference
from equipoise import AliasTable, LogUniformTable, Negatives, NegativeSampler, UniformTable

CELL = 2**32


def same(answer, wanted):
    """Byte for byte: ids, log q with its sign of zero, mask."""
    ids, log_q, mask = wanted
    assert (answer.ids.dtype, answer.log_q.dtype, answer.mask.dtype) == (np.int64, np.float32, np.bool_)
    assert answer.ids.tolist() == ids.tolist()
    assert answer.mask.tolist() == mask.tolist()
    assert answer.log_q.tobytes() == log_q.tobytes()


def equal(a, b):
    return (
        np.array_equal(a.ids, b.ids)
        and np.array_equal(a.mask, b.mask)
        and a.log_q.tobytes() == b.log_q.tobytes()
    )


def within(got, exact):
    """A float32 log q against the logarithm of an exact fraction, to two units of its last place."""
    wanted = math.log(exact.numerator) - math.log(exact.denominator)
    return abs(float(got) - wanted) <= 2 * float(np.spacing(np.float32(max(abs(wanted), 1e-6)))) + 1e-12


def shares(table):
    units = [int(u) for u in np.asarray(table._units)]
    return [Fraction(u, sum(units)) for u in units]


# ---- the reference's bytes --------------------------------------------------------------------------------

ITEMS = {
    "uniform": (lambda: UniformTable(40), lambda: reference.uniform_table(40)),
    "int": (lambda: 40, lambda: reference.uniform_table(40)),
    "log uniform": (lambda: LogUniformTable(40), lambda: reference.log_uniform_table(40)),
    "integers": (lambda: np.arange(40, dtype=np.int32), lambda: reference.alias_table(np.arange(40))),
    "one": (lambda: [2.5], lambda: reference.alias_table([2.5])),
    "two": (lambda: [1.0, 1e-12], lambda: reference.alias_table([1.0, 1e-12])),
} | {
    name: (
        lambda make=make: AliasTable(make(40), power=0.75),
        lambda make=make: reference.alias_table(make(40), 0.75),
    )
    for name, make in cases.WEIGHTS.items()
}


@pytest.mark.parametrize("unique", [False, True])
@pytest.mark.parametrize("name", ITEMS)
def test_the_reference_without_exclusions(name, unique):
    items, table = (make() for make in ITEMS[name])
    sampler = NegativeSampler(items, seed=3, stream=5)
    rows = [7, -1, 2**62, 7, 0]
    how = {"unique": unique, "on_exhausted": "mask"}
    wanted = reference.negatives(table, rows, 9, seed=3, stream=5, **how)
    same(sampler.sample(rows, 9, **how), wanted)
    same(
        sampler.sample(rows, 9, row_keys=[5, -5, 2**63 - 1, -(2**63), 5], **how),
        reference.negatives(
            table, rows, 9, seed=3, stream=5, row_keys=[5, -5, 2**63 - 1, -(2**63), 5], **how
        ),
    )


@pytest.mark.parametrize(("unique", "on_exhausted"), [(False, "mask"), (True, "mask"), (True, "replace")])
@pytest.mark.parametrize("name", ITEMS)
def test_the_reference_with_exclusions(name, unique, on_exhausted):
    items, table = (make() for make in ITEMS[name])
    named = cases.exclusions(table.units)
    if on_exhausted == "replace":  # it raises where nothing at all is left
        alive = {i for i, u in enumerate(table.units) if u}
        named = {key: row for key, row in named.items() if alive - set(row)}
    exclude = cases.csr(list(named.values()))
    sampler = NegativeSampler(items, exclude=exclude, seed=2**64 - 1)
    rows = list(range(len(named))) * 2
    keys = list(range(1000, 1000 + len(rows)))
    how = {"unique": unique, "on_exhausted": on_exhausted, "row_keys": keys}
    wanted = reference.negatives(table, rows, 12, exclude=exclude, seed=2**64 - 1, **how)
    same(sampler.sample(rows, 12, **how), wanted)


@settings(max_examples=150)
@given(st.data())
def test_the_reference_on_anything(data):
    n = data.draw(st.integers(1, 12), label="n")
    weight = st.sampled_from([0.0, 1e-200, 1e-9, 0.5, 1.0, 1.0, 3.0, 1e9, 1e200])
    w = data.draw(
        st.one_of(st.none(), st.lists(weight, min_size=n, max_size=n).filter(lambda w: sum(w) > 0)),
        label="weights",
    )
    ids = st.integers(0, n - 1)
    lists = data.draw(st.lists(st.lists(ids, max_size=2 * n), min_size=1, max_size=4), label="exclude")
    exclude = cases.csr(lists)
    rows = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=6), label="rows")
    k = data.draw(st.integers(0, n + 2), label="k")
    width = data.draw(st.sampled_from([None, 0, 1, 3]), label="width of exclude_ids")
    extra = None
    if width is not None:
        extra = np.array(
            data.draw(
                st.lists(st.integers(-1, n - 1), min_size=len(rows) * width, max_size=len(rows) * width)
            ),
            dtype=np.int64,
        ).reshape(len(rows), width)
    keys = data.draw(
        st.one_of(st.none(), st.lists(st.integers(-9, 9), min_size=len(rows), max_size=len(rows))),
        label="keys",
    )
    unique = data.draw(st.booleans(), label="unique")
    on_exhausted = data.draw(st.sampled_from(["raise", "mask", "replace"] if unique else ["raise", "mask"]))
    seed, stream, epoch = data.draw(st.tuples(*[st.sampled_from([0, 1, 2**32 - 1])] * 3), label="address")
    sampler = NegativeSampler(n if w is None else np.array(w), exclude=exclude, seed=seed, stream=stream)
    sampler.set_epoch(epoch)
    how = {"exclude_ids": extra, "unique": unique, "on_exhausted": on_exhausted, "row_keys": keys}
    table = reference.uniform_table(n) if w is None else reference.alias_table(w)
    try:
        wanted = reference.negatives(
            table, rows, k, exclude=exclude, seed=seed, stream=stream, epoch=epoch, **how
        )
    except reference.Exhausted as exhausted:
        with pytest.raises(ValueError, match=rf"\b{exhausted.row}\b"):
            sampler.sample(rows, k, **how)
        return
    same(sampler.sample(rows, k, **how), wanted)


@settings(max_examples=100)
@given(st.data())
def test_shared_is_the_reference_on_anything(data):
    weight = st.sampled_from([0.0, 1e-200, 1e-9, 0.5, 1.0, 1.0, 3.0, 1e4, 1e9, 1e200])
    w = data.draw(st.lists(weight, min_size=1, max_size=12).filter(lambda w: sum(w) > 0), label="weights")
    uniform = data.draw(st.booleans(), label="uniform")
    table = reference.uniform_table(len(w)) if uniform else reference.alias_table(w)
    unique = data.draw(st.booleans(), label="unique")
    positive = sum(u > 0 for u in table.units)
    sampler = NegativeSampler(len(w) if uniform else np.array(w), seed=4, stream=6)
    sampler.set_epoch(8)
    for call in range(3):
        c = data.draw(st.integers(0, positive if unique else 2 * len(w)), label="C")
        ids, log_q, tries = reference.shared(table, c, unique=unique, seed=4, stream=6, epoch=8, call=call)
        answer = sampler.sample_shared(c, unique=unique)
        assert answer.ids.tolist() == ids.tolist()
        assert answer.log_q.tobytes() == log_q.tobytes()
        assert answer.num_tries == tries


@pytest.mark.parametrize("unique", [False, True])
@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize(
    ("n", "b", "k", "most"),
    [(50, 2000, 16, 30), (700, 200, 60, 640), (3000, 30, 150, 2800), (70_000, 6, 20, 69_000)],
)
def test_the_reference_on_larger_batches(n, b, k, most, uniform, unique):
    """Long rows of exclusions, short ones, many slots, many rows: more than a kernel handles in one go."""
    draw = np.random.default_rng(n)
    w = cases.pareto(n)
    table = reference.uniform_table(n) if uniform else reference.alias_table(w)
    by_weight = np.argsort(-w)
    # Half of the rows exclude from the head, where most draws go.
    lists = [
        (by_weight[:size] if i % 2 else draw.integers(0, n, size)).tolist()
        for i, size in enumerate(draw.integers(0, most, b))
    ]
    exclude = cases.csr(lists)
    extra = draw.integers(-1, n, (b, 7))
    sampler = NegativeSampler(n if uniform else w, exclude=exclude, seed=5)
    rows = draw.permutation(b)
    how = {"exclude_ids": extra, "unique": unique, "on_exhausted": "mask"}
    wanted = reference.negatives(table, rows, k, exclude=exclude, seed=5, **how)
    same(sampler.sample(rows, k, **how), wanted)
    sampler.set_epoch(0)
    same(sampler.sample(rows, k, n_threads=2, **how), wanted)


def test_uniform_rows_of_very_many_items():
    """2^32 - 1 ids, of which the row may not have the first ones, the last ones and some between."""
    n = 2**32 - 1
    excluded = [0, 1, 2, 7, 2**31 - 1, 2**31, 2**31 + 2, n - 2, n - 1]
    sampler = NegativeSampler(n, exclude=cases.csr([excluded]), seed=1)
    answer = sampler.sample([0] * 100, 10)
    key = reference.call_key(1, 0, reference.COUNTED, 0)
    for row in range(100):
        for slot in range(10):
            i = reference.below(reference.Run(key, row).word(slot), n - len(excluded))
            for e in excluded:
                i += e <= i
            assert answer.ids[row, slot] == i
    assert answer.log_q.tolist() == [[float(np.float32(reference.log(1 / (n - 9))))] * 10] * 100


def test_a_workers_seed_is_part_of_counted_addresses(monkeypatch):
    """As in a torch worker, which this process is not: keyed rows stay what they are everywhere."""
    sampler = NegativeSampler(cases.zipf(40), seed=2)
    table = reference.alias_table(cases.zipf(40))
    for lane in (1, 2**40 + 3, 2**63 + 5):
        info = types.SimpleNamespace(seed=lane, id=0)
        monkeypatch.setitem(
            sys.modules, "torch.utils.data", types.SimpleNamespace(get_worker_info=lambda i=info: i)
        )
        sampler.set_epoch(0)
        same(sampler.sample([0, 1], 5), reference.negatives(table, [0, 1], 5, seed=2, lane=lane))
        ids, _, _ = reference.shared(table, 5, seed=2, lane=lane)
        assert sampler.sample_shared(5).ids.tolist() == ids.tolist()
        keyed = reference.negatives(table, [0, 1], 5, seed=2, row_keys=[3, 4])
        same(sampler.sample([0, 1], 5, row_keys=[3, 4]), keyed)


# ---- the laws, by enumeration -----------------------------------------------------------------------------

EXACT = [1, 2, 3, 10]  # 16 in all, so that units are the weights themselves, times 2^30


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


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.uint64])
def test_exclude_of_any_integer_dtype(dtype):
    lists = [[3, 1], [], [0, 2, 0]]
    indptr, indices = cases.csr(lists, dtype)
    wanted = NegativeSampler(EXACT, exclude=cases.csr(lists)).sample([0, 1, 2], 5)
    assert equal(NegativeSampler(EXACT, exclude=(indptr, indices)).sample([0, 1, 2], 5), wanted)
    assert equal(NegativeSampler(EXACT, exclude=(indptr, indices.tolist())).sample([0, 1, 2], 5), wanted)
    bad = indices.copy()
    bad[1] = 4
    with pytest.raises(IndexError, match="exclude"):
        NegativeSampler(EXACT, exclude=(indptr, bad))


def test_exclude_is_not_written_to_and_not_looked_at_again():
    indptr, indices = cases.csr([[3, 1, 3], [0]])
    before = indices.copy()
    sampler = NegativeSampler(EXACT, exclude=(indptr, indices))
    assert np.array_equal(indices, before)
    indices[:] = 2
    indptr[1] = 0
    answer = sampler.sample([0] * 100, 4)
    assert set(answer.ids.ravel().tolist()) == {0, 2}


def test_exclude_as_a_scipy_matrix():
    sparse = pytest.importorskip("scipy.sparse")
    indptr, indices = cases.csr([[3, 1], [0]])
    matrix = sparse.csr_matrix((np.zeros(3), indices, indptr), shape=(2, 4))
    wanted = NegativeSampler(EXACT, exclude=(indptr, indices)).sample([0, 1], 5)
    assert equal(NegativeSampler(EXACT, exclude=matrix).sample([0, 1], 5), wanted)
    with pytest.raises(ValueError, match="exclude"):
        NegativeSampler(5, exclude=matrix)
    with pytest.raises(TypeError, match="exclude"):
        NegativeSampler(4, exclude=matrix.tocsc())


def test_exclude_ids_of_one_column():
    sampler = NegativeSampler(EXACT)
    keys = [1, 2, 3]
    flat = sampler.sample([0, 1, 2], 5, exclude_ids=[3, -1, 0], row_keys=keys)
    assert equal(flat, sampler.sample([0, 1, 2], 5, exclude_ids=[[3], [-1], [0]], row_keys=keys))
    assert 3 not in flat.ids[0]
    assert 0 not in flat.ids[2]
    none = sampler.sample([0, 1, 2], 5, exclude_ids=[-1, -1, -1], row_keys=keys)
    assert equal(none, sampler.sample([0, 1, 2], 5, row_keys=keys))


# ---- exhausted rows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("items", [[1, 0, 2, 3], 4], ids=["table", "uniform"])
def test_on_exhausted(items):
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


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_the_first_exhausted_row_is_named(n_threads):
    sampler = NegativeSampler(cases.zipf(9), exclude=cases.csr([[], range(9)]))
    rows = np.zeros(60_000, dtype=np.int64)
    rows[[59_999, 31_000, 12_345]] = 1
    with pytest.raises(ValueError, match=r"rows\[12345\]"):
        sampler.sample(rows, 4, n_threads=n_threads)


def test_exhausted_by_exclude_ids_and_by_weights():
    sampler = NegativeSampler([0, 2, 0, 1], exclude=cases.csr([[3]]))
    assert sampler.sample([0], 1, exclude_ids=[2]).ids.tolist() == [[1]]
    with pytest.raises(ValueError, match="row"):
        sampler.sample([0], 1, exclude_ids=[1])
    assert not sampler.sample([0], 3, exclude_ids=[1], on_exhausted="mask").mask.any()
    # Nothing is asked of an exhausted row without slots.
    assert sampler.sample([0], 0, exclude_ids=[1]).ids.shape == (1, 0)


def test_a_call_that_raises_leaves_everything_as_it_was():
    sampler = NegativeSampler(EXACT, exclude=cases.csr([[], [0, 1, 2, 3]]))
    untouched = NegativeSampler(EXACT, exclude=cases.csr([[], [0, 1, 2, 3]]))
    with pytest.raises(ValueError, match="row"):
        sampler.sample([0, 1], 3)
    with pytest.raises(ValueError, match="num_samples"):
        sampler.sample_shared(5)
    assert equal(sampler.sample([0], 9), untouched.sample([0], 9))
    assert sampler.sample_shared(3).ids.tolist() == untouched.sample_shared(3).ids.tolist()


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


# ---- keys, counters, epochs, states -----------------------------------------------------------------------


def parts(sampler, rows, keys, order, step, **how):
    """The same rows in another order and in batches of `step`, put back into place."""
    ids, log_q = np.empty((len(rows), 5), dtype=np.int64), np.empty((len(rows), 5), dtype=np.float32)
    for at in range(0, len(order), step):
        some = order[at : at + step]
        answer = sampler.sample(rows[some], 5, row_keys=keys[some], **how)
        ids[some], log_q[some] = answer.ids, answer.log_q
    return ids, log_q


@pytest.mark.parametrize("items", ["table", "uniform"])
@pytest.mark.parametrize("unique", [False, True])
def test_keyed_rows_do_not_care_about_their_batch(items, unique):
    n, b = 500, 400
    draw = np.random.default_rng(2)
    exclude = cases.csr([draw.integers(0, n, 30).tolist() for _ in range(50)])
    sampler = NegativeSampler(n if items == "uniform" else cases.zipf(n), exclude=exclude, seed=9)
    rows, keys = draw.integers(0, 50, b), draw.integers(-(2**62), 2**62, b)
    whole = sampler.sample(rows, 5, row_keys=keys, unique=unique)
    for step in (1, 7, 64, 400):
        ids, log_q = parts(sampler, rows, keys, draw.permutation(b), step, unique=unique)
        assert np.array_equal(ids, whole.ids)
        assert np.array_equal(log_q, whole.log_q)
    for n_threads in (2, 5):
        assert equal(sampler.sample(rows, 5, row_keys=keys, unique=unique, n_threads=n_threads), whole)


def test_the_same_key_twice_gives_the_same_words():
    sampler = NegativeSampler(cases.zipf(100))
    answer = sampler.sample([1, 2, 3], 6, row_keys=[44, 44, 45])
    assert answer.ids[0].tolist() == answer.ids[1].tolist() != answer.ids[2].tolist()


def test_keys_are_two_s_complement():
    sampler = NegativeSampler(cases.zipf(100))
    signed = sampler.sample([0, 0], 6, row_keys=np.array([-1, -(2**63)]))
    unsigned = sampler.sample([0, 0], 6, row_keys=np.array([2**64 - 1, 2**63], dtype=np.uint64))
    assert equal(signed, unsigned)
    narrow = sampler.sample([0], 6, row_keys=np.array([-1], dtype=np.int8))
    assert narrow.ids.tolist() == signed.ids[:1].tolist()


def test_keyed_calls_do_not_move_the_counter():
    one, two = NegativeSampler(cases.zipf(100)), NegativeSampler(cases.zipf(100))
    one.sample([0] * 10, 4, row_keys=range(10))
    one.sample_shared(3)
    assert equal(one.sample([0] * 3, 4), two.sample([0] * 3, 4))


@pytest.mark.parametrize("n_threads", [1, 4])
def test_counted_rows_do_not_care_how_batches_are_split(n_threads):
    whole = NegativeSampler(cases.zipf(100), seed=1).sample([5] * 100, 4)
    sampler = NegativeSampler(cases.zipf(100), seed=1)
    split = [sampler.sample([5] * size, 4, n_threads=n_threads) for size in (1, 0, 30, 2, 67)]
    assert np.array_equal(np.concatenate([part.ids for part in split]), whole.ids)
    assert np.array_equal(np.concatenate([part.log_q for part in split]), whole.log_q)


def test_python_threads_share_a_sampler():
    """Keyed calls from eight threads at once, one of which makes the prefix sums, are those of one thread."""
    w = cases.pareto(20_000)
    exclude = cases.csr([np.argsort(w)[5:].tolist()])

    def sampler():
        return NegativeSampler(w, exclude=exclude, seed=3)

    shared, keys = sampler(), np.arange(4000).reshape(40, 100)
    rows = np.zeros(100, dtype=np.int64)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda some: shared.sample(rows, 3, row_keys=some), keys))
    alone = sampler().sample(np.zeros(4000, dtype=np.int64), 3, row_keys=keys.ravel())
    assert np.array_equal(np.concatenate([answer.ids for answer in answers]), alone.ids)
    # Counted calls take each number of a row once, in whatever order.
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shared.sample([0], 3).ids[0].tolist(), range(400)))
    assert sorted(answers) == sorted(sampler().sample([0] * 400, 3).ids.tolist())


def test_addresses_differ():
    """Another seed, stream, epoch, or kind of key: other words."""

    def ids(seed=0, stream=0, epoch=0, keys=None):
        sampler = NegativeSampler(10**9, seed=seed, stream=stream)
        sampler.set_epoch(epoch)
        return tuple(sampler.sample([0] * 3, 2, row_keys=keys).ids.ravel().tolist())

    keyed = [0, 1, 2]
    answers = [
        ids(),
        ids(seed=1),
        ids(seed=2**64 - 1),
        ids(stream=1),
        ids(stream=2**32),
        ids(epoch=1),
        ids(epoch=2**32 - 1),
        ids(keys=keyed),
        ids(keys=keyed, epoch=1),
        ids(keys=keyed, seed=1),
        ids(keys=keyed, stream=1),
    ]
    assert len(set(answers)) == len(answers)
    assert len({i for answer in answers for i in answer}) == 6 * len(answers)


def test_set_epoch_starts_the_counters_again():
    sampler = NegativeSampler(cases.zipf(100))
    first, shared = sampler.sample([0] * 5, 4), sampler.sample_shared(10)
    sampler.set_epoch(1)
    other = sampler.sample([0] * 5, 4)
    assert not np.array_equal(other.ids, first.ids)
    sampler.set_epoch(0)
    assert equal(sampler.sample([0] * 5, 4), first)
    assert sampler.sample_shared(10).ids.tolist() == shared.ids.tolist()
    for epoch in (-1, 2**32):
        with pytest.raises(ValueError, match="epoch"):
            sampler.set_epoch(epoch)
    with pytest.raises(TypeError, match="epoch"):
        sampler.set_epoch(1.0)


def make(**other):
    configuration = {
        "items": cases.zipf(100),
        "exclude": cases.csr([[1, 2], [3]]),
        "seed": 6,
        "stream": 2,
    } | other
    return NegativeSampler(configuration.pop("items"), **configuration)


def test_state_survives_json():
    sampler = make()
    sampler.set_epoch(3)
    sampler.sample([0, 1, 1], 4)
    sampler.sample_shared(5)
    state = json.loads(json.dumps(sampler.state_dict()))
    wanted = sampler.sample([1, 0], 4), sampler.sample_shared(5)
    fresh = make()
    fresh.load_state_dict(state)
    assert equal(fresh.sample([1, 0], 4), wanted[0])
    assert fresh.sample_shared(5).ids.tolist() == wanted[1].ids.tolist()
    # What was loaded is the caller's: no later draw has touched it.
    again = make()
    again.load_state_dict(state)
    assert equal(again.sample([1, 0], 4), wanted[0])


@pytest.mark.parametrize(
    "other",
    [
        {"items": cases.zipf(101)},
        {"items": cases.zipf(100) ** 2},
        {"items": 100},
        {"exclude": None},
        {"exclude": cases.csr([[1, 2], [4]])},
        {"exclude": cases.csr([[1], [2, 3]])},
        {"seed": 7},
        {"stream": 3},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_foreign_state_is_refused(other):
    state = make().state_dict()
    foreign = make(**other)
    before = foreign.state_dict()
    with pytest.raises(ValueError, match="state"):
        foreign.load_state_dict(state)
    assert foreign.state_dict() == before


def test_the_same_configuration_in_another_form_is_no_foreigner():
    state = make().state_dict()
    make(items=AliasTable(cases.zipf(100))).load_state_dict(state)
    make(exclude=cases.csr([[2, 1, 2], [3, 3]])).load_state_dict(state)


def test_malformed_states_are_refused():
    good = make().state_dict()
    for bad in (
        {},
        {**good, "version": 99},
        *({k: v for k, v in good.items() if k != gone} for gone in good),
    ):
        with pytest.raises(ValueError, match="state"):
            make().load_state_dict(bad)
    for bad in (None, [], "state", 3):
        with pytest.raises(TypeError, match="state"):
            make().load_state_dict(bad)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies_go_on_by_themselves(copied):
    sampler = make()
    sampler.set_epoch(2)
    sampler.sample([0], 4)
    other = copied(sampler)
    wanted = sampler.sample([0, 1], 4)
    sampler.sample([0] * 9, 4)
    assert equal(other.sample([0, 1], 4), wanted)


def test_a_mapped_table_keeps_the_sampler_small(tmp_path):
    AliasTable(cases.pareto(100_000)).save(tmp_path / "table")
    sampler = NegativeSampler(AliasTable.load(tmp_path / "table", mmap=True))
    pickled = pickle.dumps(sampler)
    assert len(pickled) < 4000
    assert equal(pickle.loads(pickled).sample([1], 9), sampler.sample([1], 9))


# ---- out, shapes, refusals --------------------------------------------------------------------------------


def test_out():
    sampler = NegativeSampler(cases.zipf(100))
    wanted = sampler.sample([0, 1], 3, row_keys=[5, 6])
    out = Negatives(np.full((2, 3), -7), np.full((2, 3), np.nan, np.float32), np.zeros((2, 3), bool))
    assert sampler.sample([0, 1], 3, row_keys=[5, 6], out=out) is out
    assert equal(out, wanted)
    for field, bad, error in (
        ("ids", np.zeros((2, 3), np.int32), TypeError),
        ("log_q", np.zeros((2, 3)), TypeError),
        ("mask", np.zeros((2, 3), np.uint8), TypeError),
        ("ids", np.zeros((3, 2), np.int64), ValueError),
        ("log_q", np.zeros((2, 6), np.float32)[:, ::2], ValueError),
        ("mask", np.zeros(6, bool), ValueError),
    ):
        fields = {"ids": out.ids, "log_q": out.log_q, "mask": out.mask} | {field: bad}
        with pytest.raises(error, match=field):
            sampler.sample([0, 1], 3, out=Negatives(**fields))
    with pytest.raises(TypeError, match="out"):
        sampler.sample([0, 1], 3, out=(out.ids, out.log_q, out.mask))


def test_torch_tensors_in_and_out():
    torch = pytest.importorskip("torch")
    w, exclude = cases.zipf(100), cases.csr([[3], [1, 2]])
    wanted = NegativeSampler(w, exclude=exclude).sample([0, 1], 3, exclude_ids=[5, -1], row_keys=[8, 9])
    sampler = NegativeSampler(torch.tensor(w), exclude=tuple(torch.tensor(part) for part in exclude))
    out = Negatives(
        torch.zeros(2, 3, dtype=torch.int64).numpy(), np.zeros((2, 3), np.float32), np.zeros((2, 3), bool)
    )
    answer = sampler.sample(
        torch.tensor([0, 1]),
        3,
        exclude_ids=torch.tensor([5, -1], dtype=torch.int32),
        row_keys=torch.tensor([8, 9]),
        out=out,
    )
    assert answer is out
    assert equal(out, wanted)
    with pytest.raises(TypeError, match="rows"):
        sampler.sample(torch.tensor([0.0]), 3)


def test_answers_are_frozen_and_writable_inside():
    answer = NegativeSampler(9).sample([0, 1], 3)
    with pytest.raises(AttributeError):
        answer.ids = None
    for array in (answer.ids, answer.log_q, answer.mask):
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.shape == (2, 3)
    for shape in ((0, 3), (2, 0), (0, 0)):
        assert NegativeSampler(9).sample([0] * shape[0], shape[1]).ids.shape == shape


def test_refusals():
    sampler = NegativeSampler(EXACT, exclude=cases.csr([[], [0]]))
    for rows in ([2], [-1], np.array([2**63], dtype=np.uint64)):
        with pytest.raises(IndexError, match="rows"):
            sampler.sample(rows, 1)
    for rows in ([0.0], [True], None, ["0"]):
        with pytest.raises(TypeError, match="rows"):
            sampler.sample(rows, 1)
    with pytest.raises(ValueError, match="rows"):
        sampler.sample([[0, 1]], 1)
    with pytest.raises(ValueError, match="num_negatives"):
        sampler.sample([0], -1)
    with pytest.raises(TypeError, match="num_negatives"):
        sampler.sample([0], 1.0)
    for bad in ([4], [-2], [[0, 4]]):
        with pytest.raises(IndexError, match="exclude_ids"):
            sampler.sample([0], 1, exclude_ids=bad)
    for bad in ([0, 1], [[[0]]]):
        with pytest.raises(ValueError, match="exclude_ids"):
            sampler.sample([0], 1, exclude_ids=bad)
    with pytest.raises(TypeError, match="exclude_ids"):
        sampler.sample([0], 1, exclude_ids=[0.0])
    with pytest.raises(ValueError, match="row_keys"):
        sampler.sample([0], 1, row_keys=[0, 1])
    with pytest.raises(TypeError, match="row_keys"):
        sampler.sample([0], 1, row_keys=[0.5])
    with pytest.raises(ValueError, match="on_exhausted"):
        sampler.sample([0], 1, on_exhausted="ignore")
    with pytest.raises(ValueError, match="seed"):
        NegativeSampler(4, seed=-1)
    with pytest.raises(ValueError, match="stream"):
        NegativeSampler(4, stream=2**64)
    for indptr, error in (
        ([1, 2], ValueError),
        ([0, 2, 1, 2], ValueError),
        ([0, 3], ValueError),
        ([0.0, 2.0], TypeError),
    ):
        with pytest.raises(error, match="exclude"):
            NegativeSampler(4, exclude=(indptr, [0, 1]))
    for indices in ([0, 4], [0, -1]):
        with pytest.raises(IndexError, match="exclude"):
            NegativeSampler(4, exclude=([0, 2], indices))


# ---- shared negatives -------------------------------------------------------------------------------------


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
def test_shared_takes_everything_of_positive_weight_and_no_more(items):
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


def test_shared_of_one_item():
    sampler = NegativeSampler([3.0])
    shared = sampler.sample_shared(1)
    assert (shared.ids.tolist(), shared.log_q.tolist(), shared.num_tries) == ([0], [0.0], 1)


def test_shared_does_not_care_about_rows_or_exclusions():
    plain, other = NegativeSampler(EXACT), NegativeSampler(EXACT, exclude=cases.csr([[0, 1, 2, 3]]))
    plain.sample([0] * 5, 3)
    assert plain.sample_shared(3).ids.tolist() == other.sample_shared(3).ids.tolist()


# ---- accidental hits --------------------------------------------------------------------------------------


def test_accidental_hits():
    draw = np.random.default_rng(4)
    lists = [draw.integers(0, 60, size).tolist() for size in (0, 1, 5, 40, 60, 200)]
    exclude = cases.csr(lists)
    sampler = NegativeSampler(60, exclude=exclude)
    rows = draw.integers(0, 6, 50)
    candidates = draw.integers(0, 60, 80)  # with repeats, on purpose
    hits = sampler.accidental_hits(rows, candidates)
    assert hits.dtype == np.bool_
    assert np.array_equal(hits, reference.accidental_hits(rows, candidates, exclude))
    assert hits.any()
    assert not hits.all()
    keep = draw.integers(0, 80, 50)
    assert np.array_equal(
        sampler.accidental_hits(rows, candidates, keep=keep),
        reference.accidental_hits(rows, candidates, exclude, keep),
    )
    assert sampler.accidental_hits([], candidates).shape == (0, 80)
    assert sampler.accidental_hits(rows, []).shape == (50, 0)


def test_in_batch_hits_mask_other_rows_positives_but_not_the_own_column():
    """Two rows with the same positive: each keeps its own column, and the other's same item is masked."""
    sampler = NegativeSampler(5, exclude=cases.csr([[2], [2, 4], [0]]))
    hits = sampler.accidental_hits([0, 1, 2], [2, 2, 0], keep=np.arange(3))
    assert hits.tolist() == [[False, True, False], [True, False, False], [False, False, False]]


def test_accidental_hits_refusals():
    sampler = NegativeSampler(5, exclude=cases.csr([[2], [4]]))
    for arguments, error, says in (
        (([2], [0]), IndexError, "rows"),
        (([0], [5]), IndexError, "candidate_ids"),
        (([0], [-1]), IndexError, "candidate_ids"),
        (([0], [0.0]), TypeError, "candidate_ids"),
        (([0], [[0]]), ValueError, "candidate_ids"),
    ):
        with pytest.raises(error, match=says):
            sampler.accidental_hits(*arguments)
    with pytest.raises(ValueError, match="keep"):
        sampler.accidental_hits([0], [1], keep=[0, 0])
    with pytest.raises(IndexError, match="keep"):
        sampler.accidental_hits([0], [1], keep=[1])
    assert not NegativeSampler(5).accidental_hits([0, 99], [1, 2]).any()


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


# ---- memory and upkeep ------------------------------------------------------------------------------------


def test_exclusions_take_4_bytes_a_pair_and_16_a_row():
    rows, each = 1000, 30
    indices = np.random.default_rng(0).integers(0, 300, (rows, each))  # with duplicates
    sampler = NegativeSampler(
        np.ones(300), exclude=(np.arange(0, rows * each + 1, each), indices.reshape(-1))
    )
    held = [a for a in vars(sampler).values() if isinstance(a, np.ndarray)]
    distinct = sum(len(set(row)) for row in indices.tolist())
    assert sum(a.nbytes for a in held) == 4 * distinct + 16 * rows + 8
    assert all(a.base is None for a in held)


def test_the_fingerprint_is_computed_once(monkeypatch):
    sampler = NegativeSampler([1, 2, 3], exclude=([0, 1], [0]))
    first = sampler.state_dict()
    monkeypatch.setattr("hashlib.blake2b", None)
    assert sampler.state_dict() == first
    sampler.load_state_dict(first)
