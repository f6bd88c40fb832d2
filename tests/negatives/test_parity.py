"""C++ and Numba draw the same negatives, byte for byte."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings

import equipoise
from equipoise.negatives import rows as loop
from support import cases
from support.backends import (
    ITEMS,
    MISSING,
    MODULES,
    NONE,
    SEEDS,
    agree,
    both,
    check,
    exclusions_of,
    frozen,
    pack,
    proposer_of,
    running,
    table_of,
    weights_of,
    words,
)

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs both backends; missing here: {MISSING}")


@given(SEEDS)
@settings(max_examples=200)
def test_exclusions_agree(seed):
    rng = np.random.default_rng(seed)
    n, rows = int(rng.choice([1, 2, 50, 5000])), int(rng.integers(0, 30))
    indptr, ids = exclusions_of(rng, rows, n, int(rng.choice([0, 1, 15, 16, 17, 40, 700])))
    for row in range(rows):
        mine = ids[indptr[row] : indptr[row + 1]]
        assert (mine[1:] > mine[:-1]).all()
    _, sums = agree("exclusion_units", indptr, ids, words(rng, n), np.empty(rows, np.uint64), outs=[3])
    count = int(rng.choice([0, 1, 5, 300]))
    wanted = rng.integers(0, rows, 8) if rows else np.empty(0, np.int64)
    candidates, order = np.sort(rng.integers(0, n, count)), rng.permutation(count)
    hits = np.empty((wanted.size, count), np.bool_)
    excluded = (indptr, ids, sums if rng.random() < 0.5 else NONE)
    _, hits = agree("exclusion_hits", excluded, wanted, candidates, order, hits, outs=[4])
    for b, row in enumerate(wanted):
        assert (hits[b, order] == np.isin(candidates, ids[indptr[row] : indptr[row + 1]])).all()


@given(SEEDS)
@settings(max_examples=1000)
def test_kernel_rows_agree(seed):
    """Test any budget and any range of rows. The backends may pause at different rows."""
    rng = np.random.default_rng(seed)
    n, units, cells, prefix = table_of(rng, int(rng.choice([1, 2, 7, 40, 300])))
    users, batch = int(rng.integers(1, 9)), int(rng.integers(0, 40))
    k, m = int(rng.choice([0, 1, 3, 16, 70, 200])), int(rng.choice([0, 1, 4]))
    excluding = rng.random() < 0.8
    indptr, excluded, sums = np.empty(0, np.int64), np.empty(0, np.uint32), NONE
    if excluding:
        indptr, excluded = exclusions_of(rng, users, n, int(rng.choice([1, n // 2 + 1, 3 * n])))
        if units.size:
            _, sums = agree("exclusion_units", indptr, excluded, units, np.empty(users, np.uint64), outs=[3])
    rows = rng.integers(0, users, batch) if excluding else rng.integers(-(2**63), 2**63 - 1, batch)
    row_keys = words(rng, batch) if rng.random() < 0.5 else NONE
    more = rng.integers(-1, n, (batch, m))
    unique, policy = bool(rng.integers(2)), int(rng.integers(3))
    longest = int(np.diff(indptr).max(initial=0))
    address = [int(w) for w in words(rng, 3)]
    start = 0 if rng.random() < 0.7 else int(rng.integers(0, batch + 1))
    stop = batch if rng.random() < 0.7 else int(rng.integers(start, batch + 1))
    budget = int(rng.choice([1, 300, 2**40, 2**40]))
    exclusions = (frozen(indptr), frozen(excluded), sums)
    drawn_for = (*address, row_keys, frozen(rows), frozen(more), unique, policy)
    said = []
    for kernels in both():  # they may pause at different rows, but the end is the same
        out = [np.zeros((batch, k), dtype) for dtype in (np.int64, np.float32, np.bool_)]
        at, status, left, known_prefix = start, 0, 0, NONE
        scratch = np.zeros(longest + 2 * (m + k) + 7, np.uint64)  # a paused row resumes from here
        while at < stop and status < 2:
            table = proposer_of(n, frozen(units), frozen(cells), known_prefix)
            at, status, left = kernels.negatives_draw(
                table, exclusions, drawn_for, at, stop, budget, scratch, *out
            )
            if status == 1:
                assert not known_prefix.size
                known_prefix = prefix
        said.append([at, status, left, *(a[:at] for a in out)])
    assert pack(said[0]) == pack(said[1])
    assert not said[0][3][:start].any()


@given(SEEDS)
@settings(max_examples=200)
def test_kernel_shared_sets_agree(seed):
    rng = np.random.default_rng(seed)
    n, units, cells, _ = table_of(rng, int(rng.choice([1, 2, 7, 300, 3000])))
    address = [int(w) for w in words(rng, 3)]
    table = proposer_of(n, units, cells)
    agree("shared_draw", *address, table, int(rng.integers(0, 2**40)), np.empty(99, np.int64), outs=[5])
    positive = int(np.count_nonzero(units)) if units.size else n
    count = int(rng.integers(0, positive + 1)) if rng.random() < 0.7 else positive
    seen = np.full(1 << (2 * count).bit_length(), -1, np.int64)
    ids, state = np.zeros(count, np.int64), np.zeros(4, np.uint64)
    exact = True
    if rng.random() < 0.8:
        exact, seen, ids, state = agree(
            "shared_unique", *address, table, int(words(rng, 1)[0]), seen, ids, state, outs=[5, 6, 7]
        )
    if exact and state[0] < count:
        tree = np.zeros(n + 1, np.uint64)
        for _ in range(2):  # the tree, then the ids
            _, tree, ids, state = agree("shared_exact", *address, table, tree, ids, state, outs=[4, 5, 6])
    assert state[0] == count == np.unique(ids).size


@pytest.mark.parametrize("items", ITEMS)
def test_samplers_agree(items):
    """Test all combinations of arguments, including rows with no id left."""
    n = 60
    rows_of = list(cases.exclusions(cases.zeros_inside(n)).values())
    exclude = cases.csr(rows_of)
    rows = np.arange(len(rows_of) * 4) % len(rows_of)
    keys = (rows * 7 - 20).astype(np.int64)
    more = np.random.default_rng(0).integers(-1, n, (rows.size, 3))

    def run(exclude, k, **how):
        sampler = equipoise.NegativeSampler(ITEMS[items](n), exclude=exclude, seed=2**64 - 1, stream=3)
        keyed = how.pop("keyed")
        said = [sampler.sample(rows, k, row_keys=keys if keyed else None, **how) for _ in range(2)]
        sampler.set_epoch(5)
        said += [sampler.sample(rows[::-1], k, row_keys=keys if keyed else None, **how)]
        return [said, sampler.state_dict(), repr(sampler)]

    for given_exclude in (None, exclude):
        for unique, policy in [
            (False, "raise"),
            (False, "mask"),
            (True, "raise"),
            (True, "mask"),
            (True, "replace"),
        ]:
            for exclude_ids in (None, more[:, 0], more):
                for k in (0, 1, 5, 65):
                    how = {"unique": unique, "on_exhausted": policy, "exclude_ids": exclude_ids}
                    check(lambda g=given_exclude, k=k, how=how: run(g, k, keyed=k % 2 == 0, **how))


def test_large_batches_agree():
    """Test batches that exceed one budget, on one thread and on three."""
    rng = np.random.default_rng(1)
    exclude = cases.csr([list(rng.integers(0, 40, rng.integers(0, 60))) for _ in range(400)])
    rows = rng.integers(0, 400, 30_000)

    def run():
        sampler = equipoise.NegativeSampler(cases.zipf(100), exclude=exclude, seed=1)
        return [sampler.sample(rows, 8, unique=u, n_threads=t) for u in (False, True) for t in (1, 3)]

    check(run)


def test_filled_out_agrees():
    def run():
        out = equipoise.Negatives(
            np.empty((9, 4), np.int64), np.empty((9, 4), np.float32), np.empty((9, 4), bool)
        )
        sampler = equipoise.NegativeSampler(cases.zipf(30), exclude=([0, 2], [0, 1]))
        assert sampler.sample([0] * 9, 4, out=out) is out
        return out

    check(run)


@pytest.mark.parametrize("items", ITEMS)
def test_shared_sets_agree(items):
    n = 300

    def run():
        sampler = equipoise.NegativeSampler(ITEMS[items](n), seed=4)
        most = sampler._table.num_positive()
        said = [sampler.sample_shared(c) for c in (0, 1, 50, most - 1, most)]
        said += [sampler.sample_shared(c, unique=False) for c in (0, 1, 999)]
        return [said, sampler.state_dict()]

    check(run)
    check(lambda: equipoise.NegativeSampler(ITEMS[items](n)).sample_shared(n + 1))


def test_shared_sets_of_many_chunks_agree():
    check(lambda: equipoise.NegativeSampler(cases.zipf(10**5), seed=4).sample_shared(99_000))
    check(lambda: equipoise.NegativeSampler(10**6, seed=4).sample_shared(300_000, unique=False))


def test_hits_and_probabilities_agree():
    rng = np.random.default_rng(3)
    exclude = cases.csr([list(rng.integers(0, 200, size)) for size in (0, 1, 30, 150, 7)])

    def run():
        sampler = equipoise.NegativeSampler(cases.zipf(200), exclude=exclude)
        rows = np.array([4, 2, 0, 3, 1, 3])
        return [
            sampler.accidental_hits(rows, np.arange(200)),
            sampler.accidental_hits(rows, [3, 3, 7, 150], keep=[0, 1, 2, 3, 0, 1]),
            sampler.accidental_hits(rows, rng.permutation(200)[:0]),
            sampler.log_prob(np.arange(200).reshape(10, 20)),
            equipoise.NegativeSampler(200).accidental_hits(rows, [1, 2]),
        ]

    check(run)


def test_a_state_continues_on_the_other_backend():
    states, went_on = {}, {}

    def sampler():
        return equipoise.NegativeSampler(cases.zipf(50), exclude=([0, 2], [1, 0]), seed=9)

    for backend in MODULES:
        with running(backend):
            first = sampler()
            first.set_epoch(3)
            first.sample([0] * 11, 4)
            first.sample_shared(5)
            states[backend] = json.loads(json.dumps(first.state_dict()))
            went_on[backend] = pack([first.sample([0], 6), first.sample_shared(7)])
    assert states["cpp"] == states["numba"]
    for backend, other in (("cpp", "numba"), ("numba", "cpp")):
        with running(backend):
            resumed = pickle.loads(pickle.dumps(sampler()))
            resumed.load_state_dict(states[other])
            assert pack([resumed.sample([0], 6), resumed.sample_shared(7)]) == went_on[other]


@given(SEEDS)
@settings(max_examples=300)
def test_random_samplers_agree(seed):
    """Test random samplers and calls, also with small budgets."""
    rng = np.random.default_rng(seed)
    n, users, batch = int(rng.integers(1, 80)), int(rng.integers(1, 12)), int(rng.integers(0, 60))
    w = weights_of(rng, n)
    kind, power, smoothing = (
        rng.integers(3),
        float(rng.choice([1, 0.75, 0.3, 2])),
        float(rng.choice([0, 0.5])),
    )
    exclude = cases.csr([list(rng.integers(0, n, rng.integers(0, 2 * n))) for _ in range(users)])
    rows, keys = rng.integers(0, users, batch), words(rng, batch)
    how = {
        "unique": (unique := bool(rng.integers(2))),
        "on_exhausted": str(rng.choice(["raise", "mask", "replace"] if unique else ["raise", "mask"])),
        "exclude_ids": [None, rng.integers(-1, n, batch), rng.integers(-1, n, (batch, 4))][rng.integers(3)],
        "row_keys": [None, keys, keys.view(np.int64)][rng.integers(3)],
        "n_threads": int(rng.integers(1, 3)),
    }
    k, budget = int(rng.integers(0, 90)), int(rng.choice([1, 100, 2**17]))

    def run():
        items = n if kind == 0 else equipoise.AliasTable(w, power=power, smoothing=smoothing)
        sampler = equipoise.NegativeSampler(items, exclude=exclude, seed=seed)
        drawn = sampler.sample(rows, k, **how)
        shared = sampler.sample_shared(int(rng_count % (sampler._table.num_positive() + 1)))
        return [drawn, shared, sampler.accidental_hits(rows, np.arange(n)), sampler.state_dict()]

    rng_count = int(rng.integers(0, 1000))
    before, loop._BUDGET = loop._BUDGET, budget
    try:
        check(run)
    finally:
        loop._BUDGET = before
