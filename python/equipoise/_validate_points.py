"""Errors about matrices of rows to find neighbours in, and about how many; see :mod:`equipoise._validate`."""

from __future__ import annotations

import importlib
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from equipoise._validate import _first, _kind, as_array, as_count

Points = NDArray[np.float32] | NDArray[np.float64]

_CHUNK = 1 << 20  # numbers that are looked at before Ctrl-C is


def points(x: Any, name: str, *, columns: int | None = None, dtype: Any = None, least: int = 1) -> Points:
    """A finite float32 or float64 matrix, C-contiguous; of as many columns and of the dtype as told."""
    if hasattr(x, "tocsr") and hasattr(x, "toarray"):
        raise TypeError(f"{name} must be dense, got a sparse {type(x).__name__}: use .toarray()")
    a = as_array(x, name)
    if a.dtype.kind != "f" or a.dtype.itemsize not in (4, 8):
        raise TypeError(f"{name} must be float32 or float64, got {_kind(a)}")
    if a.ndim != 2:
        raise ValueError(f"{name} must be 2-D (rows, columns), got shape {a.shape}")
    if dtype is not None and a.dtype.newbyteorder("=") != dtype:
        raise TypeError(f"{name} must be {np.dtype(dtype)} as X is, got {a.dtype}")
    if columns is not None and a.shape[1] != columns:
        raise ValueError(f"{name} must have {columns} columns as X has, got {a.shape[1]}")
    if a.shape[1] < 1:
        raise ValueError(f"{name} must have at least one column, got shape {a.shape}")
    if a.shape[0] < least:
        raise ValueError(f"{name} must have at least {least} row{'s' * (least > 1)}, got shape {a.shape}")
    a = np.ascontiguousarray(a, a.dtype.newbyteorder("="))
    rows = max(1, _CHUNK // a.shape[1])
    for start in range(0, a.shape[0], rows):
        finite = np.isfinite(a[start : start + rows])
        if not finite.all():
            row, column = _first(~finite)
            value = a[start + row, column]
            raise ValueError(f"{name}[{start + row}, {column}] must be finite, got {value}")
    return a


def as_neighbours(k: Any, others: int, *, itself: bool) -> int:
    """How many neighbours, of as many other rows."""
    count: int = as_count(k, "k", least=1)
    if count > others:
        rows = f"{others + itself} row{'s' * (others + itself != 1)}"
        bound = "less than" if itself else "at most"
        raise ValueError(f"k must be {bound} the number of rows of X, got {count} for {rows}")
    return count


def as_progress(progress: Any) -> Any:
    """None, a callable, or True: the class of tqdm's bars."""
    if progress is None or progress is False:
        return None
    if progress is not True:
        if not callable(progress):
            raise TypeError(f"progress must be None, True or a callable, got {_kind(progress)}")
        return progress
    try:
        return importlib.import_module("tqdm").tqdm
    except ImportError:
        _no_tqdm()


def _no_tqdm() -> NoReturn:
    raise ImportError("progress=True needs tqdm: python -m pip install 'equipoise[progress]'") from None
