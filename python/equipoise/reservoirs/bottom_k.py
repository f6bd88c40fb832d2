"""The rows of smallest rank of each class, with what belongs to them: the memory of a reservoir."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise._runtime.backend import kernels
from equipoise.reservoirs.buffers import Holder, give, take

__all__ = ["Smallest", "ascending"]


_DTYPES: dict[str, type[np.generic]] = {
    "ranks": np.float64,
    "ids": np.int64,
    "weights": np.float64,
    "shifts": np.float64,  # of log weight, where rows decay
    "streams": np.uint64,  # where ids are positions
    "classes": np.int64,  # numbers of classes
}


_NO_CLASSES = np.empty(0, np.int64)
_Scratch = tuple[NDArray[np.int64], NDArray[np.float64]]


class _Columns(Holder):
    """Memory of candidates, of one allocation: large ones have large pages."""

    def __init__(self, names: Iterable[str], room: int) -> None:
        names = tuple(names)
        self._block = take(len(names) * room)
        parts = self._block[: self._block.size // len(names) * len(names)].reshape(len(names), -1)
        self.views = {name: part.view(_DTYPES[name]) for name, part in zip(names, parts, strict=True)}


class Smallest:
    """Candidates, of which :meth:`select` keeps the quota[c] smallest (rank, id) of each class c.

    ``thresholds[c]`` is the quota[c]-th smallest rank known when it was last looked for: no row above it can
    be kept. Of rows that are equal in the columns ``distinct``, if there are any, one is kept.
    """

    def __init__(
        self, names: tuple[str, ...], quotas: NDArray[np.int64], distinct: tuple[str, ...] = ()
    ) -> None:
        self._columns = _Columns(names, 0)
        self.size = 0
        self.thresholds = np.empty(0)
        self.set_quotas(quotas)
        self.distinct = distinct
        self._kept = 0  # by the last select

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        return self._columns.views

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name][: self.size]

    def add(self, count: int, columns: dict[str, Any]) -> None:
        """More candidates. They are looked through once they are as many as what is kept."""
        self._append(count, columns)
        self.look_through()

    def look_through(self) -> None:
        if self.size > 2 * max(self._kept, self._most, self.quotas.size):
            self.select()

    def copy(self) -> Smallest:
        """Both go on on their own, but share the room behind the rows: one of them may use it."""
        other = object.__new__(Smallest)
        vars(other).update(vars(self), thresholds=self.thresholds.copy())
        return other

    def joined(
        self, others: list[Smallest], numbers: NDArray[np.int64] | None = None, *, share: bool = True
    ) -> Smallest:
        """With the candidates of others that can matter; ``numbers[c]`` is here what their class c is there.

        This one stays as it is; room behind its rows is written to, unless not shared.
        """
        both = self.copy()
        if not share:
            both._widen(self.size)
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
        end, room = self.size + count, self.columns["ranks"].size
        if room < end:
            self._widen(max(end, 2 * room, self._enough(end)))
        for name, column in self.columns.items():
            column[self.size : end] = columns[name]
        self.size = end

    def _enough(self, size: int) -> int:
        """Room until rows are looked through again, so that memory of one size is handed on."""
        return max(min(16 * size, 3 * self._most + 2048), 256)

    def _widen(self, room: int) -> None:
        wider = _Columns(self.columns, room)
        for name, column in wider.views.items():
            column[: self.size] = self[name]
        self._columns = wider

    def empty(self) -> Smallest:
        """Another of the same kind and with the same thresholds, without any rows."""
        other = Smallest(tuple(self.columns), self.quotas, self.distinct)
        other.thresholds[:] = self.thresholds
        return other

    def set_quotas(self, quotas: NDArray[np.int64]) -> None:
        """More classes, or fewer, of those without rows; the others keep theirs."""
        old = self.thresholds[: quotas.size]
        thresholds = np.concatenate((old, np.full(quotas.size - old.size, np.inf)))
        self.quotas, self.thresholds = quotas, thresholds
        self.wanted, self._most = int(quotas.sum()), int(quotas.max(initial=0))  # rows in all, of a class

    def select(self) -> None:
        """Drop what is not among the smallest."""
        if self.size == self._kept:
            return
        integers, reals = take(2 * self.size + 2 * self.quotas.size), take(self.size)
        self._select((integers.view(np.int64), reals))
        give(integers)
        give(reals)

    def _select(self, scratch: _Scratch) -> None:
        keep, thresholds = self._look(scratch)
        if self.distinct and self._any_equal(keep, scratch) and self._drop_equal():
            keep, thresholds = self._look(scratch)
        self._replace(keep, thresholds, keep.size)

    def order(self, places: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """By class, or its place, rank and id (and stream, for equal positions)."""
        order = ascending(self["ranks"])
        ranks, classes = self["ranks"][order], None
        if "classes" in self.columns:
            classes = self["classes"] if places is None else places[self["classes"]]
            if self.quotas.size <= 1 << 16:
                classes = classes.astype(np.uint16)  # which NumPy sorts by digits
        if not (ranks[1:] == ranks[:-1]).any():
            return order if classes is None else order[np.argsort(classes[order], kind="stable")]
        names = [name for name in ("streams", "ids", "ranks") if name in self.columns]
        return np.lexsort([self[name] for name in names] + ([] if classes is None else [classes]))

    def _look(self, scratch: _Scratch) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows to keep, which stand in the scratch, and thresholds."""
        size, thresholds, (integers, reals) = self.size, self.thresholds.copy(), scratch
        keep = integers[:size]
        kept = kernels().reservoir_select(
            self.columns.get("classes", _NO_CLASSES)[:size], self["ranks"], self["ids"], self.quotas,
            thresholds, integers[size:], reals, keep,
        )  # fmt: skip
        return keep[:kept], thresholds

    def _any_equal(self, rows: NDArray[np.int64], scratch: _Scratch) -> bool:
        """Ranks, as those of a row that came twice are; or perhaps, where very many may be."""
        words = 2 << (rows.size // 4).bit_length()
        seen = scratch[0][self.size :][:words].view(np.uint64)
        return bool(kernels().reservoir_equal(self["ranks"], rows, seen, scratch[1]))

    def _drop_equal(self) -> bool:
        order = self.order()
        again = np.ones(max(self.size - 1, 0), np.bool_)
        for name in self.distinct:
            if name in self.columns:
                column = self[name][order]
                again &= column[1:] == column[:-1]
        once = np.sort(order[np.concatenate(([True], ~again))])
        dropped = once.size < self.size
        self._replace(once, self.thresholds, self._kept)
        return dropped

    def _replace(self, rows: NDArray[np.int64], thresholds: NDArray[np.float64], kept: int) -> None:
        """By some of the rows: all at once, so that an interrupt finds it before or after."""
        columns = _Columns(self.columns, max(2 * rows.size, self._enough(rows.size)))
        for name, column in columns.views.items():
            np.take(self[name], rows, out=column[: rows.size], mode="clip")
        vars(self).update(_columns=columns, size=rows.size, thresholds=thresholds, _kept=kept)


_FEW = 1 << 12


def ascending(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """As np.argsort; of equal ones the first comes first.

    Numbers of 16 bits NumPy sorts by digits, which brings spread-out values almost into order, and what is
    almost in order it sorts in almost no time. Other values only take longer.
    """
    if values.size >= _FEW:
        low = values.min()
        with np.errstate(all="ignore"):
            steps = (values - low) * (65535.0 / (values.max() - low))
        if steps.max() < 65536.0:  # neither infinite nor all alike
            order: NDArray[Any] = np.argsort(steps.astype(np.uint16), kind="stable")
            return order[np.argsort(values[order], kind="stable")]
    return np.argsort(values, kind="stable")
