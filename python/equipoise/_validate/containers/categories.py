"""Read categories in their own order: those of pandas, and of a polars Enum."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.containers.frames import codes_of, is_pandas, is_polars
from equipoise._validate.containers.unread import Unread


class Categories(NamedTuple):
    """All categories of a column, in their order, and the number of each row's category among them."""

    values: Any
    codes: NDArray[np.int64]


def read_categories(x: Any) -> Categories | Unread | None:
    """Return the categories of a column, or None if their order means nothing or it has none.

    The order of a polars Categorical and of an Arrow dictionary is that of the first appearance, or any.
    """
    if is_pandas(x) and x.ndim == 1 and type(x.dtype).__name__ == "CategoricalDtype":
        codes = codes_of(x)
        missing = codes < 0
        if missing.any():
            return Unread.null_at(int(missing.argmax()))
        return Categories(x.dtype.categories, codes.astype(np.int64))
    if is_polars(x) and hasattr(x, "to_physical") and x.dtype.base_type().__name__ == "Enum":
        if x.null_count():
            return Unread.null_at(int(x.is_null().arg_max()))
        return Categories(x.dtype.categories, x.to_physical().to_numpy().astype(np.int64))
    return None
