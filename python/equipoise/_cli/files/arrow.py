"""pyarrow's errors, types and conversions, shared by readers and writers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise._cli.errors import BadInput

__all__ = [
    "failures_of",
    "first_refused",
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


def value_type(kind: Any) -> Any:
    """Return the type of a column's values. For a dictionary type, return that of its entries."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def texts_of(texts: Sequence[str]) -> pa.StringArray:
    """Return strings as an Arrow array. ``pa.array`` would import pandas."""
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
