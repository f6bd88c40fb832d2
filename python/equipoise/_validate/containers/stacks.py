"""Put the columns of a frame side by side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.containers.unread import Unread


def stack(
    columns: Iterable[tuple[Any, NDArray[Any] | Unread]], rows: int, floats: bool
) -> NDArray[Any] | Unread:
    """Return the matrix of the columns, or the reason why one of them cannot be read.

    If all columns have one dtype, so has the matrix. Otherwise it is float64 if any column holds floats, and
    the smallest common integer dtype if none does. With `floats`, integers and booleans become float64.
    """
    found: list[NDArray[Any]] = []
    for j, (label, column) in enumerate(columns):
        if isinstance(column, Unread):
            if column.null:
                return Unread.null_at(*column.null, j)
            return column._replace(got=f"{column.got} in column {label!r}")
        if column.dtype.kind not in "iufb" or column.ndim != 1:
            text = column.dtype.kind in "OUST"
            return Unread(f"{column.dtype} in column {label!r}", text=text)
        found.append(column)
    dtypes = {column.dtype.newbyteorder("=") for column in found}
    kinds = {dtype.kind for dtype in dtypes}
    if len(dtypes) == 1 and not (floats and "f" not in kinds):
        common = dtypes.pop()
    elif floats or "f" in kinds or not dtypes:
        common = np.dtype(np.float64)
    else:
        common = np.result_type(*dtypes)
    matrix = np.empty((rows, len(found)), common)
    for j, column in enumerate(found):
        matrix[:, j] = column
    return matrix
