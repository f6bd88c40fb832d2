"""Rows by weight, drawn without replacement: an exponential race, read band by band.

Row i has the rank E_i / w_i with an exponential E_i of its own, and the rows come in the order of their ranks
(Efraimidis and Spirakis 2006). Sorting all ranks would take 16 bytes a row. Instead, the ranks are cut into
bands, and a pass over the weights finds the rows of one band::

    rank   0 .......... low ...... high .................... infinity
           below: only     found and     not looked at
           counted         sorted

The order does not depend on where the bands begin and end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks
from equipoise.reservoirs.bottom_k import ascending
from equipoise.rng import RACE

__all__ = ["RaceOrder"]

_BAND = 1 << 20  # rows that a band should have at least
_CHUNK = 1 << 16  # rows between two checks for Ctrl-C
_SHIFT = np.uint64(48)  # leaves the exponent of a weight and four bits more, the bin of the histogram
_FARTHEST = 900.0  # ranks beyond 2^900 are stored in another form


class _Band(NamedTuple):
    """The rows of a band of ranks, in order. The first of them has the position `first`."""

    key: int
    high: float
    first: int
    rows: NDArray[np.int64]

    @property
    def end(self) -> int:
        """The position behind the last row."""
        return self.first + self.rows.size


class RaceOrder:
    """An order of all rows of positive weight, each drawn in proportion to weight from those that are left.

    Parameters
    ----------
    weights : array of shape (n,)
        As :class:`AliasTable` takes them. They are copied as float64.
    seed : int
    """

    def __init__(self, weights: Any, seed: int) -> None:
        self._weights = np.array(_validate.as_weights(weights), np.float64)
        self._weights += 0.0  # -0.0 becomes 0.0
        self._seed = seed
        self._prepare()

    def _prepare(self) -> None:
        self._band: _Band | None = None
        self._digest = kernels().unit_digest(self._weights.size, self._weights.view(np.uint64))
        self._counts, self._logs = _histogram(self._weights)

    @property
    def num_rows(self) -> int:
        """The number of weights that are positive."""
        return int(self._counts.sum())

    def rows(self, epoch: int, start: int, stop: int) -> NDArray[np.int64]:
        """Return the rows at the positions start .. stop - 1 of an epoch.

        Positions behind the last row begin the order anew.
        """
        out, size = np.empty(stop - start, np.int64), self.num_rows
        key = kernels().call_key(self._seed, epoch, RACE, self._digest)
        at = start
        while at < stop:
            at += self._fill(key, at % size, out[at - start :])
        return out

    def _fill(self, key: int, place: int, out: NDArray[np.int64]) -> int:
        """Write rows from a position on, as far as they are in one band, and return how many."""
        band = self._band_of(key, place)
        rows = band.rows[place - band.first :][: out.size]
        out[: rows.size] = rows
        return rows.size

    def _band_of(self, key: int, place: int) -> _Band:
        """Return the band of a position. The last one is kept."""
        band = self._band
        if band is None or band.key != key or not band.first <= place < band.end:
            self._band = None  # its rows need no longer be kept
            if band is not None and band.key == key and place == band.end:
                high, end = band.high, band.end
                del band
                band = self._find(key, high, end, place)
            else:
                del band
                band = self._seek(key, place)
            self._band = band
        return band

    def _seek(self, key: int, place: int) -> _Band:
        """Find the band of a position without those before it. The number of ranks below is only guessed."""
        margin, last = 1 << 10, self.num_rows - _BAND // 8  # the last band begins before this position
        while True:
            margin = 8 * margin + int(8 * math.sqrt(place))
            band = self._find(key, self._threshold(min(place - margin, last)), None, place)
            while band.end <= place:
                band = self._find(key, band.high, band.end, place)
            if band.first <= place:
                return band

    def _find(self, key: int, low: float, first: int | None, place: int) -> _Band:
        """Return the band from `low` on, to about `_BAND` rows behind a position."""
        ahead = _BAND + _BAND // 16
        while (high := self._threshold(place + ahead)) <= low:  # the number of rows below `low` was a guess
            ahead *= 2
        below, found, room = 0, 0, min(self._weights.size, ahead + ahead // 8 + _CHUNK)
        rows, ranks = np.empty(room, np.int64), np.empty(room)

        def scan(begin: int, end: int) -> None:
            nonlocal below, found, rows, ranks
            if found + end - begin > rows.size:
                rows, ranks = np.resize(rows, 2 * rows.size), np.resize(ranks, 2 * ranks.size)
            part = self._weights[begin:end]
            less, more = kernels().race_band(key, begin, part, low, high, rows[found:], ranks[found:])
            below, found = below + less, found + more

        for_chunks(self._weights.size, _CHUNK, 1, scan)
        order = ascending(ranks[:found])
        return _Band(key, high, below if first is None else first, rows[:found][order])

    def _threshold(self, place: int) -> float:
        """Return a rank that about `place` rows are below: -inf for none, and inf for all."""
        size = self.num_rows
        if place <= 0:
            return -math.inf
        if place >= size - _BAND // 16:
            return math.inf
        low, high = -800.0, 800.0  # the logarithm of a rank is between -747 and 749
        for _ in range(60):
            middle = (low + high) / 2
            with np.errstate(all="ignore"):
                expected = -self._counts @ np.expm1(-np.exp(self._logs + middle))
            low, high = (middle, high) if expected < place else (low, middle)
        return _stored(low / math.log(2.0))

    def fingerprint(self) -> Iterable[bytes | NDArray[Any]]:
        """Yield what decides the order, apart from the seed."""
        yield self._weights

    def __getstate__(self) -> dict[str, Any]:
        return {"_weights": self._weights, "_seed": self._seed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._prepare()


def _histogram(weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the counts of positive weights by size, and the logarithm of the mean weight of each bin."""
    counts, sums = np.zeros(1 << 15), np.zeros(1 << 15)

    def add(begin: int, end: int) -> None:
        part = weights[begin:end]
        bins = (part.view(np.uint64) >> _SHIFT).astype(np.int64)
        counts[:] += np.bincount(bins[part > 0], minlength=counts.size)
        sums[:] += np.bincount(bins, part, minlength=sums.size)

    for_chunks(weights.size, _CHUNK, 1, add)
    some = counts > 0
    return counts[some], np.log(sums[some]) - np.log(counts[some])


def _stored(log2: float) -> float:
    """Return about the number that stands for the rank 2^log2."""
    if log2 > _FARTHEST:
        return float(2.0 ** (_FARTHEST + (log2 - _FARTHEST) / 2))
    return float(2.0**log2 if log2 >= -_FARTHEST else -(2.0 ** (-_FARTHEST - log2)))
