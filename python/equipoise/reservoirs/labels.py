"""A table of class labels and their numbers 0, 1, 2, ..., in order of first appearance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise._runtime.backend import kernels

__all__ = ["NO_SLOTS", "ClassNumbers", "Slots"]


Int64s = NDArray[np.int64]
_CHUNK = 1 << 16  # labels looked up at a time, so that their numbers stay in the cache


class Slots(NamedTuple):
    """A hash table from labels to numbers, for kernels. The number -1 marks a free slot."""

    labels: Int64s
    numbers: Int64s


NO_SLOTS = Slots(np.empty(0, np.int64), np.empty(0, np.int64))  # for labels that are already numbers


class ClassNumbers:
    """A growing hash table, at most half full, of the numbers of the labels seen so far."""

    def __init__(self, labels: Int64s) -> None:
        self.slots: Slots
        self._known: Int64s
        self._grow(labels)

    def _grow(self, labels: Int64s) -> None:
        """Build a larger table, which replaces the present one only when it is complete."""
        size = 1 << max(10, (4 * labels.size + 3).bit_length())
        slots, known = Slots(np.zeros(size, np.int64), np.full(size, -1, np.int64)), np.zeros(1, np.int64)
        kernels().class_lookup(labels, slots, known, np.empty(labels.size, np.int64))
        vars(self).update(slots=slots, _known=known)

    @property
    def size(self) -> int:
        """Number of labels."""
        return int(self._known[0])

    def labels(self) -> Int64s:
        """Return the labels in order of their numbers."""
        used = self.slots.numbers >= 0
        out = np.empty(self.size, np.int64)
        out[self.slots.numbers[used]] = self.slots.labels[used]
        return out

    def learn(self, labels: Int64s) -> None:
        """Assign numbers to the labels that are new."""
        room = np.empty(min(labels.size, _CHUNK), np.int64)
        done = 0
        while done < labels.size:
            part = labels[done : done + _CHUNK]
            at = kernels().class_lookup(part, self.slots, self._known, room[: part.size])
            done += at
            if at < part.size:
                self._grow(self.labels())

    def of(self, labels: Int64s) -> Int64s:
        """Return the numbers of labels, all of which must be known. The table is not changed."""
        out = np.empty(labels.size, np.int64)
        kernels().class_lookup(labels, self.slots, self._known, out)
        return out
