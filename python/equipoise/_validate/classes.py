"""Checks of class probabilities: the names of policies, mappings and arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.arguments import as_choice, as_real
from equipoise._validate.arrays import as_array, is_kind, refuse_dtype
from equipoise._validate.wording import first_bad, place

POLICIES = ("balanced", "proportional", "sqrt")
_WANTED = "'balanced', 'proportional', 'sqrt', a mapping, or an array of floats or integers"


def check_rows(rows: int, name: str) -> None:
    """Check that there are rows, and not too many."""
    if not 1 <= rows < 2**32:
        raise ValueError(f"{name} must have between 1 and 2^32 - 1 entries, got {rows}")


def check_settled(settled: bool, name: str) -> None:
    """Check that no other thread changed the labels after they were counted."""
    if not settled:
        raise ValueError(f"{name} must not change while its classes are found")


def check_callable(x: Any, name: str) -> None:
    """Check that an argument is None or can be called."""
    if x is not None and not callable(x):
        raise TypeError(f"{name} must be a function of the epoch, or None, got {type(x).__name__}")


def as_class_probs(x: Any, classes: Sequence[Any], name: str = "class_probs") -> str | NDArray[np.float64]:
    """Return the probabilities of `classes`, in their order, or the name of a policy.

    A mapping, or a pandas Series by its index, has each class once. Probabilities are finite, >= 0, and sum
    to 1 within 1e-6.
    """
    if isinstance(x, str):
        return as_choice(x, name, POLICIES)
    if type(x).__module__.partition(".")[0] == "pandas" and hasattr(x, "to_dict"):
        x = x.to_dict()  # in the order of its index, which that of value_counts() is not
    probs = _from_mapping(x, classes, name) if isinstance(x, Mapping) else _from_array(x, len(classes), name)
    total = math.fsum(probs.tolist())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"{name} must sum to 1 within 1e-6, got a sum of {total:.9g}")
    return probs


def _from_mapping(x: Mapping[Any, Any], classes: Sequence[Any], name: str) -> NDArray[np.float64]:
    known = set(classes)
    for label in x:
        if label not in known:
            raise ValueError(f"{name} must name classes of y only, got {_shown(label)}")
    for label in classes:
        if label not in x:
            raise ValueError(f"{name} must have a probability for each class, got none for {_shown(label)}")
    return np.array([as_real(x[label], f"{name}[{_shown(label)}]", least=0) for label in classes])


def _from_array(x: Any, count: int, name: str) -> NDArray[np.float64]:
    a = as_array(x, name, _WANTED)
    if not is_kind(a, "fiu"):
        refuse_dtype(a, x, name, _WANTED)
    if a.ndim != 1:
        raise ValueError(f"{name} must be 1-D, not {a.ndim}-D (shape {a.shape})")
    if a.size != count:
        raise ValueError(f"{name} must have {count} entries, one for each class, got {a.size}")
    probs = np.array(a, np.float64)
    bad = ~((probs >= 0) & (probs < math.inf))
    if bad.any():
        at = first_bad(bad)
        raise ValueError(f"{place(name, at)} must be finite and >= 0, got {probs[at]}")
    return probs


def _shown(label: Any) -> str:
    return repr(label.item() if isinstance(label, np.generic) else label)


def check_as_many(rows: int, wanted: int, name: str) -> None:
    """Check that there are as many labels as rows of X."""
    if rows != wanted:
        raise ValueError(f"{name} must have {wanted} entries, one for each row of X, got {rows}")


def as_part(x: Any, name: str) -> float:
    """Return `x` as a float in [0, 1]."""
    part = as_real(x, name)
    if not 0 <= part <= 1:
        raise ValueError(f"{name} must be in [0, 1], got {part}")
    return part


def check_growing(label: Any, rows: int, k: int, name: str = "k_neighbors") -> None:
    """Check that a class from which synthetic rows are made has more than k rows."""
    if rows <= k:
        raise ValueError(
            f"y must have more than {name}={k} rows of each class that needs synthetic rows, "
            f"got {rows} of class {_shown(label)}"
        )


def refuse_class(label: Any, failure: Exception) -> NoReturn:
    """Refuse a class from which no synthetic rows can be made."""
    raise ValueError(f"X must have rows to make synthetic ones of class {_shown(label)} from: {failure}")
