"""Rows of Arrow tables, for the command line and the Ray adapter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["column_of", "take_rows"]


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
