"""Chunks of at most some milliseconds, on threads that are made and gone within the call.

The chunk loop is Python's for both backends: kernels release the GIL, so these are real threads, and between
two chunks Python sees Ctrl-C.
"""

from __future__ import annotations

import itertools
import queue
import time
from _thread import start_new_thread
from collections.abc import Callable

__all__ = ["for_chunks"]


_START = 0.1  # seconds that a thread may take to begin


def for_chunks(count: int, size: int, n_threads: int, work: Callable[[int, int], int | None]) -> None:
    """Call ``work(begin, end)`` for the pieces of ``range(count)``; a thread takes the next that nobody has.

    ``work`` may stop early and return how far it came: it is called again for the rest of its piece. Between
    two calls Ctrl-C is seen. The first exception stops all threads, after the call in hand, and is raised
    here.
    """
    chunks = -(-count // size)
    threads = max(1, min(n_threads, chunks))
    failures: list[BaseException] = []
    free, stopped = itertools.count(), False

    def body() -> None:
        while (chunk := next(free)) < chunks:
            at: int | None = chunk * size
            end = min(count, (chunk + 1) * size)
            while at is not None and at < end:
                if stopped:
                    return
                at = work(at, end)

    if threads == 1:
        body()
        return

    # Who is at work, and who has ended: an interrupt between a get and a count would lose one.
    working: set[int] = set()
    begun: set[int] = set()
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()

    def guarded(thread: int) -> None:
        nonlocal stopped
        working.add(thread)
        begun.add(thread)
        try:
            body()
        except BaseException as failure:
            failures.append(failure)
            stopped = True
        finally:
            working.discard(thread)
            ended.put(thread)

    # Not threading.Thread, whose start() waits for the thread: that takes as long as a small chunk.
    asked = 0
    try:
        for thread in range(1, threads):
            asked += 1
            start_new_thread(guarded, (thread,))
        body()
        for _ in range(asked):
            ended.get()
    finally:
        stopped = True
        again: BaseException | None = None
        # Interrupted, nobody knows whether there is a thread that has yet to begin.
        patience = time.monotonic() + _START
        while len(begun) < asked and time.monotonic() < patience:
            try:
                time.sleep(0.001)
            except BaseException as interrupt:
                again = interrupt
        while working:
            # A second Ctrl-C must not leave anybody writing into the caller's arrays.
            try:
                ended.get()
            except BaseException as interrupt:
                again = interrupt
        if again is not None:
            raise again
    if failures:
        raise failures[0]
