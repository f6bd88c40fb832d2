"""Stand-in: interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["interpolate", "interpolate_csr"]


def interpolate(
    X: Any, parents: Any, neighbours: Any, gaps: Any, *, out: Any = None, n_threads: int | None = None
) -> Any:
    """base + gap * (neighbour - base)"""
    base = X[parents]
    rows = (base + gaps[:, None] * (X[neighbours] - base)).astype(X.dtype)
    if out is None:
        return rows
    out[...] = rows
    return out


def interpolate_csr(data: Any, indices: Any, indptr: Any, parents: Any, neighbours: Any, gaps: Any) -> Any:
    """The same on rows of a CSR matrix."""
    from scipy import sparse

    X = sparse.csr_array((data, indices, indptr), shape=(len(indptr) - 1, int(indices.max(initial=-1)) + 1))
    base = X[parents]
    rows = (base + (X[neighbours] - base).multiply(gaps[:, None])).tocsr().astype(np.asarray(data).dtype)
    return rows.data, rows.indices, rows.indptr
