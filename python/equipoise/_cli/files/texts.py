"""Tables of text cells, written as CSV or converted to the types that fit."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as pa_csv

__all__ = ["convert_texts", "write_texts"]


def convert_texts(table: pa.Table, labels: Sequence[str] = ()) -> pa.Table:
    """Convert columns of text to the types that pyarrow infers for a CSV file.

    These are numbers, times, booleans and text. A column in ``labels`` stays text if the conversion would
    merge two labels, such as 01 and 1.
    """
    if not table.num_rows:
        return table
    file = io.BytesIO()
    write_texts(file, table)
    typed = pa_csv.read_csv(
        io.BytesIO(file.getvalue()),
        read_options=pa_csv.ReadOptions(block_size=min(file.tell() + 1, 2**30)),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
    )
    for name in labels:
        if len(typed[name].unique()) < len(table[name].unique()):
            typed = typed.set_column(typed.schema.get_field_index(name), name, table[name])
    return typed


def write_texts(file: BinaryIO, table: pa.Table) -> None:
    """Append rows to a CSV file, with the header if the file is empty.

    Only cells that need quotes get them; pyarrow would quote every cell.
    """
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
