"""What must not matter to a reservoir: chunks, order, threads, merges, restarts, backends, layout."""

from __future__ import annotations

import copy
import functools
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from equipoise import ClassReservoir, Reservoir, weighted_sample
from equipoise.reservoirs import base, bottom_k, labels
from support import cases, reference
from support.backends import MISSING, check

N = 400_003  # several pieces for each thread, and a block that is not whole
RNG = np.random.default_rng(0)
WEIGHTS = RNG.pareto(1.1, N) * (RNG.random(N) < 0.9)
IDS = RNG.permutation(N) * 1_000_003 - 10**11
TIMES = 1.7e9 + 1e7 * RNG.random(N)
CLASSES = np.minimum(RNG.integers(0, 9, N), RNG.integers(0, 9, N)) * 10**15 - 4

# Every kind of reservoir: name -> (what makes it, names of the columns that it reads).
KINDS = {
    "positions": (functools.partial(Reservoir, 500, seed=3, stream=8), ("weights",)),
    "ids": (functools.partial(Reservoir, 500, seed=3), ("weights", "ids")),
    "decay": (functools.partial(Reservoir, 500, half_life=1e6, seed=3), ("weights", "times")),
    "decay of ids": (functools.partial(Reservoir, 500, half_life=1e6, seed=3), ("weights", "ids", "times")),
    "replacement": (functools.partial(Reservoir, 60, replacement=True, seed=3), ("weights",)),
    "replacement of ids": (functools.partial(Reservoir, 60, replacement=True, seed=3), ("weights", "ids")),
    "replacement, decay": (
        functools.partial(Reservoir, 60, replacement=True, half_life=1e6, seed=3),
        ("weights", "times"),
    ),
    "classes": (functools.partial(ClassReservoir, 40, seed=3), ("classes", "weights")),
    "classes of ids": (functools.partial(ClassReservoir, 40, seed=3), ("classes", "weights", "ids")),
    "classes, decay": (
        functools.partial(ClassReservoir, 40, half_life=1e6, seed=3),
        ("classes", "weights", "ids", "times"),
    ),
}
COLUMNS = {"weights": WEIGHTS, "ids": IDS, "times": TIMES, "classes": CLASSES}
OF_IDS = [name for name, (_, columns) in KINDS.items() if "ids" in columns]
kinds = pytest.mark.parametrize("name", KINDS)


def read(name, pieces, n_threads=None, reservoir=None):
    """A reservoir that has read these pieces: slices, or arrays of rows."""
    make, names = KINDS[name]
    reservoir = make() if reservoir is None else reservoir
    for piece in pieces:
        reservoir.update(**{c: COLUMNS[c][piece] for c in names}, n_threads=n_threads)
    return reservoir


def cut(count, n=N):
    """Uneven pieces."""
    at = np.sort(np.random.default_rng(count).integers(0, n, count - 1)).tolist()
    return [slice(begin, end) for begin, end in itertools.pairwise([0, *at, n])]


@functools.cache
def whole(name):
    return said(read(name, [slice(None)]))


def said(reservoir):
    """All that it says, bit for bit, but for sums of all weights: (bytes, sums)."""
    samples, more = [reservoir.sample()], []
    if isinstance(reservoir, ClassReservoir):
        policies = ("equal", "sqrt", "proportional")
        samples += [reservoir.sample(total=t, policy=p) for t in (1, 50, 111) for p in policies]
        more = list(reservoir.counts.items())
    bits, sums = [reservoir.n_seen, more], [reservoir.total_weight]
    for sample in samples:
        bits += [sample.ids.tobytes(), sample.weights.tobytes()]
        bits += [None if x is None else x.tobytes() for x in (sample.classes, sample.streams)]
        if reservoir_replaces(reservoir):
            sums += sample.inclusion.tolist()
        else:
            bits.append(sample.inclusion.tobytes())
    return bits, sums


