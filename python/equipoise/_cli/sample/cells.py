"""Text cells of a CSV file, converted to what the deciding columns need.

Errors have the form of a reservoir's, which :meth:`Columns.naming` translates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from equipoise._cli.files.arrow import first_refused, texts_of

__all__ = ["TextCells"]


_SHOWN = 60  # characters of a cell in a message
_TIMES = (
    "all numbers or all dates: 2024-01-02, 2024/01/02 or 2024-01-02 03:04:05.678, where all or none end with "
    "Z, UTC or an offset such as +01:00"
)


class TextCells:
    """Conversions of the columns of all files. The first cell of ``--time`` decides how times are written."""

    def __init__(self) -> None:
        self._time: Callable[[Any], Any] | None = None
        self._first_time = ""

    def converted(self, role: str, column: Any) -> Any:
        """Return a column of text as numbers or times. Classes stay text; an empty cell is a class."""
        if role == "by":
            return column.fill_null(texts_of([""])[0])
        if role == "time":
            return self._times(column)
        argument, parse, wanted = {
            "weight": ("weights", _numbers, "a number"),
            "id": ("ids", _integers, "an integer in [-2^63, 2^63)"),
        }[role]
        return _converted(column, parse, argument, f"must be {wanted}, got ")

    def _times(self, column: Any) -> Any:
        cells = column.drop_null()
        if self._time is None and len(cells):
            first = cells.slice(0, 1)
            self._first_time = _shown(first[0])
            self._time = next((parse for parse in (_numbers, _local, _zoned) if _fits(first, parse)), None)
        after = f" after {self._first_time}" if self._time else ""
        return _converted(column, self._time or _numbers, "times", f"must be {_TIMES}; got ", after)


def _converted(column: Any, parse: Callable[[Any], Any], argument: str, wanted: str, after: str = "") -> Any:
    """Return ``parse(column)``, or raise an error that names the first cell it refuses."""
    try:
        return parse(column)
    except pa.ArrowInvalid:
        row = first_refused(column, parse)
        raise ValueError(f"{argument}[{row}] {wanted}{_shown(column[row])}{after}") from None


def _fits(column: Any, parse: Callable[[Any], Any]) -> bool:
    try:
        parse(column)
    except pa.ArrowInvalid:
        return False
    return True


def _shown(cell: Any) -> str:
    text = cell.as_py()
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def _numbers(column: Any) -> Any:
    return _trimmed_cast(column, pa.float64())


def _integers(column: Any) -> Any:
    return _trimmed_cast(column, pa.int64())


def _trimmed_cast(column: Any, kind: Any) -> Any:
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:  # most files have no spaces to remove
        return pc.ascii_trim_whitespace(column).cast(kind)


def _local(column: Any) -> Any:
    return _trimmed_cast(_iso_8601(column), pa.timestamp("us"))


def _zoned(column: Any) -> Any:
    return _trimmed_cast(_iso_8601(column), pa.timestamp("us", "UTC"))


def _iso_8601(column: Any) -> Any:
    """Write dates as Arrow parses them. Digits after the microseconds are dropped."""
    for pattern, replacement in (
        (r"^(\s*\d{4})/(\d{2})/(\d{2})", r"\1-\2-\3"),
        (r"(\.\d{6})\d+", r"\1"),
        (r" ?UTC(\s*)$", r"Z\1"),
        (r"^(\s*\d{4}-\d{2}-\d{2})Z", r"\1T00:00Z"),
    ):
        column = pc.replace_substring_regex(column, pattern, replacement)
    return column
