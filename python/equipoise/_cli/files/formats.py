"""File formats by file name, and the wording for rows in error messages."""

from __future__ import annotations

import os
from typing import SupportsIndex

from equipoise._cli.errors import BadInput

__all__ = ["format_of", "required_format", "row_name"]


def format_of(path: str | os.PathLike[str]) -> str | None:
    """Return ".parquet" or ".csv" if the name ends with it (case is ignored), or else None.

    Examples
    --------
    >>> format_of("log.CSV"), format_of("log.xlsx")
    ('.csv', None)
    """
    found = os.path.splitext(path)[1].lower()
    return found if found in (".parquet", ".csv") else None


def required_format(path: str) -> str:
    """Return ".parquet" or ".csv", or refuse a file with another suffix."""
    found = format_of(path)
    if found is None:
        raise BadInput(f"{path}: must be named .parquet or .csv")
    return found


def row_name(row: SupportsIndex) -> str:
    """Return how a message refers to a row of a file.

    Examples
    --------
    >>> row_name(3)
    'row 3 (from 0)'
    """
    return f"row {row} (from 0)"
