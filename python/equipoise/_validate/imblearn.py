"""Checks of what the drop-in classes take: values, frames and the names of their columns."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from equipoise._validate.containers.frames import is_lazy
from equipoise._validate.wording import first_bad


def check_finite(rows: Any, columns: Any = None, name: str = "X") -> None:
    """Check that an array or sparse matrix is finite. `columns` are the columns' numbers, if not 0, 1, ..."""
    values = rows.data if hasattr(rows, "tocoo") else rows
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return
    if hasattr(rows, "tocoo"):
        entries = rows.tocoo()
        at = int(np.isfinite(entries.data).argmin())
        row, column, value = entries.row[at], entries.col[at], entries.data[at]
    else:
        row, column = first_bad(~np.isfinite(values))
        value = values[row, column]
    column = column if columns is None else columns[column]
    raise ValueError(f"{name}[{row}, {column}] must be finite, got {value}")


def check_collected(x: Any, name: str) -> None:
    """Refuse a query of polars that has not been run."""
    if is_lazy(x):
        raise TypeError(f"{name} must be a frame or an array, got a LazyFrame: call .collect() first")


def check_column_names(columns: Any, names: list[str]) -> None:
    """Check that those columns that are given by name are columns of the frame."""
    for column in columns:
        if isinstance(column, str) and column not in names:
            raise ValueError(f"categorical_features must name columns of X, got {column!r}")


def check_column_numbers(columns: Any, d: int) -> None:
    """Check that those columns that are given by number are columns of the frame."""
    for column in columns:
        if not isinstance(column, bool | np.bool_) and not -d <= column < d:
            raise ValueError(f"categorical_features must name columns in [0, {d}), got {column}")


def refuse_missing(row: int, column: Any, failure: Exception) -> NoReturn:
    """Refuse a missing value in a data frame, before the reason that another library gives."""
    raise ValueError(f"X has a missing value in row {row} of column {column!r}. {failure}") from None
