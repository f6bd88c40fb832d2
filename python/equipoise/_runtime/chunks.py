"""Chunks of a few milliseconds, on threads that live no longer than the call.

The loop over chunks is in Python for both backends: kernels release the GIL, so the threads run at the
same time, and Python sees Ctrl-C between two chunks.
"""

from __future__ import annotations

import itertools
import time
from _thread import start_new_thread
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import queue

__all__ = ["for_chunks"]

_START = 0.1  # seconds that a thread may take to begin


def for_chunks(count: int, size: int, n_threads: int, work: Callable[[int, int], int | None]) -> None:
    """Call ``work(begin, end)`` for the chunks of ``range(count)``; a thread takes the next free chunk.

    `work` may stop early and return how far it came; it is then called again for the rest of its chunk.
    Python sees Ctrl-C between two calls. The first exception stops every thread after its current call, and
    is raised here once they have all ended.
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
    # Sets, not counts: an interrupt between reading a count and writing it would lose a thread.
    working: set[int] = set()
    begun: set[int] = set()
    import queue  # not with the package: most calls need one thread

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

    asked = 0
    try:
        for thread in range(1, threads):
            asked += 1
            # Not threading.Thread: its start() waits for the thread, which takes as long as a small chunk.
            start_new_thread(guarded, (thread,))
        body()
        for _ in range(asked):
            ended.get()
    finally:
        stop()
        _wait(asked, begun, working, ended)
    if failures:
        raise failures[0]


def _wait(asked: int, begun: set[int], working: set[int], ended: queue.SimpleQueue[int]) -> None:
    """Wait until no thread is at work, whatever interrupts come, and raise the last of these.

    Otherwise a second Ctrl-C would leave threads that write into the caller's arrays.
    """
    again: BaseException | None = None
    # After an interrupt, nobody knows whether the thread that was asked for last has yet to begin.
    patience = time.monotonic() + _START
    while len(begun) < asked and time.monotonic() < patience:
        try:
            time.sleep(0.001)
        except BaseException as interrupt:
            again = interrupt
    while working:
        try:
            ended.get()
        except BaseException as interrupt:
            again = interrupt
    if again is not None:
        raise again