def reservoir_replaces(reservoir):
    return header(reservoir)["settings"].get("replacement", False)


def header(reservoir):
    data = reservoir.to_bytes()
    return json.loads(data[24 : 24 + int.from_bytes(data[20:24], "little")])


def same(reservoir, wanted):
    bits, sums = said(reservoir)
    assert bits == wanted[0]
    np.testing.assert_allclose(sums, wanted[1], rtol=1e-12)


# ---- chunks, threads, order -------------------------------------------------------------------------------


def test_the_kinds_differ():
    """Nothing below holds because all is one: other keys, other seeds, other streams."""
    assert len({str(whole(name)[0][2:4]) for name in KINDS if "decay" not in name}) == 6
    other = Reservoir(500, seed=3, stream=9)
    other.update(WEIGHTS)
    assert len(set(other.sample().ids) & set(read("positions", [slice(None)]).sample().ids)) < 500


@kinds
@pytest.mark.parametrize("count", [1, 2, 7, 64])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_chunks_and_threads(name, count, threads):
    same(read(name, cut(count), threads), whole(name))


@kinds
def test_rows_one_by_one(name):
    """Also empty chunks, and a look in between."""
    pieces = [slice(i, i + 1) for i in range(150)] + [slice(150, 150), slice(150, 191), slice(191, 1000)]
    reservoir = read(name, [])
    for i, piece in enumerate(pieces):
        read(name, [piece], reservoir=reservoir)
        if i % 17 == 0:
            reservoir.sample(), reservoir.estimate(), reservoir.to_bytes()
    same(reservoir, said(read(name, [slice(0, 1000)])))


@kinds
def test_bytes_are_those_of_the_same_calls(name):
    """With threads, too, whichever of them comes first."""
    one = read(name, cut(3), 3).to_bytes()
    assert all(read(name, cut(3), 3).to_bytes() == one for _ in range(3))


@kinds
def test_pieces_in_reverse_order(name, monkeypatch):
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


@pytest.mark.parametrize("name", OF_IDS)
def test_order_of_rows_with_ids(name):
    same(read(name, cut(9)[::-1]), whole(name))
    shuffled = np.random.default_rng(5).permutation(N)
    same(read(name, np.array_split(shuffled, 5)), whole(name))


@pytest.mark.parametrize("name", OF_IDS)
def test_a_row_that_comes_ten_times_is_one(name):
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
    """Every way to merge these parts into the first of a pair, and so on: nested pairs."""
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


def test_there_are_as_many_trees_as_there_should_be():
    assert [len(list(trees(list(range(n))))) for n in (1, 2, 3, 4)] == [1, 2, 12, 120]


@pytest.mark.parametrize("name", OF_IDS)
def test_all_merge_trees_of_uneven_parts(name):
    at = [0, 3, 90, 3000, 5000]
    parts = [read(name, [slice(b, e)]) for b, e in itertools.pairwise(at)]
    before = [part.to_bytes() for part in parts]
    wanted = said(read(name, [slice(0, 5000)]))
    for tree in trees([0, 1, 2, 3]):
        same(merged(tree, parts), wanted)
    assert [part.to_bytes() for part in parts] == before  # what is merged stays as it is


@pytest.mark.parametrize("name", [n for n in KINDS if n not in OF_IDS])
def test_all_merge_trees_of_streams(name):
    make, names = KINDS[name]
    at, parts = [0, 3, 90, 3000, 5000], []
    for stream, (begin, end) in enumerate(itertools.pairwise(at)):
        part = make(stream=stream)
        part.update(**{c: COLUMNS[c][begin:end] for c in names})
        parts.append(part)
    wanted = None
    for tree in trees([0, 1, 2, 3]):
        got = merged(tree, parts)
        wanted = wanted or said(got)
        same(got, wanted)
    assert set(got.sample().streams.tolist()) <= {0, 1, 2, 3}


