"""Errors about columns: of Arrow, of data frames, of clusters; see :mod:`equipoise._validate`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np

from equipoise import _validate  # which imports this, by way of _arrow


def refuse_without(module: str, extra: str, what: str) -> NoReturn:
    raise ImportError(f"{what} needs {module}: python -m pip install 'equipoise[{extra}]'")


def refuse_column(name: str, got: str, why: Exception | None = None) -> NoReturn:
    raise TypeError(
        f"{name} must be a column of numbers or datetimes, got {got}" + (f": {why}" if why else "")
    )


def refuse_null(name: str, at: int) -> NoReturn:
    raise ValueError(f"{name}[{at}] must not be null")


def as_name(x: Any, name: str) -> str:
    """Of a column."""
    if not isinstance(x, str):
        raise TypeError(f"{name} must be a string, the name of a column, got {_validate._kind(x)}")
    return x


def check_column(name: str, column: str, columns: Iterable[Any]) -> None:
    """A table has it."""
    if column not in columns:
        raise ValueError(f"{name} must name one of {', '.join(map(repr, columns))}, got {column!r}")


def check_no_column(column: str, columns: Iterable[Any]) -> None:
    """It can be added."""
    if column in columns:
        raise ValueError(f"dataset must not have {column!r} already: it is what is added to the rows")


def check_dataset(x: Any, kinds: type | tuple[type, ...], wanted: str) -> None:
    """A distributed collection, or part of one."""
    if not isinstance(x, kinds):
        raise TypeError(f"dataset must be {wanted}, got {type(x).__name__}")


def as_words(x: Any, name: str) -> list[str] | list[int]:
    """Labels that NumPy has no type for: strings, or integers as objects."""
    labels: list[Any] = np.asarray(x, object).tolist()
    for wanted in (str, int):
        if all(isinstance(label, wanted) and type(label) is not bool for label in labels):
            return labels
    for at, label in enumerate(labels):
        if label is None or type(label).__name__ in ("NAType", "NaTType") or label != label:  # noqa: PLR0124
            refuse_null(name, at)
    kinds = sorted({type(label).__name__ for label in labels})
    raise TypeError(f"{name} must be integers or strings, got {' and '.join(kinds)}")


def refuse_mixed(name: str) -> NoReturn:
    raise TypeError(f"{name} must be integers or strings, got both")


def refuse_again(kind: str, text: str) -> NoReturn:
    """What a worker refused, of which only the text has come through."""
    raise {"TypeError": TypeError, "ValueError": ValueError, "IndexError": IndexError}[kind](text) from None
