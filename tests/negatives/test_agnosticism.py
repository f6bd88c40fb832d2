"""What must not matter: threads, chunks, cuts of a batch, CPU path, process, memory layout, ``out=``."""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import equipoise
from equipoise._runtime import chunks, state
from equipoise.negatives import sampler as negatives
from equipoise.tables import base as tables

N = 5000
WEIGHTS = 1.0 / np.arange(1, N + 1)
RNG = np.random.default_rng(0)
INDPTR = np.concatenate([[0], np.cumsum(RNG.integers(0, 40, 300))])
INDICES = RNG.integers(0, 200, INDPTR[-1])  # the head, so that redraws are common
ROWS = RNG.integers(0, 300, 4000)


def make(items=None, **settings):
    return equipoise.NegativeSampler(
        WEIGHTS if items is None else items, exclude=(INDPTR, INDICES), seed=9, **settings
    )


def same(a, b):
    return all(getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in ("ids", "log_q", "mask"))


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads(threads, monkeypatch, own_threads):
    monkeypatch.setattr(tables, "_CHUNK", 1 << 10)
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


def test_threads_by_environment(monkeypatch):
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


# Each case below spans several chunks once the constants are as small as they may be. The answers that
# nothing cut come from the usual constants, which are larger than the case.
TABLES = {"alias": equipoise.AliasTable(WEIGHTS), "uniform": equipoise.UniformTable(N)}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("threads", [1, 3])
def test_chunks_of_a_table(name, threads, monkeypatch):
    assert tables._CHUNK > 1000
    whole = TABLES[name].sample(1000, rng=3)
    assert len({whole[i : i + 128].tobytes() for i in range(0, 1000, 128)}) == 8  # no block repeats another
    monkeypatch.setattr(tables, "_CHUNK", 128)
    assert TABLES[name].sample(1000, rng=3, n_threads=threads).tobytes() == whole.tobytes()


def test_chunks_of_a_table_are_not_each_others(monkeypatch):
    """With the constant as it is: the second chunk is not the first again."""
    drawn = TABLES["uniform"].sample(3 * tables._CHUNK, rng=3).reshape(3, -1)
    assert (drawn[0] != drawn[1]).mean() > 0.99
    assert (drawn[1] != drawn[2]).mean() > 0.99


@pytest.mark.parametrize("items", [WEIGHTS, N], ids=["alias", "uniform"])
@pytest.mark.parametrize("k", [7, 64, 65, 255, 256, 257, 600])
@pytest.mark.parametrize("unique", [False, True])
def test_chunks_of_rows(items, k, unique, monkeypatch):
    """Rows, and slots in the middle of a row, resumed after the least work there is."""
    rows, more = ROWS[:40], np.arange(80).reshape(40, 2)
    settings = {"unique": unique, "exclude_ids": more if k % 2 else None, "on_exhausted": "mask"}
    whole = make(items).sample(rows, k, **settings)
    kernels, calls = negatives.kernels(), itertools.count()

    class Watched:
        def __getattr__(self, name):
            return getattr(kernels, name)

        def negatives_draw(self, *args):
            assert next(calls) < 10_000, "a row that is gone on with gets nowhere"
            return kernels.negatives_draw(*args)

    monkeypatch.setattr(negatives, "kernels", Watched)
    for budget in (1, 100, 10_000):
        monkeypatch.setattr(negatives, "_BUDGET", budget)
        assert same(make(items).sample(rows, k, **settings), whole)
        assert same(make(items).sample(rows, k, n_threads=3, **settings), whole)


@pytest.mark.parametrize("policy", ["mask", "replace"])
def test_chunks_of_exhausted_rows(policy, monkeypatch):
    """A row of 100 ids that wants 300 unique ones: exact draws, prefix sums and a pause on the way."""
    weights = np.where(np.arange(120) < 100, 2.0 ** -np.arange(120), 0)
    settings = {"unique": True, "on_exhausted": policy, "exclude_ids": np.arange(6).reshape(3, 2)}
    whole = equipoise.NegativeSampler(weights, seed=3).sample([0, 1, 2], 300, **settings)
    monkeypatch.setattr(negatives, "_BUDGET", 1)
    assert same(equipoise.NegativeSampler(weights, seed=3).sample([0, 1, 2], 300, **settings), whole)
    assert (whole.mask.sum(axis=1) == (300 if policy == "replace" else 98)).all()


@pytest.mark.parametrize("unique", [False, True])
def test_chunks_of_a_shared_set(unique, monkeypatch):
    whole = make().sample_shared(4000, unique=unique)
    monkeypatch.setattr(negatives, "_SHARED_CHUNK", 64)
    cut = make().sample_shared(4000, unique=unique)
    assert (cut.ids.tobytes(), cut.log_q.tobytes()) == (whole.ids.tobytes(), whole.log_q.tobytes())
    assert cut.num_tries == whole.num_tries


def test_chunks_of_hits(monkeypatch):
    candidates = np.arange(0, 400, 3)
    whole = make().accidental_hits(ROWS[:50], candidates)
    positives = [set(INDICES[INDPTR[r] : INDPTR[r + 1]].tolist()) for r in ROWS[:50]]
    assert whole.tolist() == [[c in mine for c in candidates.tolist()] for mine in positives]
    monkeypatch.setattr(negatives, "_HIT_CHUNK", 1)
    assert make().accidental_hits(ROWS[:50], candidates).tobytes() == whole.tobytes()


