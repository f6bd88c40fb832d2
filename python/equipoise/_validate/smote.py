"""Checks of SMOTE's arguments: rows, categories, gaps, labels."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.arrays import as_array, as_ids, integers, is_kind, refuse_dtype
from equipoise._validate.csr import as_entries, as_indptr
from equipoise._validate.labels import read_labels
from equipoise._validate.weights import Weights, as_weights
from equipoise._validate.wording import Int64s, kind_of


def check_span(rows: NDArray[Any], name: str = "X") -> None:
    """Check that the difference of two rows cannot overflow."""
    with np.errstate(over="ignore"):
        span = rows.max(axis=0, initial=-np.inf) - rows.min(axis=0, initial=np.inf)
    if len(rows) and not np.isfinite(span).all():
        column = int(np.isfinite(span).argmin())
        raise ValueError(
            f"{name}[:, {column}] must span less than {np.finfo(rows.dtype).max:.3g}, got values from "
            f"{rows[:, column].min():.3g} to {rows[:, column].max():.3g}"
        )


def as_categorical(columns: Any, d: int) -> Int64s:
    """Return the categorical columns in ascending order. Each may be named only once."""
    if columns is None:
        return np.empty(0, np.int64)
    ids = as_ids(columns, "categorical", upper=d)
    kept = np.sort(ids)
    again = kept[1:] == kept[:-1]
    if again.any():
        raise ValueError(f"categorical must name each column once, got {kept[int(again.argmax())]} twice")
    return kept


def as_parent_weights(weights: Any, n: int) -> Weights:
    """Return the weights of parent rows, one for each of n rows."""
    w = as_weights(weights, "parent_weights")
    if w.size != n:
        raise ValueError(f"parent_weights must have {n} entries, one for each row of X, got {w.size}")
    return w


def as_gaps(gaps: Any, length: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a copy of the gaps: finite numbers of the rows' dtype, one for each synthetic row."""
    wanted = f"of dtype {dtype}, like the rows"
    a = as_array(gaps, "gaps", wanted)
    if a.dtype.newbyteorder("=") != dtype:
        refuse_dtype(a, gaps, "gaps", wanted)
    if a.shape != (length,):
        raise ValueError(f"gaps must have shape ({length},), one for each row, got {a.shape}")
    a = np.array(a, dtype=dtype.type, order="C")
    good = np.isfinite(a)
    if not good.all():
        at = int(good.argmin())
        raise ValueError(f"gaps[{at}] must be finite, got {a[at]}")
    return a


def as_csr(data: Any, indices: Any, indptr: Any) -> tuple[NDArray[Any], Int64s, Int64s]:
    """Return the arrays of a CSR matrix with finite entries and increasing columns in each row.

    The integer arrays are copies. Entries behind the last row are no part of the matrix.
    """
    ptr = as_indptr(indptr, "indptr")
    ids = as_ids(as_entries(integers(indices, "indices", (1,)), "indices", ptr), "indices")
    values = as_array(data, "data", "float32 or float64")
    if not is_kind(values, "f") or values.dtype.itemsize not in (4, 8):
        refuse_dtype(values, data, "data", "float32 or float64")
    values = as_entries(values, "data", ptr)
    values = np.require(values, values.dtype.newbyteorder("="), ["C", "A"])
    good = np.isfinite(values)
    if not good.all():
        at = int(good.argmin())
        raise ValueError(f"data[{at}] must be finite, got {values[at]}")
    rises = np.empty(ids.size, np.bool_)
    rises[1:] = ids[1:] > ids[:-1]
    rises[ptr[:-1][ptr[:-1] < ids.size]] = True  # the first entry of a row has no predecessor
    if not rises.all():
        at = int(rises.argmin())
        row = int(np.searchsorted(ptr, at, "right")) - 1
        raise ValueError(
            f"indices[{at}] must be > indices[{at - 1}] = {ids[at - 1]}, since both are in row {row}, "
            f"got {ids[at]}: call .sum_duplicates() first"
        )
    return values, ids, ptr


def as_class_rows(y: Any, cls: Any, n: int) -> NDArray[np.bool_]:
    """Return a mask of the labels that equal ``cls``, of which there must be at least one.

    Numbers and booleans may be compared with each other, but not with strings.
    """
    labels = read_labels(y, "y")
    if labels.size != n:
        raise ValueError(f"y must have {n} entries, one for each row of X, got {labels.size}")
    if isinstance(cls, list | tuple | dict | set) or getattr(cls, "shape", ()) != ():
        raise TypeError(f"cls must be one label, got {kind_of(cls)}")
    words = isinstance(labels.values, list)
    if labels.kind is not None and words != isinstance(cls, str):
        raise TypeError(f"cls must be one of the {labels.kind} in y, got {type(cls).__name__} {cls!r}")
    values = np.array(labels.values, object) if words else labels.values
    try:
        mine = np.asarray(values == cls)
    except MemoryError:
        raise
    except Exception as failure:  # comparing labels may raise any exception
        raise TypeError(f"cls must compare with the labels in y, got {kind_of(cls)}: {failure}") from None
    if labels.index is not None and mine.shape == values.shape:
        mine = mine[labels.index]
    if mine.shape != (n,) or mine.dtype != np.bool_ or not mine.any():
        raise ValueError(f"cls must be one of the labels in y, got {cls!r}")
    return mine


def refuse_no_danger(cls: Any, safe: int, noise: int, m: int) -> NoReturn:
    """Refuse a class without a row in danger."""
    raise ValueError(
        f"class {cls!r} has no row in danger: {safe} rows are safe, since fewer than half of their {m} "
        f"nearest rows are of other classes, and {noise} rows are noise, since all of them are "
        f"(m_neighbors={m})"
    )


def refuse_no_safety(cls: Any, rows: int, k: int) -> NoReturn:
    """Refuse a class without a safe row."""
    raise ValueError(
        f"class {cls!r} has no safe row: none of its {rows} rows has another of the class among its {k} "
        f"nearest (k_neighbors={k})"
    )
