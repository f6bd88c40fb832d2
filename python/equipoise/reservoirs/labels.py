"""The numbers 0, 1, 2, ... of class labels, in order of first appearance, and rows counted by number."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise._runtime.backend import kernels

__all__ = ["NO_SLOTS", "CallClasses", "ClassCounts", "ClassNumbers", "Slots"]


Int64s = NDArray[np.int64]
_NO_INTEGERS = np.empty(0, np.int64)
_CHUNK = 1 << 16  # labels looked up at a time, so that their numbers stay in the cache


class Slots(NamedTuple):
    """A hash table from labels to numbers, for kernels. The number -1 marks a free slot.

    ``word`` is random and part of the hash, so that nobody can choose labels that share their slots. The
    numbers do not depend on it.
    """

    labels: Int64s
    numbers: Int64s
    word: np.uint64


NO_SLOTS = Slots(_NO_INTEGERS, _NO_INTEGERS, np.uint64(0))  # for labels that are already numbers


class ClassNumbers:
    """A growing hash table, at most half full, of the numbers of the labels seen so far."""

    def __init__(self, labels: Int64s) -> None:
        self.slots: Slots
        self._known: Int64s
        self._grow(labels)

    def _grow(self, labels: Int64s) -> None:
        """Build a larger table, which replaces the present one only when it is complete."""
        size = 1 << max(10, (4 * labels.size + 3).bit_length())
        word = np.uint64(int.from_bytes(os.urandom(8), "little"))
        slots = Slots(np.zeros(size, np.int64), np.full(size, -1, np.int64), word)
        known = np.zeros(1, np.int64)
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


class CallClasses(NamedTuple):
    """The labels of a call's rows, and a table of their numbers.

    A call that reads few rows has a table of its own labels only, so that its time does not depend on how
    many classes are known. ``numbers`` then maps the table's numbers to the reservoir's.
    """

    labels: Int64s
    slots: Slots
    size: int  # number of classes in the table
    numbers: Int64s | None  # None if the table is the reservoir's


class ClassCounts:
    """Numbers of rows by class number.

    A sum shares the memory of its first term, which is not to be used again. The new values are written to
    it when they are first needed, however often an interrupt makes that begin anew. So a call that fails
    before it has committed its sum changes nothing, and a sum takes no longer than there are new values.
    """

    def __init__(self, counts: Int64s, numbers: Int64s = _NO_INTEGERS, values: Int64s = _NO_INTEGERS) -> None:
        self._counts, self._numbers, self._values = counts, numbers, values

    def first(self, size: int) -> Int64s:
        """Return the counts of the first `size` classes."""
        if self._counts.size < size:
            room = np.zeros(max(size, 2 * self._counts.size) - self._counts.size, np.int64)
            self._counts = np.concatenate((self._counts, room))
        self._counts[self._numbers] = self._values
        return self._counts[:size]

    def plus(self, counts: Int64s, numbers: Int64s | None) -> ClassCounts:
        """Return the sum with other counts: those of the classes `numbers`, or those of the first classes."""
        if numbers is None:
            return ClassCounts(self.first(counts.size) + counts)
        mine = self.first(int(numbers.max(initial=-1)) + 1)
        return ClassCounts(self._counts, numbers, mine[numbers] + counts)