@pytest.mark.parametrize("name", OF_IDS)
def test_merging_a_part_twice(name):
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
def test_merging_goes_on(name):
    """Rows after a merge, on both sides, in the middle of a block; and merging nothing."""
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
    same(mine, said(other))
    empty = make(stream=13)
    empty.merge(mine)
    same(empty, said(other))


def test_the_stream_is_nothing_to_ids():
    parts = [Reservoir(50, seed=1, stream=s) for s in (0, 7)]
    for part in parts:
        part.update(WEIGHTS[:900], ids=IDS[:900])
    parts[0].merge(parts[1])
    assert parts[0].sample().ids.tobytes() == parts[1].sample().ids.tobytes()
    assert parts[0].sample().inclusion.tobytes() == parts[1].sample().inclusion.tobytes()
    assert parts[0].sample().streams is None


# ---- equal ranks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("ids", [False, True])
def test_ranks_beyond_float64(ids, replacement):
    """All ranks of such weights are inf: the smaller ids, none lost, however they come."""
    w = np.full(1000, 5e-324)
    w[[3, 70, 400]] = 1.0
    keys = np.arange(1000)[::-1].copy() if ids else None
    samples = []
    for at in ([0, 1000], [0, 1, 2, 63, 100, 130, 999, 1000], list(range(0, 1001, 100))):
        reservoir = Reservoir(20, replacement=replacement, seed=1)
        for begin, end in itertools.pairwise(at):
            reservoir.update(w[begin:end], ids=keys[begin:end] if ids else None)
        samples.append(reservoir.sample())
        assert len(reservoir.to_bytes()) < 4000  # no more than are wanted are kept
    for other in samples[1:]:
        assert other.ids.tobytes() == samples[0].ids.tobytes()
    if not replacement:
        heavy = [996, 929, 599] if ids else [3, 70, 400]
        assert sorted(samples[0].ids[:3].tolist()) == sorted(heavy)
        assert samples[0].ids[3:].tolist() == [i for i in range(30) if i not in heavy][:17]
    everything = Reservoir(2000)
    everything.update(w)
    assert sorted(everything.sample().ids.tolist()) == list(range(1000))
    assert (everything.sample().inclusion == 1).all()
    several = Reservoir(2000, stream=1)
    several.update(w)
    several.merge(everything)
    assert several.sample().ids.size == 2000  # equal positions of two streams are two rows


@pytest.mark.parametrize("half_life", [1e-6, 3e-7, 1e-7])
def test_ranks_that_are_equal_by_decay(half_life):
    """A half-life so short that logarithms of ranks are coarse: many ties, of which the smaller ids come."""
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


# ---- restarts and copies ----------------------------------------------------------------------------------


@kinds
def test_resuming_from_bytes(name):
    """At every cut, in the middle of blocks too: the same bytes as what was never stopped."""
    pieces = [slice(b, e) for b, e in itertools.pairwise([0, 1, 40, 64, 65, 200, 320, 1000, 5000])]
    stopped, through = read(name, []), read(name, [])
    for piece in pieces:
        stopped = type(stopped).from_bytes(stopped.to_bytes())
        read(name, [piece], reservoir=stopped)
        read(name, [piece], reservoir=through)
        assert stopped.to_bytes() == through.to_bytes()
        same(stopped, said(through))
    for data in (bytearray(stopped.to_bytes()), memoryview(stopped.to_bytes())):
        assert type(stopped).from_bytes(data).to_bytes() == stopped.to_bytes()


KILLED = """
import sys, os
import numpy as np, equipoise
path, begin, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rows = np.random.default_rng(1).pareto(1.0, 3000)
reservoir = equipoise.Reservoir(30, seed=2)
if begin:
    with open(path, "rb") as file:
        reservoir = equipoise.Reservoir.from_bytes(file.read())
assert reservoir.n_seen == begin
reservoir.update(rows[begin:end])
with open(path, "wb") as file:
    file.write(reservoir.to_bytes())
reservoir.update(rows[end:])
os._exit(9)
"""


