"""Chunks of at most some milliseconds, on threads that are made and joined within the call.

The chunk loop is Python's for both backends: kernels release the GIL, so these are real threads, and between
two chunks Python sees Ctrl-C.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

__all__ = ["for_chunks"]

_START = 0.1  # seconds that a thread may take to begin


def for_chunks(count: int, size: int, n_threads: int, work: Callable[[int, int], int | None]) -> None:
    """Call ``work(begin, end)`` for the pieces of ``range(count)``; thread t of T takes pieces t, t + T, ..

    ``work`` may stop early and return how far it came: it is called again for the rest of its piece. Between
    two calls Ctrl-C is seen. The first exception stops all threads, after the call in hand, and is raised
    here.
    """
    chunks = -(-count // size)
    threads = max(1, min(n_threads, chunks))
    failures: list[BaseException] = []
    stopped = False

    def body(first: int) -> None:
        for chunk in range(first, chunks, threads):
            at: int | None = chunk * size
            end = min(count, (chunk + 1) * size)
            while at is not None and at < end:
                if stopped:
                    return
                at = work(at, end)

    if threads == 1:
        body(0)
        return

    # Who is at work, and who has ended. Thread.join does not tell: interrupted, it takes a thread that still
    # runs for a dead one (CPython up to 3.12).
    working: set[int] = set()
    begun: set[int] = set()
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()

    def guarded(first: int) -> None:
        nonlocal stopped
        working.add(first)
        begun.add(first)
        try:
            body(first)
        except BaseException as failure:
            failures.append(failure)
            stopped = True
        finally:
            working.discard(first)
            ended.put(first)

    helpers = [threading.Thread(target=guarded, args=(t,), name=f"equipoise-{t}") for t in range(1, threads)]
    asked = 0
    try:
        for helper in helpers:
            asked += 1
            helper.start()
        body(0)
        for _ in helpers:
            ended.get()
    finally:
        stopped = True
        again: BaseException | None = None
        # Interrupted, start() does not tell whether there is a thread that has yet to begin.
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
        for helper in helpers:
            if helper.is_alive():
                helper.join()
        if again is not None:
            raise again
    if failures:
        raise failures[0]
