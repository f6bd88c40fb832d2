"""The passes of ``equipoise sample``: read the files, choose rows, and write them.

::

    pass 1   the deciding columns -> reservoir -> numbers of the chosen rows
    pass 2   all columns of the row groups that hold chosen rows -> OUT

If the choice depends on all columns, one pass is enough. Memory holds a few batches, the reservoir,
and the chosen rows that are not yet written.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise._arrow import column_of
from equipoise._cli.errors import BadInput
from equipoise._cli.files.formats import required_format
from equipoise._cli.files.prefetch import prefetch
from equipoise._cli.files.rows import CsvRows, Rows, open_rows
from equipoise._cli.files.texts import convert_texts
from equipoise._cli.progress import Progress
from equipoise._cli.sample.columns import Columns
from equipoise._cli.sample.held import HeldRows
from equipoise._cli.sample.output import Output
from equipoise._cli.sample.request import Request
from equipoise._cli.sample.reservoirs import Sampler

__all__ = ["first_pass", "run"]


Int64s = NDArray[np.int64]
Reals = NDArray[np.float64]


def run(request: Request, progress: Progress) -> dict[str, Any]:
    """Write the sample and return the summary."""
    output = Output(request.output, request.delimiter or ",")
    inputs = [open_rows(path, request.delimiter) for path in request.files]
    if len({type(rows) for rows in inputs}) > 1:
        raise BadInput("the FILEs must be all .parquet or all .csv")
    schema = _common_schema(inputs)
    if output.is_one_of(request.files):
        raise BadInput(f"{request.output}: is one of the FILEs, which are never written to")
    if request.inclusion_column in schema.names:
        raise BadInput(
            f"{inputs[0].path}: already has a column {request.inclusion_column!r}: "
            f"use --inclusion-column to give the added column another name"
        )
    output.check(schema)
    columns = Columns(request, schema, inputs[0].path)
    sampler = Sampler(request)
    held = HeldRows() if schema.names and set(schema.names) == set(columns.kinds) else None
    first_pass(inputs, columns, sampler, held, progress)
    places, sample = sampler.sample()
    order = np.argsort(places, kind="stable")
    places = places[order]
    fetched = _fetch(inputs, sampler.starts, places) if held is None else held.tables(places)
    with output, closing(fetched):
        tables: Iterator[pa.Table] = (_conform(schema, table) for table in fetched)
        if isinstance(inputs[0], CsvRows) and required_format(output.path) == ".parquet":
            tables = _convert_texts(tables, request.by)
        _write(output, tables, schema, request.inclusion_column, sample.inclusion[order], progress)
        for rows in inputs:
            rows.check_unchanged()
    rows_seen, weight_seen = sampler.seen
    return {
        **vars(request),
        "files": list(request.files),
        "rows_seen": rows_seen,
        "weight_seen": weight_seen,
        "rows_kept": int(places.size),
        "classes": None if request.by is None else columns.classes(sampler.counts, sample.classes),
    }


def _common_schema(inputs: Sequence[Rows]) -> Any:
    """Return the schema of the first file. The other files must have the same columns, in any order."""
    first = inputs[0]
    fields = {field.name: field for field in first.schema}
    for other in inputs[1:]:
        for field in other.schema:
            if field.name not in fields:
                raise BadInput(f"{other.path}: has a column {field.name!r}, which {first.path} does not have")
            mine = fields[field.name]
            if field.type != mine.type:
                raise BadInput(
                    f"{other.path}: column {field.name!r} is {field.type}, "
                    f"but in {first.path} it is {mine.type}"
                )
            fields[field.name] = mine.with_nullable(mine.nullable or field.nullable)
        for name in first.schema.names:
            if name not in other.schema.names:
                raise BadInput(f"{other.path}: has no column {name!r}, which {first.path} has")
    return pa.schema([fields[name] for name in first.schema.names], first.schema.metadata)


def first_pass(
    inputs: Sequence[Rows], columns: Columns, sampler: Sampler, held: HeldRows | None, progress: Progress
) -> None:
    """Read the deciding columns of all rows into the sampler, and into ``held`` if one pass is enough."""
    counts = [rows.count for rows in inputs]
    total = None if None in counts else sum(count or 0 for count in counts)

    def batches() -> Iterator[tuple[int, int, Any, Any]]:
        """Yield file number, place in the file, batch and its converted columns; no batch begins a file."""
        for number, rows in enumerate(inputs):
            yield number, 0, None, None
            place = 0
            for batch in rows.batches(columns.kinds):
                with columns.naming(rows.path, place):
                    arrays = columns.arrays(batch)
                yield number, place, batch, arrays
                place += batch.num_rows

    start = 0
    with closing(prefetch(batches())) as batches_ahead:
        for number, place, batch, arrays in batches_ahead:
            if batch is None:
                with columns.naming(inputs[number - 1].path, 0):
                    sampler.start_file(number, start)
                continue
            with columns.naming(inputs[number].path, place):
                sampler.update(start, batch.num_rows, arrays)
            if held is not None:
                held.add(start, batch, sampler.candidates)
            start += batch.num_rows
            progress("reading", start, total)
    with columns.naming(inputs[-1].path, 0):
        sampler.end_file()


def _fetch(inputs: Sequence[Rows], starts: Sequence[int], places: Int64s) -> Generator[pa.Table, None, None]:
    """Yield the rows with the given ascending numbers, which count rows across all files."""
    cuts = [*np.searchsorted(places, starts).tolist(), places.size]
    for number, rows in enumerate(inputs):
        with closing(rows.take(places[cuts[number] : cuts[number + 1]] - starts[number])) as tables:
            yield from tables


def _conform(schema: Any, table: pa.Table) -> pa.Table:
    """Return a table with its columns in the order and types of the common schema."""
    table = table.select(schema.names)
    return table if table.schema.equals(schema) else table.cast(schema)


def _convert_texts(tables: Iterator[pa.Table], label: str | None) -> Iterator[pa.Table]:
    """Yield one table of all rows, with columns of text converted to numbers where nothing is lost."""
    texts = list(tables)
    if texts:
        yield convert_texts(pa.concat_tables(texts), label)


def _write(
    output: Output,
    tables: Iterator[pa.Table],
    schema: Any,
    inclusion_column: str,
    inclusion: Reals,
    progress: Progress,
) -> None:
    """Write the tables with the column of inclusion probabilities added."""
    field = pa.field(inclusion_column, pa.float64())
    done = 0
    for table in tables:
        end = done + table.num_rows
        output.write(table.append_column(field, [column_of(inclusion[done:end])]))
        done = end
        progress("fetching", done, inclusion.size)
    if done != inclusion.size:
        raise BadInput(
            f"{output.path}: only {done} of {inclusion.size} sampled rows were found in the second pass"
        )
    if not done:
        output.write(schema.empty_table().append_column(field, [column_of(inclusion)]))