def test_killed_and_resumed(tmp_path):
    path = tmp_path / "reservoir"
    for begin, end in ((0, 1234), (1234, 3000)):
        arguments = [str(path), str(begin), str(end)]
        done = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
        assert done.returncode == 9
    rows = np.random.default_rng(1).pareto(1.0, 3000)
    reservoir = Reservoir(30, seed=2)
    reservoir.update(rows[:1234])
    reservoir.update(rows[1234:])
    assert path.read_bytes() == reservoir.to_bytes()


@kinds
def test_copies(name):
    """Of a reservoir that has none, some, and many rows; a copy goes on alone."""
    for end in (0, 100, 5000):
        reservoir = read(name, [slice(0, end)])
        data = reservoir.to_bytes()
        copies = [copy.copy(reservoir), copy.deepcopy(reservoir), copy.deepcopy([reservoir])[0]]
        copies += [pickle.loads(pickle.dumps(reservoir, p)) for p in range(pickle.HIGHEST_PROTOCOL + 1)]
        for other in copies:
            assert type(other) is type(reservoir)
            assert repr(other) == repr(reservoir)
            assert other.to_bytes() == data
            read(name, [slice(5000, 5200)], reservoir=other)
            assert other.n_seen == reservoir.n_seen + 200
        assert reservoir.to_bytes() == data


@kinds
def test_what_comes_out_is_nobody_elses(name):
    reservoir = read(name, [slice(0, 777)])
    wanted = said(reservoir)
    sample = reservoir.sample()
    for array in (sample.ids, sample.weights, sample.inclusion, sample.classes, sample.streams):
        if array is not None:
            array[:] = 0
    reservoir.to_bytes()
    same(reservoir, wanted)


@kinds
def test_what_went_in_may_change(name):
    make, names = KINDS[name]
    reservoir, columns = make(), {c: COLUMNS[c][:777].copy() for c in names}
    reservoir.update(**columns)
    for column in columns.values():
        column[:] = 1
    same(reservoir, said(read(name, [slice(0, 777)])))


# ---- layout of what goes in -------------------------------------------------------------------------------


def layouts(a):
    """The same numbers: strided, reversed, big-endian, not aligned, read-only, a list."""
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
def test_layout_of_what_goes_in(name):
    make, names = KINDS[name]
    wanted = said(read(name, [slice(0, 1000)]))
    for columns in zip(*(layouts(COLUMNS[c][:1000]) for c in names), strict=True):
        reservoir = make()
        reservoir.update(**dict(zip(names, columns, strict=True)))
        same(reservoir, wanted)


def test_dtypes_of_weights():
    """Small whole numbers are the same in every dtype."""
    w = RNG.integers(0, 100, 1000)
    samples = []
    for dtype in ("f2", "f4", "f8", "i1", "u1", "i2", "i4", "u4", "i8", "u8"):
        reservoir = Reservoir(30)
        reservoir.update(w.astype(dtype))
        samples.append(said(reservoir))
    assert all(s == samples[0] for s in samples)


# ---- backends and CPU paths -------------------------------------------------------------------------------

both = pytest.mark.skipif(bool(MISSING), reason=f"needs both backends; missing here: {MISSING}")


@both
@kinds
def test_backends(name):
    """Bytes, too, and with threads; the last third only after a merge."""

    def run():
        make, names = KINDS[name]
        reservoir = read(name, cut(5, 250_000), 2)
        other = make(stream=77)
        other.update(**{c: COLUMNS[c][250_000:] for c in names})
        sums = reservoir.estimate()
        reservoir.merge(other)
        again = type(reservoir).from_bytes(reservoir.to_bytes())
        return [said(reservoir), sums, reservoir.to_bytes(), repr(again), again.sample(), again.estimate()]

    check(run)


