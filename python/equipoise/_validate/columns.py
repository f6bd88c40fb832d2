"""Checks of columns and datasets: Arrow arrays, data frames, distributed collections."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.wording import kind_of


def refuse_without(module: str, extra: str, what: str) -> NoReturn:
    """Raise ImportError with the command that installs a missing extra."""
    raise ImportError(f"{what} needs {module}: python -m pip install 'equipoise[{extra}]'")


def refuse_column(name: str, got: str, why: Exception | None = None) -> NoReturn:
    """Refuse a column whose type is not supported."""
    raise TypeError(
        f"{name} must be a column of numbers or datetimes, got {got}" + (f": {why}" if why else "")
    )


def refuse_null(name: str, at: int) -> NoReturn:
    """Refuse a null at a position of a column."""
    raise ValueError(f"{name}[{at}] must not be null")


def as_name(x: Any, name: str) -> str:
    """Return `x`, which must be the name of a column."""
    if not isinstance(x, str):
        raise TypeError(f"{name} must be a string, the name of a column, got {kind_of(x)}")
    return x


def check_column(name: str, column: str, columns: Iterable[Any]) -> None:
    """Check that `column` is one of `columns`."""
    if column not in columns:
        raise ValueError(f"{name} must name one of {', '.join(map(repr, columns))}, got {column!r}")


def check_no_column(column: str, columns: Iterable[Any]) -> None:
    """Check that `column` can be added to `columns`."""
    if column in columns:
        raise ValueError(f"dataset must not have a column {column!r}: the result adds a column of this name")


def check_dataset(x: Any, kinds: type | tuple[type, ...], wanted: str) -> None:
    """Check the type of a distributed collection or of one of its elements."""
    if not isinstance(x, kinds):
        raise TypeError(f"dataset must be {wanted}, got {type(x).__name__}")


def refuse_again(kind: str, text: str) -> NoReturn:
    """Raise a worker's error again, given its type and message as text."""
    raise {"TypeError": TypeError, "ValueError": ValueError, "IndexError": IndexError}[kind](text) from None


def is_arrow(x: Any) -> bool:
    """Return whether `x` has Arrow's C interface and should be read with pyarrow.

    If pyarrow is not installed, an object that NumPy can read is left to NumPy.
    """
    has_interface = hasattr(x, "__arrow_c_stream__") or hasattr(x, "__arrow_c_array__")
    return has_interface and (importlib.util.find_spec("pyarrow") is not None or not hasattr(x, "__array__"))


def as_numpy(x: Any, name: str) -> NDArray[Any]:
    """Return a column of numbers, booleans or datetimes. A single chunk of fixed width is not copied."""
    try:
        import pyarrow as pa
        import pyarrow.compute as pc
    except ImportError:
        refuse_without("pyarrow", "arrow", f"{name} from Arrow")
    try:
        column = x
        if not isinstance(x, pa.Array | pa.ChunkedArray):  # pa.array would import pandas for these
            column = pa.chunked_array(x) if hasattr(x, "__arrow_c_stream__") else pa.array(x)
    except (TypeError, ValueError, NotImplementedError, pa.ArrowException) as failure:
        refuse_column(name, type(x).__name__, failure)
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    good = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    if pa.types.is_decimal(kind):
        # Through text, since Arrow's own conversion does not round to the nearest float64.
        column, kind, good = column.cast(pa.large_string()).cast(pa.float64()), pa.float64(), True
    if not (good or pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        refuse_column(name, f"Arrow {kind}")
    if column.null_count:
        refuse_null(name, pc.index(pc.is_null(column), True).as_py())
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # it has no chunks
            column = pa.array([], kind)
    return _flat(column)


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
