"""Read categories in their own order: those of pandas, and of a polars Enum."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.containers.frames import codes_of, is_pandas, is_polars
from equipoise._validate.containers.unread import Unread


def read_categories(x: Any) -> tuple[Any, NDArray[np.int64]] | Unread | None:
    """Return all categories of a column, in their order, and the number of each row's category among them.

    Return None if the column has none, or if their order means nothing: that of a polars Categorical and of
    an Arrow dictionary is the order of their first appearance, or any.
    """
    if is_pandas(x) and x.ndim == 1 and type(x.dtype).__name__ == "CategoricalDtype":
        codes = codes_of(x)
        missing = codes < 0
        if missing.any():
            return Unread.null_at(int(missing.argmax()))
        return x.dtype.categories, codes.astype(np.int64)
    if is_polars(x) and hasattr(x, "to_physical") and x.dtype.base_type().__name__ == "Enum":
        if x.null_count():
            return Unread.null_at(int(x.is_null().arg_max()))
        return x.dtype.categories, x.to_physical().to_numpy().astype(np.int64)
    return None
