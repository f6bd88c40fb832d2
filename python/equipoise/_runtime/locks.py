"""Locks that are replaced in forked children.

A fork copies every lock in its current state, but only the thread that called fork. If another thread held
the lock, no thread in the child could ever release it.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["add_lock"]

_owners: weakref.WeakKeyDictionary[Any, Callable[[], Any]] = weakref.WeakKeyDictionary()


def add_lock(owner: Any, make: Callable[[], Any]) -> None:
    """Set ``owner._lock`` to ``make()``, now and in each child process forked while `owner` exists."""
    owner._lock = make()
    _owners[owner] = make


def _renew() -> None:
    for owner, make in _owners.items():
        owner._lock = make()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
