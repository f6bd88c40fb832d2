"""Read Arrow's arrays, batches and tables, and those of other libraries through Arrow's C interface."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.containers.stacks import stack
from equipoise._validate.containers.unread import Unread


def is_arrow(x: Any) -> bool:
    """Return whether `x` has Arrow's C interface and should be read with pyarrow.

    If pyarrow is not installed, an object that NumPy can read is left to NumPy.
    """
    has_interface = hasattr(x, "__arrow_c_stream__") or hasattr(x, "__arrow_c_array__")
    return has_interface and (_has_pyarrow() or not hasattr(x, "__array__"))


def _has_pyarrow() -> bool:
    if "pyarrow" in sys.modules:
        return sys.modules["pyarrow"] is not None
    try:
        return importlib.util.find_spec("pyarrow") is not None
    except ModuleNotFoundError:  # an importer of the user says so
        return False


def read_arrow(x: Any, floats: bool = False) -> NDArray[Any] | Unread:
    """Return a column of numbers, booleans or datetimes, or the matrix of a table's columns.

    A single chunk of fixed width is not copied.
    """
    try:
        import pyarrow as pa
    except ImportError:
        return Unread("Arrow", missing="pyarrow")
    if isinstance(x, pa.Table | pa.RecordBatch):
        named = zip(x.schema.names, map(_read_column, x.columns), strict=True)
        return stack(named, x.num_rows, floats)
    column = as_column(x)
    if column is not x and pa.types.is_struct(column.type) and not column.null_count:  # a foreign table
        names = [field.name for field in column.type]
        return stack(zip(names, map(_read_column, column.flatten()), strict=True), len(column), floats)
    return _read_column(column)


def as_column(x: Any) -> Any:
    """Return an array of pyarrow. Those of other libraries come through Arrow's C interface."""
    import pyarrow as pa

    if isinstance(x, pa.Array | pa.ChunkedArray):  # pa.array would import pandas for these
        return x
    return pa.chunked_array(x) if hasattr(x, "__arrow_c_stream__") else pa.array(x)


def _read_column(column: Any) -> NDArray[Any] | Unread:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        is_flag = kind.extension_name == "arrow.bool8"
        column = column.cast(kind.storage_type)
        column = column.cast(pa.bool_()) if is_flag else column
        kind = column.type
    got = f"Arrow {kind}"
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        if is_text(kind):
            return Unread(got, text=True)
        column = column.cast(kind)
    if pa.types.is_null(kind) and not len(column):
        return np.empty(0)
    good = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    good = good or pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_decimal(kind)
    if not good and not pa.types.is_null(kind):
        return Unread(got, text=is_text(kind))
    if column.null_count:
        return Unread.null_at(pc.index(pc.is_null(column), True).as_py())
    if pa.types.is_decimal(kind):
        # Through text, since Arrow's own conversion does not round to the nearest float64.
        column = column.cast(pa.large_string()).cast(pa.float64())
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # it has no chunks
            column = pa.array([], column.type)
    return _flat(column)


def is_text(kind: Any) -> bool:
    """Return whether an Arrow type is one of the string types."""
    import pyarrow as pa

    views = getattr(pa.types, "is_string_view", None)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or (views and views(kind)))


def _flat(column: Any) -> NDArray[Any]:
    """Convert an Arrow array through DLPack, since ``to_numpy`` would import pandas."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_boolean(kind):
        return np.from_dlpack(column.cast(pa.uint8())).view(np.bool_)
    if pa.types.is_timestamp(kind):
        return np.from_dlpack(column.view(pa.int64())).view(f"M8[{kind.unit}]")
    if pa.types.is_date64(kind):
        return np.from_dlpack(column.view(pa.int64())).view("M8[ms]")
    if pa.types.is_date(kind):
        return np.from_dlpack(column.view(pa.int32())).astype("M8[D]")
    return np.from_dlpack(column)
