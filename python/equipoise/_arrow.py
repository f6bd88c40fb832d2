"""Arrow columns as NumPy arrays, through pyarrow (extra ``arrow``)."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate_columns

__all__ = ["as_numpy", "is_arrow"]


def is_arrow(x: Any) -> bool:
    """Speaks Arrow's C interface, and is no NumPy array to somebody who lacks pyarrow."""
    speaks = hasattr(x, "__arrow_c_stream__") or hasattr(x, "__arrow_c_array__")
    return speaks and (importlib.util.find_spec("pyarrow") is not None or not hasattr(x, "__array__"))


def as_numpy(x: Any, name: str) -> NDArray[Any]:
    """Numbers, booleans or datetimes; one chunk of fixed width is not copied."""
    try:
        import pyarrow as pa
        import pyarrow.compute as pc
    except ImportError:
        _validate_columns.refuse_without("pyarrow", "arrow", f"{name} of Arrow")
    try:
        column = x
        if not isinstance(x, pa.Array | pa.ChunkedArray):  # pa.array looks for pandas, too
            column = pa.chunked_array(x) if hasattr(x, "__arrow_c_stream__") else pa.array(x)
    except (TypeError, ValueError, NotImplementedError, pa.ArrowException) as failure:
        _validate_columns.refuse_column(name, type(x).__name__, failure)
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    good = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    if not (good or pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        _validate_columns.refuse_column(name, f"Arrow {kind}")
    if column.null_count:
        _validate_columns.refuse_null(name, pc.index(pc.is_null(column), True).as_py())
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # no chunk at all
            column = pa.array([], kind)
    return _flat(column)


def _flat(column: Any) -> NDArray[Any]:
    """By DLPack: ``to_numpy`` would import pandas, where it is installed."""
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
