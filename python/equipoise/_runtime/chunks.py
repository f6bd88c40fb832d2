"""Chunks of a few milliseconds, run on threads that end with the call.

For both backends, the loop over chunks is in Python. Kernels release the GIL, so the threads run in parallel,
and Python can handle Ctrl-C between two chunks.
"""

from __future__ import annotations

import itertools
import queue
import time
from _thread import start_new_thread
from collections.abc import Callable

__all__ = ["for_chunks"]

_START = 0.1  # the most seconds to wait for a thread to begin


def for_chunks(count: int, size: int, n_threads: int, work: Callable[[int, int], int | None]) -> None:
    """Call ``work(begin, end)`` for all chunks of ``range(count)``. Each thread takes the next free chunk.

    `work` may stop early and return the position that it reached. It is then called again for the rest
    of its chunk. Python can handle Ctrl-C between two calls. The first exception stops every thread after its
    current call, and is raised here once all threads have ended.
    """
    chunks = -(-count // size)
    threads = max(1, min(n_threads, chunks))
    free, stopped = itertools.count(), False

    def body() -> None:
        while (chunk := next(free)) < chunks:
            at: int | None = chunk * size
            end = min(count, (chunk + 1) * size)
            while at is not None and at < end:
                if stopped:
                    return
                at = work(at, end)

    def stop() -> None:
        nonlocal stopped
        stopped = True

    if threads == 1:
        body()
    else:
        _on_threads(threads, body, stop)


def _on_threads(threads: int, body: Callable[[], None], stop: Callable[[], None]) -> None:
    """Run `body` in the calling thread and in new ones, and wait for all of them."""
    failures: list[BaseException] = []
    # These are sets, since an interrupt between reading and writing a counter would lose a thread.
    working: set[int] = set()
    begun: set[int] = set()
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()

    def guarded(thread: int) -> None:
        working.add(thread)
        begun.add(thread)
        try:
            body()
        except BaseException as failure:
            failures.append(failure)
            stop()
        finally:
            working.discard(thread)
            ended.put(thread)

    requested = 0
    try:
        for thread in range(1, threads):
            requested += 1
            # threading.Thread.start() waits until the thread runs, which takes as long as a small chunk.
            start_new_thread(guarded, (thread,))
        body()
        for _ in range(requested):
            ended.get()
    finally:
        stop()
        _wait(requested, begun, working, ended)
    if failures:
        raise failures[0]


def _wait(requested: int, begun: set[int], working: set[int], ended: queue.SimpleQueue[int]) -> None:
    """Wait until no thread is working, even if interrupts arrive, and then raise the last of them.

    Otherwise, a second Ctrl-C would leave threads running that write into the caller's arrays.
    """
    interruption: BaseException | None = None
    # After an interrupt, the last thread may have been requested but not yet begun, or not requested at all.
    deadline = time.monotonic() + _START
    while len(begun) < requested and time.monotonic() < deadline:
        try:
            time.sleep(0.001)
        except BaseException as interrupt:
            interruption = interrupt
    while working:
        try:
            ended.get()
        except BaseException as interrupt:
            interruption = interrupt
    if interruption is not None:
        raise interruption
