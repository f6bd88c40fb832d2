"""Checks of the arrays of a CSR matrix."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from equipoise._validate.arrays import as_ids
from equipoise._validate.wording import Int64s


def as_indptr(x: Any, name: str) -> Int64s:
    """Return a copy of the ends of the rows: they begin with 0 and never fall."""
    ptr = as_ids(x, name, lower=-(2**63))
    if ptr.size == 0 or ptr[0] != 0:
        raise ValueError(f"{name}[0] must be 0, got {ptr[0] if ptr.size else 'an empty array'}")
    falls = ptr[1:] < ptr[:-1]
    if falls.any():
        at = int(falls.argmax()) + 1
        raise ValueError(f"{name}[{at}] must be >= indptr[{at - 1}] = {ptr[at - 1]}, got {ptr[at]}")
    return ptr


def as_entries(a: NDArray[Any], name: str, ptr: Int64s) -> NDArray[Any]:
    """Return the entries of the rows. As in SciPy, what lies behind the last row is no part of the matrix."""
    if a.ndim != 1:
        raise ValueError(f"{name} must be 1-D, not {a.ndim}-D (shape {a.shape})")
    size = int(ptr[-1])
    if a.size < size:
        raise ValueError(f"{name} must have at least indptr[{ptr.size - 1}] = {size} entries, got {a.size}")
    return a[:size]
