"""What a container is, and the outcomes that containers share."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

SAME = None
ANY = "iufb"


def refused(got, wanted=".*"):
    """Return the outcome of a TypeError that says what it got."""
    return TypeError, f" must be {wanted}, got {got}"


REFUSED = refused("")
DTYPE = "convert it to (int64|float32 or float64|bool) first$"
TEXT = refused(".*: (convert it to numbers|map each text to an integer) first")
NULL = (ValueError, r"\[1(, 0)?\] must not be null$")
ALL_NULL = (ValueError, r"\[0\] must not be null")
IN_COLUMN = refused(".* in column 'c1'")
ONE_COLUMN = (ValueError, r" must .*(1-D|shape \(4,\))")  # where a vector is wanted


class Container(NamedTuple):
    """A way to make a container from an array, what becomes of it, and the arrays that it is right for."""

    make: Callable[[np.ndarray], Any]
    outcome: Any = SAME
    kinds: str = ANY  # of dtypes; "w" for weights
    dims: tuple[int, ...] = (1, 2)  # (-1,) for one column where a vector is wanted
    needs: str = ""  # a library besides the container's own


def quiet(make):
    """Ignore the warnings of a library about its own class while a container is made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def with_null(a, null=None):
    """Return an array as lists, with a null in the second row."""
    entries = a.astype(object)
    entries[(1,) + (0,) * (a.ndim - 1)] = null
    return entries.tolist()


def is_there(library):
    """Return whether a library can be imported."""
    if library in sys.modules:
        return sys.modules[library] is not None
    try:
        return importlib.util.find_spec(library) is not None
    except ModuleNotFoundError:
        return False
