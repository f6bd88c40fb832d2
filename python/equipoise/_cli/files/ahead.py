"""Items that threads make while earlier ones are in use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["ahead", "in_turn"]


T = TypeVar("T")


def ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """Yield the items, while a thread makes the next one.

    Examples
    --------
    >>> list(ahead(iter("abc")))
    ['a', 'b', 'c']
    """
    end = object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item  # type: ignore[misc]


def in_turn(
    make: Callable[[Any, threading.Event], T], keys: Sequence[Any], workers: int
) -> Generator[T, None, None]:
    """Yield ``make(key, stop)`` for each key, in order, while up to ``workers`` threads make the next ones.

    The event ``stop`` is set once no more items are wanted, so that ``make`` can end early.

    Examples
    --------
    >>> list(in_turn(lambda key, stop: key.upper(), "abc", 2))
    ['A', 'B', 'C']
    """
    stop = threading.Event()
    with ThreadPoolExecutor(workers) as pool:
        coming = [pool.submit(make, key, stop) for key in keys[:workers]]
        try:
            for at in range(len(keys)):
                made = coming.pop(0).result()
                if at + workers < len(keys):
                    coming.append(pool.submit(make, keys[at + workers], stop))
                yield made
        finally:
            stop.set()
            for one in coming:
                one.cancel()
