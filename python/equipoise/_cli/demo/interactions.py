"""A log of which user took which item and when, read from a CSV or Parquet file.

Each pair of user and item counts once, at its earliest time, since the task is to recommend items that are
new to a user.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise._cli.errors import BadInput
from equipoise._cli.files.columns import Where, read_columns, short

__all__ = ["Interactions", "Ints", "Times", "microseconds", "read"]


Ints = NDArray[np.int64]
Times = Ints | NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Interactions:
    """A log with one row for each pair of user and item, in order of time.

    Attributes
    ----------
    users, items : int64 ndarray of shape (n,)
        Positions in ``user_ids`` and in ``item_ids``.
    times : int64 or float64 ndarray of shape (n,)
        The time of the earliest row with this user and item. Dates are microseconds since 1970, UTC.
    user_ids, item_ids : int64 ndarray, or object ndarray of str
        The distinct ids of the file, in ascending order.
    dates : bool
        Whether the file has dates instead of numbers.
    rows : int
        The number of rows in the file.
    """

    users: Ints
    items: Ints
    times: Times
    user_ids: NDArray[Any]
    item_ids: NDArray[Any]
    dates: bool
    rows: int


def read(
    path: str | os.PathLike[str],
    *,
    user: str = "user_id",
    item: str = "item_id",
    time: str = "timestamp",
    delimiter: str | None = None,
) -> Interactions:
    r"""Read three columns of a Parquet file (extra ``arrow``) or a CSV file (UTF-8, a header).

    Parameters
    ----------
    path : path
        Its name ends with ``.parquet`` or ``.csv``.
    user, item : str
        Columns of integers or strings.
    time : str
        A column of numbers or dates, or of text that holds either. Dates are ISO 8601, in UTC unless they
        state another offset. 2024/01/02 and an added " UTC" are accepted too.
    delimiter : str, optional
        The delimiter of a CSV file, by default a comma.

    Returns
    -------
    Interactions
        The interactions. They are the same for a Parquet file and a CSV file of the same log.

    Raises
    ------
    BadInput
        If the file does not exist, is in another format, or lacks a column; if a column is of another type,
        or has nulls or NaN. The message names the first wrong cell by its line in a CSV file, or its row in
        a Parquet file.
    TypeError
        If ``path`` is not a path.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "log.csv")
    ...     _ = path.write_text("who,what,when\nann,7,2011-11-02\nbob,9,2011-11-01\nann,7,2011-11-03\n")
    ...     log = read(path, user="who", item="what", time="when")
    >>> log.users, log.items, log.user_ids, log.rows
    (array([1, 0]), array([1, 0]), array(['ann', 'bob'], dtype=object), 3)
    """
    names = [user, item, time]
    if len(set(names)) < 3:
        raise BadInput(f"user, item and time must be three columns, got {user!r}, {item!r} and {time!r}")
    columns, where = read_columns(path, names, delimiter)
    user_ids, users = np.unique(_as_ids(columns[0], user, where), return_inverse=True)
    item_ids, items = np.unique(_as_ids(columns[1], item, where), return_inverse=True)
    times, dates = _as_times(columns[2], time, where)
    order = np.argsort(times, kind="stable")
    _, first = np.unique(users[order] * item_ids.size + items[order], return_index=True)
    keep = order[np.sort(first)]
    return Interactions(users[keep], items[keep], times[keep], user_ids, item_ids, dates, times.size)


def _as_ids(column: NDArray[Any], name: str, where: Where) -> NDArray[Any]:
    """Return ids as int64, or as str objects.

    Text becomes numbers only if every cell is written the way Python writes that number.
    """
    if column.dtype == np.object_:
        empty = column == ""
        if empty.any():
            raise BadInput(f"column {name!r} must have no empty cells, got one in {where(empty.argmax())}")
        try:
            numbers = column.astype(np.int64)
        except (ValueError, OverflowError):
            return column
        return numbers if numbers.astype(np.str_).tolist() == column.tolist() else column
    if column.dtype.kind not in "iu":
        raise BadInput(f"column {name!r} must hold integers or strings, got {column.dtype}")
    large = column > np.iinfo(np.int64).max
    if large.any():
        row = large.argmax()
        raise BadInput(f"column {name!r} must hold integers below 2^63, got {column[row]} in {where(row)}")
    return column.astype(np.int64)


def _as_times(column: NDArray[Any], name: str, where: Where) -> tuple[Times, bool]:
    """Return times as int64 or float64, and whether they are dates, in microseconds since 1970."""
    if column.dtype == np.object_:
        column = _from_text(column, name, where)
    if column.dtype.kind == "M":
        dates = column.astype("datetime64[us]")
        wrong = dates.astype("datetime64[s]") != column.astype("datetime64[s]")  # overflowed
        if wrong.any():
            row = wrong.argmax()
            raise BadInput(
                f"column {name!r} must hold dates within 290,000 years of 1970, "
                f"got {column[row]} in {where(row)}"
            )
        return dates.astype(np.int64), True
    if column.dtype.kind in "iu":
        return _as_ids(column, name, where), False
    times = column.astype(np.float64)
    wrong = ~np.isfinite(times)
    if wrong.any():
        row = wrong.argmax()
        raise BadInput(f"column {name!r} must be finite, got {times[row]} in {where(row)}")
    return times, False


def _from_text(column: NDArray[np.object_], name: str, where: Where) -> NDArray[Any]:
    """Return text as int64, float64 or datetime64[us], the first of which that fits all cells."""
    for kind in (np.int64, np.float64):
        try:
            return column.astype(kind)
        except (ValueError, OverflowError):
            pass
    parse: Callable[[str], float] = microseconds
    with contextlib.suppress(ValueError):
        float(column[0])
        parse = float  # the column starts with a number, so report the first cell that is not one
    dates: list[float] = []
    for row, cell in enumerate(column):
        try:
            dates.append(parse(cell))
        except ValueError:
            raise BadInput(
                f"column {name!r} must hold numbers or ISO 8601 dates, all of them, "
                f"got {short(cell)} in {where(row)}"
            ) from None
    return np.array(dates, dtype="datetime64[us]")


def microseconds(text: str) -> int:
    """Return an ISO 8601 date as microseconds since 1970. It is in UTC unless it states another offset.

    Dates may also be written 2024/01/02, and end with " UTC".

    Examples
    --------
    >>> microseconds("1970-01-01T01:00:02+01:00")
    2000000
    """
    text = re.sub(r"^(\d{4})/(\d{2})/(\d{2})", r"\1-\2-\3", text).removesuffix("UTC").rstrip(" ")
    date = datetime.fromisoformat(text)
    since = (date if date.tzinfo else date.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1)
