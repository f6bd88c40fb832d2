"""Make rows from parents, neighbors and gaps: the last step of all over-samplers of the SMOTE family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import check_random_state

from equipoise.smote.interpolation import interpolate, interpolate_csr

__all__ = ["Synthesis", "draw", "interpolated", "resampled"]


@dataclass(frozen=True)
class Synthesis:
    """A plan for new rows of one class: X[parents] + gaps * (X[neighbors] - X[parents])."""

    label: Any
    parents: NDArray[np.int64]
    neighbors: NDArray[np.int64]
    gaps: NDArray[np.float64]


def draw(
    random_state: Any, neighbors: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Draw parents, their neighbors and gaps, in imbalanced-learn's order.

    `neighbors` is a table with a row for each parent, and parents are returned as row numbers of this table.
    As in imbalanced-learn, an integer `random_state` restarts the draws in each call.
    """
    random = check_random_state(random_state)
    picks = random.randint(low=0, high=neighbors.size, size=size)
    gaps = random.uniform(size=size)
    return picks // neighbors.shape[1], neighbors.ravel()[picks], gaps


def interpolated(X: Any, new: Synthesis, out: NDArray[Any] | None = None) -> Any:
    """Return the rows of a plan, in X's dtype: CSR for CSR, else an array, which is `out` if given."""
    real = X.dtype in (np.float32, np.float64)
    gaps = new.gaps.astype(X.dtype if real else np.float64, copy=False)
    if sparse.issparse(X):
        if not real:
            return _interpolated_like_imblearn(X, new)
        parts = interpolate_csr(X.data, X.indices, X.indptr, new.parents, new.neighbors, gaps)
        return type(X)(parts, shape=(len(new.gaps), X.shape[1]))
    if real:
        return interpolate(X, new.parents, new.neighbors, gaps, out=out)
    if out is None:
        out = np.empty((len(new.gaps), X.shape[1]), X.dtype)
    step = max(1, 2**20 // max(1, X.shape[1]))
    for a in range(0, len(out), step):
        part = slice(a, a + step)
        block = Synthesis(new.label, new.parents[part], new.neighbors[part], new.gaps[part])
        out[part] = _interpolated_like_imblearn(X, block)
    return out


def _interpolated_like_imblearn(X: Any, new: Synthesis) -> Any:
    """Interpolate integers by imbalanced-learn's own operations, each of which affects the truncation."""
    base = X[new.parents]
    differences = X[new.neighbors] - base
    gaps = new.gaps[:, np.newaxis]
    if sparse.issparse(X):
        return (base + type(X)(gaps).multiply(differences)).astype(X.dtype)
    return (base + gaps * differences).astype(X.dtype)


def resampled(X: Any, y: NDArray[Any], plan: Sequence[Synthesis]) -> tuple[Any, NDArray[Any]]:
    """Return the given rows and then the new ones. Each array is made once, at its final size."""
    if X.dtype == np.bool_:  # every number but 0 is true, as in a frame with other columns
        new, labels = resampled(X.astype(np.float64), y, plan)
        return new.astype(np.bool_), labels
    labels = np.concatenate([y, *(np.full(len(new.gaps), new.label, dtype=y.dtype) for new in plan)])
    if sparse.issparse(X):
        rows = X.tocsr()
        parts = [rows, *(interpolated(rows, new) for new in plan)]
        return sparse.vstack(parts, format=X.format, dtype=X.dtype), labels
    out = np.empty((len(labels), X.shape[1]), X.dtype)
    out[: len(y)] = X
    begin = len(y)
    for new in plan:
        end = begin + len(new.gaps)
        interpolated(X, new, out[begin:end])
        begin = end
    return out, labels
