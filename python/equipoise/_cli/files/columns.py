"""A few whole columns of a CSV or Parquet file, in memory."""

from __future__ import annotations

import csv
import itertools
import os
import reprlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._cli.errors import BadInput
from equipoise._cli.files.formats import format_of, row_name
from equipoise._cli.files.headers import END, check_delimiter

__all__ = ["Columns", "Where", "read_columns", "short"]


Columns = list[NDArray[Any]]
Where = Callable[[SupportsIndex], str]  # returns how a message refers to a row
_NAMES_SHOWN = 20  # the most column names in a message
_repr = reprlib.Repr()
_repr.maxstring = 60
short = _repr.repr  # shortens the text of a cell or a column's name for a message


def read_columns(
    path: str | os.PathLike[str], names: Sequence[str], delimiter: str | None = None
) -> tuple[Columns, Where]:
    r"""Read columns of a Parquet file (extra ``arrow``) or a CSV file (UTF-8, a header).

    Parameters
    ----------
    path : path
        Its name ends with ``.parquet`` or ``.csv``.
    names : sequence of str
        The columns.
    delimiter : str, optional
        The delimiter of a CSV file, by default a comma.

    Returns
    -------
    columns : list of ndarray
        Cells of a CSV file, and strings, as objects. Integers, floats and dates have their own dtypes.
    where : callable
        Takes the number of a row and returns how a message should refer to it: by its line in a CSV file, or
        by its row in a Parquet file.

    Raises
    ------
    BadInput
        If the file does not exist, is in another format, or lacks a column; if a column is of another type
        or has nulls.
    TypeError
        If ``path`` is not a path.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "log.csv")
    ...     _ = path.write_text("who,what\nann,7\nbob,9\n")
    ...     (what,), where = read_columns(path, ["what"])
    >>> what, where(1)
    (array(['7', '9'], dtype=object), 'line 3')
    """
    if path != "":  # an empty name has no suffix, and is refused below
        _validate.as_path(path)
    given, path = path, Path(os.fsdecode(path))
    file_format = format_of(path)
    if file_format is None:
        raise BadInput(f"a log must be a file named *.parquet or *.csv, got {os.fsdecode(given)!r}")
    try:
        columns, where = (
            _read_parquet(path, names) if file_format == ".parquet" else _read_csv(path, names, delimiter)
        )
    except OSError as failure:
        raise BadInput(f"{path} cannot be read: {failure.strerror or failure}") from None
    if not columns[0].size:
        raise BadInput(f"{path} must have rows, got none")
    return columns, where


def _check_names(path: Path, names: Sequence[str], existing: list[str]) -> None:
    """Refuse a file that does not have each of the columns exactly once."""
    for name in names:
        if existing.count(name) != 1:
            found = ", ".join(map(short, existing[:_NAMES_SHOWN])) or "none"
            if name in existing:
                found = f"{existing.count(name)} of that name"
            elif len(existing) > _NAMES_SHOWN:
                found += f" and {len(existing) - _NAMES_SHOWN} more"
            raise BadInput(f"{path} must have a column {name!r}, got {found}")


def _read_csv(path: Path, names: Sequence[str], delimiter: str | None) -> tuple[Columns, Where]:
    """Read columns of a CSV file. Empty lines are skipped, and a quote inside a cell is part of its text."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        separator = delimiter or ","
        # The added line is a row of two cells only if every quoted cell before it was closed.
        lines = csv.reader(itertools.chain(file, [END + separator + END]), delimiter=separator)
        try:
            rows = _rows(path, lines)
            header, _ = next(rows, ([], 0))
            if delimiter is None:
                check_delimiter(str(path), header)
            _check_names(path, names, header)
            places = [header.index(name) for name in names]
            cells: list[list[str]] = [[] for _ in names]
            line_of: list[int] = []
            for row, line in rows:
                if len(row) != len(header):
                    raise BadInput(f"{path}, line {line}, must have {len(header)} cells, got {len(row)}")
                line_of.append(line)
                for place, column in zip(places, cells, strict=True):
                    column.append(row[place])
        except UnicodeDecodeError as failure:
            raise BadInput(f"{path} must be a CSV file in UTF-8: {failure}") from None
        except csv.Error as failure:
            raise BadInput(f"{path} must be a CSV file: {failure} in line {lines.line_num}") from None
    return [np.array(column, dtype=np.object_) for column in cells], lambda row: f"line {line_of[row]}"


def _rows(path: Path, lines: Any) -> Iterator[tuple[list[str], int]]:
    """Yield the rows that are not empty, each with its last line, up to a row of END."""
    before = 0
    for row in lines:
        if row == [END, END]:
            return
        if row and row[-1].endswith(END):
            raise BadInput(f"{path} must be a CSV file: the quoted cell in line {before + 1} is not closed")
        before = lines.line_num
        if row:
            yield row, before


def _read_parquet(path: Path, names: Sequence[str]) -> tuple[Columns, Where]:
    """Read columns of a Parquet file."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise BadInput("a Parquet file needs pyarrow: pip install 'equipoise[arrow]'") from None
    with path.open("rb") as source:
        try:
            file = pyarrow.parquet.ParquetFile(source)
            _check_names(path, names, file.schema_arrow.names)
            table = file.read(columns=list(names))
            return [from_arrow(table.column(name), name) for name in names], row_name
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as failure:
            raise BadInput(f"{path} must be a Parquet file: {failure}") from None


def from_arrow(column: Any, name: str) -> NDArray[Any]:
    """Return an Arrow column of numbers, strings or times as a NumPy array, or refuse it."""
    from pyarrow import types

    from equipoise._cli.files.arrow import value_type
    from equipoise._validate.containers.arrow import is_text

    kind = value_type(column.type)
    if types.is_dictionary(column.type):
        column = column.cast(kind)
    if column.null_count:
        row = column.is_null().to_numpy().argmax()
        raise BadInput(f"column {name!r} must have no nulls, got one in {row_name(row)}")
    if is_text(kind):
        return np.array(column.to_pylist(), dtype=np.object_)
    if not any(
        is_kind(kind) for is_kind in (types.is_integer, types.is_floating, types.is_timestamp, types.is_date)
    ):
        raise BadInput(f"column {name!r} must hold integers, strings or times, got {kind}")
    values: NDArray[Any] = column.to_numpy()
    return values