@both
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=300)
def test_backends_on_any_stream(seed):
    rng = np.random.default_rng(seed)
    n, k = int(rng.choice([0, 1, 63, 64, 65, 300, 3000])), int(rng.choice([1, 2, 7, 64, 300]))
    w, keys = cases.row_weights(rng, n), rng.integers(-n, n + 1, n)
    ids = [None, keys, rng.permutation(n)][rng.integers(3)]
    times, half_life = cases.row_times(rng, n) if rng.random() < 0.4 else (None, None)
    classes, at = rng.integers(-3, 3, n), cases.cuts(rng, n)
    replacement, by_class = bool(rng.integers(2)), bool(rng.integers(2))

    def run():
        settings = {"half_life": half_life, "seed": seed, "stream": seed % 5}
        made = ClassReservoir(k, **settings) if by_class else None
        made = made or Reservoir(k, replacement=replacement, **settings)
        for begin, end in itertools.pairwise(at):
            piece = [None if c is None else c[begin:end] for c in (w, ids)]
            first = [classes[begin:end]] if by_class else []
            made.update(*first, *piece, times=None if times is None else times[begin:end])
        more = [weighted_sample(w, k, rng=seed, return_inclusion=True)] if (w > 0).any() else []
        return [made.to_bytes(), made.sample(), made.total_weight, more]

    check(run)


PROGRAM = """
import hashlib
import numpy as np, equipoise
from equipoise._runtime.backend import kernels
d, rng = hashlib.blake2b(), np.random.default_rng(1)
n = 200_001
for w in (rng.pareto(1.0, n), rng.random(n).astype(np.float32), np.full(n, 5e-324), rng.integers(0, 2, n)):
    for ids in (None, rng.permutation(n)):
        for how in ({}, {"half_life": 2.0}, {"replacement": True})[: 2 if w[0] == 5e-324 else 3]:
            r = equipoise.Reservoir(100, seed=5, **how)
            r.update(w, ids=ids, times=np.arange(n) if "half_life" in how else None)
            d.update(r.to_bytes()); d.update(r.sample().inclusion)
        r = equipoise.ClassReservoir(20, seed=5)
        r.update(np.arange(n) % 7, w, ids)
        d.update(r.to_bytes()); d.update(r.sample().inclusion)
    d.update(equipoise.weighted_sample(w, 1000, rng=3)); d.update(equipoise.weighted_sample(w, 9, rng=3))
print(kernels().cpu_path()[0], d.hexdigest())
"""


def test_cpu_path():
    outputs = []
    for environment in ({}, {"EQUIPOISE_DISABLE_CPU_FEATURES": "AVX512"}):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            capture_output=True, text=True, check=True, env={**os.environ, **environment},
        )  # fmt: skip
        outputs.append(done.stdout.split())
    assert outputs[0][1] == outputs[1][1]
    assert outputs[1][0] in (("numba",) if equipoise.backend() == "numba" else ("baseline", "avx2"))


# ---- weighted_sample --------------------------------------------------------------------------------------


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("k", [1, 300, 5000, 150_000])
def test_weighted_sample_is_a_reservoir(k, replacement):
    """A guessed threshold spares work, and changes nothing: even weights that it cannot guess from."""
    if replacement and k > 1000:
        return  # points of each block: nothing of its own to show
    skewed = np.zeros(N)
    skewed[1:2000:3] = 1.0
    heavy = np.ones(N)
    heavy[:: N >> 14] = 1000.0  # all that a glance at every so many rows would see
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


