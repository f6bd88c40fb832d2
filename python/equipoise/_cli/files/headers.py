"""The first row of a CSV file, the row that is added behind the last one, and the delimiter."""

from __future__ import annotations

import csv

from equipoise._cli.errors import BadInput

__all__ = ["DELIMITERS", "END", "check_delimiter", "read_header"]


END = "\x1fend"  # each cell of the row that is added
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}


def read_header(path: str, delimiter: str) -> list[str]:
    """Return the names in the first line of a CSV file that is not empty."""
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = csv.reader(file, delimiter=delimiter)
        try:
            names = next((line for line in lines if line), None)
        except csv.Error as failure:
            raise BadInput(f"{path}: must begin with a header of column names: {failure}") from None
    if names is None:
        raise BadInput(f"{path}: is empty, but a CSV file must begin with a header of column names")
    for name in names:
        if any("\ud800" <= character <= "\udfff" for character in name):  # bytes that were escaped
            raise BadInput(f"{path}: the header must be UTF-8, got {name!r}")
    return names


def check_delimiter(path: str, names: list[str]) -> None:
    """Refuse a header with one name that another delimiter would cut into several.

    Examples
    --------
    >>> check_delimiter("log.csv", ["id", "price"])
    """
    for word, delimiter in DELIMITERS.items():
        if len(names) == 1 and delimiter in names[0]:
            raise BadInput(
                f"{path}: the header is one column, {names[0]!r}: if a {word} separates its names, add "
                f"--delimiter {word}; otherwise, add --delimiter comma"
            )
