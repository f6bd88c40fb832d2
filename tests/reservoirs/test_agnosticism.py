"""A reservoir does not depend on chunks, the order of rows, threads, merge trees or memory layout."""

from __future__ import annotations

import copy
import itertools
import sys

import numpy as np
import pytest

import equipoise
from equipoise import Reservoir, weighted_sample
from support import reference
from support.reservoirs import (
    COLUMNS,
    IDS,
    KINDS,
    RNG,
    WEIGHTS,
    WITH_IDS,
    N,
    answers,
    cut,
    kinds,
    read,
    same,
    whole,
)

# ---- chunks, threads, order -------------------------------------------------------------------------------


def test_kinds_of_reservoirs_differ():
    """Make sure that the tests below do not compare reservoirs that are all alike."""
    assert len({str(whole(name)[0][2:4]) for name in KINDS if "decay" not in name}) == 6
    other = Reservoir(500, seed=3, stream=9)
    other.update(WEIGHTS)
    assert len(set(other.sample().ids) & set(read("positions", [slice(None)]).sample().ids)) < 500


@kinds
@pytest.mark.parametrize("count", [1, 2, 7, 64])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_chunks_and_threads_do_not_matter(name, count, threads):
    same(read(name, cut(count), threads), whole(name))


@kinds
def test_rows_may_come_one_by_one(name):
    """Read single rows and empty chunks, and take samples in between."""
    pieces = [slice(i, i + 1) for i in range(150)] + [slice(150, 150), slice(150, 191), slice(191, 1000)]
    reservoir = read(name, [])
    for i, piece in enumerate(pieces):
        read(name, [piece], reservoir=reservoir)
        if i % 17 == 0:
            reservoir.sample(), reservoir.estimate(), reservoir.to_bytes()
    same(reservoir, answers(read(name, [slice(0, 1000)])))


@kinds
def test_equal_calls_give_equal_bytes(name):
    """It does not matter which thread finishes first."""
    one = read(name, cut(3), 3).to_bytes()
    assert all(read(name, cut(3), 3).to_bytes() == one for _ in range(3))


@kinds
def test_pieces_may_be_read_in_reverse_order(name, monkeypatch):
    def reversed_chunks(count, size, n_threads, work):
        pieces = range(0, count, 6400)
        visited.append(len(pieces))
        for begin in reversed(pieces):
            at, end = begin, min(count, begin + 6400)
            while at < end:
                at = work(at, end)

    visited = []
    wanted = whole(name)
    for module in [
        m for n, m in sys.modules.items() if n.startswith("equipoise") and hasattr(m, "for_chunks")
    ]:
        monkeypatch.setattr(module, "for_chunks", reversed_chunks)
    same(read(name, [slice(None)], 2), wanted)
    assert max(visited) > 60


@pytest.mark.parametrize("name", WITH_IDS)
def test_order_does_not_matter_with_ids(name):
    same(read(name, cut(9)[::-1]), whole(name))
    shuffled = np.random.default_rng(5).permutation(N)
    same(read(name, np.array_split(shuffled, 5)), whole(name))


@pytest.mark.parametrize("name", WITH_IDS)
def test_a_row_seen_ten_times_is_kept_once(name):
    once, again = read(name, [slice(0, 5000)]), read(name, [slice(0, 5000)] * 10)
    many = read(name, [np.tile(np.arange(5000), 10)])
    for reservoir in (again, many):
        assert reservoir.n_seen == 50_000
        assert reservoir.total_weight == pytest.approx(10 * once.total_weight, rel=1e-12)
        assert reservoir.sample().ids.tobytes() == once.sample().ids.tobytes()
        assert reservoir.sample().weights.tobytes() == once.sample().weights.tobytes()
        if "replacement" not in name:
            assert reservoir.sample().inclusion.tobytes() == once.sample().inclusion.tobytes()


# ---- merging ----------------------------------------------------------------------------------------------


def trees(parts):
    """Yield every order of merging these parts, as nested pairs."""
    if len(parts) == 1:
        yield from parts
    for size in range(1, len(parts)):
        for left in itertools.combinations(parts, size):
            right = [p for p in parts if p not in left]
            yield from itertools.product(trees(list(left)), trees(right))


def merged(tree, parts):
    if isinstance(tree, int):
        return copy.copy(parts[tree])
    mine, other = (merged(t, parts) for t in tree)
    mine.merge(other)
    return mine


