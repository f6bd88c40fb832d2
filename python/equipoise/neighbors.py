"""Stand-in: exact neighbours by brute force, until the founder's kernel is here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate, _validate_points

__all__ = ["Neighbors", "nearest_neighbors"]


@dataclass(frozen=True, eq=False)
class Neighbors:
    """Indices and distances.

    Examples
    --------
    >>> from equipoise.neighbors import nearest_neighbors
    >>> nearest_neighbors([[0.0], [1.0], [3.0]], 1).indices.ravel().tolist()
    [1, 0, 1]
    """

    indices: NDArray[np.int64]
    distances: NDArray[Any]


def nearest_neighbors(
    X: Any, k: int, *, queries: Any = None, n_threads: int | None = None, progress: Any = None
) -> Neighbors:
    """Stand-in; see :class:`Neighbors`."""
    X = _validate_points.points(X, "X")
    k = _validate.as_count(k, "k", least=1)
    asked = None if queries is None else _validate_points.points(queries, "queries")
    none = np.empty((len(X), 0), np.int32)
    more = None if asked is None else np.empty((len(asked), 0), np.int32)
    return mixed_neighbors(X, none, 0.0, k, queries=asked, query_codes=more)


def mixed_neighbors(
    X: NDArray[Any],
    codes: NDArray[np.int32],
    mismatch: float,
    k: int,
    *,
    queries: NDArray[Any] | None = None,
    query_codes: NDArray[np.int32] | None = None,
    n_threads: int | None = None,
    progress: Any = None,
) -> Neighbors:
    asked, asked_codes = (X, codes) if queries is None or query_codes is None else (queries, query_codes)
    indices = np.empty((len(asked), k), np.int64)
    distances = np.empty((len(asked), k), X.dtype)
    centred = X.astype(np.float64)
    for i, (row, its) in enumerate(zip(asked.astype(np.float64), asked_codes, strict=True)):
        squares = ((centred - row) ** 2).sum(axis=1) + mismatch**2 * (codes != its).sum(axis=1)
        if queries is None:
            squares[i] = np.inf
        best = np.argsort(squares, kind="stable")[:k]
        indices[i], distances[i] = best, np.sqrt(squares[best])
    return Neighbors(indices, distances)
