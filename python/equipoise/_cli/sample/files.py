"""Parquet and CSV files as numbered rows: some columns of all, or all columns of some; and files to write.

Every failure is a :class:`BadInput` of one line that names the file. Needs pyarrow (extra ``arrow``).
"""

from __future__ import annotations

import csv
import io
import os
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from equipoise._cli.errors import BadInput

__all__ = ["CsvRows", "ParquetRows", "Rows", "ahead", "is_text", "open_rows", "suffix", "texts_typed"]


_BATCH_ROWS, _BATCH_BYTES = 1 << 17, 1 << 24  # of a batch, at most about
_READ_BYTES = 1 << 18  # of a column chunk at a time, however large it is
_CSV_BLOCK = 1 << 22
_PENDING_ROWS, _PENDING_BYTES = 1 << 20, 1 << 26  # of a row group that is written
_WORKERS = min(4, os.cpu_count() or 1)
_CSV_TYPES = {"number": pa.float64(), "integer": pa.int64(), "label": pa.dictionary(pa.int32(), pa.string())}
Int64s = NDArray[np.int64]
T = TypeVar("T")


@contextmanager
def about(path: str | Path) -> Iterator[None]:
    """Failures of a file, of whatever kind, as :class:`BadInput`."""
    try:
        yield
    except OSError as failure:
        raise BadInput(
            f"{path}: {os.strerror(failure.errno) if failure.errno else _line(failure)}"
        ) from failure
    except MemoryError as failure:
        raise BadInput(f"{path}: not enough memory: {_line(failure)}") from failure
    except (ValueError, pa.ArrowException) as failure:
        raise BadInput(f"{path}: {_line(failure)}") from failure


def _line(failure: BaseException) -> str:
    text = " ".join(str(failure).split()) or type(failure).__name__
    return text if len(text) <= 300 else text[:300] + " .."


