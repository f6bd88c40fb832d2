"""Threads of the chunk loop end with the call, even after an exception or Ctrl-C."""

from __future__ import annotations

import threading
import time

import pytest

import equipoise
from equipoise._runtime import chunks
from equipoise.tables import base as tables

TABLE = equipoise.UniformTable(5000)


def test_threads_end_with_the_call(monkeypatch, own_threads):
    monkeypatch.setattr(tables, "CHUNK", 128)
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
    TABLE.sample(128 * 300, rng=1, n_threads=3)
    assert own_threads.made == 2
    assert own_threads.left() == 0
    TABLE.sample(128 * 300, rng=1)
    assert own_threads.made == 2


def test_ctrl_c_waits_for_a_thread_that_is_starting(monkeypatch, own_threads):
    """An interrupted call waits for a thread that has not begun yet."""
    begun = []

    def late(function, arguments):
        def run():
            time.sleep(0.03)
            begun.append(arguments)
            function(*arguments)

        own_threads.start(run, ())
        raise KeyboardInterrupt

    monkeypatch.setattr(tables, "CHUNK", 128)
    monkeypatch.setattr(chunks, "start_new_thread", late)
    with pytest.raises(KeyboardInterrupt):
        TABLE.sample(128 * 300, rng=1, n_threads=3)
    assert begun == [(1,)]
    assert own_threads.left() == 0


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_first_exception_stops_all_threads_and_is_raised(threads, own_threads):
    """Each piece is done once. A thread that returns early gets the rest of its piece again."""
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
