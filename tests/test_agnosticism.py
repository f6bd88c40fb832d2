"""What must not matter: threads, chunks, cuts of a batch, CPU path, process, memory layout, ``out=``."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import equipoise
from equipoise import negatives, tables

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
def test_threads(threads, monkeypatch):
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
    assert threading.active_count() == 1


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


@pytest.mark.parametrize("budget", [1, 100, 10_000])
def test_chunks(budget, monkeypatch):
    whole = make().sample(ROWS, 7, unique=True)
    monkeypatch.setattr(negatives, "_BUDGET", budget)
    monkeypatch.setattr(tables, "_CHUNK", 128)
    assert same(make().sample(ROWS, 7, unique=True), whole)
    assert same(make().sample(ROWS, 7, unique=True, n_threads=2), whole)


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
from equipoise._backend import kernels
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
        assert without == "baseline"
        assert found in ("baseline", "avx512")


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
