"""The output file of ``equipoise sample``, which is renamed into place once it is complete."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from equipoise._cli.errors import BadInput
from equipoise._cli.files.arrow import failures_of
from equipoise._cli.files.formats import required_format
from equipoise._cli.files.texts import write_texts
from equipoise._validate.containers.arrow import is_text

__all__ = ["Output"]


_PENDING_ROWS, _PENDING_BYTES = 1 << 20, 1 << 26  # a row group is written at these limits


class Output:
    """An output file, written under a temporary name in the same folder and renamed at the end.

    Use it as a context manager: leaving the context renames the file, or removes it after an error.
    """

    def __init__(self, path: str, delimiter: str = ",") -> None:
        self.path, self._delimiter = path, delimiter
        self._csv = required_format(path) == ".csv"
        with failures_of(path):
            self._target = Path(os.path.realpath(path))  # a symbolic link is kept, and its target replaced
            if self._target.is_dir():
                raise BadInput(f"{path}: is a directory")
            if self._target.exists() and not self._target.is_file():
                raise BadInput(f"{path}: is not a regular file, so it cannot be replaced")
            if not self._target.parent.is_dir():
                raise BadInput(f"{path}: there is no folder {self._target.parent}")
            if not os.access(self._target.parent, os.W_OK):
                raise BadInput(f"{path}: the folder {self._target.parent} cannot be written to")
        self._temporary = self._target.with_name(f".{self._target.name}.{secrets.token_hex(4)}.tmp")
        self._file: BinaryIO | None = None
        self._writer: Any = None
        self._pending: list[pa.Table] = []
        self._rows = self._size = 0

    def is_one_of(self, paths: Sequence[str]) -> bool:
        """Return whether the output is one of these existing files."""
        return self._target.exists() and any(os.path.samefile(self._target, path) for path in paths)

    def check(self, schema: pa.Schema) -> None:
        """Refuse columns that the format of the output cannot hold."""
        with failures_of(self.path):
            for field in schema if self._csv else ():
                try:
                    # An empty table made in the usual way would import pandas.
                    pa_csv.write_csv(pa.Table.from_batches([], pa.schema([field])), io.BytesIO())
                except pa.ArrowException:
                    raise BadInput(
                        f"{self.path}: a CSV file cannot hold column {field.name!r} of {field.type}: "
                        f"use the suffix .parquet"
                    ) from None

    def __enter__(self) -> Output:
        return self

    def write(self, table: pa.Table) -> None:
        """Append rows, which must have the same columns as those before."""
        self._pending.append(table)
        self._rows, self._size = self._rows + table.num_rows, self._size + table.nbytes
        if self._rows >= _PENDING_ROWS or self._size >= _PENDING_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        table = pa.concat_tables(self._pending)
        self._pending, self._rows, self._size = [], 0, 0
        with failures_of(self.path):
            if self._file is None:
                self._file = self._temporary.open("xb")
            if self._csv and all(is_text(field.type) for field in list(table.schema)[:-1]):
                write_texts(self._file, table, self._delimiter)
            else:
                if self._writer is None:
                    self._writer = self._open_writer(table.schema)
                self._writer.write_table(table)

    def _open_writer(self, schema: pa.Schema) -> Any:
        if not self._csv:
            return pq.ParquetWriter(self._file, schema)
        options = pa_csv.WriteOptions(delimiter=self._delimiter)
        return pa_csv.CSVWriter(self._file, schema, write_options=options)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                self._flush()
                with failures_of(self.path):
                    self._finish()
        finally:
            with suppress(Exception):
                if self._writer is not None:
                    self._writer.close()
            with suppress(Exception):
                if self._file is not None:
                    self._file.close()
            with suppress(OSError):
                self._temporary.unlink()

    def _finish(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._file is None:
            raise BadInput(f"{self.path}: nothing was written")
        self._file.flush()
        os.fsync(self._file.fileno())  # a full disk may be noticed only here
        self._file.close()
        os.replace(self._temporary, self._target)
