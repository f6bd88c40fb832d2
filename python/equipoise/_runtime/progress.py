"""Progress of a long call, told to the caller's function or shown as a bar of tqdm's."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from equipoise import _validate

__all__ = ["reporter"]


@contextlib.contextmanager
def reporter(progress: Any, total: int) -> Iterator[Callable[[int], None]]:
    """A function that takes how much more is done, from any thread; the caller's thread alone is told.

    So the caller's function never runs in two threads, and what it raises ends the call as anything else
    does.
    """
    told = _validate.as_progress(progress)
    if told is None:
        yield lambda more: None
        return
    lock, caller = threading.Lock(), threading.get_ident()
    done = last = 0
    bar = None
    if progress is True:
        bar = told(total=total, unit=" rows", unit_scale=True, disable=None)  # silent when not a terminal

    def tell() -> None:
        nonlocal last
        if done == last:
            return
        if bar is not None:
            bar.update(done - last)
        else:
            told(done, total)
        last = done

    def report(more: int) -> None:
        nonlocal done
        with lock:
            done += more
        if threading.get_ident() == caller:
            tell()

    try:
        yield report
        tell()
    finally:
        if bar is not None:
            bar.close()