def test_there_are_as_many_merge_trees_as_expected():
    assert [len(list(trees(list(range(n))))) for n in (1, 2, 3, 4)] == [1, 2, 12, 120]


@pytest.mark.parametrize("name", WITH_IDS)
def test_merge_order_does_not_matter_with_ids(name):
    at = [0, 3, 90, 3000, 5000]
    parts = [read(name, [slice(b, e)]) for b, e in itertools.pairwise(at)]
    before = [part.to_bytes() for part in parts]
    wanted = answers(read(name, [slice(0, 5000)]))
    for tree in trees([0, 1, 2, 3]):
        same(merged(tree, parts), wanted)
    assert [part.to_bytes() for part in parts] == before  # merging leaves the other reservoir unchanged


@pytest.mark.parametrize("name", [n for n in KINDS if n not in WITH_IDS])
def test_merge_order_does_not_matter_for_streams(name):
    make, names = KINDS[name]
    at, parts = [0, 3, 90, 3000, 5000], []
    for stream, (begin, end) in enumerate(itertools.pairwise(at)):
        part = make(stream=stream)
        part.update(**{c: COLUMNS[c][begin:end] for c in names})
        parts.append(part)
    wanted = None
    for tree in trees([0, 1, 2, 3]):
        got = merged(tree, parts)
        wanted = wanted or answers(got)
        same(got, wanted)
    assert set(got.sample().streams.tolist()) <= {0, 1, 2, 3}


@pytest.mark.parametrize("name", WITH_IDS)
def test_merging_a_part_twice_adds_no_rows(name):
    parts = [read(name, [slice(0, 2000)]), read(name, [slice(1500, 5000)])]
    parts[0].merge(parts[1])
    once = copy.copy(parts[0])
    for _ in range(2):
        parts[0].merge(parts[1])
    parts[0].merge(parts[0])
    assert parts[0].n_seen == 2 * (once.n_seen + 2 * 3500)
    assert parts[0].total_weight == pytest.approx(2 * (once.total_weight + 2 * parts[1].total_weight))
    assert parts[0].sample().ids.tobytes() == once.sample().ids.tobytes()
    assert parts[0].sample().weights.tobytes() == once.sample().weights.tobytes()
    if "replacement" not in name:
        assert parts[0].sample().inclusion.tobytes() == once.sample().inclusion.tobytes()


@kinds
def test_rows_may_follow_a_merge(name):
    """Read rows on both sides after a merge in the middle of a block, and merge empty reservoirs."""
    make, names = KINDS[name]
    rows = lambda b, e: {c: COLUMNS[c][b:e] for c in names}  # noqa: E731
    other = make(stream=11)
    other.update(**rows(100, 777))
    mine = make(stream=12)
    mine.update(**rows(0, 100))
    mine.merge(make())
    mine.merge(other)
    mine.update(**rows(777, 2000))
    apart = make(stream=12)
    apart.update(**rows(0, 100))
    apart.update(**rows(777, 2000))
    other.merge(apart)
    same(mine, answers(other))
    empty = make(stream=13)
    empty.merge(mine)
    same(empty, answers(other))


def test_the_stream_does_not_matter_with_ids():
    parts = [Reservoir(50, seed=1, stream=s) for s in (0, 7)]
    for part in parts:
        part.update(WEIGHTS[:900], ids=IDS[:900])
    parts[0].merge(parts[1])
    assert parts[0].sample().ids.tobytes() == parts[1].sample().ids.tobytes()
    assert parts[0].sample().inclusion.tobytes() == parts[1].sample().inclusion.tobytes()
    assert parts[0].sample().streams is None


# ---- equal ranks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("half_life", [None, 1e-7])
def test_rows_of_one_id_and_rank_are_kept_apart(half_life):
    """Under so short a half-life, rows of one id have equal ranks. Each is one row, however they come."""
    n = 40
    w = np.repeat([1.0, 1.5, 2.0, 1.0], n)
    ids = np.tile(np.arange(n), 4)
    times = None if half_life is None else np.repeat([1e9, 1e9, 1e9, 1e9 + 1e-6], n)
    points = reference.reservoir_points(w, ids=ids, times=times, half_life=half_life)
    assert (len({(p.rank, p.id) for p in points}) < len(set(points))) == (half_life is not None)
    latest = None if times is None else times.max()
    for k in (30, 119, 1000):
        wanted = reference.reservoir_sample(points, k, half_life=half_life, latest=latest)
        for seed in range(5):
            order = np.random.default_rng(seed).permutation(np.repeat(np.arange(4 * n), 3))
            reservoir = Reservoir(k, half_life=half_life)
            for piece in np.array_split(order, 7):
                reservoir.update(w[piece], ids[piece], times=None if times is None else times[piece])
            assert reservoir.sample().ids.tolist() == wanted[0].tolist()
            assert reservoir.sample().weights.tobytes() == wanted[1].tobytes()


