"""Checks of points for neighbor searches, and of numbers of neighbors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.arguments import as_count
from equipoise._validate.arrays import as_array, as_ids, is_kind, refuse_dtype
from equipoise._validate.wording import Int64s, first_bad, has, kind_of

Matrix = NDArray[np.float32] | NDArray[np.float64]  # two-dimensional
_CHUNK = 1 << 20  # numbers checked between two checks for Ctrl-C
_MOST_ROWS = 2**31 - 1  # a table of neighbors is int32


def as_points(x: Any, name: str, *, columns: int | None = None, dtype: Any = None, least: int = 1) -> Matrix:
    """Return points as a finite, C-contiguous float32 or float64 matrix.

    `columns` and `dtype`, if given, are those of X, which the points must share.
    """
    a = as_array(x, name, "float32 or float64", floats=True)
    if not is_kind(a, "f") or a.dtype.itemsize not in (4, 8):
        refuse_dtype(a, x, name, "float32 or float64")
    if a.ndim != 2:
        raise ValueError(f"{name} must be 2-D (rows, columns), got shape {a.shape}")
    if dtype is not None and a.dtype.newbyteorder("=") != dtype:
        raise TypeError(f"{name} must be {np.dtype(dtype)}, like X, got {a.dtype}")
    if columns is not None and a.shape[1] != columns:
        raise ValueError(f"{name} must have {columns} columns, like X, got {a.shape[1]}")
    if a.shape[1] < 1:
        raise ValueError(f"{name} must have at least one column, got shape {a.shape}")
    if a.shape[0] < least:
        raise ValueError(f"{name} must have at least {least} row{'s' * (least > 1)}, got shape {a.shape}")
    a = np.ascontiguousarray(a, a.dtype.newbyteorder("="))
    rows = max(1, _CHUNK // a.shape[1])
    for start in range(0, a.shape[0], rows):
        finite = np.isfinite(a[start : start + rows])
        if not finite.all():
            row, column = first_bad(~finite)
            value = a[start + row, column]
            raise ValueError(f"{name}[{start + row}, {column}] must be finite, got {value}")
    return a


def as_neighbors(k: Any, n: int, *, self_join: bool) -> int:
    """Return a number of neighbors among n rows. In a self-join, no row is its own neighbor."""
    count: int = as_count(k, "k", least=1)
    if count > n - self_join:
        rows = f"{n} row{'s' * (n != 1)}"
        bound = "less than" if self_join else "at most"
        raise ValueError(f"k must be {bound} the number of rows of X, got {count} for {rows}")
    return count


def check_unchanged(complete: bool, self_join: bool) -> None:
    """Check that every query found k rows. It may find fewer if another thread writes NaN to X."""
    if not complete:
        names = "X" if self_join else "X and queries"
        raise ValueError(f"{names} must not change during the search, got fewer than k neighbors of a row")


def as_rows(x: Any, name: str = "X") -> NDArray[Any]:
    """Return rows of finite numbers, possibly none, in aligned memory."""
    rows = as_points(x, name, least=0)
    if len(rows) > _MOST_ROWS:
        raise ValueError(f"{name} must have fewer than 2^31 rows, got {len(rows)}")
    return np.require(rows, requirements=["C", "A"])


def as_neighbor_count(x: Any, name: str = "k_neighbors") -> tuple[int, Any]:
    """Return the number of neighbors of a row, and the estimator that finds them (or None)."""
    if has(x, "fit", "kneighbors", "n_neighbors"):
        counted = as_count(x.n_neighbors, f"{name}.n_neighbors", least=2, most=_MOST_ROWS)
        return counted - 1, x
    if isinstance(x, bool | np.bool_) or not has(x, "__index__"):
        raise TypeError(
            f"{name} must be an integer, or an estimator with fit, kneighbors and n_neighbors, "
            f"got {kind_of(x)}"
        )
    return as_count(x, name, least=1, most=_MOST_ROWS), None


def check_enough_rows(count: int, k: int, name: str, *, what: str = "rows") -> None:
    """Check that there are more than k rows, so that each row has k others."""
    if count <= k:
        rows = what if count != 1 else what.removesuffix("s")
        raise ValueError(f"X has {count} {rows}; {name}={k} needs at least {k + 1}")


def as_found(found: Any, count: int, k: int, n: int, name: str) -> Int64s:
    """Return the result of an estimator's kneighbors: for each of `count` rows, k + 1 of the n rows of X."""
    name = f"{name}.kneighbors(X)"
    ids = as_ids(found, name, upper=n, ndim=(2,))
    if ids.shape != (count, k + 1):
        raise ValueError(f"{name} must have shape ({count}, {k + 1}), got {ids.shape}")
    return ids


def as_codes(rows: NDArray[Any], columns: Int64s) -> NDArray[np.int32]:
    """Return the categorical columns as int32."""
    codes = np.empty((len(rows), columns.size), np.int32)
    step = max(1, _CHUNK // max(1, columns.size))
    for begin in range(0, len(rows), step):
        part = rows[begin : begin + step, columns]
        good = (part == np.floor(part)) & (part >= -(2.0**31)) & (part < 2.0**31)
        if not good.all():
            row, at = np.unravel_index(int(good.argmin()), good.shape)
            raise ValueError(
                f"X[{begin + row}, {columns[at]}] must be a code, a whole number in [-2^31, 2^31), since "
                f"the column is categorical, got {part[row, at]}"
            )
        codes[begin : begin + step] = part
    return codes


def check_deviations(deviations: NDArray[np.float64], columns: NDArray[np.intp]) -> None:
    """Check that standard deviations are finite, since their median is used as a distance."""
    if not np.isfinite(deviations).all():
        column = int(columns[int(np.isfinite(deviations).argmin())])
        raise ValueError(f"X[:, {column}] must have a finite standard deviation in float64, got an overflow")
