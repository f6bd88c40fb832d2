"""Negatives do not depend on threads, chunks, batches, the CPU path, the process, layout or ``out=``."""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import os
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

import equipoise
from equipoise import AliasTable, Negatives, NegativeSampler
from equipoise._runtime.backend import kernels
from equipoise.negatives import exclusions, shared
from equipoise.negatives import rows as loop
from equipoise.tables import base as tables
from support import cases
from support.answers import equal
from support.cases import EXACT, five

N = 5000


WEIGHTS = 1.0 / np.arange(1, N + 1)


RNG = np.random.default_rng(0)


INDPTR = np.concatenate([[0], np.cumsum(RNG.integers(0, 40, 300))])


INDICES = RNG.integers(0, 200, INDPTR[-1])  # popular items, so that redraws are common


ROWS = RNG.integers(0, 300, 4000)


def make(items=None, **settings):
    return equipoise.NegativeSampler(
        WEIGHTS if items is None else items, exclude=(INDPTR, INDICES), seed=9, **settings
    )


def same(a, b):
    return all(getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in ("ids", "log_q", "mask"))


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads_do_not_change_the_negatives(threads, monkeypatch, own_threads):
    monkeypatch.setattr(tables, "CHUNK", 1 << 10)
    table = equipoise.AliasTable(WEIGHTS)
    assert table.sample(50_001, rng=3, n_threads=threads).tobytes() == table.sample(50_001, rng=3).tobytes()
    uniform = equipoise.UniformTable(N)
    assert (
        uniform.sample(50_001, rng=3, n_threads=threads).tobytes() == uniform.sample(50_001, rng=3).tobytes()
    )
    for unique in (False, True):
        assert same(
            make().sample(ROWS, 30, unique=unique, n_threads=threads), make().sample(ROWS, 30, unique=unique)
        )
    assert own_threads.made >= 2 * (threads - 1)
    assert own_threads.left() == 0


def test_the_environment_sets_the_number_of_threads(monkeypatch):
    alone = make().sample(ROWS, 30)
    monkeypatch.setenv("EQUIPOISE_NUM_THREADS", "4")
    assert same(make().sample(ROWS, 30), alone)
    for bad in ("0", "-1", "two", "1.5"):
        monkeypatch.setenv("EQUIPOISE_NUM_THREADS", bad)
        with pytest.raises(ValueError, match="EQUIPOISE_NUM_THREADS must be a whole number >= 1"):
            make().sample(ROWS, 30)


def test_the_first_exhausted_row_is_named_for_any_threads():
    rows = np.zeros(50_000, np.int64)
    rows[[31_234, 41_000]] = 1
    sampler = equipoise.NegativeSampler([1, 1], exclude=([0, 0, 2], [0, 1]))
    for threads in (1, 2, 5):
        with pytest.raises(ValueError, match=r"rows\[31234\] = 1 has 0 ids"):
            sampler.sample(rows, 4, n_threads=threads)
    assert sampler.state_dict()["rows_drawn"] == 0


@pytest.mark.parametrize("items", [WEIGHTS, N], ids=["alias", "uniform"])
@pytest.mark.parametrize("k", [7, 64, 65, 255, 256, 257, 600])
@pytest.mark.parametrize("unique", [False, True])
def test_chunks_do_not_change_the_negatives(items, k, unique, monkeypatch):
    """With the smallest budget, kernels pause and resume rows even in the middle."""
    rows, more = ROWS[:40], np.arange(80).reshape(40, 2)
    settings = {"unique": unique, "exclude_ids": more if k % 2 else None, "on_exhausted": "mask"}
    whole = make(items).sample(rows, k, **settings)
    kernels, calls = loop.kernels(), itertools.count()

    class Watched:
        def __getattr__(self, name):
            return getattr(kernels, name)

        def negatives_draw(self, *args):
            assert next(calls) < 10_000, "a resumed row makes no progress"
            return kernels.negatives_draw(*args)

    monkeypatch.setattr(loop, "kernels", Watched)
    for budget in (1, 100, 10_000):
        monkeypatch.setattr(loop, "_BUDGET", budget)
        assert same(make(items).sample(rows, k, **settings), whole)
        assert same(make(items).sample(rows, k, n_threads=3, **settings), whole)


