"""Labels of classes to numbers 0, 1, .. in order of first sight."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise._runtime.backend import kernels

__all__ = ["Numbers"]


Int64s = NDArray[np.int64]
_PIECE = 1 << 16  # labels whose numbers stay in the cache


class Numbers:
    """A table that is at most half full."""

    def __init__(self, labels: Int64s) -> None:
        self._labels: Int64s
        self._slots: Int64s
        self._known: Int64s
        self._grow(labels)

    def _grow(self, labels: Int64s) -> None:
        """A larger table; the one before is there until this one is full."""
        size = 1 << max(10, (4 * labels.size + 3).bit_length())
        table, slots, known = np.zeros(size, np.int64), np.full(size, -1, np.int64), np.zeros(1, np.int64)
        kernels().class_lookup(labels, table, slots, known, np.empty(labels.size, np.int64))
        vars(self).update(_labels=table, _slots=slots, _known=known)

    @property
    def size(self) -> int:
        return int(self._known[0])

    @property
    def slots(self) -> tuple[Int64s, Int64s]:
        """The labels and the numbers of the table."""
        return self._labels, self._slots

    def labels(self) -> Int64s:
        """By number."""
        used = self._slots >= 0
        out = np.empty(self.size, np.int64)
        out[self._slots[used]] = self._labels[used]
        return out

    def learn(self, labels: Int64s) -> None:
        """Those that are new, too."""
        room = np.empty(min(labels.size, _PIECE), np.int64)
        done = 0
        while done < labels.size:
            part = labels[done : done + _PIECE]
            at = kernels().class_lookup(part, self._labels, self._slots, self._known, room[: part.size])
            done += at
            if at < part.size:
                self._grow(self.labels())

    def of(self, labels: Int64s) -> Int64s:
        """Of labels that are known: nothing is written."""
        out = np.empty(labels.size, np.int64)
        kernels().class_lookup(labels, self._labels, self._slots, self._known, out)
        return out
