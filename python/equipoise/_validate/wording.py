"""The wording that error messages share: kinds, places, first bad positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]


def kind_of(x: object) -> str:
    return f"{x.dtype} array" if isinstance(x, np.ndarray) else type(x).__name__


def place(name: str, index: tuple[np.intp, ...]) -> str:
    return f"{name}[{', '.join(str(int(i)) for i in index)}]" if index else name


def first_bad(bad: NDArray[np.bool_]) -> tuple[np.intp, ...]:
    return np.unravel_index(int(bad.argmax()), bad.shape)