@pytest.mark.parametrize("when", range(12))
@pytest.mark.parametrize("merging", [False, True])
def test_an_interrupt_comes_before_or_after(monkeypatch, merging, when):
    """Of whatever call of a kernel or of a selection: nothing is taken in by halves."""
    rng = np.random.default_rng(when)
    one, other = (ClassReservoir(3, seed=1, stream=i) for i in range(2))
    one.update(rng.integers(0, 5, 500))
    other.update(rng.integers(0, 3_000, 20_000))
    before, left = one.to_bytes(), [when]
    classes = rng.integers(0, 3_000, 20_000)

    def interrupted(function):
        def call(*args, **more):
            left[0] -= 1
            if left[0] == -1:
                raise KeyboardInterrupt
            return function(*args, **more)

        return call

    for name in ("select", "look_through", "_replace"):
        monkeypatch.setattr(bottom_k.Smallest, name, interrupted(getattr(bottom_k.Smallest, name)))
    kernels = interrupted(labels.kernels)
    monkeypatch.setattr(labels, "kernels", kernels)
    monkeypatch.setattr(base, "kernels", interrupted(base.kernels))
    act = (lambda: one.merge(other)) if merging else (lambda: one.update(classes))
    try:
        act()
    except KeyboardInterrupt:
        done = False
    else:
        done = True
    monkeypatch.undo()
    if not done:
        assert one.to_bytes() == before
        act()
    assert one.n_seen == 20_500
    assert sum(one.counts.values()) == 20_500
    again = ClassReservoir.from_bytes(before)
    if merging:
        again.merge(other)
    else:
        again.update(classes)
    assert one.sample().ids.tolist() == again.sample().ids.tolist()


def test_readers_at_the_same_time():
    """sample, to_bytes and merge(other) change nothing that another thread is reading."""
    weights = np.random.default_rng(0).random(300_000)
    for trial in range(5):
        reservoir = Reservoir(20_000, seed=trial)
        for part in np.array_split(weights, 7):
            reservoir.update(part)
        fresh = Reservoir(20_000, seed=trial)
        fresh.update(weights)
        wanted, got = fresh.sample(), []
        readers = [threading.Thread(target=lambda r=reservoir, g=got: g.append(r.sample())) for _ in range(4)]
        switch = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
        finally:
            sys.setswitchinterval(switch)
        assert len(got) == 4
        for sample in [*got, reservoir.sample()]:
            assert sample.ids.tolist() == wanted.ids.tolist()
            assert sample.inclusion.tolist() == wanted.inclusion.tolist()


@pytest.mark.parametrize("name", ["ids", "classes of ids"])
def test_threads_take_turns(name):
    """Rows of several threads all come in; who reads meanwhile finds the reservoir between two calls."""
    make, _ = KINDS[name]
    chunks = [slice(at, at + 1000) for at in range(0, 60_000, 1000)]
    reservoir, other, snapshots, begin = make(), make(), [], threading.Barrier(5, timeout=60)
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def write(first):
        begin.wait()
        read(name, chunks[first::3], reservoir=reservoir)

    def look():
        begin.wait()
        for _ in range(20):
            snapshots.append(reservoir.to_bytes())
            reservoir.sample()
            other.merge(reservoir)

    def merge_back():
        begin.wait()
        for _ in range(20):
            reservoir.merge(other)

    writers = [threading.Thread(target=write, args=(first,)) for first in range(3)]
    others = [threading.Thread(target=look), threading.Thread(target=merge_back)]
    try:
        for thread in [*writers, *others]:
            thread.start()
        for thread in [*writers, *others]:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    assert reservoir.sample().ids.tolist() == read(name, chunks).sample().ids.tolist()
    assert len(snapshots) == 20
    for snapshot in snapshots:
        assert type(reservoir).from_bytes(snapshot).n_seen % 1000 == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork_while_another_thread_reads_rows():
    """A child has no such thread, so nobody would ever give its lock back."""
    reservoir = Reservoir(5)
    held, done = threading.Event(), threading.Event()

    def hold():
        with reservoir._lock:
            held.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    try:
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            reservoir.update([1.0, 2.0])
            os._exit(7 if reservoir.sample().ids.size == 2 else 8)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    finally:
        done.set()
        holder.join()
