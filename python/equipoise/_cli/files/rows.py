"""Parquet and CSV files as streams of numbered rows. Needs pyarrow (extra ``arrow``).

Every error is a :class:`BadInput` that names the file.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from equipoise._arrow import column_of
from equipoise._cli.errors import BadInput
from equipoise._cli.files.arrow import failures_of, first_refused
from equipoise._cli.files.followed import Followed
from equipoise._cli.files.formats import check_file, required_format, row_name
from equipoise._cli.files.headers import END, check_delimiter, read_header
from equipoise._cli.files.prefetch import prefetch_each
from equipoise._validate.containers.arrow import is_text

__all__ = ["CsvRows", "ParquetRows", "Rows", "open_rows"]


_BATCH_ROWS, _BATCH_BYTES = 1 << 17, 1 << 24  # the approximate limits of a batch
_READ_BYTES = 1 << 18  # read at a time from a column chunk of any size
_CSV_BLOCK = 1 << 22  # bytes parsed at a time
_WORKERS = min(4, os.cpu_count() or 1)
Int64s = NDArray[np.int64]


class Rows:
    """The rows of one file, numbered from 0 in the order of the file.

    Attributes
    ----------
    schema : pyarrow.Schema
        The schema of the tables that :meth:`take` yields.
    count : int or None
        The number of rows, if the file states it.
    """

    schema: pa.Schema
    count: int | None

    def __init__(self, path: str) -> None:
        self.path = path
        with failures_of(path):
            self._before = self._state()
        self._open()
        names = self.schema.names
        for name in names:
            if names.count(name) > 1:
                raise BadInput(f"{path}: has more than one column {name!r}")

    def _open(self) -> None:
        """Set ``schema`` and ``count``."""
        raise NotImplementedError

    def batches(self, kinds: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
        """Yield all rows of some columns.

        ``kinds`` maps the name of each column to its kind of content. In a Parquet file, a "label" that is a
        string becomes a dictionary; anything else is left unchanged. Without any columns, only the number of
        rows in each batch is meaningful.
        """
        raise NotImplementedError

    def take(self, rows: Int64s) -> Generator[pa.Table, None, None]:
        """Yield all columns of the rows with these numbers, which are in ascending order."""
        raise NotImplementedError

    def check_unchanged(self) -> None:
        """Refuse a file that has been changed since it was opened."""
        with failures_of(self.path):
            if self._state() != self._before:
                raise BadInput(f"{self.path}: was changed while it was being read")

    def _state(self) -> tuple[int, int, int]:
        state = os.stat(self.path)
        return state.st_size, state.st_mtime_ns, state.st_ino

    def _missing(self, wanted: int, found: int) -> BadInput:
        return BadInput(f"{self.path}: holds {found} rows where {wanted} were expected")


class ParquetRows(Rows):
    """The rows of a Parquet file.

    Columns are decoded piece by piece, so a row group may be larger than memory.
    """

    def _open(self) -> None:
        with failures_of(self.path), self._file() as file:
            self.schema = file.schema_arrow
            groups = [file.metadata.row_group(g) for g in range(file.metadata.num_row_groups)]
            self._sizes = np.array([group.num_rows for group in groups], np.int64)
            self._bytes = [group.total_byte_size for group in groups]
        self.count = int(self._sizes.sum())
        if self._sizes.min(initial=0) < 0:
            raise BadInput(f"{self.path}: has a row group with a negative number of rows")

    def _file(self, **more: Any) -> Any:
        # With pre_buffer, pyarrow would keep every column chunk until it has read the last one.
        return pq.ParquetFile(
            self.path, pre_buffer=False, buffer_size=_READ_BYTES, page_checksum_verification=True, **more
        )

    def batches(self, kinds: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
        """Read the named columns, batch by batch. Text of kind ``"label"`` becomes dictionaries."""
        if not kinds:
            yield from self._no_columns()
            return
        labels = [n for n, kind in kinds.items() if kind == "label" and is_text(self.schema.field(n).type)]
        found = 0
        with failures_of(self.path), self._file(read_dictionary=labels) as file:
            size = _batch_rows(_bytes_of(file, labels), self.count or 0)
            for batch in file.iter_batches(size, columns=list(kinds)):
                found += batch.num_rows
                yield batch
        if found != self.count:
            raise self._missing(self.count or 0, found)

    def _no_columns(self) -> Iterator[pa.RecordBatch]:
        left = self.count or 0
        while left:
            rows = min(left, _BATCH_ROWS)
            yield pa.RecordBatch.from_arrays([pa.nulls(rows)], ["rows"])
            left -= rows

    def take(self, rows: Int64s) -> Generator[pa.Table, None, None]:
        """Read all columns of these rows, which are in ascending order."""
        ends = np.cumsum(self._sizes)
        cuts = np.concatenate(([0], np.searchsorted(rows, ends)))
        groups = [g for g in range(ends.size) if cuts[g] < cuts[g + 1]]
        with failures_of(self.path), self._file() as file:
            metadata = file.metadata

        def read_group(group: int, stop: threading.Event) -> pa.Table:
            wanted = rows[cuts[group] : cuts[group + 1]] - (ends[group] - self._sizes[group])
            size = _batch_rows(self._bytes[group], int(self._sizes[group]))
            with failures_of(self.path), self._file(metadata=metadata) as file:
                return self._chosen(file.iter_batches(size, row_groups=[group]), wanted, stop)

        with closing(prefetch_each(read_group, groups, _WORKERS)) as tables:
            yield from tables

    def _chosen(self, batches: Iterator[pa.RecordBatch], wanted: Int64s, stop: threading.Event) -> pa.Table:
        """Return the rows ``wanted``, in ascending order. Batches after the last of them are not read."""
        tables, start, done = [], 0, 0
        for batch in batches:
            end = int(np.searchsorted(wanted, start + batch.num_rows))
            if end > done:
                tables.append(pa.Table.from_batches([batch.take(column_of(wanted[done:end] - start))]))
                done = end
            start += batch.num_rows
            if done == wanted.size or stop.is_set():
                break
        if done < wanted.size and not stop.is_set():
            raise self._missing(int(wanted[-1]) + 1, start)
        return pa.concat_tables(tables) if tables else self.schema.empty_table()


class CsvRows(Rows):
    """The rows of a CSV file in UTF-8, with a header. Each cell is text, exactly as written.

    A quoted cell may contain line breaks, and a quote inside a cell without quotes is part of its text. An
    empty cell is null, and a quoted empty cell is an empty string.
    """

    def __init__(self, path: str, delimiter: str | None = None) -> None:
        self._given = delimiter
        self.delimiter = delimiter or ","
        super().__init__(path)

    def _open(self) -> None:
        with failures_of(self.path):
            names = read_header(self.path, self.delimiter)
        if self._given is None:
            check_delimiter(self.path, names)
        self.schema = pa.schema([(name, pa.string()) for name in names])
        self.count = None

    def _parsed(
        self, names: Sequence[str], refused: list[Any] | None = None
    ) -> Generator[pa.RecordBatch, None, None]:
        """Yield some columns as bytes, with a last row added whose cells are END.

        To ``refused`` is added each row that has another number of cells than the header. One thread then
        parses the file, since several do not know the number of that row.
        """
        end = self.delimiter.join([END] * len(self.schema))
        file = Followed(self.path, f"\n{end}\n".encode())
        reader = None
        try:
            reader = self._reader(file, names, refused)
            yield from reader
        finally:
            del reader
            file.close()

    def _reader(self, file: Followed, names: Sequence[str], refused: list[Any] | None) -> Any:
        return pa_csv.open_csv(
            file.handle(),
            read_options=pa_csv.ReadOptions(block_size=_CSV_BLOCK, use_threads=refused is None),
            parse_options=pa_csv.ParseOptions(
                delimiter=self.delimiter,
                newlines_in_values=True,
                invalid_row_handler=None if refused is None else file.lend(_Refusing(refused)),
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.binary()),
                include_columns=names,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    def _read(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield columns as text, or name the first row that cannot be read."""
        start = 0
        try:
            # The last row has the added cells only if every quoted cell before it was closed.
            for batch, is_last in _with_last(self._parsed(names)):
                rows = batch.num_rows - is_last
                if is_last and any(column[rows].as_py() != END.encode() for column in batch):
                    raise BadInput(f"{self.path}: {row_name(start + rows)}: a quoted cell is not closed")
                yield self._as_text(batch.slice(0, rows), start)
                start += rows
        except pa.ArrowInvalid as failure:
            raise self._refusal(names) from failure

    def _as_text(self, batch: pa.RecordBatch, start: int) -> pa.RecordBatch:
        columns = []
        for name, column in zip(batch.schema.names, batch, strict=True):
            try:
                columns.append(column.cast(pa.string()))
            except pa.ArrowInvalid:
                row = first_refused(column, lambda part: part.cast(pa.string()))
                where = f"column {name!r}, {row_name(start + row)}"
                raise BadInput(f"{self.path}: {where}: must be UTF-8, got {column[row].as_py()!r}") from None
        return pa.RecordBatch.from_arrays(columns, batch.schema.names)

    def _refusal(self, names: Sequence[str]) -> BadInput:
        """Return the error for a file that pyarrow refuses."""
        refused: list[Any] = []
        found = 0
        with suppress(pa.ArrowInvalid):
            for batch in self._parsed(names, refused):
                found += batch.num_rows
        if refused and refused[0].number is not None:
            row = refused[0]
            where, text = row_name(row.number - 2), f"got {row.actual_columns}"  # the header is row 1
            if END in row.text:
                return BadInput(f"{self.path}: {where}: a quoted cell is not closed")
            return BadInput(f"{self.path}: {where}: must have {row.expected_columns} cells, {text}")
        return BadInput(
            f"{self.path}: a row after the first {found} rows is longer than {_CSV_BLOCK} bytes, "
            f"or a quoted cell is not closed"
        )

    def batches(self, kinds: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
        """Read the named columns, batch by batch, as text."""
        with failures_of(self.path):
            yield from self._read(list(kinds) or self.schema.names[:1])

    def take(self, rows: Int64s) -> Generator[pa.Table, None, None]:
        """Read all columns of these rows, which are in ascending order, as text."""
        if not rows.size:
            return
        start = done = 0
        with failures_of(self.path):
            for batch in self._read(self.schema.names):
                end = int(np.searchsorted(rows, start + batch.num_rows))
                if end > done:
                    yield pa.Table.from_batches([batch.take(column_of(rows[done:end] - start))])
                start, done = start + batch.num_rows, end
                if done == rows.size:
                    return
        raise self._missing(int(rows[-1]) + 1, start)


def open_rows(path: str, delimiter: str | None = None) -> Rows:
    """Open a file in the format given by its suffix."""
    check_file(path)
    return ParquetRows(path) if required_format(path) == ".parquet" else CsvRows(path, delimiter)


class _Refusing:
    """A handler that collects and refuses rows with another number of cells than the header."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def __call__(self, row: Any) -> str:
        self._rows.append(row)
        return "error"


def _with_last(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[pa.RecordBatch, bool]]:
    """Yield each batch that has rows, and whether it is the last of them."""
    before = None
    for batch in batches:
        if before is not None and batch.num_rows:
            yield before, False
        if batch.num_rows:
            before = batch
    if before is not None:
        yield before, True


def _bytes_of(file: Any, names: Sequence[str]) -> int:
    """Return the uncompressed size of some columns."""
    metadata = file.metadata
    columns = [c for c in range(metadata.num_columns) if file.schema.column(c).path in names]
    groups = range(metadata.num_row_groups)
    return sum(metadata.row_group(g).column(c).total_uncompressed_size for g in groups for c in columns)


def _batch_rows(size: int, rows: int) -> int:
    """Return the number of rows in a batch of about _BATCH_BYTES, if ``rows`` rows have ``size`` bytes."""
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES * max(rows, 1) // max(size, 1)))
