"""Internal access to reservoirs for the command line and the cluster adapters."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise.reservoirs.base import BaseReservoir
from equipoise.reservoirs.class_reservoir import ClassReservoir
from equipoise.reservoirs.reservoir import Reservoir
from equipoise.reservoirs.sample import ReservoirSample
from equipoise.reservoirs.scan import Gather

__all__ = ["PlacedClassReservoir", "PlacedReservoir", "Retained", "retained_rows"]


Int64s = NDArray[np.int64]


class Retained(NamedTuple):
    """The rows that a reservoir retains: up to k + 1 of smallest rank of each class.

    ``codes`` are the 64-bit codes of the rows' labels, 0 without classes.
    """

    ranks: NDArray[np.float64]
    ids: Int64s
    weights: NDArray[np.float64]
    codes: Int64s


def retained_rows(reservoir: Reservoir | ClassReservoir) -> Retained:
    """Return the rows that a reservoir retains, in no particular order. The arrays are copies."""
    with reservoir._lock:
        sketch = reservoir._complete_sketch()
        ranks, ids, weights = (sketch[name].copy() for name in ("ranks", "ids", "weights"))
        codes = np.zeros(ids.size, np.int64)
        if isinstance(reservoir, ClassReservoir):
            codes = sketch["classes"].copy()
            if reservoir._numbers is not None:
                codes = reservoir._numbers.labels()[codes]
        return Retained(ranks, ids, weights, codes)


class _Placed(BaseReservoir):
    """A reservoir of rows with ids that also stores the place of each row, in the ``streams`` column."""

    start = 0  # the place of the next update's first row

    def _row_columns(self, stream: int, times: NDArray[np.float64] | None) -> Gather:
        gather, start = super()._row_columns(stream, times), self.start

        def placed(rows: Int64s) -> dict[str, Any]:
            return gather(rows) | {"streams": (rows + start).astype(np.uint64)}

        return placed

    def placed_sample(self) -> ReservoirSample:
        """Return the sample, with the places of its rows as ``streams``."""
        with self._lock:
            keyed, self._keyed = self._keyed, "positions"
            try:
                return self.sample()  # type: ignore[attr-defined, no-any-return]
            finally:
                self._keyed = keyed


class PlacedReservoir(_Placed, Reservoir):
    """A :class:`Reservoir` of rows with ids, in which each row has a place.

    Set ``start`` to the place of the first row before each update. If equal rows have several places, any of
    them may be kept.
    """


class PlacedClassReservoir(_Placed, ClassReservoir):
    """A :class:`ClassReservoir` of rows with ids, in which each row has a place.

    Set ``start`` to the place of the first row before each update. If equal rows have several places, any of
    them may be kept.
    """