@pytest.mark.parametrize("policy", ["mask", "replace"])
def test_chunks_do_not_change_exhausted_rows(policy, monkeypatch):
    """Asking for 300 unique ones of 100 ids takes exact draws, prefix sums and pauses."""
    weights = np.where(np.arange(120) < 100, 2.0 ** -np.arange(120), 0)
    settings = {"unique": True, "on_exhausted": policy, "exclude_ids": np.arange(6).reshape(3, 2)}
    whole = equipoise.NegativeSampler(weights, seed=3).sample([0, 1, 2], 300, **settings)
    monkeypatch.setattr(loop, "_BUDGET", 1)
    assert same(equipoise.NegativeSampler(weights, seed=3).sample([0, 1, 2], 300, **settings), whole)
    assert (whole.mask.sum(axis=1) == (300 if policy == "replace" else 98)).all()


@pytest.mark.parametrize("unique", [False, True])
def test_chunks_do_not_change_a_shared_set(unique, monkeypatch):
    whole = make().sample_shared(4000, unique=unique)
    monkeypatch.setattr(shared, "_SHARED_CHUNK", 64)
    cut = make().sample_shared(4000, unique=unique)
    assert (cut.ids.tobytes(), cut.log_q.tobytes()) == (whole.ids.tobytes(), whole.log_q.tobytes())
    assert cut.num_tries == whole.num_tries


def test_chunks_do_not_change_accidental_hits(monkeypatch):
    candidates = np.arange(0, 400, 3)
    whole = make().accidental_hits(ROWS[:50], candidates)
    positives = [set(INDICES[INDPTR[r] : INDPTR[r + 1]].tolist()) for r in ROWS[:50]]
    assert whole.tolist() == [[c in mine for c in candidates.tolist()] for mine in positives]
    monkeypatch.setattr(exclusions, "_HIT_CHUNK", 1)
    assert make().accidental_hits(ROWS[:50], candidates).tobytes() == whole.tobytes()


def test_prefix_sums_are_made_by_the_first_exact_draw():
    table = equipoise.AliasTable(np.arange(1, 101))
    sampler = equipoise.NegativeSampler(table, exclude=([0, 0, 99], np.arange(99)[::-1] + 1))
    sampler.sample([0, 0], 50)
    assert table.nbytes == 16 * 100
    assert (sampler.sample([1], 3).ids == 0).all()
    assert table.nbytes == 24 * 100 + 8


def test_inputs_and_outputs_may_share_memory():
    sampler = equipoise.NegativeSampler(np.arange(1, 41), seed=1)
    out = sampler.sample(np.arange(64), 8)
    old = out.ids.copy()
    state = sampler.state_dict()
    wanted = sampler.sample(np.arange(64), 8, exclude_ids=old)
    sampler.load_state_dict(state)
    assert same(sampler.sample(np.arange(64), 8, exclude_ids=out.ids, out=out), wanted)
    assert not any(set(a) & set(b) for a, b in zip(old.tolist(), out.ids.tolist(), strict=True))

    rows = np.arange(20)
    room = equipoise.Negatives(
        rows.reshape(-1, 1), np.empty((20, 1), np.float32), np.empty((20, 1), np.bool_)
    )
    wanted = make().sample(np.arange(20), 1)
    assert same(make().sample(rows, 1, out=room), wanted)


def test_parts_of_out_must_not_overlap():
    memory = np.zeros(100, np.int64)
    ids = memory[:50].reshape(10, 5)
    log_q, mask = np.zeros((10, 5), np.float32), np.zeros((10, 5), np.bool_)
    for parts in (
        (ids, memory.view(np.float32)[:50].reshape(10, 5), mask),
        (ids, log_q, memory.view(np.bool_)[9:59].reshape(10, 5)),
        (ids, log_q, log_q.view(np.bool_).reshape(-1)[:50].reshape(10, 5)),
    ):
        with pytest.raises(ValueError, match="must lie apart from out"):
            make().sample(ROWS[:10], 5, out=equipoise.Negatives(*parts))


def test_threads_may_write_to_the_same_out():
    """The results are arbitrary, but nothing crashes, because kernels do not read their outputs."""
    sampler, shape = make(), (4000, 20)
    out = equipoise.Negatives(
        np.empty(shape, np.int64), np.empty(shape, np.float32), np.empty(shape, np.bool_)
    )
    for unique in (False, True):
        draw = functools.partial(sampler.sample, ROWS, 20, unique=unique, out=out)
        jobs = [threading.Thread(target=lambda draw=draw: [draw() for _ in range(5)]) for _ in range(3)]
        for job in jobs:
            job.start()
        for _ in range(50):
            out.ids[:] = 2**40
        for job in jobs:
            job.join()
    assert same(sampler.sample(ROWS, 20, row_keys=ROWS, out=out), make().sample(ROWS, 20, row_keys=ROWS))


