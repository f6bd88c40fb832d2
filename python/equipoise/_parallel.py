"""Chunks of at most some milliseconds, on threads that are made and joined within the call.

The chunk loop is Python's for both backends: kernels release the GIL, so these are real threads, and between
two chunks Python sees Ctrl-C.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["for_chunks"]


def for_chunks(count: int, size: int, n_threads: int, work: Callable[[int, int], int | None]) -> None:
    """Call ``work(begin, end)`` for the pieces of ``range(count)``; thread t of T takes pieces t, t + T, ..

    ``work`` may stop early and return how far it came: it is called again for the rest of its piece. Between
    two calls Ctrl-C is seen. The first exception stops all threads, after the call in hand, and is raised
    here.
    """
    chunks = -(-count // size)
    threads = max(1, min(n_threads, chunks))
    stop = threading.Event()
    failures: list[BaseException] = []

    def body(first: int) -> None:
        for chunk in range(first, chunks, threads):
            at: int | None = chunk * size
            end = min(count, (chunk + 1) * size)
            while at is not None and at < end:
                if stop.is_set():
                    return
                at = work(at, end)

    if threads == 1:
        body(0)
        return

    def guarded(first: int) -> None:
        try:
            body(first)
        except BaseException as failure:
            failures.append(failure)
            stop.set()

    helpers = [threading.Thread(target=guarded, args=(t,), name=f"equipoise-{t}") for t in range(1, threads)]
    started: list[threading.Thread] = []
    try:
        for helper in helpers:
            helper.start()
            started.append(helper)
        body(0)
        for helper in started:
            helper.join()
    finally:
        stop.set()
        again: KeyboardInterrupt | None = None
        for helper in started:
            # A second Ctrl-C must not leave anybody writing into the caller's arrays.
            while helper.is_alive():
                try:
                    helper.join()
                except KeyboardInterrupt as interrupt:
                    again = interrupt
        if again is not None:
            raise again
    if failures:
        raise failures[0]
