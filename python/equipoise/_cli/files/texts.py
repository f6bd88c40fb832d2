"""Tables of text cells, written as CSV or converted to numbers where nothing is lost.

An empty cell is null, and a quoted empty cell is an empty string.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from equipoise._cli.files.arrow import texts_of

__all__ = ["convert_texts", "write_texts"]


def convert_texts(table: pa.Table, label: str | None = None) -> pa.Table:
    """Convert each column of text to numbers if all its cells are written as those numbers are written.

    All other columns stay text: dates, booleans, 007, 1.50 and 1e5, say. Among numbers, an empty cell is
    null; the column ``label`` stays text instead, and so has no nulls.
    """
    for at, name in enumerate(table.column_names):
        texts = table.column(at)
        numbers = None if name == label and texts.null_count else _numbers(texts)
        table = table.set_column(at, name, texts.fill_null(texts_of([""])[0]) if numbers is None else numbers)
    return table


def _numbers(texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return a column of text as int64, uint64 or float64, or None if its cells do not all round-trip."""
    if texts.null_count == len(texts):
        return None
    for kind in (pa.int64(), pa.uint64(), pa.float64()):
        try:
            numbers = texts.cast(kind)
        except pa.ArrowInvalid:
            continue
        if pc.all(pc.is_finite(numbers)).as_py() and _is_spelled(numbers, texts):
            return numbers
    return None


def _is_spelled(numbers: pa.ChunkedArray, texts: pa.ChunkedArray) -> bool:
    """Return whether all cells are the shortest text of their numbers, as Arrow or as Python writes it."""
    if numbers.cast(pa.string()).equals(texts):
        return True
    if not pa.types.is_floating(numbers.type):
        return False
    spelled: list[str | None] = [None if x is None else repr(x) for x in numbers.to_pylist()]
    return bool(spelled == texts.to_pylist())


def write_texts(file: BinaryIO, table: pa.Table, delimiter: str = ",") -> None:
    """Append rows to a CSV file, with the header if the file is empty.

    The columns hold text, except for the last, which holds floats. Only cells that need quotes get them;
    pyarrow would quote every cell.
    """
    if not file.tell():
        names = _quoted(texts_of(table.column_names), delimiter).to_pylist()
        file.write((delimiter.join(names) + "\n").encode())
    # The lines of a batch may have more than the 2 GB that an array of pa.string() can hold.
    separator, empty = texts_of([delimiter, ""]).cast(pa.large_string())
    for batch in table.to_batches(max_chunksize=1 << 14):
        *texts, numbers = batch.columns
        cells = [_quoted(column.cast(pa.large_string()), delimiter).fill_null(empty) for column in texts]
        lines = pc.binary_join_element_wise(*cells, separator).to_pylist()
        rows = zip(lines, numbers.to_pylist(), strict=True)
        file.write("".join(f"{line}{delimiter}{number!r}\n" for line, number in rows).encode())


def _quoted(column: Any, delimiter: str) -> Any:
    """Return cells as they are written in a CSV file: with quotes where they are needed."""
    # A reader would take a byte order mark before the first name for the file's.
    special = pc.match_substring_regex(column, f'[\\r\\n"\\x{ord(delimiter):02x}]|^$|^\ufeff')
    if not pc.any(special).as_py():
        return column
    doubled = pc.replace_substring(column, '"', '""')
    return pc.if_else(special, pc.replace_substring_regex(doubled, r"(?s)\A(.*)\z", r'"\1"'), column)
