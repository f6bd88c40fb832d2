"""Draws from tables do not depend on threads, chunks or ``out=``."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import equipoise
from equipoise import AliasTable, LogUniformTable, UniformTable
from equipoise.tables import base as tables
from support import cases

N = 5000


WEIGHTS = 1.0 / np.arange(1, N + 1)


# Each case below spans several chunks when the constants are as small as possible. The expected results come
# from the usual constants, which are larger than the case.
TABLES = {"alias": equipoise.AliasTable(WEIGHTS), "uniform": equipoise.UniformTable(N)}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("threads", [1, 3])
def test_chunks_do_not_change_the_draws(name, threads, monkeypatch):
    assert tables.CHUNK > 1000
    whole = TABLES[name].sample(1000, rng=3)
    assert len({whole[i : i + 128].tobytes() for i in range(0, 1000, 128)}) == 8  # no block repeats another
    monkeypatch.setattr(tables, "CHUNK", 128)
    assert TABLES[name].sample(1000, rng=3, n_threads=threads).tobytes() == whole.tobytes()


def test_chunks_do_not_repeat_each_other(monkeypatch):
    """With the usual constant, the second chunk does not repeat the first."""
    drawn = TABLES["uniform"].sample(3 * tables.CHUNK, rng=3).reshape(3, -1)
    assert (drawn[0] != drawn[1]).mean() > 0.99
    assert (drawn[1] != drawn[2]).mean() > 0.99


def test_a_longer_call_starts_with_the_draws_of_a_shorter_one():
    table = AliasTable(cases.pareto(1000))
    long = table.sample(5000, rng=8)
    for size in (1, 128, 999):
        assert np.array_equal(table.sample(size, rng=8), long[:size])


@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_threads_do_not_change_the_draws(n_threads):
    for table in (AliasTable(cases.pareto(10**5)), UniformTable(10**5), LogUniformTable(10**4)):
        assert np.array_equal(table.sample(300_001, rng=2), table.sample(300_001, rng=2, n_threads=n_threads))


@pytest.mark.parametrize("make", [lambda: AliasTable(cases.zipf(50)), lambda: UniformTable(50)])
def test_shape_and_out_do_not_change_the_draws(make):
    table = make()
    flat = table.sample(24, rng=1)
    assert flat.dtype == np.int64
    assert flat.flags.c_contiguous
    assert flat.flags.writeable
    for shape in ((24,), (2, 12), (2, 3, 4), (24, 1)):
        drawn = table.sample(shape, rng=1)
        assert drawn.shape == shape
        assert np.array_equal(drawn.ravel(), flat)
        out = np.full(shape, -1)
        assert table.sample(shape, rng=1, out=out) is out
        assert np.array_equal(out, drawn)
    assert table.sample((3, 0), rng=1).shape == (3, 0)
    assert table.sample((), rng=1).shape == ()
    assert int(table.sample((), rng=1)) == flat[0]
    assert table.sample(np.int32(24), rng=1).tolist() == flat.tolist()


def test_forms_of_rng_give_the_same_draws():
    table = AliasTable(cases.zipf(1000))
    wanted = table.sample(300, rng=5).tolist()
    assert table.sample(300, rng=5).tolist() == wanted
    assert table.sample(300, rng=np.random.SeedSequence(5)).tolist() == wanted
    assert table.sample(300, rng=np.random.PCG64(5)).tolist() == wanted
    generator = np.random.default_rng(5)
    assert table.sample(300, rng=generator).tolist() == wanted
    assert table.sample(300, rng=generator).tolist() != wanted
    assert table.sample(300).tolist() != table.sample(300).tolist()
    assert table.sample(300, rng=6).tolist() != wanted


def test_another_thread_may_write_to_out_during_a_draw():
    """What is read back from `out` could be anything, and must never be used as an index."""
    table, out = AliasTable(cases.zipf(1000)), np.empty(1 << 16, np.int64)
    wanted, stop = table.sample(out.size, rng=1).tolist(), threading.Event()

    def write():
        while not stop.is_set():
            out.fill(-1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(100):
            ids = table.sample(out.size, rng=1, out=out).tolist()
            assert all(i in (-1, id) for i, id in zip(ids, wanted, strict=True))
    finally:
        stop.set()
        writer.join()
