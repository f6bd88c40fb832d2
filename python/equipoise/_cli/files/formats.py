"""Which files are read: their formats, their kinds, and the wording for rows in error messages."""

from __future__ import annotations

import os
import stat
from typing import SupportsIndex

from equipoise._cli.errors import BadInput

__all__ = ["check_file", "format_of", "required_format", "row_name"]


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


def check_file(path: str) -> None:
    """Refuse anything that cannot be read twice, from any position."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as failure:  # a name may hold a null character
        raise BadInput(f"{path}: {getattr(failure, 'strerror', None) or failure}") from failure
    if stat.S_ISDIR(mode):
        raise BadInput(f"{path}: is a directory: name the files in it")
    if not stat.S_ISREG(mode):
        raise BadInput(
            f"{path}: must be a regular file, since it is read twice: write a pipe's data to a .csv or "
            f".parquet file first"
        )


def row_name(row: SupportsIndex) -> str:
    """Return how a message refers to a row of a file.

    Examples
    --------
    >>> row_name(3)
    'row 3 (from 0)'
    """
    return f"row {row} (from 0)"
