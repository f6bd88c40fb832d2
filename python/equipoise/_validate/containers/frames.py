"""Read the frames, columns and indexes of pandas and polars. Neither is imported."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.containers.arrow import read_arrow
from equipoise._validate.containers.stacks import stack
from equipoise._validate.containers.unread import Unread


def _is_any(x: Any, library: Any, names: Iterable[str]) -> bool:
    """Return whether `x` is an instance of one of a library's classes. The library may be None."""
    classes = (getattr(library, name, None) for name in names)
    return any(isinstance(x, known) for known in classes if isinstance(known, type))


def is_pandas(x: Any) -> bool:
    """Return whether `x` is a frame, a column, an index or an extension array of pandas."""
    pandas = sys.modules.get("pandas")
    extensions = getattr(getattr(pandas, "api", None), "extensions", None)
    return _is_any(x, pandas, ("Series", "DataFrame", "Index")) or _is_any(x, extensions, ("ExtensionArray",))


def read_pandas(x: Any, floats: bool) -> NDArray[Any] | Unread:
    """Return the values of a frame, a column, an index or an extension array of pandas."""
    if not _is_any(x, sys.modules["pandas"], ("DataFrame",)):
        return _read_series(x)
    dtypes = set(x.dtypes)
    if len(dtypes) == 1 and isinstance(dtype := dtypes.pop(), np.dtype) and dtype.kind == "f":
        whole: NDArray[Any] = x.to_numpy()
        return whole
    columns = ((label, _read_series(x.iloc[:, j])) for j, label in enumerate(x.columns))
    return stack(columns, len(x), floats)


def _read_series(x: Any) -> NDArray[Any] | Unread:
    dtype, kind = x.dtype, type(x.dtype).__name__
    if isinstance(dtype, np.dtype):
        return np.asarray(x.to_numpy())
    if kind == "ArrowDtype":
        return read_arrow(getattr(x, "array", x).__arrow_array__())
    if kind == "SparseDtype":
        return Unread(f"pandas {dtype}", "use .sparse.to_dense()", wanted="dense")
    if kind == "CategoricalDtype":
        return _read_categories(x)
    if kind == "DatetimeTZDtype":
        return np.asarray(x.to_numpy(dtype=f"M8[{dtype.unit}]"))
    if not isinstance(getattr(dtype, "numpy_dtype", None), np.dtype):
        return Unread(f"pandas {dtype}", text=kind == "StringDtype")
    missing = np.asarray(x.isna(), np.bool_)
    if missing.any():
        return Unread.null_at(int(missing.argmax()))
    return np.asarray(x.to_numpy(dtype=dtype.numpy_dtype))


def _read_categories(x: Any) -> NDArray[Any] | Unread:
    """Return the values of a categorical column whose categories are numbers or datetimes."""
    categories = x.dtype.categories
    values = _read_series(categories)
    if isinstance(values, Unread) or values.dtype.kind not in "iufbM":
        return Unread(f"pandas category of {categories.dtype}", text=True)
    codes = codes_of(x)
    missing = codes < 0
    return Unread.null_at(int(missing.argmax())) if missing.any() else values[codes]


def codes_of(x: Any) -> NDArray[Any]:
    """Return the number of each row's category in a categorical column of pandas, -1 where it is missing."""
    return np.asarray(x.cat.codes if hasattr(x, "cat") else x.codes)


def is_polars(x: Any) -> bool:
    """Return whether `x` is a frame, lazy or not, or a column of polars."""
    return _is_any(x, sys.modules.get("polars"), ("Series", "DataFrame", "LazyFrame"))


def is_lazy(x: Any) -> bool:
    """Return whether `x` is a query of polars that has not been run."""
    return _is_any(x, sys.modules.get("polars"), ("LazyFrame",))


def read_polars(x: Any, floats: bool) -> NDArray[Any] | Unread:
    """Return the values of a frame or a column of polars."""
    polars = sys.modules["polars"]
    if is_lazy(x):
        return Unread("a LazyFrame", "call .collect() first")
    if not _is_any(x, polars, ("DataFrame",)):
        return _read_polars_series(x)
    columns = ((column.name, _read_polars_series(column)) for column in x.get_columns())
    return stack(columns, x.height, floats)


def _read_polars_series(x: Any) -> NDArray[Any] | Unread:
    dtype, kind = x.dtype, type(x.dtype).__name__
    if kind == "Null" and not len(x):
        return np.empty(0)
    kind = getattr(dtype.base_type(), "__name__", kind)
    numbers = kind == "Boolean" or (dtype.is_numeric() and "128" not in kind)
    if not numbers and kind not in ("Date", "Datetime", "Null"):
        return Unread(f"polars {kind}", text=kind in ("String", "Categorical", "Enum"))
    if x.null_count():
        return Unread.null_at(int(x.is_null().arg_max()))
    if kind == "Decimal":
        x = x.cast(sys.modules["polars"].Float64)
    return np.asarray(x.to_numpy())