@pytest.mark.parametrize("items", [WEIGHTS, N], ids=["alias", "uniform"])
def test_splitting_a_batch_changes_nothing(items):
    whole = make(items).sample(ROWS, 5)
    sampler, parts = make(items), []
    for part in np.split(ROWS, [1, 2, 17, 1000, 1000, 3999]):
        parts.append(sampler.sample(part, 5))
    for name in ("ids", "log_q", "mask"):
        assert np.concatenate([getattr(p, name) for p in parts]).tobytes() == getattr(whole, name).tobytes()


def test_the_order_of_keyed_rows_changes_nothing():
    keys = np.arange(len(ROWS)) * 7 - 1000
    whole = make().sample(ROWS, 5, row_keys=keys)
    order = np.random.default_rng(1).permutation(len(ROWS))
    shuffled = make().sample(ROWS[order], 5, row_keys=keys[order])
    assert shuffled.ids.tobytes() == whole.ids[order].tobytes()
    assert shuffled.log_q.tobytes() == whole.log_q[order].tobytes()
    one = make().sample(ROWS[77:78], 5, row_keys=keys[77:78])
    assert one.ids[0].tolist() == whole.ids[77].tolist()


PROGRAM = """
import hashlib, sys
import numpy as np, equipoise
from equipoise._runtime.backend import kernels
d = hashlib.blake2b()
w = 1.0 / np.arange(1, 3001)
alias, flat = equipoise.AliasTable(w, power=0.75), equipoise.UniformTable(3000)
steep, zipf = equipoise.AliasTable(w, power=0.6), equipoise.LogUniformTable(3000)
for table in (equipoise.AliasTable(w), alias, steep, flat, zipf):
    d.update(table.sample(10_001, rng=4)); d.update(table.log_prob(np.arange(3000)))
s = equipoise.NegativeSampler(alias, exclude=(np.arange(0, 501, 5), np.arange(500) % 37), seed=2)
for unique in (False, True):
    got = s.sample(np.arange(100), 20, unique=unique)
    d.update(got.ids); d.update(got.log_q)
shared = s.sample_shared(500)
d.update(shared.ids); d.update(shared.log_q); d.update(str(shared.num_tries).encode())
X = np.random.default_rng(0).normal(size=(200, 9))
for rows in (X, X.astype(np.float32)):
    smote = equipoise.SmoteSampler(rows, parent_weights=np.arange(200), seed=1)
    d.update(smote.sample(777))
print(kernels().cpu_path()[0], d.hexdigest())
"""


def run(**environment):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return done.stdout.split()


def test_the_cpu_path_does_not_change_the_negatives():
    found, with_it = run()
    without, digest = run(EQUIPOISE_DISABLE_CPU_FEATURES="AVX512")
    assert digest == with_it
    if equipoise.backend() == "numba":
        assert found == without == "numba"
    else:
        assert found in ("baseline", "avx2", "avx512")
        assert without == ("baseline" if found == "baseline" else "avx2")


