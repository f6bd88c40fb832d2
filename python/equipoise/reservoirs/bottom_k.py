"""The bottom-k sketch of a stream: for each class, the rows of smallest rank and their threshold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise._runtime.backend import kernels

__all__ = ["BottomK", "RankedRows", "ascending"]


_DTYPES: dict[str, type[np.generic]] = {
    "ranks": np.float64,
    "ids": np.int64,
    "weights": np.float64,
    "times": np.float64,  # where weights decay
    "streams": np.uint64,  # the streams in which the ids are positions
    "classes": np.int64,  # class numbers
}
_NO_CLASSES = np.empty(0, np.int64)
_MARGIN = (1 << 14) + (1 << 10)  # candidates usually added at a time
_SCRATCH = ("ranks", "ids", "weights")  # the columns that every sketch has
_DIGIT_SORT_SIZE = 1 << 12  # rounding does not pay for fewer values


class RankedRows(NamedTuple):
    """The columns that the selection kernel takes. ``classes`` is empty if there is one class."""

    classes: NDArray[np.int64]
    ranks: NDArray[np.float64]
    ids: NDArray[np.int64]


class _Columns:
    """Columns of equal length in one block of memory, which the system can back with large pages."""

    def __init__(self, names: Iterable[str], capacity: int) -> None:
        names = tuple(names)
        self.capacity = capacity
        parts = np.empty((len(names), capacity))
        self.views = {name: part.view(_DTYPES[name]) for name, part in zip(names, parts, strict=True)}


class BottomK:
    """A set of candidate rows, from which :meth:`select` keeps the smallest of each class.

    These are the ``quotas[c]`` rows of class c with the smallest (rank, id). ``thresholds[c]`` is the rank of
    the last of them at the latest selection, or infinity while there are fewer rows. A row above the
    threshold can never be retained. Among rows that are equal in all columns named in ``distinct``, only one
    is kept. The first of these columns are the ranks.

    A copy shares its columns and thresholds with the original. Only one of the two may append rows, and the
    rows and thresholds that they share are never changed in place. A call can therefore work on a copy, and
    an error or an interrupt in the middle of it leaves the original unchanged.
    """

    def __init__(
        self, names: tuple[str, ...], quotas: NDArray[np.int64], distinct: tuple[str, ...] = ()
    ) -> None:
        self._columns = _Columns(names, 0)
        self.size = 0
        self.num_classes = quotas.size
        self._quotas, self._thresholds = quotas, np.full(quotas.size, np.inf)  # and spare capacity
        self._largest_quota = int(quotas.max(initial=0))
        self.distinct = distinct
        self._selected = 0  # rows kept by the latest selection

    @property
    def quotas(self) -> NDArray[np.int64]:
        """The number of rows to retain of each class."""
        return self._quotas[: self.num_classes]

    @property
    def total_quota(self) -> int:
        """The number of rows to retain of all classes."""
        return int(self.quotas.sum())

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """The thresholds of the classes, which other sketches may share."""
        return self._thresholds[: self.num_classes]

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """The columns by name, including the spare capacity after the rows."""
        return self._columns.views

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name][: self.size]

    def add(self, count: int, columns: dict[str, Any]) -> None:
        """Append `count` candidates, and select if the sketch now holds many more rows than it retains."""
        self._append(count, columns)
        self.select_if_many()

    def select_if_many(self) -> None:
        """Select if the candidates added since the latest selection outnumber the rows that it kept."""
        if self.size > 2 * max(self._selected, self._largest_quota, self.num_classes):
            self.select()

    def copy(self) -> BottomK:
        """Return a copy that shares the spare capacity; only one of the two may append."""
        other = object.__new__(BottomK)
        vars(other).update(vars(self))
        return other

    def joined(
        self, others: list[BottomK], numbers: NDArray[np.int64] | None = None, *, share: bool = True
    ) -> BottomK:
        """Return a copy merged with the other sketches' surviving candidates.

        ``numbers`` maps their class numbers to those of this sketch. This sketch is left unchanged. Unless
        ``share`` is false, the candidates are appended to its spare capacity.
        """
        both = self.copy()
        both._thresholds = self._thresholds.copy()
        if not share:
            both._reserve(self.size)
        for other in others:
            columns = {name: other[name] for name in both.columns}
            if numbers is not None:
                both.thresholds[numbers] = np.minimum(both.thresholds[numbers], other.thresholds)
                columns["classes"] = numbers[columns["classes"]]
            else:
                np.minimum(both.thresholds, other.thresholds, out=both.thresholds)
            threshold = both.thresholds[columns["classes"]] if "classes" in columns else both.thresholds[0]
            small = np.flatnonzero(columns["ranks"] <= threshold)
            if small.size < other.size:
                columns = {name: column[small] for name, column in columns.items()}
            both._append(small.size, columns)
        return both

    def _append(self, count: int, columns: dict[str, Any]) -> None:
        if not count:
            return
        end, capacity = self.size + count, self._columns.capacity
        if capacity < end:
            self._reserve(max(end, self._capacity_for(end)))
        for name, column in self.columns.items():
            column[self.size : end] = columns[name]
        self.size = end

    def _capacity_for(self, size: int) -> int:
        """Return the capacity that a sketch of `size` rows needs until the next selection."""
        most = 2 * max(size, self._largest_quota, self.num_classes) + _MARGIN
        return max(min(16 * size, most), 256)

    def _reserve(self, capacity: int) -> None:
        """Move the rows to new columns of the given capacity."""
        wider = _Columns(self.columns, capacity)
        for name, column in wider.views.items():
            column[: self.size] = self[name]
        self._columns = wider

    def empty(self) -> BottomK:
        """Return a sketch with the same columns, quotas and thresholds, and no rows."""
        other = BottomK(tuple(self.columns), self.quotas, self.distinct)
        other._thresholds = self._thresholds
        return other

    def lower(self, threshold: float) -> None:
        """Lower the threshold of the only class."""
        self._thresholds = np.array([threshold])

    def extend(self, num_classes: int, quota: int) -> None:
        """Add classes at the end, up to `num_classes`. Those of one sketch all have the same quota.

        The capacity doubles, so that many small extensions take little time.
        """
        if num_classes <= self.num_classes:
            return
        capacity = max(num_classes, 2 * self.num_classes)
        if num_classes > self._quotas.size:
            self._quotas = np.concatenate((self.quotas, np.full(capacity - self.num_classes, quota)))
        if num_classes > self._thresholds.size:
            self._thresholds = np.concatenate((self.thresholds, np.full(capacity - self.num_classes, np.inf)))
        self.num_classes, self._largest_quota = num_classes, max(self._largest_quota, quota)

    def select(self) -> None:
        """Drop the rows that are not among the smallest of their class, and update the thresholds."""
        if self.size == self._selected:
            return
        columns, scratch = self._room()
        keep, thresholds = self._smallest(scratch)
        if self.distinct and self._any_equal(keep, scratch) and self._drop_equal():
            columns, scratch = self._room()
            keep, thresholds = self._smallest(scratch)
        rows = keep.copy()  # out of the scratch memory, which the retained rows may overwrite
        self._retain(rows, thresholds, rows.size, columns)

    def _room(self) -> tuple[_Columns, _Columns]:
        """Return columns for the rows that a selection retains, and scratch memory for the selection.

        They are the same memory if it is large enough, since the system must clear every new page. At
        k = 100,000 separate scratch memory cost a tenth of a call.
        """
        columns = _Columns(self.columns, self._capacity_for(min(self.size, self.total_quota)))
        enough = self.size + 2 * self.num_classes
        return columns, columns if columns.capacity >= enough else _Columns(_SCRATCH, enough)

    def order(self, places: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Return the order of the rows by class (or ``places[class]``), rank, id, stream, weight and time."""
        order = ascending(self["ranks"])
        ranks, classes = self["ranks"][order], None
        if "classes" in self.columns:
            classes = self["classes"] if places is None else places[self["classes"]]
            if self.num_classes <= 1 << 16:
                classes = classes.astype(np.uint16)  # NumPy uses a radix sort for 16-bit integers
        if not (ranks[1:] == ranks[:-1]).any():
            return order if classes is None else order[np.argsort(classes[order], kind="stable")]
        names = [n for n in ("times", "weights", "streams", "ids", "ranks") if n in self.columns]
        return np.lexsort([self[name] for name in names] + ([] if classes is None else [classes]))

    def _smallest(self, scratch: _Columns) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the rows to keep, as a view of the scratch memory, and the new thresholds."""
        size, thresholds = self.size, self._thresholds.copy()
        ranks, keep, rest = (scratch.views[name] for name in _SCRATCH)
        ranks, keep, rest = ranks[:size], keep[:size], rest.view(np.int64)
        rows = RankedRows(self.columns.get("classes", _NO_CLASSES)[:size], self["ranks"], self["ids"])
        mine = thresholds[: self.num_classes]
        kept = kernels().reservoir_select(rows, self.quotas, mine, rest, ranks, keep)
        return keep[:kept], thresholds

    def _any_equal(self, rows: NDArray[np.int64], scratch: _Columns) -> bool:
        """Return whether two of the rows may have the same rank. False positives are possible.

        Equal ranks indicate a row that was read twice.
        """
        words = 2 << (rows.size // 4).bit_length()
        room, _, seen = (scratch.views[name] for name in _SCRATCH)
        seen = seen.view(np.uint64)[:words]
        return bool(kernels().reservoir_equal(self["ranks"], rows, seen, room[: self.size]))

    def _drop_equal(self) -> bool:
        """Drop duplicates of equal rows. Return whether there were any."""
        columns = [self[name] for name in self.distinct if name in self.columns]
        order = ascending(columns[0])
        same, again = _repeats(columns[:1], order), _repeats(columns, order)
        if (same & ~again).any():  # different rows of one rank may be between equal rows
            order = np.lexsort(columns[::-1])
            again = _repeats(columns, order)
        once = np.sort(order[np.concatenate(([True], ~again))])
        dropped = once.size < self.size
        self._retain(
            once, self._thresholds, self._selected, _Columns(self.columns, self._capacity_for(once.size))
        )
        return dropped

    def _retain(
        self, rows: NDArray[np.int64], thresholds: NDArray[np.float64], selected: int, columns: _Columns
    ) -> None:
        """Keep only the given rows, in `columns`."""
        for name, column in columns.views.items():
            np.take(self[name], rows, out=column[: rows.size], mode="clip")
        # One assignment, so that an interrupt cannot leave the sketch half changed.
        vars(self).update(_columns=columns, size=rows.size, _thresholds=thresholds, _selected=selected)


def _repeats(columns: list[NDArray[Any]], order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which rows, in this order, are equal in all columns to the row before them."""
    again = np.ones(max(order.size - 1, 0), np.bool_)
    for column in columns:
        ordered = column[order]
        again &= ordered[1:] == ordered[:-1]
    return again


def ascending(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the stable order of `values`, as ``np.argsort(values, kind="stable")`` does.

    NumPy has a fast radix sort for 16-bit integers. Sorting evenly spread values by their first 16 bits puts
    them almost in order, and NumPy is also fast at sorting values that are almost in order. For other
    distributions the result is the same, but takes longer.
    """
    if values.size >= _DIGIT_SORT_SIZE:
        low = values.min()
        with np.errstate(all="ignore"):
            steps = values - low
            steps *= 65535.0 / (values.max() - low)
        if steps.max() < 65536.0:  # False (NaN) if a value is infinite or all are equal
            digits = steps.astype(np.uint16)
            del steps  # its memory is used again
            order: NDArray[Any] = np.argsort(digits, kind="stable")
            return order[np.argsort(values[order], kind="stable")]
    return np.argsort(values, kind="stable")
