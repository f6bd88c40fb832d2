"""Synthetic rows: the reference's bytes, the segment property, streams, states, copies, laws."""

from __future__ import annotations

import copy
import itertools
import json
import math
import mmap
import multiprocessing
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from equipoise import SmoteSampler
from equipoise.neighbors import table
from equipoise.neighbors.search import nearest_neighbors
from equipoise.smote import interpolation
from equipoise.smote import sampler as smote
from support import reference

DTYPES = (np.float32, np.float64)


def points(n=60, d=4, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)


def mixed(n=80, d=5, categorical=(1, 3), dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(dtype)
    X[:, list(categorical)] = rng.integers(-2, 3, (n, len(categorical)))
    return X


def parts(drawn):
    return [a.tobytes() for a in (drawn.rows, drawn.parents, drawn.neighbours, drawn.gaps)]


def check_formula(X, drawn):
    """The docstring's line, in NumPy: every operation is one rounding in X's dtype."""
    base, neighbour, gap = X[drawn.parents], X[drawn.neighbours], drawn.gaps[:, np.newaxis]
    assert drawn.rows.dtype == drawn.gaps.dtype == X.dtype
    assert drawn.rows.tobytes() == (base + gap * (neighbour - base)).tobytes()


# ---- the reference ----------------------------------------------------------------------------------------


@settings(max_examples=250)
@given(st.data())
def test_the_reference_on_anything(data):
    dtype = data.draw(st.sampled_from(DTYPES), label="dtype")
    n, d = data.draw(st.integers(2, 12), label="n"), data.draw(st.integers(1, 5), label="d")
    k = data.draw(st.integers(1, min(6, n - 1)), label="k")
    value = st.sampled_from([0.0, -0.0, 1.0, 1.0, -2.0, 0.5, 3.0, 1024.0])  # copies and ties are common
    cells = data.draw(st.lists(value, min_size=n * d, max_size=n * d), label="X")
    X = np.array(cells, dtype).reshape(n, d)
    categorical = data.draw(st.sets(st.integers(0, d - 1), max_size=2), label="categorical")
    for j in categorical:
        X[:, j] = np.floor(X[:, j])
    weight = st.sampled_from([0.0, 1e-9, 1.0, 3.0])
    weights = data.draw(
        st.one_of(st.none(), st.lists(weight, min_size=n, max_size=n).filter(sum)), label="weights"
    )
    table = reference.smote_table(X, k, sorted(categorical))
    how = {"k_neighbors": k, "categorical": sorted(categorical), "parent_weights": weights}
    if len(table[0]) < k:
        with pytest.raises(ValueError, match=rf"different rows?; k_neighbors={k} needs at least {k + 1}$"):
            SmoteSampler(X, **how)
        return
    seed, epoch = data.draw(st.integers(0, 2**64 - 1)), data.draw(st.integers(0, 2**32 - 1))
    sampler = SmoteSampler(X, seed=seed, **how)
    assert sampler._table.tolist() == table
    sampler.set_epoch(epoch)
    parents = reference.alias_table(weights) if weights else None
    first = 0
    for count in data.draw(st.lists(st.integers(0, 150), min_size=1, max_size=3), label="counts"):
        wanted = reference.synthetic_rows(
            X, table, count, parents=parents, categorical=sorted(categorical), seed=seed, epoch=epoch,
            first=first,
        )  # fmt: skip
        assert parts(sampler.sample(count, return_parents=True)) == [a.tobytes() for a in wanted]
        first += count


def test_the_reference_far_on_and_in_a_worker(monkeypatch):
    """Where the counter has left 32 bits and wraps at 64, and with a worker's seed in the address."""
    X = points(20, 3)
    table = reference.smote_table(X, 5)
    for first in (2**32 - 3, 2**63 - 70, 2**64 - 100):
        for lane in (0, 2**64 - 1, 12345):
            monkeypatch.setattr(smote, "worker_lane", lambda lane=lane: lane)
            sampler = SmoteSampler(X, seed=7)
            sampler._rows_drawn = first
            wanted = reference.synthetic_rows(X, table, 90, seed=7, first=first, lane=lane)
            assert parts(sampler.sample(90, return_parents=True)) == [a.tobytes() for a in wanted]
    sampler._rows_drawn = 2**64 - 64
    sampler.sample(65)
    assert sampler.state_dict()["rows_drawn"] == 1


# ---- what a synthetic row is ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "d", "k"), [(6, 1, 5), (500, 3, 1), (300, 16, 5), (40, 130, 39)])
def test_every_row_is_the_formula_and_its_neighbour_one_of_the_k(n, d, k, dtype):
    X = points(n, d, dtype)
    drawn = SmoteSampler(X, k_neighbors=k, seed=1).sample(5000, return_parents=True)
    check_formula(X, drawn)
    nearest = nearest_neighbors(X, k).indices
    assert (nearest[drawn.parents] == drawn.neighbours[:, np.newaxis]).sum(axis=1).tolist() == [1] * 5000
    assert (drawn.gaps >= 0).all()
    assert (drawn.gaps < 1).all()
    assert (drawn.rows <= np.maximum(X[drawn.parents], X[drawn.neighbours])).all()
    assert (drawn.rows >= np.minimum(X[drawn.parents], X[drawn.neighbours])).all()


def test_the_formula_is_the_same_line_everywhere():
    from pathlib import Path

    line = "base + gap * (neighbour - base)"
    root, package = Path(__file__).parents[2], Path(equipoise.__file__).parent
    texts = [
        package / "smote" / "interpolation.py",
        package / "rng.py",
        package / "_numba" / "smote" / "synthesis.py",
    ]
    for path in texts + [root / "cpp" / "smote" / "synthesis.hpp"] * (root / "cpp").is_dir():
        assert line in path.read_text(), path
    assert line in SmoteSampler.__doc__
    assert line in interpolation.interpolate.__doc__
    assert line in interpolation.interpolate_csr.__doc__


def test_copies_of_a_row_are_one_point():
    """By index alone the five nearest of ten copies are copies, and every synthetic row would be one too."""
    X = points(30, 4)
    repeated = np.repeat(X, 10, axis=0)
    assert (nearest_neighbors(repeated, 5).distances == 0).all()
    drawn = SmoteSampler(repeated, seed=3).sample(4000, return_parents=True)
    check_formula(repeated, drawn)
    own = {row.tobytes() for row in X}
    copies = sum(row.tobytes() in own for row in drawn.rows)
    assert copies <= (drawn.gaps == 0).sum() + 8  # 2^-24 a row, and where a small gap is rounded away
    # The neighbours are those that the rows have without their copies, and all copies are parents.
    single = nearest_neighbors(X, 5).indices
    assert (single[drawn.parents // 10] * 10 == drawn.neighbours[:, np.newaxis]).any(axis=1).all()
    assert np.unique(drawn.parents).size == 300  # a parent missing: P < 300 * exp(-4000 / 300) < 5e-4; seed 3


def test_some_copies():
    X = points(50, 3, np.float64)
    X[17] = X[3]
    X[40:44] = X[20]
    X[9] = 0.0
    X[33] = -0.0
    assert SmoteSampler(X)._table.tolist() == reference.smote_table(X, 5)


def test_zeros_of_both_signs_are_one_value():
    X = np.array([[0.0], [-0.0], [1.0]])
    assert SmoteSampler(X, k_neighbors=1)._table.tolist() == [[2], [2], [0]]


def test_far_apart_rows_whose_distance_is_rounded_to_nothing():
    """Squares that vanish make no copies."""
    X = np.array([[0.0], [1e-200], [1.0]])
    assert SmoteSampler(X, k_neighbors=2).sample(50).max() < 1


# ---- categories -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("categorical", [(1, 3), (0,), (0, 1, 2, 3, 4)])
def test_categories_are_voted(categorical, dtype):
    X = mixed(dtype=dtype, categorical=categorical)
    sampler = SmoteSampler(X, categorical=categorical[::-1], seed=5)
    table = np.array(reference.smote_table(X, 5, categorical))
    assert sampler._table.tolist() == table.tolist()
    drawn = sampler.sample(2000, return_parents=True)
    others = [j for j in range(5) if j not in categorical]
    base, neighbour, gap = X[drawn.parents], X[drawn.neighbours], drawn.gaps[:, np.newaxis]
    assert (drawn.rows == base + gap * (neighbour - base))[:, others].all()
    for j in categorical:
        for parent, code in zip(drawn.parents, drawn.rows[:, j], strict=True):
            codes, counts = np.unique(X[table[parent], j], return_counts=True)
            assert code == codes[counts.argmax()]  # sorted, so the first of the largest is the smallest


def test_the_distance_of_a_category():
    """median_std^2 a mismatch: the median of the continuous columns' deviations, of three columns here."""
    rng = np.random.default_rng(1)
    X = np.concatenate([rng.normal(size=(40, 3)) * [1, 10, 100], rng.integers(0, 3, (40, 1))], axis=1)
    m = np.median(X[:, :3].std(axis=0))
    numbers = np.ascontiguousarray(X[:, :3])
    assert math.isclose(table._mismatch(numbers, np.arange(3)), m, rel_tol=1e-13)
    assert table._mismatch(numbers[:, :0], np.arange(0)) == 1.0
    squares = ((X[:, None, :3] - X[:, :3]) ** 2).sum(-1) + m**2 * (X[:, None, 3] != X[:, 3])
    np.fill_diagonal(squares, np.inf)
    wanted = np.argsort(squares, axis=1, kind="stable")[:, :5]
    assert SmoteSampler(X, categorical=[3])._table.tolist() == wanted.tolist()


def test_copies_do_not_change_the_distance_of_a_category():
    """m is that of all rows: of the points alone it would be 1.09 here, and row 1's neighbour row 6."""
    X = np.array([[1, 0], [0, 0], [0, 0], [0, 0], [0, -2], [0, 0], [0, 1], [0, 0]], np.float32)
    table = SmoteSampler(X, k_neighbors=1, categorical=[0])._table
    assert table.ravel().tolist() == [1, 0, 0, 0, 1, 0, 1, 0]
    assert table.tolist() == reference.smote_table(X, 1, [0])


def test_a_category_of_many_codes_is_never_spread_out():
    """3,000 codes and 2,000 rows: one-hot would be 48 MB."""
    import tracemalloc

    rng = np.random.default_rng(0)
    X = np.stack([rng.normal(size=2000), np.arange(2000) % 3000], axis=1)
    sampler = SmoteSampler(X, categorical=[1])
    sampler.sample(10)
    tracemalloc.start()
    sampler.sample(20_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 20_000 * 2 * 8


# ---- an estimator's neighbours ----------------------------------------------------------------------------


class Found:
    """A neighbours estimator that can do just what may be used."""

    def __init__(self, found, n_neighbors):
        self.found, self.n_neighbors, self.fitted = found, n_neighbors, None

    def fit(self, X):
        self.fitted = X
        return self

    def kneighbors(self, X, return_distance=True):
        assert return_distance is False
        assert X is self.fitted
        return np.asarray(self.found)


def test_an_estimator_counts_the_row_itself():
    X = points(4, 2)
    found = [[0, 1, 2], [3, 1, 0], [3, 0, 1], [2, 3, 3]]  # itself first, in the middle, missing, first of two
    sampler = SmoteSampler(X, k_neighbors=Found(found, 3))
    assert sampler._table.tolist() == [[1, 2], [3, 0], [3, 0], [2, 3]]
    check_formula(X, sampler.sample(500, return_parents=True))


def test_scikit_learns_estimator_finds_the_same():
    neighbors = pytest.importorskip("sklearn.neighbors", reason="scikit-learn is not installed")
    X = points(300, 6)
    theirs = SmoteSampler(X, k_neighbors=neighbors.NearestNeighbors(n_neighbors=6), seed=2)
    ours = SmoteSampler(X, seed=2)
    assert theirs.sample(1000).tobytes() == ours.sample(1000).tobytes()
    ours.load_state_dict(theirs.state_dict())


# ---- the stream -------------------------------------------------------------------------------------------

VARIANTS = {
    "plain": lambda **how: SmoteSampler(points(), **{"seed": 4} | how),
    "float64": lambda **how: SmoteSampler(points(dtype=np.float64), **{"seed": 4} | how),
    "weighted": lambda **how: SmoteSampler(points(), **{"parent_weights": np.arange(60.0), "seed": 4} | how),
    "categorical": lambda **how: SmoteSampler(mixed(), **{"categorical": [1, 3], "seed": 4} | how),
}
variants = pytest.mark.parametrize("make", VARIANTS.values(), ids=VARIANTS)


@variants
def test_cuts(make):
    whole = make().sample(1000, return_parents=True)
    assert len({whole.rows[i : i + 64].tobytes() for i in range(0, 960, 64)}) == 15  # no group repeats
    for cut in ([1] * 70, [0, 63, 1, 64, 65, 128, 129, 0, 550], [999, 1], [1000]):
        sampler = make()
        drawn = [sampler.sample(count, return_parents=True) for count in cut]
        for name in ("rows", "parents", "neighbours", "gaps"):
            joined = np.concatenate([getattr(one, name) for one in drawn])
            assert joined.tobytes() == getattr(whole, name)[: len(joined)].tobytes()


@variants
def test_threads_and_chunks(make, monkeypatch, own_threads):
    whole = parts(make().sample(3000, return_parents=True))
    assert smote._CHUNK > 3000
    for chunk in (1, 1000, 7777):
        monkeypatch.setattr(smote, "_CHUNK", chunk)
        for threads in ("1", "3"):
            monkeypatch.setenv("EQUIPOISE_NUM_THREADS", threads)
            assert parts(make().sample(3000, return_parents=True)) == whole
    assert own_threads.made >= 3 * 2
    assert own_threads.left() == 0


def test_the_number_of_threads_comes_from_the_environment(monkeypatch, own_threads):
    sampler = VARIANTS["plain"]()
    made = own_threads.made
    monkeypatch.setattr(smote, "_CHUNK", 1000)
    monkeypatch.setenv("EQUIPOISE_NUM_THREADS", "3")
    sampler.sample(5000)
    assert own_threads.made == made + 2
    monkeypatch.setenv("EQUIPOISE_NUM_THREADS", "none")
    with pytest.raises(ValueError, match="EQUIPOISE_NUM_THREADS must be a whole number"):
        sampler.sample(1)


def test_parents_or_not_the_rows_are_the_same():
    one, two = VARIANTS["plain"](), VARIANTS["plain"]()
    assert one.sample(100).tobytes() == two.sample(100, return_parents=True).rows.tobytes()
    assert one.sample(100).tobytes() == two.sample(100, return_parents=True).rows.tobytes()


def test_addresses_differ():
    """Another seed, epoch, or class: other gaps, all of them."""

    def gaps(X=None, seed=0, epoch=0):
        sampler = SmoteSampler(points(dtype=np.float64) if X is None else X, seed=seed)
        sampler.set_epoch(epoch)
        return sampler.sample(50, return_parents=True).gaps.tolist()

    other = points(dtype=np.float64, seed=1)
    drawn = [
        gaps(), gaps(seed=1), gaps(seed=2**64 - 1), gaps(epoch=1), gaps(epoch=2**32 - 1), gaps(other),
        gaps(other.reshape(120, 2)),
    ]  # fmt: skip
    assert len(set(itertools.chain(*drawn))) == 50 * len(drawn)


def test_epochs_start_again():
    sampler = VARIANTS["plain"]()
    first = sampler.sample(100).tobytes()
    sampler.set_epoch(1)
    assert sampler.sample(100).tobytes() != first
    sampler.set_epoch(0)
    assert sampler.sample(100).tobytes() == first


def test_out_is_filled_and_returned():
    sampler, out = VARIANTS["plain"](), np.empty((70, 4), np.float32)
    assert sampler.sample(70, out=out) is out
    assert out.tobytes() == VARIANTS["plain"]().sample(70).tobytes()
    drawn = sampler.sample(70, out=out, return_parents=True)
    assert drawn.rows is out
    check_formula(points(), drawn)


def test_results_are_writable_and_their_own():
    drawn = VARIANTS["plain"]().sample(5, return_parents=True)
    for a in (drawn.rows, drawn.parents, drawn.neighbours, drawn.gaps):
        assert a.flags.writeable
        assert a.flags.c_contiguous
        assert a.flags.owndata


def test_layouts_of_X():
    """Any stride, byte order, alignment, and read-only: the same rows."""
    X = points()
    wanted = SmoteSampler(X).sample(100).tobytes()
    wide = np.zeros((60, 9), np.float32)
    wide[:, 1::2] = X
    frozen = X.copy()
    frozen.flags.writeable = False
    odd = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(np.float32).reshape(X.shape)
    assert not odd.flags.aligned
    for form in (wide[:, 1::2], np.asfortranarray(X), X[::-1].copy()[::-1], frozen, X.astype(">f4"), odd):
        assert SmoteSampler(form).sample(100).tobytes() == wanted


def test_X_is_held_and_not_copied():
    X = points(1000, 8)
    sampler = SmoteSampler(X)
    arrays = {name: a for name, a in vars(sampler).items() if isinstance(a, np.ndarray)}
    assert np.shares_memory(arrays.pop("_X"), X)
    assert arrays.pop("_table").dtype == np.int32
    assert sampler._table.nbytes == 1000 * 5 * 4
    assert sum(a.nbytes for a in arrays.values()) == 0


# ---- states and copies ------------------------------------------------------------------------------------


@variants
def test_killed_and_resumed(make):
    sampler = make()
    sampler.set_epoch(3)
    sampler.sample(77)
    state = json.loads(json.dumps(sampler.state_dict()))
    wanted = sampler.sample(200).tobytes()
    fresh = make()
    fresh.load_state_dict(state)
    assert fresh.sample(200).tobytes() == wanted
    assert state["rows_drawn"] == 77


KILLED = """
import json, os, sys
import numpy as np, equipoise
X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
sampler = equipoise.SmoteSampler(X, seed=4)
if sys.argv[1] == "die":
    for _ in range(3):
        sampler.sample(50)
    print(json.dumps(sampler.state_dict()), flush=True)
    sampler.sample(20)
    os.kill(os.getpid(), 9) if os.name != "nt" else os._exit(1)
sampler.load_state_dict(json.loads(sys.argv[2]))
print(sampler.sample(50).tobytes().hex())
"""


def test_a_process_that_is_killed_is_resumed_by_another():
    run = [sys.executable, "-c", KILLED]
    died = subprocess.run([*run, "die"], capture_output=True, text=True, check=False)
    assert died.returncode != 0
    again = subprocess.run([*run, "live", died.stdout.strip()], capture_output=True, text=True, check=True)
    assert bytes.fromhex(again.stdout.strip()) == VARIANTS["plain"]().sample(200)[150:].tobytes()


@pytest.mark.parametrize(
    "other",
    [
        SmoteSampler(points(seed=1), seed=4),
        SmoteSampler(points(dtype=np.float64), seed=4),
        SmoteSampler(points(), seed=5),
        SmoteSampler(points(), seed=4, k_neighbors=4),
        SmoteSampler(points(), seed=4, parent_weights=np.ones(60)),
        SmoteSampler(np.round(points()), seed=4, categorical=[1]),
    ],
    ids=["X", "dtype", "seed", "k_neighbors", "parent_weights", "categorical"],
)
def test_a_foreign_state_is_refused(other):
    before = other.state_dict()
    with pytest.raises(
        ValueError, match="that of this sampler's X, k_neighbors, categorical, parent_weights"
    ):
        other.load_state_dict(VARIANTS["plain"]().state_dict())
    assert other.state_dict() == before


def test_the_fingerprint_tells_categories():
    X = np.round(points())
    a, b = (SmoteSampler(X, categorical=c, k_neighbors=Found(np.zeros((60, 3), int), 3)) for c in ([1], [2]))
    assert a.state_dict()["fingerprint"] != b.state_dict()["fingerprint"]


def test_malformed_states_are_refused():
    good = VARIANTS["plain"]().state_dict()
    for bad in (
        {},
        {**good, "version": 2},
        {**good, "rows_drawn": -1},
        {**good, "epoch": 2**32},
        *({k: v for k, v in good.items() if k != gone} for gone in good),
    ):
        with pytest.raises(ValueError, match="state"):
            VARIANTS["plain"]().load_state_dict(bad)
    for bad in (None, [], "state", 3):
        with pytest.raises(TypeError, match="state"):
            VARIANTS["plain"]().load_state_dict(bad)


def test_the_fingerprint_is_computed_once(monkeypatch):
    sampler = VARIANTS["plain"]()
    first = sampler.state_dict()
    monkeypatch.setattr("hashlib.blake2b", None)
    assert sampler.state_dict() == first
    sampler.load_state_dict(first)


@variants
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies_go_on_by_themselves(make, copied):
    sampler = make()
    sampler.set_epoch(2)
    sampler.sample(10)
    other = copied(sampler)
    wanted = sampler.sample(50).tobytes()
    sampler.sample(9)
    assert other.sample(50).tobytes() == wanted


@variants
def test_equal_samplers_have_equal_pickles(make):
    used, new = make(), pickle.dumps(make())
    used.state_dict()
    assert pickle.dumps(used) == new
    used.sample(10)
    moved = pickle.dumps(used)
    assert moved != new
    assert pickle.dumps(pickle.loads(moved)) == moved


def test_buffers_go_out_of_band():
    sampler = SmoteSampler(points(2000, 16), seed=1)
    buffers = []
    inside = pickle.dumps(sampler, protocol=5, buffer_callback=buffers.append)
    assert len(inside) < 2000
    assert {b.raw().nbytes for b in buffers} >= {sampler._X.nbytes, sampler._table.nbytes}
    again = pickle.loads(inside, buffers=[b.raw().tobytes() for b in buffers])  # read-only memory
    assert again.sample(100).tobytes() == sampler.sample(100).tobytes()


def _draw(sampler, queue):
    queue.put(sampler.sample(300).tobytes())


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_process(method, mapped, tmp_path):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no start method {method} here")
    X = points()
    if mapped:
        X = saved(tmp_path / "rows.npy", X)
    sampler = SmoteSampler(X, seed=4)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    worker = context.Process(target=_draw, args=(sampler, queue))
    worker.start()
    there = queue.get(timeout=120)
    worker.join()
    assert there == VARIANTS["plain"]().sample(300).tobytes()


# ---- rows in a file ---------------------------------------------------------------------------------------


def saved(path, X):
    np.save(path, X)
    return np.load(path, mmap_mode="r")


def is_mapped(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)


def test_a_mapped_X_pickles_as_its_file(tmp_path):
    X = points(3000, 64)
    mapped = SmoteSampler(saved(tmp_path / "rows.npy", X), seed=2)
    assert is_mapped(mapped._X)
    buffers = []
    inside = pickle.dumps(mapped, protocol=5, buffer_callback=buffers.append)
    assert len(inside) < 2000
    assert sum(b.raw().nbytes for b in buffers) == mapped._table.nbytes
    assert len(pickle.dumps(mapped)) < 2000 + mapped._table.nbytes < X.nbytes / 10
    again = pickle.loads(pickle.dumps(mapped))
    assert is_mapped(again._X)
    plain = SmoteSampler(X, seed=2)
    assert again.state_dict() == plain.state_dict()
    assert again.sample(500).tobytes() == plain.sample(500).tobytes()
    assert pickle.dumps(pickle.loads(inside, buffers=buffers)) == pickle.dumps(mapped)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_part_of_a_map_is_found(dtype, tmp_path):
    X = points(5000, 7, dtype)
    X.tofile(tmp_path / "rows")
    size = X.dtype.itemsize
    for offset, part in (
        (0, slice(100, 900)),
        (7 * size * 1000, slice(0, 500)),
        (7 * size * 300, slice(4000, None)),
    ):
        whole = np.memmap(tmp_path / "rows", dtype, "r", offset).reshape(-1, 7)
        sampler = SmoteSampler(whole[part])
        buffers = []
        pickle.dumps(sampler, protocol=5, buffer_callback=buffers.append)
        assert sum(b.raw().nbytes for b in buffers) == sampler._table.nbytes
        again = pickle.loads(pickle.dumps(sampler))
        assert again._X.tobytes() == np.ascontiguousarray(whole[part]).tobytes()
        assert again.sample(100).tobytes() == sampler.sample(100).tobytes()


def test_other_maps_pickle_by_value(tmp_path):
    """Writable ones, ones that others may write to, and views that are no such memory."""
    X = points(300, 8)
    path = tmp_path / "rows.npy"
    read = saved(path, X)
    loose = np.load(path, mmap_mode="r+")
    loose.flags.writeable = False
    swapped = saved(tmp_path / "swapped.npy", X.astype(">f4"))
    others = (np.load(path, mmap_mode="r+"), np.load(path, mmap_mode="c"), loose, swapped, read[::2], read.T)
    for form in others:
        sampler = SmoteSampler(form)
        assert len(pickle.dumps(sampler)) > form.nbytes
        again = pickle.loads(pickle.dumps(sampler))
        wanted = SmoteSampler(np.array(form, np.float32, order="C"))
        assert again.sample(50).tobytes() == wanted.sample(50).tobytes()
    assert len(pickle.dumps(SmoteSampler(read[:, :]))) < X.nbytes


def test_a_changed_file_is_refused(tmp_path):
    path = tmp_path / "rows.npy"
    X = points(300, 8)
    pickled = pickle.dumps(SmoteSampler(saved(path, X)))
    whole = path.read_bytes()
    text = "rows.npy' must hold the rows that were pickled"
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ValueError, match=f"{text}, got others: the file has changed"):
        pickle.loads(pickled)
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=rf"{text}, {len(whole)} bytes, got {len(whole) - 1}"):
        pickle.loads(pickled)
    path.write_bytes(whole + b"more")
    assert pickle.loads(pickled).sample(20).tobytes() == SmoteSampler(X).sample(20).tobytes()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        pickle.loads(pickled)


@pytest.mark.skipif(os.name == "nt", reason="a mapped file cannot be removed there")
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_outlive_the_file(copied, tmp_path):
    sampler = SmoteSampler(saved(tmp_path / "rows.npy", points()), seed=4)
    (tmp_path / "rows.npy").unlink()
    other = copied(sampler)
    assert other.sample(50).tobytes() == VARIANTS["plain"]().sample(50).tobytes()


# ---- laws -------------------------------------------------------------------------------------------------
#
# Each check below is a mean of N independent terms in [0, 1] against its expectation. By Hoeffding it is off
# by more than sqrt(log(2 / ALPHA) / (2 N)) with probability at most ALPHA = 1e-10. A seed has fewer than 700
# such checks, so a correct library fails one of the seeds 0-99 with probability at most 7e-6.

ALPHA, N = 1e-10, 200_000
BOUND = math.sqrt(math.log(2 / ALPHA) / (2 * N))


def law(dtype, seed, **how):
    X = points(40, 3, dtype)
    return SmoteSampler(X, seed=seed, **how), X


@pytest.mark.parametrize("dtype", DTYPES)
def test_parents_columns_and_gaps_are_uniform_and_independent(any_seed, dtype):
    sampler, _ = law(dtype, any_seed)
    drawn = sampler.sample(N, return_parents=True)
    column = (sampler._table[drawn.parents] == drawn.neighbours[:, np.newaxis]).argmax(axis=1)
    cells = np.zeros((40, 5, 1))
    np.add.at(cells, (drawn.parents, column, 0), 1 / N)
    assert np.abs(cells.sum(axis=(1, 2)) - 1 / 40).max() < BOUND
    assert np.abs(cells - 1 / 200).max() < BOUND
    assert drawn.gaps.min() >= 0
    assert drawn.gaps.max() < 1
    for edge in np.linspace(0.1, 0.9, 9):
        assert abs((drawn.gaps < edge).mean() - edge) < BOUND
    low = drawn.gaps < 0.5
    for c in range(5):
        assert abs((low & (column == c)).mean() - 0.1) < BOUND
    bits = (drawn.gaps * (2**24 if dtype == np.float32 else 2**53)).astype(np.int64)
    for bit in range(24):  # the lowest are as good as the highest
        assert abs((bits >> bit & 1).mean() - 0.5) < BOUND
    assert abs((low[1:] & low[:-1]).mean() - 0.25) < 2 * BOUND  # pairs overlap: two halves, each independent


def test_parents_follow_their_weights(any_seed):
    weights = np.arange(40.0)
    sampler, _ = law(np.float32, any_seed, parent_weights=weights)
    drawn = sampler.sample(N, return_parents=True)
    shares = np.bincount(drawn.parents, minlength=40) / N
    assert shares[0] == 0
    assert np.abs(shares - weights / weights.sum()).max() < BOUND


def test_two_classes_of_equal_size_under_one_seed_are_independent(any_seed):
    """imbalanced-learn gives both the same parents, neighbours and gaps."""
    one, two = (SmoteSampler(points(40, 3, seed=s), seed=any_seed) for s in (0, 1))
    a, b = one.sample(N, return_parents=True), two.sample(N, return_parents=True)
    assert abs((a.parents == b.parents).mean() - 1 / 40) < BOUND
    assert abs(((a.gaps < 0.5) == (b.gaps < 0.5)).mean() - 0.5) < BOUND
    assert abs((a.gaps * b.gaps).mean(dtype=np.float64) - 0.25) < BOUND + 2**-23


def test_the_ends_of_a_gap():
    """From words of all zeros and all ones."""
    numbers = {np.float32: 1 - 2.0**-24, np.float64: 1 - 2.0**-53}
    for dtype, most in numbers.items():
        assert reference.fraction(0, dtype) == 0
        assert reference.fraction(2**64 - 1, dtype) == most < 1


# ---- interpolation ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [1, 3, 16, 100])
def test_interpolation(dtype, d, monkeypatch):
    rng = np.random.default_rng(d)
    X = points(50, d, dtype)
    a, b = rng.integers(0, 50, (2, 333))
    gaps = rng.normal(size=333).astype(dtype)  # any line, not the segment alone
    wanted = X[a] + gaps[:, np.newaxis] * (X[b] - X[a])
    assert interpolation.interpolate(X, a, b, gaps).tobytes() == wanted.tobytes()
    monkeypatch.setattr(smote, "_CHUNK", 500)
    out = np.empty_like(wanted)
    assert interpolation.interpolate(X, a, b, gaps, out=out, n_threads=3) is out
    assert out.tobytes() == wanted.tobytes()
    assert interpolation.interpolate(np.asfortranarray(X), a, b, gaps).tobytes() == wanted.tobytes()
    assert interpolation.interpolate(X, [], [], np.empty(0, dtype)).shape == (0, d)


@pytest.mark.parametrize("dtype", DTYPES)
def test_interpolation_of_sparse_rows(dtype, monkeypatch):
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    rng = np.random.default_rng(3)
    X = points(60, 30, dtype) * (rng.random((60, 30)) < rng.random((60, 1)))
    X[5] = 0
    matrix = sparse.csr_matrix(X)
    matrix.data[7] = 0  # an explicit zero stays an entry
    a, b = rng.integers(0, 60, (2, 400))
    b[:20] = a[:20]
    gaps = rng.random(400).astype(dtype)
    gaps[::7] = 0
    gaps[3::7] = 1
    X = matrix.toarray()
    wanted = X[a] + gaps[:, np.newaxis] * (X[b] - X[a])
    made = interpolation.interpolate_csr(matrix.data, matrix.indices, matrix.indptr, a, b, gaps)
    assert [x.dtype for x in made] == [dtype, np.int64, np.int64]
    result = sparse.csr_matrix(made, shape=(400, 30))
    assert result.has_canonical_format
    assert result.toarray().tobytes() == (wanted + dtype(0)).tobytes()
    for i in range(400):
        stored = result.indices[result.indptr[i] : result.indptr[i + 1]].tolist()
        mine, other = (set(matrix[r].indices.tolist()) for r in (a[i], b[i]))
        assert stored == sorted(mine | other)
    monkeypatch.setattr(smote, "_CHUNK", 100)
    again = interpolation.interpolate_csr(matrix.data, matrix.indices, matrix.indptr, a, b, gaps, n_threads=3)
    assert [x.tobytes() for x in again] == [x.tobytes() for x in made]
    none = interpolation.interpolate_csr(matrix.data, matrix.indices, matrix.indptr, [], [], gaps[:0])
    assert [x.tolist() for x in none] == [[], [], [0]]


# ---- parent weights ---------------------------------------------------------------------------------------


def brute_others(X, y, cls, k):
    """Of the k nearest of each row of the class, those of other classes: squares in float64, all sorted."""
    wide = X.astype(np.float64)
    others = []
    for i in np.flatnonzero(y == cls):
        squares = ((wide - wide[i]) ** 2).sum(axis=1)
        squares[i] = np.inf
        others.append(int((y[np.argsort(squares, kind="stable")[:k]] != cls).sum()))
    return np.array(others)


@pytest.mark.parametrize("copies", [1, 4])
@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_are_the_papers(dtype, copies):
    rng = np.random.default_rng(8)
    X = np.concatenate([rng.normal(size=(60, 2)), rng.normal(size=(40, 2)) + 1.5]).astype(dtype)
    X = np.repeat(X, copies, axis=0)
    y = np.repeat(np.array(["a"] * 60 + ["b"] * 40), copies)
    shuffled = rng.permutation(len(y))
    X, y = X[shuffled], y[shuffled]
    for m in (1, 4, 5, 10):
        others = brute_others(X, y, "b", m)
        danger = [float(m / 2 <= q < m) for q in others]
        if not any(danger):
            with pytest.raises(ValueError, match="no row in danger"):
                equipoise.borderline_weights(X, y, "b", m_neighbors=m)
            continue
        got = equipoise.borderline_weights(X, y, "b", m_neighbors=m)
        assert got.dtype == np.float64
        assert got.tolist() == danger
    assert (
        equipoise.borderline_weights(X, y, "b").tolist()
        == equipoise.borderline_weights(X, y, "b", m_neighbors=10).tolist()
    )
    for k in (1, 5, 9):
        got = equipoise.safe_level_weights(X, y, "b", k_neighbors=k)
        assert got.tolist() == (k - brute_others(X, y, "b", k)).tolist()
    assert equipoise.safe_level_weights(X, y, "b").max() == 5
    sampler = SmoteSampler(X[y == "b"], parent_weights=equipoise.borderline_weights(X, y, "b"))
    parents = sampler.sample(3000, return_parents=True).parents
    assert (equipoise.borderline_weights(X, y, "b")[parents] == 1).all()


def test_labels_of_any_kind():
    X = points(30, 2)
    y = np.arange(30) % 2
    wanted = equipoise.safe_level_weights(X, y, 1).tolist()
    for labels, cls in (
        (y.tolist(), 1),
        (y.astype(bool), True),
        (y.astype(np.float32), np.float32(1)),
        (np.array(["x", "y"])[y], "y"),
        (np.array(["x", "y"], object)[y], "y"),
        (np.array(["x", "y"])[y], np.str_("y")),
    ):
        assert equipoise.safe_level_weights(X, labels, cls).tolist() == wanted


class Brute:
    """A neighbours estimator of scikit-learn's kind; ``n_neighbors`` counts the row itself."""

    def __init__(self, n_neighbors):
        self.n_neighbors = n_neighbors

    def fit(self, X):
        self.X = X

    def kneighbors(self, X, return_distance=True):
        assert return_distance is False
        squares = ((X[:, np.newaxis] - self.X) ** 2).sum(axis=2)
        return np.argsort(squares, axis=1, kind="stable")[:, : self.n_neighbors]


def test_parent_weights_by_an_estimator():
    X, y = points(400, 3, dtype=np.float64), np.random.default_rng(8).integers(0, 3, 400)
    for cls in (0, 1, 2):
        for k in (1, 4, 10):
            assert (
                equipoise.safe_level_weights(X, y, cls, k_neighbors=Brute(k + 1)).tolist()
                == equipoise.safe_level_weights(X, y, cls, k_neighbors=k).tolist()
            )
        assert (
            equipoise.borderline_weights(X, y, cls, m_neighbors=Brute(11)).tolist()
            == equipoise.borderline_weights(X, y, cls).tolist()
        )


def test_parent_weights_by_an_estimator_that_is_wrong():
    X, y = points(40, 3), np.arange(40) % 2
    wrong = Brute(6)
    wrong.kneighbors = lambda X, return_distance: np.zeros((len(X), 5), int)
    with pytest.raises(
        ValueError, match=r"k_neighbors\.kneighbors\(X\) must have shape \(20, 6\), got \(20, 5\)"
    ):
        equipoise.safe_level_weights(X, y, 1, k_neighbors=wrong)
    wrong.kneighbors = lambda X, return_distance: np.full((len(X), 6), 40)
    with pytest.raises(IndexError, match=r"m_neighbors\.kneighbors\(X\)\[0, 0\]"):
        equipoise.borderline_weights(X, y, 1, m_neighbors=wrong)
