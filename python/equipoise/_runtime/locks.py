"""Locks at a fork: a child gets new ones, and a fork waits while a first call prepares what all calls need.

A fork copies every lock in its current state, but only the thread that called fork. If another thread held
the lock, no thread in the child could ever release it. Locks of ours are replaced in the child. The locks of
Python's imports and of Numba's compiler are not ours, and what they protect would be half done in the child.
So nothing is imported or compiled while the process forks.
"""

from __future__ import annotations

import functools
import importlib
import logging  # noqa: F401 - see the end of this file
import os
import threading
import weakref
from _thread import get_ident
from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = ["add_lock", "hold_at_fork", "load"]

_owners: weakref.WeakKeyDictionary[Any, Callable[[], Any]] = weakref.WeakKeyDictionary()
_importing = threading.RLock()
_held: list[Any] = [_importing]  # locks to be held at a fork, in the order in which a thread takes them
_taken: dict[int, list[Any]] = {}  # those that are held now, by thread
_PATIENCE = 600.0  # the most seconds that a fork waits: another thread may be waiting for the one that forks


def add_lock(owner: Any, make: Callable[[], Any]) -> None:
    """Set ``owner._lock`` to ``make()``, now and in each child process forked while `owner` exists."""
    owner._lock = make()
    _owners[owner] = make


def hold_at_fork(lock: Any) -> None:
    """Make each fork of this process wait until no other thread holds the lock, a ``threading.RLock``."""
    if lock not in _held:
        _held.append(lock)


@functools.cache
def load(name: str) -> ModuleType:
    """Return a module that only some calls need, and import it in the first of them."""
    with _importing:
        return importlib.import_module(name)


def _wait() -> None:
    taken = _taken[get_ident()] = []
    for lock in _held:
        if lock.acquire(timeout=_PATIENCE):
            taken.append(lock)


def _go_on() -> None:
    for lock in reversed(_taken.pop(get_ident(), [])):
        lock.release()


def _renew() -> None:
    _go_on()
    for owner, make in _owners.items():
        owner._lock = make()


if hasattr(os, "register_at_fork"):
    # Handlers run in reverse order. Since Numba logs, a fork must not take logging's lock before it waits
    # for Numba, so logging is imported first.
    os.register_at_fork(before=_wait, after_in_parent=_go_on, after_in_child=_renew)
