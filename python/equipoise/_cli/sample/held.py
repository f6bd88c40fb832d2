"""Candidate rows held in memory, for requests whose columns are all read in the first pass anyway."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise._arrow import column_of, take_rows

__all__ = ["HeldRows"]


_HELD_ROWS, _HELD_BYTES = 1 << 22, 1 << 27  # candidates are selected at these limits
Int64s = NDArray[np.int64]


class HeldRows:
    """The rows that may end up in the sample, with all their columns.

    Batches are collected as they arrive. Once there are many, only the rows that are still candidates of the
    reservoir are kept.
    """

    def __init__(self) -> None:
        self._chosen: list[tuple[Int64s, pa.Table]] = []
        self._pending: list[tuple[int, pa.RecordBatch]] = []
        self._rows = self._bytes = 0
        self._least = _HELD_ROWS

    def add(self, start: int, batch: pa.RecordBatch, candidates: Callable[[], Int64s]) -> None:
        """Add a batch whose first row has the number ``start``.

        ``candidates`` returns the numbers of the rows that may still be sampled, in ascending order. It is
        called only when rows are to be dropped.
        """
        self._pending.append((start, batch))
        self._rows, self._bytes = self._rows + batch.num_rows, self._bytes + batch.nbytes
        if self._rows >= self._least or self._bytes >= _HELD_BYTES:
            self._select(candidates())

    def _select(self, places: Int64s) -> None:
        """Keep only the rows with the given numbers, which are in ascending order."""
        chosen = []
        for numbers, table in self._chosen:
            mask = np.isin(numbers, places, assume_unique=True)
            if mask.any():
                chosen.append((numbers[mask], take_rows(table, np.flatnonzero(mask))))
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
        """Yield the rows with the given numbers, which are in ascending order."""
        self._select(places)
        for _, table in self._chosen:
            yield table
