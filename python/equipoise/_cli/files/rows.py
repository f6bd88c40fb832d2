"""Parquet and CSV files as streams of numbered rows. Needs pyarrow (extra ``arrow``).

Every error is a :class:`BadInput` that names the file.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from equipoise._cli.errors import BadInput
from equipoise._cli.files.arrow import column_of, failures_of, is_text
from equipoise._cli.files.formats import required_format
from equipoise._cli.files.prefetch import prefetch_each

__all__ = ["CsvRows", "ParquetRows", "Rows", "open_rows"]


_BATCH_ROWS, _BATCH_BYTES = 1 << 17, 1 << 24  # the approximate limits of a batch
_READ_BYTES = 1 << 18  # read at a time from a column chunk of any size
_CSV_BLOCK = 1 << 22  # bytes parsed at a time
_WORKERS = min(4, os.cpu_count() or 1)
_CSV_TYPES = {"number": pa.float64(), "integer": pa.int64(), "label": pa.dictionary(pa.int32(), pa.string())}
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
            if os.path.isdir(path):
                raise BadInput(f"{path}: is a directory: name the files in it")
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

        ``kinds`` maps the name of each column to its kind of content. A "number" or an "integer" in a CSV
        file is parsed, a "label" that is a string becomes a dictionary, and anything else is left unchanged.
        Without any columns, only the number of rows in each batch is meaningful.
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
    """The rows of a CSV file in UTF-8, with a header and commas. Each cell is text, exactly as written.

    A quoted cell may contain line breaks.
    """

    def _open(self) -> None:
        with failures_of(self.path):
            try:
                names = self._reader().schema.names
            except pa.ArrowInvalid:
                names = self._reader(use_threads=False).schema.names
            self.schema = pa.schema([(name, pa.string()) for name in names])
        self.count = None

    def _read(self, types: dict[str, Any]) -> Iterator[pa.RecordBatch]:
        """Yield columns of the given types. The error about a cell of another type names its row.

        With several threads, pyarrow's error does not name the row, so the file is then read again with one.
        """
        try:
            yield from self._reader(types)
        except pa.ArrowInvalid:
            for _ in self._reader(types, use_threads=False):
                pass
            raise

    def _reader(self, types: dict[str, Any] | None = None, *, use_threads: bool = True) -> Any:
        options = pa_csv.ConvertOptions()
        if types:
            options = pa_csv.ConvertOptions(
                column_types=types, include_columns=list(types), null_values=[""], strings_can_be_null=False
            )
        return pa_csv.open_csv(
            self.path,
            read_options=pa_csv.ReadOptions(block_size=_CSV_BLOCK, use_threads=use_threads),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=options,
        )

    def batches(self, kinds: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
        """Read the named columns, batch by batch, with numbers as numbers and everything else as text."""
        names = list(kinds) or self.schema.names[:1]
        types = {name: _CSV_TYPES.get(kinds.get(name, ""), pa.string()) for name in names}
        found = 0
        with failures_of(self.path):
            for batch in self._read(types):
                found += batch.num_rows
                yield batch
            self._check_quotes(found)

    def _check_quotes(self, found: int) -> None:
        """Refuse a quote that is never closed, since pyarrow would read all lines after it as one cell."""
        quotes = lines = 0
        with open(self.path, "rb") as file:
            while part := file.read(_CSV_BLOCK):
                quotes += part.count(b'"')
                lines += part.count(b"\n")
        if not quotes % 2 or lines <= found + 1:
            return
        last = pa.concat_tables(self.take(np.array([found - 1]))).to_pylist()[0]
        if any("\n" in cell for cell in last.values()):  # otherwise, the odd quote is part of a cell
            raise BadInput(
                f"{self.path}: has an odd number of quotes, and {lines} lines where {found} rows were read: "
                f"a quoted cell is not closed"
            )

    def take(self, rows: Int64s) -> Generator[pa.Table, None, None]:
        """Read all columns of these rows, which are in ascending order, as text."""
        if not rows.size:
            return
        start = done = 0
        with failures_of(self.path):
            for batch in self._read(dict.fromkeys(self.schema.names, pa.string())):
                end = int(np.searchsorted(rows, start + batch.num_rows))
                if end > done:
                    yield pa.Table.from_batches([batch.take(column_of(rows[done:end] - start))])
                start, done = start + batch.num_rows, end
                if done == rows.size:
                    return
        raise self._missing(int(rows[-1]) + 1, start)


def open_rows(path: str) -> Rows:
    """Open a file in the format given by its suffix."""
    return ParquetRows(path) if required_format(path) == ".parquet" else CsvRows(path)


def _bytes_of(file: Any, names: Sequence[str]) -> int:
    """Return the uncompressed size of some columns."""
    metadata = file.metadata
    columns = [c for c in range(metadata.num_columns) if file.schema.column(c).path in names]
    groups = range(metadata.num_row_groups)
    return sum(metadata.row_group(g).column(c).total_uncompressed_size for g in groups for c in columns)


def _batch_rows(size: int, rows: int) -> int:
    """Return the number of rows in a batch of about _BATCH_BYTES, if ``rows`` rows have ``size`` bytes."""
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES * max(rows, 1) // max(size, 1)))
