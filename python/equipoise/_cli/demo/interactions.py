"""A log of who took what and when: read from Parquet or CSV, and split into training and test positives.

A user and an item count once, at their first time: the task is to find items that are new to a user.
"""

from __future__ import annotations

import contextlib
import csv
import math
import os
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate

__all__ = ["Interactions", "LogError", "Positives", "Split", "leave_one_out", "read", "split_by_time"]


LEAST_TEST_USERS = 10  # with fewer a metric says nothing
LAST_SHARE = 0.2  # of the interactions, the test unless a time is given
NAMES_SHOWN = 20  # of the columns that a file has
Ints = NDArray[np.int64]
Times = Ints | NDArray[np.float64]
Columns = list[NDArray[Any]]
Where = Callable[[SupportsIndex], str]  # what a message calls a row
_short = reprlib.Repr()  # a cell, or a column's name, may be as long as it likes


_short.maxstring = 60


class LogError(ValueError):
    """A log that cannot be read, or that cannot be split as asked: the message says what was wanted and got.

    Examples
    --------
    >>> read("clicks.xlsx")
    Traceback (most recent call last):
    equipoise._cli.demo.interactions.LogError: a log must be a file named *.parquet or *.csv, got 'clicks.xlsx'
    """


class Positives(NamedTuple):
    """Rows of item ids: row u has ``indices[indptr[u]:indptr[u + 1]]``, ascending. What ``exclude=`` takes.

    Attributes
    ----------
    indptr : int64 ndarray of shape (num_users + 1,)
    indices : int64 ndarray of shape (pairs,)
    """

    indptr: Ints
    indices: Ints


@dataclass(frozen=True, eq=False)
class Interactions:
    """One row for each user and item, in the order of time.

    Attributes
    ----------
    users, items : int64 ndarray of shape (n,)
        Positions in ``user_ids`` and in ``item_ids``.
    times : int64 or float64 ndarray of shape (n,)
        Of the first row that has this user and item; dates are microseconds since 1970, UTC.
    user_ids, item_ids : int64 ndarray, or object ndarray of str
        What the file has, ascending.
    dates : bool
        Whether the file has dates, not numbers.
    rows : int
        Of the file.
    """

    users: Ints
    items: Ints
    times: Times
    user_ids: NDArray[Any]
    item_ids: NDArray[Any]
    dates: bool
    rows: int


@dataclass(frozen=True, eq=False)
class Split:
    """Training and test positives of the same users and items: those that are in the training part.

    Attributes
    ----------
    train, test : Positives
        Rows are users 0 .. num_users - 1, ids are items 0 .. num_items - 1.
    num_users, num_items : int
    unknown : int
        Test pairs left out, since the training part does not have their user or their item.
    rule : str
        In words.
    """

    train: Positives
    test: Positives
    num_users: int
    num_items: int
    unknown: int
    rule: str


# ---- reading ---------------------------------------------------------------------------------------------


def read(
    path: str | os.PathLike[str], *, user: str = "user_id", item: str = "item_id", time: str = "timestamp"
) -> Interactions:
    """Read three columns of a Parquet (extra ``arrow``) or CSV file (UTF-8, commas, a header).

    Parameters
    ----------
    path : path
        Named ``*.parquet`` or ``*.csv``.
    user, item : str
        Columns of integers or strings.
    time : str
        Column of numbers, of dates, or of text that is one or the other: ISO 8601, UTC unless it says more.

    Returns
    -------
    Interactions
        The same from a Parquet and from a CSV of the same log.

    Raises
    ------
    LogError
        No such file, not of that format, no such column, or a column of another type, with nulls or with NaN:
        where a cell is wrong, the first one's line of the CSV, or row of the Parquet.
    TypeError
        A path that is none.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "log.csv")
    ...     _ = path.write_text("who,what,when\\nann,7,2011-11-02\\nbob,9,2011-11-01\\nann,7,2011-11-03\\n")
    ...     log = read(path, user="who", item="what", time="when")
    >>> log.users, log.items, log.user_ids, log.rows
    (array([1, 0]), array([1, 0]), array(['ann', 'bob'], dtype=object), 3)
    """
    if path != "":  # which has no suffix, so that it is refused below
        _validate.as_path(path)
    given, path = path, Path(os.fsdecode(path))
    readers: dict[str, Callable[[Path, list[str]], tuple[Columns, Where]]] = {
        ".parquet": _read_parquet,
        ".csv": _read_csv,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise LogError(f"a log must be a file named *.parquet or *.csv, got {os.fsdecode(given)!r}")
    names = [user, item, time]
    if len(set(names)) < 3:
        raise LogError(f"user, item and time must be three columns, got {user!r}, {item!r} and {time!r}")
    try:
        columns, where = reader(path, names)
    except OSError as failure:
        raise LogError(f"{path} cannot be read: {failure.strerror or failure}") from None
    if not columns[0].size:
        raise LogError(f"{path} must have rows, got none")
    user_ids, users = np.unique(_as_ids(columns[0], user, where), return_inverse=True)
    item_ids, items = np.unique(_as_ids(columns[1], item, where), return_inverse=True)
    times, dates = _as_times(columns[2], time, where)
    order = np.argsort(times, kind="stable")
    _, first = np.unique(users[order] * item_ids.size + items[order], return_index=True)
    keep = order[np.sort(first)]
    return Interactions(users[keep], items[keep], times[keep], user_ids, item_ids, dates, times.size)


def _check_columns(path: Path, names: list[str], there: list[str]) -> None:
    for name in names:
        if there.count(name) != 1:
            found = ", ".join(map(_short.repr, there[:NAMES_SHOWN])) or "none"
            if name in there:
                found = f"{there.count(name)} of that name"
            elif len(there) > NAMES_SHOWN:
                found += f" and {len(there) - NAMES_SHOWN} more"
            raise LogError(f"{path} must have a column {name!r}, got {found}")


def _read_csv(path: Path, names: list[str]) -> tuple[Columns, Where]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, strict=True)
        try:
            header = next(lines, [])
            _check_columns(path, names, header)
            places = [header.index(name) for name in names]
            cells: list[list[str]] = [[], [], []]
            line_of: list[int] = []
            for line in lines:
                if len(line) != len(header):
                    if not line:
                        continue
                    raise LogError(
                        f"{path}, line {lines.line_num}, must have {len(header)} cells, got {len(line)}"
                    )
                line_of.append(lines.line_num)
                for place, column in zip(places, cells, strict=True):
                    column.append(line[place])
        except UnicodeDecodeError as failure:
            raise LogError(f"{path} must be a CSV file in UTF-8: {failure}") from None
        except csv.Error as failure:
            raise LogError(f"{path} must be a CSV file: {failure} in line {lines.line_num}") from None
    return [np.array(column, dtype=np.object_) for column in cells], lambda row: f"line {line_of[row]}"


