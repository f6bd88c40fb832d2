"""Errors of SMOTE: rows, neighbours, categories, labels; those of any arguments are born in ``_validate``."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate, _validate_points
from equipoise._validate import Int64s

_MOST_ROWS = 2**31 - 1  # the table of neighbours is int32
_SCANNED = 1 << 20  # numbers looked at between two looks at Ctrl-C


def as_rows(x: Any, name: str = "X") -> NDArray[Any]:
    """Finite points, none at all included, in memory that the kernels can read."""
    rows = _validate_points.points(x, name, least=0)
    if len(rows) > _MOST_ROWS:
        raise ValueError(f"{name} must have fewer than 2^31 rows, got {len(rows)}")
    return np.require(rows, requirements=["C", "A"])


def check_span(rows: NDArray[Any], name: str = "X") -> None:
    """neighbour - base cannot overflow."""
    with np.errstate(over="ignore"):
        span = rows.max(axis=0, initial=-np.inf) - rows.min(axis=0, initial=np.inf)
    if len(rows) and not np.isfinite(span).all():
        column = int(np.isfinite(span).argmin())
        raise ValueError(
            f"{name}[:, {column}] must span less than {np.finfo(rows.dtype).max:.3g}, got values from "
            f"{rows[:, column].min():.3g} to {rows[:, column].max():.3g}"
        )


def as_neighbour_count(x: Any, name: str = "k_neighbors") -> tuple[int, Any]:
    """Neighbours a row, and the estimator that finds them, or None."""
    if all(hasattr(x, method) for method in ("fit", "kneighbors", "n_neighbors")):
        counted = _validate.as_count(x.n_neighbors, f"{name}.n_neighbors", least=2, most=_MOST_ROWS)
        return counted - 1, x
    if isinstance(x, bool | np.bool_) or not hasattr(x, "__index__"):
        raise TypeError(
            f"{name} must be an integer, or an estimator with fit, kneighbors and n_neighbors, "
            f"got {_validate._kind(x)}"
        )
    return _validate.as_count(x, name, least=1, most=_MOST_ROWS), None


def check_enough_rows(count: int, k: int, name: str, *, what: str = "rows") -> None:
    """Each row of X has so many others."""
    if count <= k:
        rows = what if count != 1 else what.removesuffix("s")
        raise ValueError(f"X has {count} {rows}; {name}={k} needs at least {k + 1}")


def as_found(found: Any, count: int, k: int, n: int, name: str) -> Int64s:
    """What an estimator's kneighbors returned for some rows: k + 1 of the n rows of X for each."""
    name = f"{name}.kneighbors(X)"
    ids = _validate.as_ids(found, name, upper=n, ndim=(2,))
    if ids.shape != (count, k + 1):
        raise ValueError(f"{name} must have shape ({count}, {k + 1}), got {ids.shape}")
    return ids


def as_categorical(columns: Any, d: int) -> Int64s:
    """Different columns, in rising order."""
    if columns is None:
        return np.empty(0, np.int64)
    ids = _validate.as_ids(columns, "categorical", upper=d)
    kept = np.sort(ids)
    again = kept[1:] == kept[:-1]
    if again.any():
        raise ValueError(f"categorical must name each column once, got {kept[int(again.argmax())]} twice")
    return kept


