"""Stand-in: exact neighbours, slowly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Neighbors", "mixed_neighbors", "nearest_neighbors"]


@dataclass(frozen=True)
class Neighbors:
    """Indices and distances of the nearest rows."""

    indices: NDArray[np.int64]
    distances: NDArray[Any]


def mixed_neighbors(
    X: Any,
    codes: Any,
    mismatch: float,
    k: int,
    *,
    queries: Any = None,
    query_codes: Any = None,
    n_threads: int | None = None,
    progress: Any = None,
) -> Neighbors:
    """Nearest by d^2 = sum (x - y)^2 + mismatch^2 * number of differing codes."""
    own = queries is None
    Q, q = (X, codes) if own else (queries, query_codes)
    n, m = len(X), len(Q)
    indices, distances = np.empty((m, k), np.int64), np.empty((m, k), X.dtype)
    for i in range(m):
        d = ((X.astype(np.float64) - Q[i].astype(np.float64)) ** 2).sum(1)
        if codes is not None:
            d += mismatch**2 * (codes != q[i]).sum(1)
        if own:
            d[i] = np.inf
        order = np.lexsort((np.arange(n), d))[:k]
        indices[i], distances[i] = order, np.sqrt(d[order])
    return Neighbors(indices, distances)


def nearest_neighbors(
    X: Any, k: int, *, queries: Any = None, n_threads: int | None = None, progress: Any = None
) -> Neighbors:
    """Nearest by Euclidean distance."""
    return mixed_neighbors(X, None, 0.0, k, queries=queries)
