"""pyarrow's errors, types and conversions, shared by readers and writers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise._cli.errors import BadInput

__all__ = [
    "column_of",
    "failures_of",
    "first_refused",
    "is_text",
    "take_rows",
    "texts_of",
    "value_type",
]


@contextmanager
def failures_of(path: str | Path) -> Iterator[None]:
    """Turn every error of reading or writing a file into a :class:`BadInput` that names the file."""
    try:
        yield
    except OSError as failure:
        reason = os.strerror(failure.errno) if failure.errno else _one_line(failure)
        raise BadInput(f"{path}: {reason}") from failure
    except MemoryError as failure:
        raise BadInput(f"{path}: not enough memory: {_one_line(failure)}") from failure
    except (ValueError, pa.ArrowException) as failure:
        raise BadInput(f"{path}: {_one_line(failure)}") from failure


def _one_line(failure: BaseException) -> str:
    """Return a failure's message as one line of moderate length."""
    text = " ".join(str(failure).split()) or type(failure).__name__
    return text if len(text) <= 300 else text[:300] + " ..."


def is_text(kind: Any) -> bool:
    """Return whether an Arrow type is one of the string types."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def value_type(kind: Any) -> Any:
    """Return the type of a column's values. For a dictionary type, return that of its entries."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def column_of(values: NDArray[Any]) -> pa.Array:
    """Return int64 or float64 values as an Arrow array that shares their memory.

    ``pa.array`` would import pandas if it is installed, which takes a fifth of a second.
    """
    values = np.ascontiguousarray(values)
    kind = pa.int64() if values.dtype == np.int64 else pa.float64()
    return pa.Array.from_buffers(kind, values.size, [None, pa.py_buffer(values)])


def take_rows(table: pa.Table, rows: NDArray[np.int64]) -> pa.Table:
    """Return the rows with these numbers, which are in ascending order.

    ``Table.take`` would join all chunks of a column, which fails if they are strings of more than 2 GB.
    """
    taken, start = [], 0
    for batch in table.to_batches():
        begin, end = np.searchsorted(rows, (start, start + batch.num_rows))
        if begin < end:
            taken.append(batch.take(column_of(rows[begin:end] - start)))
        start += batch.num_rows
    return pa.Table.from_batches(taken, table.schema)


def texts_of(texts: Sequence[str]) -> pa.StringArray:
    """Return strings as an Arrow array. ``pa.array`` would import pandas, as above."""
    data = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, data)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(data), pa.py_buffer(ends), pa.py_buffer(b"".join(data)))


def first_refused(column: Any, convert: Callable[[Any], object]) -> int:
    """Return the first position that ``convert`` refuses, in a column that it refuses as a whole."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(column.slice(low, middle - low))
        except pa.ArrowInvalid:
            high = middle
        else:
            low = middle
    return low
