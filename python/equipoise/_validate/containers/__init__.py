"""Read arrays from any object that holds one: the one place that decides what an argument is.

``read`` knows NumPy, torch, pandas, polars, Arrow, DLPack and whatever NumPy can convert. It never imports a
library to recognize an object, since an object's library is already loaded. It returns an array, or an
``Unread`` that says why there is none; :func:`equipoise._validate.arrays.as_array` raises the error.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.containers.arrow import is_arrow, read_arrow
from equipoise._validate.containers.frames import is_pandas, is_polars, read_pandas, read_polars
from equipoise._validate.containers.tensors import is_tensor, read_dlpack, read_tensor
from equipoise._validate.containers.unread import Unread

_LISTS = (list, tuple)
_NUMBERS = (int, float, np.generic)


def read(x: Any, *, floats: bool = False) -> NDArray[Any] | Unread:
    """Return what `x` holds as a NumPy array, without a copy where that is possible.

    A data frame is a matrix of its columns. With `floats`, its integers and booleans become float64. The
    object may raise anything.
    """
    if type(x) in _LISTS:
        return _read_list(x)
    if isinstance(x, np.ndarray | np.generic):
        return _read_numpy(x)
    if hasattr(x, "tocsr") and hasattr(x, "toarray"):
        return Unread(f"a sparse {type(x).__name__}", "use .toarray()", wanted="dense")
    if is_tensor(x):
        return read_tensor(x)
    if is_pandas(x):
        return read_pandas(x, floats)
    if is_polars(x):
        return read_polars(x, floats)
    if is_arrow(x):
        return read_arrow(x, floats)
    if hasattr(x, "__cuda_array_interface__"):
        return Unread.on_another_device(x)
    if hasattr(x, "__dlpack__") and hasattr(x, "__dlpack_device__"):
        return read_dlpack(x)
    return np.asarray(x)


def _is_masked(x: Any) -> bool:
    """Return whether `x` is a masked array, or of a class derived from it."""
    return any(base.__module__.startswith("numpy.ma") for base in type(x).__mro__)


def _read_numpy(x: Any) -> NDArray[Any] | Unread:
    if _is_masked(x):
        return Unread("a masked array", "fill or drop its masked entries first", wanted="a plain array")
    return np.asarray(x)


def _read_list(x: Any) -> NDArray[Any] | Unread:
    # NumPy would drop the masks of a list's arrays. A list that begins with a number has none.
    if x and not isinstance(x[0], _NUMBERS):
        for entry in x:
            if isinstance(entry, np.ndarray) and _is_masked(entry):
                return _read_numpy(entry)
    return np.asarray(x)