def _draw(queue):
    queue.put(make().sample(ROWS[:100], 5, row_keys=np.arange(100)).ids)


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_the_process_does_not_change_the_negatives(method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no start method {method} here")
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    worker = context.Process(target=_draw, args=(queue,))
    worker.start()
    there = queue.get(timeout=120)
    worker.join()
    assert there.tobytes() == make().sample(ROWS[:100], 5, row_keys=np.arange(100)).ids.tobytes()


def test_the_memory_layout_of_inputs_changes_nothing():
    wanted = make().sample(ROWS, 4)
    wide = np.zeros((len(ROWS), 3), np.int16)
    wide[:, 1] = ROWS
    frozen = ROWS.copy()
    frozen.flags.writeable = False
    swapped = ROWS.astype(">i8")
    odd = np.frombuffer(b"\0" + ROWS.tobytes(), np.uint8)[1:].view(np.int64)  # not aligned
    assert not odd.flags.aligned
    for rows in (
        wide[:, 1],
        ROWS[::-1].copy()[::-1],
        frozen,
        swapped,
        ROWS.tolist(),
        ROWS.astype(np.uint64),
        odd,
    ):
        assert same(make().sample(rows, 4), wanted)
    for w in (
        np.repeat(WEIGHTS, 2)[::2],
        WEIGHTS.astype(">f8"),
        WEIGHTS.tolist(),
        WEIGHTS[::-1].copy()[::-1],
    ):
        assert same(make(w).sample(ROWS, 4), wanted)
    assert make(WEIGHTS.astype(np.float32)).sample(ROWS, 4).mask.all()


def test_out_is_filled_in_place():
    table = equipoise.AliasTable(WEIGHTS)
    out = np.full((3, 50), -1)
    assert table.sample((3, 50), rng=5, out=out) is out
    assert out.tobytes() == table.sample((3, 50), rng=5).tobytes()
    shape = (len(ROWS), 4)
    room = equipoise.Negatives(
        np.empty(shape, np.int64), np.empty(shape, np.float32), np.empty(shape, np.bool_)
    )
    assert make().sample(ROWS, 4, out=room) is room
    assert same(room, make().sample(ROWS, 4))


def test_results_are_writable_and_own_their_memory():
    got = make().sample(ROWS[:3], 4)
    for a in (got.ids, got.log_q, got.mask, equipoise.UniformTable(5).sample(3)):
        assert a.flags.writeable
        assert a.flags.c_contiguous
        assert a.flags.owndata


def test_threads_that_share_a_sampler_take_different_rows():
    sampler = equipoise.NegativeSampler(2**32 - 1)
    got: list[np.ndarray] = []
    workers = [
        threading.Thread(target=lambda: got.extend(sampler.sample([0, 1], 4).ids for _ in range(200)))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    rows = {tuple(row) for ids in got for row in ids.tolist()}
    assert len(rows) == 4 * 200 * 2
    assert sampler.state_dict()["rows_drawn"] == len(rows)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.uint64])
def test_exclude_accepts_any_integer_dtype(dtype):
    lists = [[3, 1], [], [0, 2, 0]]
    indptr, indices = cases.csr(lists, dtype)
    wanted = NegativeSampler(EXACT, exclude=cases.csr(lists)).sample([0, 1, 2], 5)
    assert equal(NegativeSampler(EXACT, exclude=(indptr, indices)).sample([0, 1, 2], 5), wanted)
    assert equal(NegativeSampler(EXACT, exclude=(indptr, indices.tolist())).sample([0, 1, 2], 5), wanted)
    bad = indices.copy()
    bad[1] = 4
    with pytest.raises(IndexError, match="exclude"):
        NegativeSampler(EXACT, exclude=(indptr, bad))


def test_exclude_is_copied_and_not_modified():
    indptr, indices = cases.csr([[3, 1, 3], [0]])
    before = indices.copy()
    sampler = NegativeSampler(EXACT, exclude=(indptr, indices))
    assert np.array_equal(indices, before)
    indices[:] = 2
    indptr[1] = 0
    answer = sampler.sample([0] * 100, 4)
    assert set(answer.ids.ravel().tolist()) == {0, 2}


def test_exclude_accepts_a_scipy_matrix():
    sparse = pytest.importorskip("scipy.sparse")
    indptr, indices = cases.csr([[3, 1], [0]])
    matrix = sparse.csr_matrix((np.zeros(3), indices, indptr), shape=(2, 4))
    wanted = NegativeSampler(EXACT, exclude=(indptr, indices)).sample([0, 1], 5)
    assert equal(NegativeSampler(EXACT, exclude=matrix).sample([0, 1], 5), wanted)
    with pytest.raises(ValueError, match="exclude"):
        NegativeSampler(5, exclude=matrix)
    with pytest.raises(TypeError, match="exclude"):
        NegativeSampler(4, exclude=matrix.tocsc())


@pytest.mark.parametrize("form", [tuple, list, np.array])
def test_what_lies_behind_the_last_row_of_exclude_is_ignored(form):
    """SciPy ignores it, too: a matrix may have more room than entries."""
    indptr, indices = cases.csr([[3, 1], [0]])
    wanted = NegativeSampler(EXACT, exclude=(indptr, indices)).sample([0, 1], 5)
    behind = form([*indices.tolist(), 99, -7])
    assert equal(NegativeSampler(EXACT, exclude=(indptr, behind)).sample([0, 1], 5), wanted)
    sparse = pytest.importorskip("scipy.sparse")
    for kind in (sparse.csr_matrix, sparse.csr_array):
        matrix = kind((np.zeros(3), indices, indptr), shape=(2, 4))
        matrix.indices = np.append(matrix.indices, [99, -7]).astype(matrix.indices.dtype)
        assert equal(NegativeSampler(EXACT, exclude=matrix).sample([0, 1], 5), wanted)


