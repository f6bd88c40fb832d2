"""Shared negatives: one set for a whole batch, and the expected count of each id in it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks
from equipoise.tables.base import Table

__all__ = ["SharedNegatives", "draw_shared"]

_SHARED_CHUNK = 1 << 18
_SECRET = np.uint64(int.from_bytes(os.urandom(8), "little"))  # of the hash of ids; no result depends on it


@dataclass(frozen=True, eq=False)
class SharedNegatives:
    """The result of :meth:`NegativeSampler.sample_shared`.

    Attributes
    ----------
    ids : int64 ndarray of shape (C,)
    log_q : float32 ndarray of shape (C,)
        The natural logarithm of the expected count of each id in the set.
    num_tries : int
        The number of draws that it took to get C distinct ids, or C if they need not be distinct.

    Examples
    --------
    >>> import equipoise
    >>> equipoise.NegativeSampler(10).sample_shared(4).num_tries >= 4
    True
    """

    ids: NDArray[np.int64]
    log_q: NDArray[np.float32]
    num_tries: int


Address = tuple[np.uint64, np.uint64, np.uint64]  # call key, number of the call, lane


def draw_shared(table: Table, address: Address, count: int, unique: bool) -> SharedNegatives:
    """Draw `count` shared negatives, distinct if `unique`."""
    ids = np.empty(count, np.int64)
    tries = _draw_unique(table, address, ids) if unique else _draw_repeating(table, address, ids)
    return SharedNegatives(ids, _log_expected_counts(table, ids, tries, unique), tries)


def _draw_repeating(table: Table, address: Address, ids: NDArray[np.int64]) -> int:
    draw, proposer = kernels().shared_draw, table.proposer()
    for_chunks(ids.size, _SHARED_CHUNK, 1, lambda begin, end: draw(*address, proposer, begin, ids[begin:end]))
    return ids.size


def _draw_unique(table: Table, address: Address, ids: NDArray[np.int64]) -> int:
    proposer, state = table.proposer(), np.zeros(4, np.uint64)
    seen = np.full(1 << (2 * ids.size).bit_length(), -1, np.int64)
    exact = False
    while state[0] < ids.size and not exact:
        exact = kernels().shared_unique(*address, proposer, _SECRET, seen, ids, state)
    if exact:
        tree = np.zeros(len(table) + 1, np.uint64)
        while state[0] < ids.size:
            kernels().shared_exact(*address, proposer, tree, ids, state)
    return int(state[2])


def _log_expected_counts(
    table: Table, ids: NDArray[np.int64], tries: int, unique: bool
) -> NDArray[np.float32]:
    log_q, total = np.empty(ids.size, np.float32), float(table.proposer().total)

    def fill(begin: int, end: int) -> None:
        p = table.units_of(ids[begin:end]).astype(np.float64) / total
        if unique:
            kernels().log1p(-p, p)
            kernels().expm1(p * float(tries), p)
            p = -p
        else:
            p *= float(ids.size)
        kernels().log(p, p)
        log_q[begin:end] = p

    for_chunks(ids.size, _SHARED_CHUNK, 1, fill)
    return log_q
