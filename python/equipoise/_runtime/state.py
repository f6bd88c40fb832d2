"""Counters of what a sampler has drawn: two threads must not take the same rows' words."""

from __future__ import annotations

import os
import threading

__all__ = ["Counting"]


# Guards the counters of all samplers. A child of fork gets a fresh one.
_counting = threading.Lock()


def _renew_lock() -> None:
    global _counting  # noqa: PLW0603
    _counting = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class Counting:
    """What samplers with counters share; a counter is an attribute, modulo 2^64."""

    def _take(self, counter: str, count: int) -> int:
        with _counting:
            first: int = getattr(self, counter)
            setattr(self, counter, (first + count) % 2**64)
        return first

    def _give_back(self, counter: str, first: int, count: int) -> None:
        # Only what was taken last can be given back; another thread's rows stay its own.
        with _counting:
            if getattr(self, counter) == (first + count) % 2**64:
                setattr(self, counter, first)
