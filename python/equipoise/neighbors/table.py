"""The table of each row's k neighbours that ``SmoteSampler`` draws from: int32, the nearest first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks
from equipoise.neighbors.search import mixed_neighbors

__all__ = ["estimated", "neighbour_table", "without_self"]


Int64s = NDArray[np.int64]
Table = NDArray[np.int32]
_CHUNK = 1 << 20  # numbers between two looks at Ctrl-C


def neighbour_table(X: NDArray[Any], k: int, estimator: Any, categorical: Int64s) -> Table:
    """The k neighbours of each row: what the estimator says, else the nearest of other values."""
    codes = _validate.as_codes(X, categorical)
    if estimator is not None:
        return estimated(estimator, X, np.arange(len(X)), k, "k_neighbors").astype(np.int32)
    continuous = np.delete(np.arange(X.shape[1]), categorical)
    numbers = np.ascontiguousarray(X[:, continuous]) if categorical.size else X
    mismatch = _mismatch(numbers, continuous) if categorical.size else 0.0
    table, copies = _search(numbers, codes, mismatch, k)
    if not copies.any():
        return table
    first, point = _points(X, copies)
    _validate.check_enough_rows(first.size, k, "k_neighbors", what="different rows")
    if first.size == len(X):
        return table
    table, _ = _search(numbers[first], codes[first], mismatch, k)
    return first.astype(np.int32)[table][point]


def estimated(estimator: Any, X: NDArray[Any], rows: Int64s, k: int, name: str) -> Int64s:
    """The k neighbours of some rows of X, as an estimator of scikit-learn's kind finds them."""
    estimator.fit(X)
    asked = X if rows.size == len(X) else X[rows]
    found = estimator.kneighbors(asked, return_distance=False)
    return without_self(_validate.as_found(found, rows.size, k, len(X), name), rows)


def without_self(found: Int64s, rows: Int64s) -> Int64s:
    """``found`` less each row's own index, or less its last where copies have crowded that out."""
    order = np.argsort(found == rows[:, np.newaxis], axis=1, kind="stable")
    return np.take_along_axis(found, order[:, :-1], axis=1)


def _search(numbers: NDArray[Any], codes: NDArray[np.int32], mismatch: float, k: int) -> tuple[Table, Any]:
    """The k nearest rows by index, and which rows have one at distance 0: all that can have copies."""
    found = mixed_neighbors(numbers, codes, mismatch, k)
    return found.indices.astype(np.int32), found.distances[:, 0] == 0


def _mismatch(numbers: NDArray[Any], columns: NDArray[np.intp]) -> float:
    """The median of the columns' standard deviations, 1 where there is no column."""
    n, d = numbers.shape
    if d == 0:
        return 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        first = numbers[0].astype(np.float64)
        mean = first + _moments(numbers, first)[0] / n
        deviations = np.sqrt(_moments(numbers, mean)[1] / n)
    _validate.check_deviations(deviations, columns)
    return float(np.median(deviations))


def _moments(numbers: NDArray[Any], centre: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Sums, and of squares, of what each column differs from its centre, from the first row to the last."""
    sums, squares = np.zeros(centre.size), np.zeros(centre.size)
    step = max(1, _CHUNK // centre.size)
    for_chunks(
        len(numbers), step, 1,
        lambda begin, end: kernels().column_moments(numbers[begin:end], centre, sums, squares),
    )  # fmt: skip
    return sums, squares


def _points(X: NDArray[Any], copies: NDArray[np.bool_]) -> tuple[Int64s, Int64s]:
    """The first row of each point, rising, and the number of each row's point.

    Only the rows in ``copies`` may equal another.
    """
    some = np.flatnonzero(copies)
    values = X[some] + X.dtype.type(0)  # -0 and 0 are one value
    whole = values.view(np.dtype((np.void, values.itemsize * values.shape[1])))[:, 0]
    _, at, group = np.unique(whole, return_index=True, return_inverse=True)
    stands = np.arange(len(X))
    stands[some] = some[at][group.reshape(-1)]
    first = np.flatnonzero(stands == np.arange(len(X)))
    return first, np.searchsorted(first, stands)
