"""A weighted sample of the rows of files: what ``equipoise sample`` does.

pass 1   the columns that decide -> reservoir -> numbers of the chosen rows
pass 2   all columns, of the row groups that hold chosen rows -> OUT

Where all columns decide, one pass does. Memory holds some batches, the reservoir, and of the chosen
rows what was not written yet.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from equipoise._cli.errors import BadInput
from equipoise._cli.sample.files import (
    CsvRows,
    Rows,
    ahead,
    column_of,
    is_text,
    open_rows,
    suffix,
    texts_typed,
)
from equipoise._cli.sample.output import Output
from equipoise._cli.sample.request import Progress, Request
from equipoise._cli.sample.reservoirs import _Sampler

__all__ = ["run"]


_HELD_ROWS, _HELD_BYTES = 1 << 22, 1 << 27  # of batches between two looks at what was chosen
Int64s = NDArray[np.int64]
Reals = NDArray[np.float64]


def run(request: Request, progress: Progress) -> dict[str, Any]:
    """Write the sample; returns the summary."""
    if len({suffix(path) for path in request.files}) > 1:
        raise BadInput("the FILEs must be all .parquet or all .csv")
    output = Output(request.output)
    inputs = [open_rows(path) for path in request.files]
    schema = _common_schema(inputs)
    if output.is_one_of(request.files):
        raise BadInput(f"{request.output}: is one of the FILEs, which are never written to")
    if request.inclusion_column in schema.names:
        raise BadInput(
            f"{inputs[0].path}: has a column {request.inclusion_column!r} already: "
            f"--inclusion-column gives what is added another name"
        )
    output.check(schema)
    columns = _Columns(request, schema, inputs[0].path)
    sampler = _Sampler(request)
    held = _Held() if schema.names and set(schema.names) == set(columns.kinds) else None
    _read(inputs, columns, sampler, held, progress)
    places, sample = sampler.sample()
    order = np.argsort(places, kind="stable")
    places = places[order]
    fetched = _fetch(inputs, sampler.starts, places) if held is None else held.tables(places)
    with output, closing(fetched):
        tables: Iterator[pa.Table] = (_as(schema, table) for table in fetched)
        if isinstance(inputs[0], CsvRows) and suffix(output.path) == ".parquet":
            tables = _typed(tables, [request.by] if request.by else [])
        _write(output, tables, schema, request.inclusion_column, sample.inclusion[order], progress)
        for rows in inputs:
            rows.check_same()
    classes = None if request.by is None else columns.classes(sampler.counts, sample.classes)
    given = {name: getattr(request, name) for name in Request.__dataclass_fields__} | {
        "files": list(request.files)
    }
    rows_seen, weight_seen = sampler.seen
    return given | {
        "rows_seen": rows_seen,
        "weight_seen": weight_seen,
        "rows_kept": int(places.size),
        "classes": classes,
    }


def _common_schema(inputs: Sequence[Rows]) -> Any:
    """That of the first file; the others have the same columns, in any order."""
    first = inputs[0]
    fields = {field.name: field for field in first.schema}
    for other in inputs[1:]:
        for field in other.schema:
            if field.name not in fields:
                raise BadInput(f"{other.path}: has a column {field.name!r}, which {first.path} has not")
            mine = fields[field.name]
            if field.type != mine.type:
                raise BadInput(
                    f"{other.path}: column {field.name!r} is {field.type}, in {first.path} it is {mine.type}"
                )
            fields[field.name] = mine.with_nullable(mine.nullable or field.nullable)
        for name in first.schema.names:
            if name not in other.schema.names:
                raise BadInput(f"{other.path}: has no column {name!r}, which {first.path} has")
    return pa.schema([fields[name] for name in first.schema.names], first.schema.metadata)


# ---- the first pass


def _read(
    inputs: Sequence[Rows], columns: _Columns, sampler: _Sampler, held: _Held | None, progress: Progress
) -> None:
    """All rows to the sampler, and to ``held`` if they are to be kept."""
    counts = [rows.count for rows in inputs]
    total = None if None in counts else sum(count or 0 for count in counts)

    def batches() -> Iterator[tuple[int, Any]]:
        for number, rows in enumerate(inputs):
            yield number, None
            for batch in rows.batches(columns.kinds):
                yield number, batch

    start = begin = 0
    with closing(ahead(batches())) as coming:
        for number, batch in coming:
            if batch is None:
                with columns.naming(inputs[number - 1].path, 0):
                    sampler.start_file(number, start)
                begin = start
                continue
            with columns.naming(inputs[number].path, start - begin):
                sampler.update(start, batch.num_rows, columns.arrays(batch))
            if held is not None:
                held.add(start, batch, sampler)
            start += batch.num_rows
            progress("reading", start, total)
    with columns.naming(inputs[-1].path, 0):
        sampler.end_file()


class _Columns:
    """From a batch of a file to what a reservoir reads."""

    def __init__(self, request: Request, schema: Any, path: str) -> None:
        roles = {"weight": request.weight, "by": request.by, "id": request.id, "time": request.time}
        self.roles = {role: name for role, name in roles.items() if name is not None}
        self.kinds: dict[str, str] = {}
        self._schema = schema
        self._labels: dict[str, int] = {}  # strings to class numbers, in order of first sight
        self._time: Any = None
        wanted = {"weight": "number", "by": "label", "id": "integer", "time": "time"}
        for role, name in self.roles.items():
            self.kinds[name] = "text" if name in self.kinds else wanted[role]
            if name not in schema.names:
                listed = ", ".join(schema.names[:20]) + (", .." if len(schema.names) > 20 else "")
                raise BadInput(f"{path}: there is no column {name!r} for --{role}, there are: {listed}")
            if suffix(path) == ".parquet":  # those of a CSV file are texts, to be parsed
                _check_type(path, role, name, schema.field(name).type)

    def arrays(self, batch: Any) -> dict[str, Any]:
        """By role; errors name what the reservoirs call them."""
        parse = {"weight": self._weights, "id": self._ids, "by": self._classes, "time": self._times}
        return {role: parse[role](batch.column(name)) for role, name in self.roles.items()}

    @contextmanager
    def naming(self, path: str, first: int) -> Iterator[None]:
        """What a reservoir refuses, by file, column and row; ``first`` is the row that it calls 0."""
        try:
            yield
        except (TypeError, ValueError, IndexError) as failure:
            text = " ".join(str(failure).split())
            match = re.match(r"(weights|ids|times|classes)(?:\[(\d+)\])? (.*)", text)
            if match is None:
                raise BadInput(f"{path}: {text}") from failure
            what, at, rest = match.groups()
            role = {"weights": "weight", "ids": "id", "times": "time", "classes": "by"}[what]
            where = "" if at is None else f", row {first + int(at)} (from 0)"
            if role == "weight" and at is not None:
                rest += "; no row is dropped unasked: correct the column first, 0 keeps a row out"
            raise BadInput(f"{path}: --{role} {self.roles.get(role)}{where}: {rest}") from failure

    def _weights(self, column: Any) -> Any:
        column = _plain(column)
        number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        return column if number else column.cast(pa.float64())

    def _ids(self, column: Any) -> Any:
        column = _plain(column)
        return column if pa.types.is_integer(column.type) else column.cast(pa.int64())

    def _classes(self, column: Any) -> Any:
        """Strings get the number of their first sight: no sample depends on it."""
        if not (pa.types.is_dictionary(column.type) and is_text(column.type.value_type)):
            column = _plain(column)
        if column.null_count or (pa.types.is_dictionary(column.type) and column.dictionary.null_count):
            nulls = pc.is_null(_plain(column))
            if pc.any(nulls).as_py():
                raise ValueError(f"classes[{pc.index(nulls, True).as_py()}] must not be null")
            column = _plain(column)
        if pa.types.is_boolean(column.type):
            return column.cast(pa.int8())
        if pa.types.is_integer(column.type):
            return column
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        labels = column.dictionary.to_pylist()
        numbers = [self._labels.setdefault(label, len(self._labels)) for label in labels]
        return np.array(numbers, np.int64)[np.from_dlpack(column.indices)]

    def _times(self, column: Any) -> Any:
        column = _plain(column)
        if not is_text(column.type):
            return column
        # A CSV file's: numbers, or times without a zone, or with one, as its first rows have it.
        choices = [pa.float64(), pa.timestamp("us"), pa.timestamp("us", "UTC")]
        for kind in choices if self._time is None else [self._time]:
            try:
                parsed = column.cast(kind)
            except pa.ArrowInvalid as refused:
                failure = refused
                continue
            self._time = kind
            return parsed
        raise ValueError(f"times must be all numbers or all ISO 8601: {failure}")

    def classes(self, seen: dict[int, int], sampled: Any) -> list[dict[str, Any]]:
        """Each class as the files spell it, with its rows before and after."""
        kind = _value_type(self._schema.field(self.roles["by"]).type)
        labels = list(self._labels)
        numbers, counts = np.unique(sampled, return_counts=True)
        kept = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
        spelled = labels.__getitem__ if is_text(kind) else bool if pa.types.is_boolean(kind) else int
        rows = [{"class": spelled(c), "seen": n, "kept": kept.get(c, 0)} for c, n in seen.items()]
        return sorted(rows, key=lambda row: row["class"])


def _check_type(path: str, role: str, name: str, kind: Any) -> None:
    is_, value = pa.types, _value_type(kind)
    number = is_.is_integer(value) or is_.is_floating(value)
    good, what = {
        "weight": (number or is_.is_decimal(value), "numbers"),
        "id": (is_.is_integer(value), "integers"),
        "by": (
            is_.is_integer(value) or is_.is_boolean(value) or is_text(value),
            "integers, booleans or strings",
        ),
        "time": (number or is_.is_timestamp(value) or is_.is_date(value), "numbers, timestamps or dates"),
    }[role]
    if not good:
        raise BadInput(f"{path}: column {name!r} must hold {what} for --{role}, got {kind}")


def _value_type(kind: Any) -> Any:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _plain(column: Any) -> Any:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


# ---- the second pass, or none


class _Held:
    """Rows that are candidates, where all of their columns were read anyway."""

    def __init__(self) -> None:
        self._chosen: list[tuple[Int64s, pa.Table]] = []
        self._pending: list[tuple[int, pa.RecordBatch]] = []
        self._rows = self._bytes = 0
        self._least = _HELD_ROWS

    def add(self, start: int, batch: pa.RecordBatch, sampler: _Sampler) -> None:
        self._pending.append((start, batch))
        self._rows, self._bytes = self._rows + batch.num_rows, self._bytes + batch.nbytes
        if self._rows >= self._least or self._bytes >= _HELD_BYTES:
            self._select(sampler.candidates())

    def _select(self, places: Int64s) -> None:
        """Keep these rows, ascending, and forget the others."""
        chosen = []
        for numbers, table in self._chosen:
            mask = np.isin(numbers, places, assume_unique=True)
            if mask.any():
                chosen.append((numbers[mask], table.take(column_of(np.flatnonzero(mask)))))
        for start, batch in self._pending:
            numbers = places[slice(*np.searchsorted(places, (start, start + batch.num_rows)))]
            if numbers.size:
                chosen.append((numbers, pa.Table.from_batches([batch.take(column_of(numbers - start))])))
        if chosen:
            numbers = np.concatenate([n for n, _ in chosen])
            chosen = [(numbers, pa.concat_tables([table for _, table in chosen]).combine_chunks())]
        self._chosen, self._pending, self._rows, self._bytes = chosen, [], 0, 0
        self._least = max(_HELD_ROWS, 4 * places.size)

    def tables(self, places: Int64s) -> Generator[pa.Table, None, None]:
        self._select(places)
        for _, table in self._chosen:
            yield table


def _fetch(inputs: Sequence[Rows], starts: Sequence[int], places: Int64s) -> Generator[pa.Table, None, None]:
    """The rows of these ascending numbers."""
    cuts = [*np.searchsorted(places, starts).tolist(), places.size]
    for number, rows in enumerate(inputs):
        with closing(rows.take(places[cuts[number] : cuts[number + 1]] - starts[number])) as tables:
            yield from tables


def _as(schema: Any, table: pa.Table) -> pa.Table:
    """The columns of the first file, in its order."""
    table = table.select(schema.names)
    return table if table.schema.equals(schema) else table.cast(schema)


def _typed(tables: Iterator[pa.Table], labels: Sequence[str]) -> Iterator[pa.Table]:
    """Texts as what they say, one table of all."""
    texts = list(tables)
    if texts:
        yield texts_typed(pa.concat_tables(texts), labels)


def _write(
    output: Output,
    tables: Iterator[pa.Table],
    schema: Any,
    inclusion_column: str,
    inclusion: Reals,
    progress: Progress,
) -> None:
    """The tables, with a column more."""
    field = pa.field(inclusion_column, pa.float64())
    done = 0
    for table in tables:
        end = done + table.num_rows
        output.write(table.append_column(field, [column_of(inclusion[done:end])]))
        done = end
        progress("fetching", done, inclusion.size)
    if done != inclusion.size:
        raise BadInput(f"{output.path}: {done} of {inclusion.size} rows were found again")
    if not done:
        output.write(schema.empty_table().append_column(field, [column_of(inclusion)]))
