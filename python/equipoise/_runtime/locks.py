"""Locks that a forked child makes anew.

A fork copies a lock in the state it is in, but only the thread that forked. If another thread held the lock,
nobody in the child would ever release it.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["add_lock"]

_owners: weakref.WeakKeyDictionary[Any, Callable[[], Any]] = weakref.WeakKeyDictionary()


def add_lock(owner: Any, make: Callable[[], Any]) -> None:
    """Set ``owner._lock`` to ``make()``, now and in every child that is forked while `owner` lives."""
    owner._lock = make()
    _owners[owner] = make


def _renew() -> None:
    for owner, make in _owners.items():
        owner._lock = make()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
