"""What error messages share: types and attributes of arguments, and positions in arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]


def kind_of(x: object) -> str:
    """Return the dtype of an array, or the type of anything else."""
    return f"{x.dtype} array" if isinstance(x, np.ndarray) else type(x).__name__


def has(x: object, *names: str) -> bool:
    """Return whether an object has all of some attributes. They may raise anything but MemoryError."""
    try:
        return all(hasattr(x, name) for name in names)
    except MemoryError:
        raise
    except Exception:
        return False


def place(name: str, index: tuple[np.intp, ...]) -> str:
    """Return ``name[i, j]``, or just the name if the index is empty."""
    return f"{name}[{', '.join(str(int(i)) for i in index)}]" if index else name


def first_bad(bad: NDArray[np.bool_]) -> tuple[np.intp, ...]:
    """Return the index of the first True."""
    return np.unravel_index(int(bad.argmax()), bad.shape)
