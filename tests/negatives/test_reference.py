"""Negatives, shared sets and accidental hits equal those of the reference, byte for byte."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise import AliasTable, LogUniformTable, NegativeSampler, UniformTable
from support import cases, reference
from support.answers import same

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
def test_rows_without_exclusions_match_the_reference(name, unique):
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
def test_rows_with_exclusions_match_the_reference(name, unique, on_exhausted):
    items, table = (make() for make in ITEMS[name])
    named = cases.exclusions(table.units)
    if on_exhausted == "replace":  # it raises if no id is left
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
def test_rows_match_the_reference_on_random_input(data):
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


@pytest.mark.parametrize("unique", [False, True])
@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize(
    ("n", "b", "k", "most"),
    [(50, 2000, 16, 30), (700, 200, 60, 640), (3000, 30, 150, 2800), (70_000, 6, 20, 69_000)],
)
def test_larger_batches_match_the_reference(n, b, k, most, uniform, unique):
    """Long and short exclusions, many slots and many rows exceed what a kernel handles at once."""
    draw = np.random.default_rng(n)
    w = cases.pareto(n)
    table = reference.uniform_table(n) if uniform else reference.alias_table(w)
    by_weight = np.argsort(-w)
    # Half of the rows exclude popular items, which most draws propose.
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


@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize("d", [127, 128, 129])
@pytest.mark.parametrize("k", [255, 256, 257])
def test_rows_match_the_reference_at_the_limits_of_kernels(k, d, uniform):
    """Test numbers of slots and of excluded ids that are close to limits of the kernels."""
    n, lists = 600, [list(range(0, 2 * d, 2)), list(range(d)), []]
    w = cases.zipf(n)
    table = reference.uniform_table(n) if uniform else reference.alias_table(w)
    exclude = cases.csr(lists)
    assert np.diff(exclude[0]).tolist() == [d, d, 0]
    sampler = NegativeSampler(n if uniform else w, exclude=exclude, seed=8)
    some, one = np.array([[1, 599], [-1, 599], [0, -1]]), np.array([300, -1, 2])
    first = 0
    for unique in (False, True):
        for exclude_ids in (None, one, some):
            how = {"exclude_ids": exclude_ids, "unique": unique, "on_exhausted": "mask"}
            wanted = reference.negatives(table, [0, 1, 2], k, exclude=exclude, seed=8, first_row=first, **how)
            same(sampler.sample([0, 1, 2], k, **how), wanted)
            first += 3


@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize("m", [1, 3, 128, 129])
def test_rows_that_their_own_ids_exhaust_match_the_reference(m, uniform):
    """Rows are drawn in groups of 16. Here a few rows of most groups have no id left."""
    draw = np.random.default_rng(m)
    weights = np.array([0.0, 5.0, 0.0, 1.0, 1.0])
    table = reference.uniform_table(5) if uniform else reference.alias_table(weights)
    exclude = cases.csr([[], [1], [3, 4], [0, 2, 3, 4], [0, 1, 2, 3, 4]])
    rows = draw.integers(0, 5, 100)
    own = draw.integers(-1, 5, (100, m)) if m < 100 else draw.integers(0, 2, (100, m))
    sampler = NegativeSampler(5 if uniform else weights, exclude=exclude, seed=m)
    wanted = reference.negatives(
        table, rows, 7, exclude=exclude, exclude_ids=own, on_exhausted="mask", seed=m
    )
    assert 0 < wanted[2].mean() < 1
    same(sampler.sample(rows, 7, exclude_ids=own, on_exhausted="mask"), wanted)
    first = int((~wanted[2]).any(axis=1).argmax())
    with pytest.raises(ValueError, match=rf"rows\[{first}\] = {rows[first]} has 0 ids"):
        sampler.sample(rows, 7, exclude_ids=own)


@pytest.mark.parametrize("k", [255, 256, 257])
def test_long_rows_without_exclusions_match_the_reference(k):
    table = reference.alias_table(cases.pareto(400))
    sampler = NegativeSampler(cases.pareto(400), seed=8)
    for first, unique in ((0, False), (2, True)):
        wanted = reference.negatives(table, [0, 0], k, seed=8, unique=unique, first_row=first)
        same(sampler.sample([0, 0], k, unique=unique), wanted)


def test_uniform_rows_of_billions_of_items():
    """Exclude the first, the last and some other ids of 2^32 - 1."""
    n = 2**32 - 1
    excluded = [0, 1, 2, 7, 2**31 - 1, 2**31, 2**31 + 2, n - 2, n - 1]
    sampler = NegativeSampler(n, exclude=cases.csr([excluded]), seed=1)
    answer = sampler.sample([0] * 100, 10)
    key = reference.call_key(1, 0, reference.COUNTED, reference.mix64(n))
    for row in range(100):
        for slot in range(10):
            i = reference.below(reference.Run(key, row).word(slot), n - len(excluded))
            for e in excluded:
                i += e <= i
            assert answer.ids[row, slot] == i
    assert answer.log_q.tolist() == [[float(np.float32(reference.log(1 / (n - 9))))] * 10] * 100


def test_the_worker_seed_is_part_of_counted_addresses(monkeypatch):
    """With a simulated torch worker, counted rows change and keyed rows do not."""
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


@settings(max_examples=100)
@given(st.data())
def test_shared_matches_the_reference_on_random_input(data):
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


def test_accidental_hits_match_the_reference():
    draw = np.random.default_rng(4)
    lists = [draw.integers(0, 60, size).tolist() for size in (0, 1, 5, 40, 60, 200)]
    exclude = cases.csr(lists)
    sampler = NegativeSampler(60, exclude=exclude)
    rows = draw.integers(0, 6, 50)
    candidates = draw.integers(0, 60, 80)  # ids are repeated on purpose
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


def test_in_batch_hits_skip_the_column_of_the_row_itself():
    """If two rows have the same positive, each keeps its own column and masks the other one."""
    sampler = NegativeSampler(5, exclude=cases.csr([[2], [2, 4], [0]]))
    hits = sampler.accidental_hits([0, 1, 2], [2, 2, 0], keep=np.arange(3))
    assert hits.tolist() == [[False, True, False], [True, False, False], [False, False, False]]