def test_exclude_ids_may_have_one_dimension():
    sampler = NegativeSampler(EXACT)
    keys = [1, 2, 3]
    flat = sampler.sample([0, 1, 2], 5, exclude_ids=[3, -1, 0], row_keys=keys)
    assert equal(flat, sampler.sample([0, 1, 2], 5, exclude_ids=[[3], [-1], [0]], row_keys=keys))
    assert 3 not in flat.ids[0]
    assert 0 not in flat.ids[2]
    none = sampler.sample([0, 1, 2], 5, exclude_ids=[-1, -1, -1], row_keys=keys)
    assert equal(none, sampler.sample([0, 1, 2], 5, row_keys=keys))


def test_out_is_checked_and_returned():
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


def test_torch_tensors_go_in_and_out():
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


def test_results_are_frozen_and_their_arrays_writable():
    answer = NegativeSampler(9).sample([0, 1], 3)
    with pytest.raises(AttributeError):
        answer.ids = None
    for array in (answer.ids, answer.log_q, answer.mask):
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.shape == (2, 3)
    for shape in ((0, 3), (2, 0), (0, 0)):
        assert NegativeSampler(9).sample([0] * shape[0], shape[1]).ids.shape == shape


def test_shared_sets_do_not_depend_on_rows_or_exclusions():
    plain, other = NegativeSampler(EXACT), NegativeSampler(EXACT, exclude=cases.csr([[0, 1, 2, 3]]))
    plain.sample([0] * 5, 3)
    assert plain.sample_shared(3).ids.tolist() == other.sample_shared(3).ids.tolist()


@pytest.mark.parametrize(
    "there", ["nothing", "torch", "torch.utils", "torch.utils.data", "None", "no worker"]
)
def test_a_half_imported_torch_is_ignored(there, monkeypatch):
    """While another thread imports torch, its modules exist but are empty."""
    wanted = five(seed=1).sample([0, 1], 3).ids.tolist()
    modules = {
        "nothing": {},
        "torch": {"torch": types.ModuleType("torch")},
        "torch.utils": {name: types.ModuleType(name) for name in ("torch", "torch.utils")},
        "torch.utils.data": {
            name: types.ModuleType(name) for name in ("torch", "torch.utils", "torch.utils.data")
        },
        "None": dict.fromkeys(("torch", "torch.utils", "torch.utils.data")),
        "no worker": {"torch.utils.data": types.SimpleNamespace(get_worker_info=lambda: None)},
    }[there]
    for name in ("torch", "torch.utils", "torch.utils.data"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    s = five(seed=1)
    assert s.sample([0, 1], 3).ids.tolist() == wanted
    assert s.sample_shared(2).ids.shape == (2,)


# ---- the hash of shared ids -------------------------------------------------------------------------------


def colliding(count, bits):
    """Return ids whose hashes end in the same bits if nothing but the id goes into them."""
    ids = np.arange(1 << 22, dtype=np.uint64)
    z = (ids ^ (ids >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return ids[z & np.uint64((1 << bits) - 1) < 4][:count].astype(np.int64)


def test_shared_ids_do_not_depend_on_the_secret_of_their_hash():
    """Ids chosen to collide are found far from their places without a secret, and near them with any."""
    ids = colliding(900, 12)
    weights = np.zeros(int(ids[-1]) + 1)
    weights[ids] = 1.0
    proposer = AliasTable(weights).proposer()
    found = {}
    for secret in (0, 1, 2**63, 0x123456789ABCDEF):
        seen, state = np.full(4096, -1, np.int64), np.zeros(4, np.uint64)
        drawn = np.zeros(600, np.int64)
        draw = kernels().shared_unique
        assert not draw(*map(np.uint64, (1, 0, 0)), proposer, np.uint64(secret), seen, drawn, state)
        assert np.unique(drawn).size == state[0] == 600
        places = np.flatnonzero(seen >= 0)
        found[secret] = (drawn.tolist(), state.tolist(), longest_run(places))
    assert len({str(answer[:2]) for answer in found.values()}) == 1
    assert found[0][2] >= 590
    assert max(found[secret][2] for secret in found if secret) < 60


def longest_run(places):
    """Return the length of the longest run of consecutive places."""
    edges = np.flatnonzero(np.diff(places) != 1)
    return int(np.diff(np.concatenate([[-1], edges, [places.size - 1]])).max())
