"""Negatives, row by row: the batch that kernels take, the loop over it, and the result."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks
from equipoise.negatives.exclusions import Exclusions
from equipoise.tables.base import Table

__all__ = ["POLICIES", "Batch", "Negatives", "draw_rows", "result_arrays"]

POLICIES = {"raise": 0, "mask": 1, "replace": 2}
_NEEDS_PREFIX, _EXHAUSTED = 1, 2
# A kernel returns to Python after about this much work (draws, redraws and lookups), which takes a few
# milliseconds, so that Python can handle Ctrl-C.
_BUDGET = 1 << 17
_PAUSED_WORDS = 5  # at the end of the scratch memory: the state of a row that exceeded the budget
_ROWS_CHUNK = 1 << 15  # negatives that a thread takes at a time


@dataclass(frozen=True, eq=False)
class Negatives:
    """The result of :meth:`NegativeSampler.sample`, which also accepts it as ``out``.

    Attributes
    ----------
    ids : int64 ndarray of shape (B, k), or (B, T, k) for rows of shape (B, T)
        -1 where the mask is False.
    log_q : float32 ndarray of the same shape
        The natural logarithm of the probability with which the slot got its id; 0 where the mask is False.
    mask : bool ndarray of the same shape
        False where the row had no id left (``on_exhausted="mask"``).

    Examples
    --------
    >>> import equipoise
    >>> equipoise.NegativeSampler(10).sample([0, 1], 3).ids.shape
    (2, 3)
    """

    ids: NDArray[np.int64]
    log_q: NDArray[np.float32]
    mask: NDArray[np.bool_]


class Batch(NamedTuple):
    """The rows of one call and how to draw for them, as kernels take them.

    Rows are keyed by `row_keys` or, if that is empty, by their numbers, which start at `first`. `exclude_ids`
    has m sorted ids per row, where -1 means none.
    """

    key: np.uint64
    lane: np.uint64
    first: np.uint64
    row_keys: NDArray[np.uint64]
    rows: NDArray[np.int64]
    exclude_ids: NDArray[np.int64]
    unique: bool
    on_exhausted: int


def result_arrays(out: Negatives | None, shape: tuple[int, ...]) -> Negatives:
    """Return the user's ``out`` after checking it, or new arrays."""
    if out is None:
        return Negatives(np.empty(shape, np.int64), np.empty(shape, np.float32), np.empty(shape, np.bool_))
    dtypes = {"ids": np.int64, "log_q": np.float32, "mask": np.bool_}
    _validate.check_parts(out, Negatives, dtypes, shape)
    return out


def draw_rows(
    table: Table,
    exclusions: Exclusions,
    longest: int,
    batch: Batch,
    rows: NDArray[np.int64],
    out: Negatives,
    threads: int,
) -> None:
    """Fill `out` with negatives for the rows of a batch.

    `longest` is the length of the longest exclusion. `rows` are the user's rows, of any shape, for errors.
    """
    size, k = batch.rows.size, out.ids.shape[-1]
    if not size or not k:
        return
    draw = kernels().negatives_draw
    ids, log_q, mask = out.ids, out.log_q, out.mask
    if rows.ndim != 1:
        ids, log_q, mask = ids.reshape(size, k), log_q.reshape(size, k), mask.reshape(size, k)
    scratch_words = longest + 2 * (batch.exclude_ids.shape[1] + k) + 2 + _PAUSED_WORDS
    exhausted: list[tuple[int, int]] = []
    local = threading.local()

    def settle(begin: int, end: int) -> int:
        if not hasattr(local, "scratch"):
            local.scratch = np.empty(scratch_words, np.uint64)
            local.scratch[-_PAUSED_WORDS:] = 0
        begin, status, left = draw(
            table.proposer(), exclusions, batch, begin, end, _BUDGET, local.scratch, ids, log_q, mask
        )
        if status == _NEEDS_PREFIX:
            table.proposer(prefix=True)
        elif status == _EXHAUSTED:
            exhausted.append((begin, left))
            return end
        return int(begin)

    for_chunks(size, size if threads == 1 else max(1, _ROWS_CHUNK // k), threads, settle)
    if exhausted:
        row, left = min(exhausted)
        _validate.refuse_exhausted(row, rows, left, k, batch.unique)
