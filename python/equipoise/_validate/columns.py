"""Checks of columns and data sets: names of columns, distributed collections."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from equipoise._validate.wording import kind_of


def as_name(x: Any, name: str) -> str:
    """Return `x`, which must be the name of a column."""
    if not isinstance(x, str):
        raise TypeError(f"{name} must be a string, the name of a column, got {kind_of(x)}")
    return x


def check_column(name: str, column: str, columns: Iterable[Any]) -> None:
    """Check that `column` is one of `columns`."""
    if column not in columns:
        raise ValueError(f"{name} must name one of {', '.join(map(repr, columns))}, got {column!r}")


def check_no_column(column: str, columns: Iterable[Any]) -> None:
    """Check that `column` can be added to `columns`."""
    if column in columns:
        raise ValueError(f"dataset must not have a column {column!r}: the result adds a column of this name")


def check_dataset(x: Any, kinds: type | tuple[type, ...], wanted: str) -> None:
    """Check the type of a distributed collection or of one of its elements."""
    if not isinstance(x, kinds):
        raise TypeError(f"dataset must be {wanted}, got {type(x).__name__}")


def refuse_again(kind: str, text: str) -> NoReturn:
    """Raise a worker's error again, given its type and message as text."""
    raise {"TypeError": TypeError, "ValueError": ValueError, "IndexError": IndexError}[kind](text) from None