class Rows:
    """The rows of one file, numbered from 0 in the order of the file.

    Attributes
    ----------
    schema : pyarrow.Schema
        Of what :meth:`take` gives.
    count : int, or None
        Rows, where the file says so.
    """

    schema: pa.Schema
    count: int | None

    def __init__(self, path: str) -> None:
        self.path = path
        with about(path):
            if os.path.isdir(path):
                raise BadInput(f"{path}: is a directory: name the files in it")
            self._before = self._state()
        self._open()
        names = self.schema.names
        for name in names:
            if names.count(name) > 1:
                raise BadInput(f"{path}: has more than one column {name!r}")

    def _open(self) -> None:
        raise NotImplementedError

    def batches(self, kinds: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
        """All rows of some columns, given by name with what they are wanted as.

        A "number" or "integer" of a CSV file is parsed as one, a "label" that is a string comes as a
        dictionary, anything else as it is. Without any column the batches tell the number of rows alone.
        """
        raise NotImplementedError

    def take(self, rows: Int64s) -> Generator[pa.Table, None, None]:
        """All columns of some rows, given by number in ascending order."""
        raise NotImplementedError

    def check_same(self) -> None:
        """Nobody has written to the file in the meantime."""
        with about(self.path):
            if self._state() != self._before:
                raise BadInput(f"{self.path}: was changed while it was read")

    def _state(self) -> tuple[int, int, int]:
        state = os.stat(self.path)
        return state.st_size, state.st_mtime_ns, state.st_ino

    def _missing(self, wanted: int, found: int) -> BadInput:
        return BadInput(f"{self.path}: holds {found} rows where {wanted} were expected")


class ParquetRows(Rows):
    """Columns are decoded piece by piece, so that even a row group larger than memory can be read."""

    def _open(self) -> None:
        with about(self.path), self._file() as file:
            self.schema = file.schema_arrow
            groups = [file.metadata.row_group(g) for g in range(file.metadata.num_row_groups)]
            self._sizes = np.array([group.num_rows for group in groups], np.int64)
            self._bytes = [group.total_byte_size for group in groups]
        self.count = int(self._sizes.sum())
        if self._sizes.min(initial=0) < 0:
            raise BadInput(f"{self.path}: has a row group of less than no rows")

    def _file(self, **more: Any) -> Any:
        # With pre_buffer pyarrow would hold every column chunk that it has read until the last.
        return pq.ParquetFile(
            self.path, pre_buffer=False, buffer_size=_READ_BYTES, page_checksum_verification=True, **more
        )

    def batches(self, kinds: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
        if not kinds:
            yield from self._no_columns()
            return
        labels = [n for n, kind in kinds.items() if kind == "label" and is_text(self.schema.field(n).type)]
        found = 0
        with about(self.path), self._file(read_dictionary=labels) as file:
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
        ends = np.cumsum(self._sizes)
        cuts = np.concatenate(([0], np.searchsorted(rows, ends)))
        groups = [g for g in range(ends.size) if cuts[g] < cuts[g + 1]]
        with about(self.path), self._file() as file:
            metadata = file.metadata

        def one(group: int, stop: threading.Event) -> pa.Table:
            wanted = rows[cuts[group] : cuts[group + 1]] - (ends[group] - self._sizes[group])
            size = _batch_rows(self._bytes[group], int(self._sizes[group]))
            with about(self.path), self._file(metadata=metadata) as file:
                return self._chosen(file.iter_batches(size, row_groups=[group]), wanted, stop)

        with closing(in_turn(one, groups, _WORKERS)) as tables:
            yield from tables

    def _chosen(self, batches: Iterator[pa.RecordBatch], wanted: Int64s, stop: threading.Event) -> pa.Table:
        """The rows ``wanted``, ascending, of batches that need not be read beyond the last of them."""
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
    """UTF-8, a header, commas; line breaks within quotes. Cells are taken as texts, as they stand."""

    def _open(self) -> None:
        with about(self.path):
            try:
                names = self._reader().schema.names
            except pa.ArrowInvalid:
                names = self._reader(use_threads=False).schema.names
            self.schema = pa.schema([(name, pa.string()) for name in names])
        self.count = None

    def _read(self, types: dict[str, Any]) -> Iterator[pa.RecordBatch]:
        """Columns of these types; a cell that is none is told with its row.

        pyarrow's threads do not know their rows: what they refuse is read again by one, which does.
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
        names = list(kinds) or self.schema.names[:1]
        types = {name: _CSV_TYPES.get(kinds.get(name, ""), pa.string()) for name in names}
        found = 0
        with about(self.path):
            for batch in self._read(types):
                found += batch.num_rows
                yield batch
            self._check_quotes(found)

    def _check_quotes(self, found: int) -> None:
        """A quote that is never closed makes one cell of all lines that follow; pyarrow does not mind."""
        quotes = lines = 0
        with open(self.path, "rb") as file:
            while part := file.read(_CSV_BLOCK):
                quotes += part.count(b'"')
                lines += part.count(b"\n")
        if not quotes % 2 or lines <= found + 1:
            return
        last = pa.concat_tables(self.take(np.array([found - 1]))).to_pylist()[0]
        if any("\n" in cell for cell in last.values()):  # else it is a quote in the middle of a cell
            raise BadInput(
                f"{self.path}: has an odd number of quotes, and {lines} lines where {found} rows were read: "
                f"a quoted cell is not closed"
            )

    def take(self, rows: Int64s) -> Generator[pa.Table, None, None]:
        if not rows.size:
            return
        start = done = 0
        with about(self.path):
            for batch in self._read(dict.fromkeys(self.schema.names, pa.string())):
                end = int(np.searchsorted(rows, start + batch.num_rows))
                if end > done:
                    yield pa.Table.from_batches([batch.take(column_of(rows[done:end] - start))])
                start, done = start + batch.num_rows, end
                if done == rows.size:
                    return
        raise self._missing(int(rows[-1]) + 1, start)


def open_rows(path: str) -> Rows:
    """By the name's suffix."""
    return ParquetRows(path) if suffix(path) == ".parquet" else CsvRows(path)


def suffix(path: str) -> str:
    """.parquet or .csv, of which a name must have one."""
    found = os.path.splitext(path)[1].lower()
    if found not in (".parquet", ".csv"):
        raise BadInput(f"{path}: must be named .parquet or .csv")
    return found


def texts_typed(table: pa.Table, labels: Sequence[str] = ()) -> pa.Table:
    """Columns of texts as pyarrow reads them from a CSV file: numbers, times, booleans, or texts.

    Labels stay texts where that would make one of two, as of 01 and 1.
    """
    if not table.num_rows:
        return table
    file = io.BytesIO()
    _write_texts(file, table)
    typed = pa_csv.read_csv(
        io.BytesIO(file.getvalue()),
        read_options=pa_csv.ReadOptions(block_size=min(file.tell() + 1, 2**30)),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
    )
    for name in labels:
        if len(typed[name].unique()) < len(table[name].unique()):
            typed = typed.set_column(typed.schema.get_field_index(name), name, table[name])
    return typed


def _write_texts(file: BinaryIO, table: pa.Table) -> None:
    """Quotes where they are needed, alone: pyarrow's would stand around everything."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    if not file.tell():
        writer.writerow(table.column_names)
    for batch in table.to_batches(max_chunksize=1 << 14):
        writer.writerows(zip(*(column.to_pylist() for column in batch), strict=True))
        file.write(text.getvalue().encode())
        text.seek(0)
        text.truncate()
    file.write(text.getvalue().encode())


def is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _bytes_of(file: Any, names: Sequence[str]) -> int:
    """Of some columns, decompressed."""
    metadata = file.metadata
    columns = [c for c in range(metadata.num_columns) if file.schema.column(c).path in names]
    groups = range(metadata.num_row_groups)
    return sum(metadata.row_group(g).column(c).total_uncompressed_size for g in groups for c in columns)


def _batch_rows(size: int, rows: int) -> int:
    """Rows that are about _BATCH_BYTES."""
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES * max(rows, 1) // max(size, 1)))


def column_of(values: NDArray[Any]) -> pa.Array:
    """int64 or float64 for Arrow, not copied; ``pa.array`` would import pandas where there is one."""
    values = np.ascontiguousarray(values)
    kind = pa.int64() if values.dtype == np.int64 else pa.float64()
    return pa.Array.from_buffers(kind, values.size, [None, pa.py_buffer(values)])


# ---- reading ahead


def ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """The same, the next one being made on a thread meanwhile."""
    end = object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item  # type: ignore[misc]


def in_turn(
    make: Callable[[Any, threading.Event], T], keys: Sequence[Any], workers: int
) -> Generator[T, None, None]:
    """``make(key, stop)`` of each, in order, some at the same time; ``stop`` is set once none is wanted."""
    stop = threading.Event()
    with ThreadPoolExecutor(workers) as pool:
        coming = [pool.submit(make, key, stop) for key in keys[:workers]]
        try:
            for at in range(len(keys)):
                made = coming.pop(0).result()
                if at + workers < len(keys):
                    coming.append(pool.submit(make, keys[at + workers], stop))
                yield made
        finally:
            stop.set()
            for one in coming:
                one.cancel()
