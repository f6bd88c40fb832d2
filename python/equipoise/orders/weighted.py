"""Rows by weight, drawn with replacement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks
from equipoise.rng import ORDER
from equipoise.tables.alias import AliasTable
from equipoise.tables.base import CHUNK

__all__ = ["WeightedOrder"]

_BLOCK = 128  # positions that share one run of words


class WeightedOrder:
    """An endless order of rows, each drawn in proportion to the weights from all of them.

    Parameters
    ----------
    weights : array of shape (n,)
        As :class:`AliasTable` takes them.
    seed : int
    """

    def __init__(self, weights: Any, seed: int) -> None:
        self._table = AliasTable(weights)
        self._seed = seed

    @property
    def num_rows(self) -> int:
        """The number of weights."""
        return len(self._table)

    def rows(self, epoch: int, start: int, stop: int) -> NDArray[np.int64]:
        """Return the rows at the positions start .. stop - 1 of an epoch."""
        key = kernels().call_key(self._seed, epoch, ORDER, self._table.digest())
        cells, skip = self._table.proposer().cells, start % _BLOCK
        out = np.empty(stop - start + skip, np.int64)

        def draw(begin: int, end: int) -> None:
            kernels().alias_draw(key, cells, start - skip + begin, out[begin:end])

        for_chunks(out.size, CHUNK, _validate.as_threads(None), draw)
        return out[skip:]

    def fingerprint(self) -> Iterable[bytes | NDArray[Any]]:
        """Yield what decides the order, apart from the seed."""
        yield self._table.fingerprint()