def as_codes(rows: NDArray[Any], columns: Int64s) -> NDArray[np.int32]:
    """The categorical columns as int32, which their codes are whole numbers of."""
    codes = np.empty((len(rows), columns.size), np.int32)
    step = max(1, _SCANNED // max(1, columns.size))
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
    """Their median is a distance."""
    if not np.isfinite(deviations).all():
        column = int(columns[int(np.isfinite(deviations).argmin())])
        raise ValueError(
            f"X[:, {column}] must have a finite standard deviation in float64, got one beyond it"
        )


def as_parent_weights(weights: Any, n: int) -> _validate.Weights:
    """One for each row."""
    w = _validate.as_weights(weights, "parent_weights")
    if w.size != n:
        raise ValueError(f"parent_weights must have {n} entries, one for each row of X, got {w.size}")
    return w


def check_apart(out: NDArray[Any], other: NDArray[Any], name: str) -> None:
    """Writing one does not change the other."""
    if np.may_share_memory(out, other):
        raise ValueError(f"out must lie apart from {name}, got arrays that share memory")


def as_gaps(gaps: Any, length: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Finite numbers of the rows' dtype, one for each synthetic row; a private copy."""
    a = _validate.as_array(gaps, "gaps")
    if a.dtype != dtype:
        raise TypeError(f"gaps must be of dtype {dtype}, as the rows, got {_validate._kind(a)}")
    if a.shape != (length,):
        raise ValueError(f"gaps must have shape ({length},), one for each row, got {a.shape}")
    a = np.array(a, dtype=dtype.type, order="C")
    good = np.isfinite(a)
    if not good.all():
        at = int(good.argmin())
        raise ValueError(f"gaps[{at}] must be finite, got {a[at]}")
    return a


def as_csr(data: Any, indices: Any, indptr: Any) -> tuple[NDArray[Any], Int64s, Int64s]:
    """The arrays of a CSR matrix with finite entries and rising columns in each row; indices are copies."""
    ptr = _validate.as_ids(indptr, "indptr", lower=-(2**63))
    if ptr.size == 0 or ptr[0] != 0:
        raise ValueError(f"indptr[0] must be 0, got {ptr[0] if ptr.size else 'an empty array'}")
    falls = ptr[1:] < ptr[:-1]
    if falls.any():
        at = int(falls.argmax()) + 1
        raise ValueError(f"indptr[{at}] must be >= indptr[{at - 1}] = {ptr[at - 1]}, got {ptr[at]}")
    ids = _validate.as_ids(indices, "indices")
    if ptr[-1] != ids.size:
        raise ValueError(f"indptr[{ptr.size - 1}] must be {ids.size}, the number of indices, got {ptr[-1]}")
    values = _validate.as_array(data, "data")
    if values.dtype.kind != "f" or values.dtype.itemsize not in (4, 8):
        raise TypeError(f"data must be float32 or float64, got {_validate._kind(values)}")
    if values.shape != ids.shape:
        raise ValueError(f"data must have shape {ids.shape}, as indices, got {values.shape}")
    values = np.require(values, values.dtype.newbyteorder("="), ["C", "A"])
    good = np.isfinite(values)
    if not good.all():
        at = int(good.argmin())
        raise ValueError(f"data[{at}] must be finite, got {values[at]}")
    rises = np.empty(ids.size, np.bool_)
    rises[1:] = ids[1:] > ids[:-1]
    rises[ptr[:-1][ptr[:-1] < ids.size]] = True  # the first of a row follows none
    if not rises.all():
        at = int(rises.argmin())
        row = int(np.searchsorted(ptr, at, "right")) - 1
        raise ValueError(
            f"indices[{at}] must be > indices[{at - 1}] = {ids[at - 1]}, since both are of row {row}, "
            f"got {ids[at]}: call .sum_duplicates() first"
        )
    return values, ids, ptr


def as_class_rows(y: Any, cls: Any, n: int) -> NDArray[np.bool_]:
    """Which of the labels are ``cls``: some of them."""
    labels = _validate.as_array(y, "y")
    if labels.ndim != 1:
        raise ValueError(f"y must be 1-D, not {labels.ndim}-D (shape {labels.shape})")
    if labels.size != n:
        raise ValueError(f"y must have {n} entries, one for each row of X, got {labels.size}")
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise ValueError(f"y[{int(np.isnan(labels).argmax())}] must not be NaN")
    if isinstance(cls, list | tuple | dict | set) or getattr(cls, "shape", ()) != ():
        raise TypeError(f"cls must be one label, got {_validate._kind(cls)}")
    try:
        mine = np.asarray(labels == cls)
    except MemoryError:
        raise
    except Exception as failure:  # a label's own comparison
        raise TypeError(
            f"cls must compare with the labels in y, got {_validate._kind(cls)}: {failure}"
        ) from None
    if mine.shape != labels.shape or mine.dtype != np.bool_ or not mine.any():
        raise ValueError(f"cls must be one of the labels in y, got {cls!r}")
    return mine


def refuse_no_danger(cls: Any, safe: int, noise: int, m: int) -> NoReturn:
    raise ValueError(
        f"class {cls!r} has no row in danger: of their {m} nearest rows, {safe} rows have fewer than half of "
        f"other classes, {noise} have nothing else (m_neighbors={m})"
    )


def refuse_no_safety(cls: Any, rows: int, k: int) -> NoReturn:
    raise ValueError(
        f"class {cls!r} has no safe row: none of its {rows} rows has another of the class among its {k} "
        f"nearest (k_neighbors={k})"
    )


def check_file_size(path: str, wanted: int, got: int) -> None:
    if got < wanted:
        raise ValueError(f"{path!r} must hold the rows that were pickled, {wanted} bytes, got {got}")


def refuse_changed_file(path: str) -> NoReturn:
    raise ValueError(f"{path!r} must hold the rows that were pickled, got others: the file has changed")