def test_threads_are_made_and_are_gone(monkeypatch, own_threads):
    monkeypatch.setattr(tables, "_CHUNK", 128)
    kernels, all_at_work = tables.kernels(), threading.Barrier(3, timeout=60)
    arrived = threading.local()

    class Watched:
        def uniform_draw(self, *args):
            if not hasattr(arrived, "once"):
                arrived.once = True
                all_at_work.wait()
            return kernels.uniform_draw(*args)

        def __getattr__(self, name):
            return getattr(kernels, name)

    monkeypatch.setattr(tables, "kernels", Watched)
    TABLES["uniform"].sample(128 * 300, rng=1, n_threads=3)
    assert own_threads.made == 2
    assert own_threads.left() == 0
    TABLES["uniform"].sample(128 * 300, rng=1)
    assert own_threads.made == 2


def test_ctrl_c_while_a_thread_starts(monkeypatch, own_threads):
    """The call does not know of the thread, which has yet to begin: it is waited for all the same."""
    begun = []

    def late(function, arguments):
        def run():
            time.sleep(0.03)
            begun.append(arguments)
            function(*arguments)

        own_threads.start(run, ())
        raise KeyboardInterrupt

    monkeypatch.setattr(tables, "_CHUNK", 128)
    monkeypatch.setattr(chunks, "start_new_thread", late)
    with pytest.raises(KeyboardInterrupt):
        TABLES["uniform"].sample(128 * 300, rng=1, n_threads=3)
    assert begun == [(1,)]
    assert own_threads.left() == 0


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_first_exception_stops_all_and_comes_out(threads, own_threads):
    """Each piece is somebody's, once; what is left of a piece comes again to whoever has it."""
    done = []

    def work(begin, end):
        if begin == 70:
            raise LookupError(begin)
        time.sleep(0.0005)
        done.append((begin, min(begin + 2, end)))
        return min(begin + 2, end)

    with pytest.raises(LookupError, match="70"):
        chunks.for_chunks(10_000, 5, threads, work)
    assert own_threads.made == threads - 1
    assert own_threads.left() == 0
    assert len(done) == len(set(done)) < 1000
    done.clear()
    chunks.for_chunks(68, 5, threads, work)
    ends = (*range(5, 66, 5), 68)
    starts = [(at, end) for end in ends for at in range((end - 1) // 5 * 5, end, 2)]
    assert sorted(done) == [(at, min(at + 2, end)) for at, end in starts]


def test_a_forked_child_has_a_lock_of_its_own():
    if not hasattr(os, "fork"):
        return  # nothing to show where nobody forks
    sampler = make()
    with state.Sampler._lock:
        child = os.fork()
        if child == 0:
            import signal

            signal.alarm(20)
            os._exit(0 if sampler.sample([0], 1).ids.shape == (1, 1) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_only_what_was_taken_last_is_given_back():
    sampler = make()
    first = sampler._take("_rows_drawn", 5)
    sampler._take("_rows_drawn", 3)
    sampler._give_back("_rows_drawn", first, 5)
    assert sampler.state_dict()["rows_drawn"] == 8
    sampler._give_back("_rows_drawn", 5, 3)
    assert sampler.state_dict()["rows_drawn"] == 5


def test_counters_are_taken_under_the_lock():
    sampler = make()
    with state.Sampler._lock:
        other = threading.Thread(target=sampler.sample, args=([0], 1))
        other.start()
        other.join(0.2)
        assert other.is_alive()
        assert sampler.state_dict()["rows_drawn"] == 0
    other.join()
    assert sampler.state_dict()["rows_drawn"] == 1


def test_prefix_sums_come_with_the_first_exact_draw():
    table = equipoise.AliasTable(np.arange(1, 101))
    sampler = equipoise.NegativeSampler(table, exclude=([0, 0, 99], np.arange(99)[::-1] + 1))
    sampler.sample([0, 0], 50)
    assert table.nbytes == 16 * 100
    assert (sampler.sample([1], 3).ids == 0).all()
    assert table.nbytes == 24 * 100 + 8


# ---- memory that the caller also holds --------------------------------------------------------------------


def test_what_goes_in_may_be_what_comes_out():
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


def test_parts_of_out_lie_apart():
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


def test_threads_that_write_to_one_out():
    """The answers are nobody's, but nothing falls over: kernels read nothing back from where they write."""
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
def test_cuts_of_a_batch(items):
    whole = make(items).sample(ROWS, 5)
    sampler, parts = make(items), []
    for part in np.split(ROWS, [1, 2, 17, 1000, 1000, 3999]):
        parts.append(sampler.sample(part, 5))
    for name in ("ids", "log_q", "mask"):
        assert np.concatenate([getattr(p, name) for p in parts]).tobytes() == getattr(whole, name).tobytes()


def test_order_of_keyed_rows():
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


def test_cpu_path():
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
def test_process(method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no start method {method} here")
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    worker = context.Process(target=_draw, args=(queue,))
    worker.start()
    there = queue.get(timeout=120)
    worker.join()
    assert there.tobytes() == make().sample(ROWS[:100], 5, row_keys=np.arange(100)).ids.tobytes()


def test_layout_of_what_goes_in():
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


def test_results_are_writable_and_their_own():
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