def _read_parquet(path: Path, names: list[str]) -> tuple[Columns, Where]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise LogError("a Parquet file needs pyarrow: pip install 'equipoise[arrow]'") from None
    with path.open("rb") as source:
        try:
            file = pyarrow.parquet.ParquetFile(source)
            _check_columns(path, names, file.schema_arrow.names)
            return _arrow_columns(file.read(columns=names), names), _row
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as failure:
            raise LogError(f"{path} must be a Parquet file: {failure}") from None


def _row(row: SupportsIndex) -> str:
    return f"row {row} (from 0)"


def _arrow_columns(table: Any, names: list[str]) -> Columns:
    from pyarrow import types as kinds

    columns: Columns = []
    for name in names:
        column = table.column(name)
        if kinds.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if column.null_count:
            row = column.is_null().to_numpy().argmax()
            raise LogError(f"column {name!r} must have no nulls, got one in {_row(row)}")
        if kinds.is_timestamp(column.type) or kinds.is_date(column.type):
            columns.append(column.to_numpy())
        elif any(
            is_text(column.type) for is_text in (kinds.is_string, kinds.is_large_string, kinds.is_string_view)
        ):
            columns.append(np.array(column.to_pylist(), dtype=np.object_))
        elif kinds.is_integer(column.type) or kinds.is_floating(column.type):
            columns.append(column.to_numpy())
        else:
            raise LogError(f"column {name!r} must hold integers, strings or times, got {column.type}")
    return columns


def _as_ids(column: NDArray[Any], name: str, where: Where) -> NDArray[Any]:
    """int64, or objects of str: text is a number only if every cell is written as Python writes it."""
    if column.dtype == np.object_:
        empty = column == ""
        if empty.any():
            raise LogError(f"column {name!r} must have no empty cells, got one in {where(empty.argmax())}")
        try:
            numbers = column.astype(np.int64)
        except (ValueError, OverflowError):
            return column
        return numbers if numbers.astype(np.str_).tolist() == column.tolist() else column
    if column.dtype.kind not in "iu":
        raise LogError(f"column {name!r} must hold integers or strings, got {column.dtype}")
    large = column > np.iinfo(np.int64).max
    if large.any():
        row = large.argmax()
        raise LogError(f"column {name!r} must hold integers below 2^63, got {column[row]} in {where(row)}")
    return column.astype(np.int64)


