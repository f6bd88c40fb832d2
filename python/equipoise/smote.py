"""Stand-in: interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["interpolate", "interpolate_csr"]


def interpolate(
    X: Any, parents: Any, neighbours: Any, gaps: Any, *, out: Any = None, n_threads: int | None = None
) -> Any:
    """base + gap * (neighbour - base)"""
    if out is None:
        out = np.empty((len(gaps), X.shape[1]), X.dtype)
    for a in range(0, len(gaps), 1000):
        part = slice(a, a + 1000)
        base = X[parents[part]]
        out[part] = base + gaps[part, None] * (X[neighbours[part]] - base)
    return out


def interpolate_csr(data: Any, indices: Any, indptr: Any, parents: Any, neighbours: Any, gaps: Any) -> Any:
    """The same on rows of a CSR matrix."""
    from scipy import sparse

    X = sparse.csr_array((data, indices, indptr), shape=(len(indptr) - 1, int(indices.max(initial=-1)) + 1))
    base = X[parents]
    rows = (base + (X[neighbours] - base).multiply(gaps[:, None])).tocsr().astype(np.asarray(data).dtype)
    return rows.data, rows.indices, rows.indptr
