"""Exclusions: the ids that a row must not get, and the known positives among candidates."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks
from equipoise.tables.base import Table

__all__ = ["Exclusions", "find_hits", "read_exclude"]

_HIT_CHUNK = 1 << 20  # lookup steps per chunk


class Exclusions(NamedTuple):
    """The excluded ids of all rows, as kernels take them.

    Row r has ``ids[indptr[r]:indptr[r + 1]]``, sorted and distinct, and ``units[r]`` is the sum of their
    units. `units` is empty for a uniform table. If `indptr` is empty, nothing is excluded.
    """

    indptr: NDArray[np.int64]
    ids: NDArray[np.uint32]
    units: NDArray[np.uint64]


def read_exclude(exclude: Any, table: Table, unknown: bool) -> Exclusions:
    """Return the user's exclusions in the form that kernels take.

    If `unknown`, one more row follows, which excludes nothing.
    """
    no_units = np.empty(0, np.uint64)
    if exclude is None:
        return Exclusions(np.empty(0, np.int64), np.empty(0, np.uint32), no_units)
    indptr, ids = _validate.as_exclude(exclude, len(table))
    if unknown:
        indptr = np.append(indptr, indptr[-1])
    kept = kernels().exclusion_sort(indptr, ids)
    if kept < ids.size:
        ids = ids[:kept].copy()
    units = table.proposer().units
    if not units.size:
        return Exclusions(indptr, ids, no_units)
    sums = np.empty(indptr.size - 1, np.uint64)
    kernels().exclusion_units(indptr, ids, units, sums)
    return Exclusions(indptr, ids, sums)


def find_hits(
    exclusions: Exclusions, longest: int, rows: NDArray[np.int64], candidates: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return whether each candidate is excluded for each row. `longest` is the length of the longest row."""
    if not exclusions.indptr.size:
        return np.zeros((rows.size, candidates.size), np.bool_)
    hits = np.empty((rows.size, candidates.size), np.bool_)
    order = np.argsort(candidates, kind="stable").astype(np.int64, copy=False)
    in_order = candidates[order]

    def test(begin: int, end: int) -> None:
        kernels().exclusion_hits(exclusions, rows[begin:end], in_order, order, hits[begin:end])

    longest = min(longest, candidates.size)  # the shorter list is looked up in the longer one
    for_chunks(rows.size, max(1, _HIT_CHUNK // max(64, candidates.size // 8, 16 * longest)), 1, test)
    return hits