def _as_times(column: NDArray[Any], name: str, where: Where) -> tuple[Times, bool]:
    """int64 or float64, and whether the column has dates: those become microseconds since 1970."""
    if column.dtype == np.object_:
        column = _from_text(column, name, where)
    if column.dtype.kind == "M":
        dates = column.astype("datetime64[us]")
        wrong = dates.astype("datetime64[s]") != column.astype("datetime64[s]")  # it wraps around
        if wrong.any():
            row = wrong.argmax()
            raise LogError(
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
        raise LogError(f"column {name!r} must be finite, got {times[row]} in {where(row)}")
    return times, False


def _from_text(column: NDArray[np.object_], name: str, where: Where) -> NDArray[Any]:
    for kind in (np.int64, np.float64):
        try:
            return column.astype(kind)
        except (ValueError, OverflowError):
            pass
    parse: Callable[[str], float] = _microseconds
    with contextlib.suppress(ValueError):
        float(column[0])
        parse = float  # and some other cell is no number
    dates: list[float] = []
    for row, cell in enumerate(column):
        try:
            dates.append(parse(cell))
        except ValueError:
            raise LogError(
                f"column {name!r} must hold numbers or ISO 8601 dates, all of them, "
                f"got {_short.repr(cell)} in {where(row)}"
            ) from None
    return np.array(dates, dtype="datetime64[us]")


def _microseconds(text: str) -> int:
    date = datetime.fromisoformat(text)
    since = (date if date.tzinfo else date.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1)


# ---- splitting -------------------------------------------------------------------------------------------


def split_by_time(log: Interactions, time: str | float | None = None) -> Split:
    """What came before a time is the training part; what came at that time or later is the test.

    Parameters
    ----------
    log : Interactions
    time : str or number, optional
        A number, or an ISO 8601 date, UTC unless it says more; for a column of numbers a date is in Unix
        seconds. Without it, the time at which the last fifth of the interactions begins.

    Returns
    -------
    Split

    Raises
    ------
    LogError
        A time that is neither, a number for a column of dates, or too little on either side.

    Examples
    --------
    >>> times, users = np.divmod(np.arange(60), 12)  # user u takes item u first, then u + 1, .. u + 4
    >>> items = (users + times) % 12
    >>> log = Interactions(users, items, times, np.arange(12), np.arange(12), False, 60)
    >>> split = split_by_time(log, 3)
    >>> split.train.indices[:3], split.test.indices[:2], split.rule
    (array([0, 1, 2]), array([3, 4]), 'trained on time < 3, tested on the rest')
    """
    times = log.times
    at: int | float
    if time is None:
        at = np.sort(times)[int(times.size * (1 - LAST_SHARE))].item()
        shown = _shown(at, log.dates)
    else:
        at, shown = _as_time(time, log.dates), str(time)
    if not times.min() < at <= times.max():
        seconds = "" if log.dates or shown == str(at) else f" ({at:.0f} in Unix seconds)"
        first, last = (_shown(t.item(), log.dates) for t in (times.min(), times.max()))
        raise LogError(
            f"the split time must have interactions before it and after it, got {shown}{seconds}; "
            f"times run from {first} to {last}"
        )
    return _split(log, times < at, f"trained on time < {shown}, tested on the rest")


def leave_one_out(log: Interactions) -> Split:
    """Each user's last item is the test; of equal times the row that comes later in the file is the last.

    A user with one item alone has nothing in the training part, and is left out.

    Raises
    ------
    LogError
        Fewer than LEAST_TEST_USERS users to test.

    Examples
    --------
    >>> times, users = np.divmod(np.arange(60), 12)  # user u takes item u first, then u + 1, .. u + 4
    >>> items = (users + times) % 12
    >>> log = Interactions(users, items, times, np.arange(12), np.arange(12), False, 60)
    >>> leave_one_out(log).test.indices
    array([ 4,  5,  6,  7,  8,  9, 10, 11,  0,  1,  2,  3])
    """
    last = np.zeros(log.users.size, dtype=np.bool_)
    last[log.users.size - 1 - np.unique(log.users[::-1], return_index=True)[1]] = True
    return _split(log, ~last, "trained on all but each user's last item, tested on that")


def _as_time(time: str | float, dates: bool) -> int | float:
    """A split time in the units of the log's times."""
    wanted = "an ISO 8601 date, such as 2011-11-01" if dates else "a number, or an ISO 8601 date"
    number: int | float = math.nan
    for kind in (int, float):
        try:
            number = kind(time)
            break
        except (ValueError, OverflowError):
            pass
    if math.isfinite(number) and not dates:
        return number
    try:
        # fromisoformat takes any character between date and time.
        microseconds = _microseconds(str(time)) if math.isnan(number) and str(time).isascii() else None
    except ValueError:
        microseconds = None
    if microseconds is None:
        raise LogError(f"the split time must be {wanted}, got {str(time)!r}")
    return microseconds if dates else microseconds / 1e6


def _shown(time: float, dates: bool) -> str:
    return str(np.datetime64(int(time), "us")) if dates else str(time)


def _split(log: Interactions, training: NDArray[np.bool_], rule: str) -> Split:
    train_users, train_items = log.users[training], log.items[training]
    users, items = np.unique(train_users), np.unique(train_items)
    known = np.isin(log.users, users) & np.isin(log.items, items)
    tested = ~training & known
    test_users = np.unique(log.users[tested]).size
    if test_users < LEAST_TEST_USERS or items.size < 2:
        raise LogError(
            f"the split must leave at least {LEAST_TEST_USERS} users with something in both parts, and 2 "
            f"items to train on, got {test_users} and {items.size}: {rule}"
        )

    def rows(part: NDArray[np.bool_]) -> Positives:
        row, column = np.searchsorted(users, log.users[part]), np.searchsorted(items, log.items[part])
        order = np.lexsort((column, row))
        indptr = np.searchsorted(row[order], np.arange(users.size + 1))
        return Positives(indptr.astype(np.int64), column[order].astype(np.int64))

    unknown = int((~training & ~known).sum())
    return Split(rows(training), rows(tested), users.size, items.size, unknown, rule)
