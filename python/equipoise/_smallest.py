"""The rows of smallest rank of each class, with what belongs to them: the memory of a reservoir."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise._backend import kernels

__all__ = ["Smallest"]

_DTYPES: dict[str, type[np.generic]] = {
    "ranks": np.float64,
    "ids": np.int64,
    "weights": np.float64,
    "shifts": np.float64,  # of log weight, where rows decay
    "streams": np.uint64,  # where ids are positions
    "classes": np.int64,  # numbers of classes
}
_NO_CLASSES = np.empty(0, np.int64)


class Smallest:
    """Candidates, of which :meth:`select` keeps the quota[c] smallest (rank, id) of each class c.

    ``thresholds[c]`` is the quota[c]-th smallest rank known when it was last looked for: no row above it can be
    kept. Equal rows, that is (rank, id), are kept once where ``distinct``.
    """

    def __init__(self, names: tuple[str, ...], quotas: NDArray[np.int64], *, distinct: bool) -> None:
        self.columns = {name: np.empty(0, _DTYPES[name]) for name in names}
        self.size = 0
        self.quotas = quotas
        self.thresholds = np.full(quotas.size, np.inf)
        self.distinct = distinct
        self._scratch = np.empty(0, np.int64)
        self._sorted = np.empty(0)
        self._kept = 0  # by the last select

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name][: self.size]

    def add(self, count: int, columns: dict[str, Any]) -> None:
        """More candidates. They are looked through once they are as many as what is kept."""
        if not count:
            return
        end = self.size + count
        for name, column in self.columns.items():
            if column.size < end:
                self.columns[name] = room = np.empty(max(end, 2 * column.size, 256), column.dtype)
                room[: self.size] = column[: self.size]
            self.columns[name][self.size : end] = columns[name]
        self.size = end
        if end >= 2 * max(self._kept, int(self.quotas[0]), self.quotas.size):
            self.select()

    def take(self, other: Smallest, numbers: NDArray[np.int64] | None = None) -> None:
        """All candidates of another; ``numbers[c]`` is here what its class c is there."""
        columns = {name: other[name] for name in self.columns}
        if numbers is None:
            np.minimum(self.thresholds, other.thresholds, out=self.thresholds)
        else:
            self.thresholds[numbers] = np.minimum(self.thresholds[numbers], other.thresholds)
            columns["classes"] = numbers[columns["classes"]]
        self.add(other.size, columns)

    def empty(self) -> Smallest:
        """Another of the same kind and with the same thresholds, without any rows."""
        other = Smallest(tuple(self.columns), self.quotas, distinct=self.distinct)
        other.thresholds[:] = self.thresholds
        return other

    def restart(self, like: Smallest) -> None:
        """Forget all rows."""
        self.size = self._kept = 0
        self.quotas, self.thresholds = like.quotas, like.thresholds.copy()

    def copy(self) -> Smallest:
        other = self.empty()
        other.take(self)
        return other

    def set_quotas(self, quotas: NDArray[np.int64]) -> None:
        """More classes, or fewer, of those without rows; the others keep theirs."""
        more = np.full(max(quotas.size - self.quotas.size, 0), np.inf)
        self.quotas, self.thresholds = quotas, np.concatenate((self.thresholds[: quotas.size], more))

    def select(self) -> None:
        """Drop what is not among the smallest."""
        if not self.size:
            return
        keep, thresholds = self._look()
        if self.distinct:
            ranks = np.sort(self["ranks"][keep])
            if (ranks[1:] == ranks[:-1]).any() and self._drop_equal():
                keep, thresholds = self._look()
        self.thresholds = thresholds
        if keep.size < self.size:
            for column in self.columns.values():
                column[: keep.size] = column[: self.size][keep]
        self.size = self._kept = keep.size

    def order(self) -> NDArray[np.int64]:
        """By class, rank and id (and stream, for equal positions)."""
        keys = [self[name] for name in ("streams", "ids", "ranks", "classes") if name in self.columns]
        return np.lexsort(keys)

    def _look(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        size, room = self.size, 2 * self.size + 2 * self.quotas.size
        if self._sorted.size < size:
            self._sorted = np.empty(2 * size)
        if self._scratch.size < room:
            self._scratch = np.empty(2 * room, np.int64)
        keep, thresholds = self._scratch[:size], self.thresholds.copy()
        kept = kernels().reservoir_select(
            self.columns.get("classes", _NO_CLASSES)[:size], self["ranks"], self["ids"], self.quotas, thresholds,
            self._scratch[size:], self._sorted, keep,
        )  # fmt: skip
        return keep[:kept], thresholds

    def _drop_equal(self) -> bool:
        order = self.order()
        again = np.ones(max(self.size - 1, 0), np.bool_)
        for name in ("streams", "ids", "ranks", "classes"):
            if name in self.columns:
                column = self[name][order]
                again &= column[1:] == column[:-1]
        once = np.sort(order[np.concatenate(([True], ~again))])
        for column in self.columns.values():
            column[: once.size] = column[: self.size][once]
        dropped, self.size = once.size < self.size, once.size
        return dropped
