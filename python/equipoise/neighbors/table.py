"""Make the table of each row's k neighbors that ``SmoteSampler`` draws from: int32, nearest first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks
from equipoise.neighbors.search import mixed_neighbors

__all__ = ["estimated", "neighbor_table", "without_self"]


Int64s = NDArray[np.int64]
Table = NDArray[np.int32]
_CHUNK = 1 << 20  # numbers read between two checks for Ctrl-C


def neighbor_table(X: NDArray[Any], k: int, estimator: Any, categorical: Int64s) -> Table:
    """Return the k neighbors of each row, found by the estimator or, without one, by an exact search.

    The exact search treats copies of a row as one point, so that a row's neighbors have other values.

    Parameters
    ----------
    X : float32 or float64 ndarray of shape (n, d)
        Finite.
    k : int
        Less than n.
    estimator : estimator or None
        If given, its neighbors are taken as they are, except for the row itself.
    categorical : int64 ndarray
        The columns of X that hold category codes.

    Returns
    -------
    int32 ndarray of shape (n, k)
    """
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
    """Return the k neighbors of some rows of X, as an estimator like scikit-learn's finds them."""
    estimator.fit(X)
    asked = X if rows.size == len(X) else X[rows]
    found = estimator.kneighbors(asked, return_distance=False)
    return without_self(_validate.as_found(found, rows.size, k, len(X), name), rows)


def without_self(found: Int64s, rows: Int64s) -> Int64s:
    """Return ``found`` without each row's own index or, if copies crowded it out, without the last entry."""
    order = np.argsort(found == rows[:, np.newaxis], axis=1, kind="stable")
    return np.take_along_axis(found, order[:, :-1], axis=1)


def _search(numbers: NDArray[Any], codes: NDArray[np.int32], mismatch: float, k: int) -> tuple[Table, Any]:
    """Return the k nearest rows, and which rows have a neighbor at distance 0 and so may have copies."""
    found = mixed_neighbors(numbers, codes, mismatch, k)
    return found.indices.astype(np.int32), found.distances[:, 0] == 0


def _mismatch(numbers: NDArray[Any], columns: NDArray[np.intp]) -> float:
    """Return the median of the columns' standard deviations, or 1 if there is no column."""
    n, d = numbers.shape
    if d == 0:
        return 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        first = numbers[0].astype(np.float64)
        mean = first + _moments(numbers, first)[0] / n
        deviations = np.sqrt(_moments(numbers, mean)[1] / n)
    _validate.check_deviations(deviations, columns)
    return float(np.median(deviations))


def _moments(numbers: NDArray[Any], center: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Sum each column's differences from its center, and their squares, from the first row to the last."""
    sums, squares = np.zeros(center.size), np.zeros(center.size)
    step = max(1, _CHUNK // center.size)
    for_chunks(
        len(numbers), step, 1,
        lambda begin, end: kernels().column_moments(numbers[begin:end], center, sums, squares),
    )  # fmt: skip
    return sums, squares


def _points(X: NDArray[Any], copies: NDArray[np.bool_]) -> tuple[Int64s, Int64s]:
    """Return the first row of each point, in increasing order, and the number of the point of each row.

    Copies of a row are one point. Only the rows in ``copies`` may equal another row.
    """
    some = np.flatnonzero(copies)
    values = X[some] + X.dtype.type(0)  # -0 and 0 are one value
    as_bytes = values.view(np.dtype((np.void, values.itemsize * values.shape[1])))[:, 0]
    _, at, group = np.unique(as_bytes, return_index=True, return_inverse=True)
    first_copy = np.arange(len(X))
    first_copy[some] = some[at][group.reshape(-1)]
    first = np.flatnonzero(first_copy == np.arange(len(X)))
    return first, np.searchsorted(first, first_copy)
