"""Prefetching: threads make the next items while earlier ones are in use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["prefetch", "prefetch_each"]


T = TypeVar("T")


def prefetch(items: Iterator[T]) -> Generator[T, None, None]:
    """Yield the items, while a thread makes the next one in advance.

    Examples
    --------
    >>> list(prefetch(iter("abc")))
    ['a', 'b', 'c']
    """
    end = object()
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(next, items, end)
        while (item := pending.result()) is not end:
            pending = pool.submit(next, items, end)
            yield item  # type: ignore[misc]


def prefetch_each(
    make: Callable[[Any, threading.Event], T], keys: Sequence[Any], workers: int
) -> Generator[T, None, None]:
    """Yield ``make(key, stop)`` for each key, in order, while up to ``workers`` threads make the next ones.

    The event ``stop`` is set once no more items are needed, so that ``make`` can return early.

    Examples
    --------
    >>> list(prefetch_each(lambda key, stop: key.upper(), "abc", 2))
    ['A', 'B', 'C']
    """
    stop = threading.Event()
    with ThreadPoolExecutor(workers) as pool:
        pending = [pool.submit(make, key, stop) for key in keys[:workers]]
        try:
            for at in range(len(keys)):
                made = pending.pop(0).result()
                if at + workers < len(keys):
                    pending.append(pool.submit(make, keys[at + workers], stop))
                yield made
        finally:
            stop.set()
            for future in pending:
                future.cancel()