@pytest.mark.parametrize("half_life", [1e-6, 3e-7, 1e-7])
def test_equal_ranks_keep_the_smaller_ids(half_life):
    """A very short half-life makes ranks coarse. Of the many tied rows, the smaller ids are kept."""
    rng = np.random.default_rng(0)
    n, k = 12_000, 200
    times, w = 1.7e9 + rng.integers(0, 2, n), rng.random(n) ** 3
    points = reference.reservoir_points(w, ids=range(n), times=times, half_life=half_life)
    wanted = reference.reservoir_sample(points, k, half_life=half_life, latest=times.max())
    assert len({p.rank for p in sorted(points, key=lambda p: p.rank)[:k]}) < k / 2
    for order in (np.arange(n), np.arange(n)[::-1], rng.permutation(n)):
        for count in (1, 40, 400):
            reservoir = Reservoir(k, half_life=half_life)
            for piece in np.array_split(order, count):
                reservoir.update(w[piece], ids=piece, times=times[piece])
            assert reservoir.sample().ids.tolist() == wanted[0].tolist()
            assert reservoir.sample().inclusion.tobytes() == wanted[2].tobytes()


# ---- layout of the input -------------------------------------------------------------------------------


def layouts(a):
    """Yield the same numbers strided, reversed, big-endian, unaligned, read-only and as a list."""
    yield np.repeat(a, 2)[::2]
    yield a[::-1].copy()[::-1]
    yield a.astype(a.dtype.newbyteorder(">"))
    odd = np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(a.dtype)
    assert not odd.flags.aligned
    yield odd
    frozen = a.copy()
    frozen.flags.writeable = False
    yield frozen
    yield a.tolist()


@kinds
def test_memory_layout_does_not_matter(name):
    make, names = KINDS[name]
    wanted = answers(read(name, [slice(0, 1000)]))
    for columns in zip(*(layouts(COLUMNS[c][:1000]) for c in names), strict=True):
        reservoir = make()
        reservoir.update(**dict(zip(names, columns, strict=True)))
        same(reservoir, wanted)


def test_dtype_of_weights_does_not_matter():
    """Small whole numbers are exact in every dtype."""
    w = RNG.integers(0, 100, 1000)
    samples = []
    for dtype in ("f2", "f4", "f8", "i1", "u1", "i2", "i4", "u4", "i8", "u8"):
        reservoir = Reservoir(30)
        reservoir.update(w.astype(dtype))
        samples.append(answers(reservoir))
    assert all(s == samples[0] for s in samples)


# ---- weighted_sample --------------------------------------------------------------------------------------


# With replacement, each block has k points, so k stays small.
@pytest.mark.parametrize(
    ("k", "replacement"), [(1, False), (300, False), (5000, False), (150_000, False), (1, True), (300, True)]
)
def test_weighted_sample_equals_a_reservoir(k, replacement):
    """The guess of the threshold changes nothing, even if the weights mislead it."""
    skewed = np.zeros(N)
    skewed[1:2000:3] = 1.0
    heavy = np.ones(N)
    heavy[:: N >> 14] = 1000.0  # the only rows that an evenly spaced sample sees
    for w in (WEIGHTS, np.sort(WEIGHTS), skewed, heavy, np.ones(N, np.float32)):
        seed = equipoise.rng.key_from_rng(4)
        reservoir = Reservoir(k, replacement=replacement, seed=seed)
        reservoir.update(w)
        wanted = reservoir.sample()
        for threads in (1, 3):
            got = weighted_sample(
                w, k, rng=4, replacement=replacement, n_threads=threads, return_inclusion=True
            )
            assert sorted(got.ids.tolist()) == sorted(wanted.ids.tolist())
            order = {i: j for j, i in enumerate(wanted.ids.tolist())}
            back = [order[i] for i in got.ids.tolist()]
            np.testing.assert_allclose(got.inclusion, wanted.inclusion[back], rtol=1e-12 * replacement)
            assert got.weights.tobytes() == wanted.weights[back].tobytes()
            plain = weighted_sample(w, k, rng=4, replacement=replacement, n_threads=threads)
            assert plain.tobytes() == got.ids.tobytes()
