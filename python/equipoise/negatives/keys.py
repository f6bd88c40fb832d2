"""Keys for the rows of a batch that a collate function is given (rng.py, "Rows of a collate function")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["keys_by_batch", "keys_by_index"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_OCCURRENCE = np.uint64(0xD1342543DE82EF95)


def keys_by_index(index: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a key for each row: its index or, if that has come before, a hash of index and occurrence."""
    order = np.argsort(index, kind="stable")
    in_order = index[order]
    again = np.flatnonzero(in_order[1:] == in_order[:-1]) + 1  # places in the order
    keys = index.astype(np.uint64)
    if again.size:
        begins = np.ones(index.size, np.bool_)
        begins[again] = False
        first = np.maximum.accumulate(np.where(begins, np.arange(index.size), 0))
        occurrence = (again - first[again]).astype(np.uint64)
        rows = order[again]
        keys[rows] = _mix64(keys[rows] + occurrence * _OCCURRENCE)
    return keys


def keys_by_batch(index: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a key for each row: a hash of all indices, in their order, and of the row's place."""
    places = np.arange(1, index.size + 1, dtype=np.uint64)
    batch = _mix64(index.astype(np.uint64) + places * _OCCURRENCE).sum(dtype=np.uint64)
    return _mix64(batch + places * _GOLDEN)


def _mix64(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
