"""The classes of rows, and the share of each class in what is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks
from equipoise.balance.counts import number_labels

__all__ = ["UNITS", "ClassRows", "Classes", "find_classes", "share_units"]


Int64s = NDArray[np.int64]
UNITS = 1 << 52  # a whole, in units; a share is a number of units
_CHUNK = 1 << 20  # rows grouped between two checks for Ctrl-C, which takes a few milliseconds


class ClassRows(NamedTuple):
    """The rows of a data set, grouped by class, as the kernels take them.

    Those of class c are ``rows[offsets[c]:offsets[c + 1]]``, in ascending order.
    """

    rows: NDArray[np.uint32]  # (n,)
    offsets: Int64s  # (K + 1,)


@dataclass(frozen=True, eq=False)
class Classes:
    """The classes of rows.

    Attributes
    ----------
    labels : ndarray of shape (K,)
        The labels in ascending order: int64, bool or strings.
    counts : int64 ndarray of shape (K,)
        The number of rows of each class, at least 1.
    grouped : ClassRows
        The rows of each class.
    digest : int
        64 bits that depend on the number of each row's class.
    """

    labels: NDArray[Any]
    counts: Int64s
    grouped: ClassRows
    digest: int

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return self.grouped.rows.size

    def rows_of(self, c: int) -> NDArray[np.uint32]:
        """Return the rows of class number c, in ascending order."""
        begin, end = self.grouped.offsets[c : c + 2]
        return self.grouped.rows[begin:end]


def find_classes(y: Any, name: str = "y") -> Classes:
    """Find the classes of rows.

    Parameters
    ----------
    y : array of shape (n,)
        The label of each row: integers, booleans, strings or finite floats, in any container. 1 <= n < 2^32.
    name : str
        The argument's name in errors.

    Raises
    ------
    TypeError, ValueError, IndexError
        If there are no labels, or if they are of another kind, of several kinds, missing, or beyond int64.

    Examples
    --------
    >>> from equipoise.orders.classes import find_classes
    >>> found = find_classes(["cat", "dog", "cat"])
    >>> found.labels.tolist(), found.counts.tolist(), found.rows_of(0).tolist()
    (['cat', 'dog'], [2, 1], [0, 2])
    """
    labels = _validate.as_class_labels(y, name, own_order=False)
    _validate.check_rows(labels.size, name)
    values, codes = number_labels(labels)
    counts = np.bincount(codes)
    if not counts.all():  # numbers that no row has
        values, codes = values[counts > 0], (np.cumsum(counts > 0) - 1)[codes]
        counts = counts[counts > 0]
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))
    rows = _grouped(codes, offsets, name)
    digest = int(kernels().unit_digest(np.uint64(codes.size), codes.view(np.uint64)))
    return Classes(values, counts.astype(np.int64), ClassRows(rows, offsets), digest)


def _grouped(codes: Int64s, offsets: Int64s, name: str) -> NDArray[np.uint32]:
    """Return the rows class by class, which have the numbers `codes`."""
    rows, places, ends = np.empty(codes.size, np.uint32), offsets[:-1].copy(), offsets[1:].copy()

    def group(begin: int, end: int) -> None:
        part = codes[begin:end]
        _validate.check_settled(kernels().class_group(part, begin, ends, places, rows) == part.size, name)

    for_chunks(codes.size, _CHUNK, 1, group)
    return rows


def share_units(class_probs: Any, classes: Classes, name: str = "class_probs") -> Int64s:
    """Return the share of each class in units, which add up to `UNITS`.

    Parameters
    ----------
    class_probs : str, mapping or array of shape (K,)
        "balanced" (all classes the same), "proportional" (to their numbers of rows), "sqrt" (to the square
        roots of these), a mapping from each label to its probability, or the probabilities in the order of
        ``classes.labels``. Probabilities are finite, >= 0, and sum to 1 within 1e-6.
    name : str
        The argument's name in errors.

    Raises
    ------
    TypeError, ValueError
        If `class_probs` is none of these. A label that is unknown or missing is named.

    Examples
    --------
    >>> from equipoise.orders.classes import UNITS, find_classes, share_units
    >>> units = share_units("proportional", find_classes([0, 0, 0, 1]))
    >>> (units / UNITS).tolist()
    [0.75, 0.25]
    """
    probs = _validate.as_class_probs(class_probs, classes.labels.tolist(), name)
    if isinstance(probs, str):
        counts = classes.counts.tolist()
        weights = {
            "balanced": [1] * len(counts),
            "proportional": counts,
            "sqrt": [math.isqrt(n << 64) for n in counts],
        }[probs]
    else:
        weights = [int(p * 2.0**62) for p in probs.tolist()]
    total = sum(weights)
    units, remainders = zip(*(divmod(w * UNITS, total) for w in weights), strict=True)
    shares = np.array(units, np.int64)
    largest = sorted(range(len(weights)), key=lambda c: -remainders[c])
    shares[largest[: UNITS - sum(units)]] += 1
    return shares
