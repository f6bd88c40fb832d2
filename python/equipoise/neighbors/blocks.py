"""Points and blocks: the records that the neighbor kernels take, and how blocks are made."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks

__all__ = ["BLOCK", "Blocks", "Points", "make_blocks", "split"]


Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]
BLOCK = 128  # rows of a block, and the largest number of queries of one kernel call
_SPLIT = 1 << 23  # the most numbers that one call splits, counting at least 64 per row
_PACKED = 1 << 15  # columns of blocks that one call packs, about


class Points(NamedTuple):
    """Rows of numbers and of category codes, as kernels take them.

    Each code that differs adds ``mismatch`` to a squared distance. Numbers are multiplied by ``scale``,
    which is 1 unless squares would leave the range of float64, and for candidates by ``candidate_scale``,
    which brings the largest number to about 1. Both are powers of two.
    """

    x: _validate.Matrix  # (n, d)
    codes: Int32s  # (n, c)
    scale: float
    candidate_scale: float
    mismatch: float


class Blocks(NamedTuple):
    """The rows of some points in blocks of 128, each relative to the center of its block."""

    order: Int64s  # (n,) the row at each position
    panels: Floats  # (count, 4, d, 32) the rows minus their block's center
    half_sq_norms: Floats  # (count, 128) half their squared lengths, minus an error bound
    centers: Doubles  # (d, count)
    box_lows: Doubles  # (d, count) the bounding boxes
    box_highs: Doubles  # (d, count)
    radii: Doubles  # (count,) around the centers
    first_rows: Int64s  # (count,) the smallest row of each block


def make_blocks(points: Points, threads: int) -> Blocks:
    """Return the blocks of some points.

    Parameters
    ----------
    points : Points
        At least one row.
    threads : int
        The block that a row is put into may depend on this, but no result does.

    Returns
    -------
    Blocks
    """
    x, scale = points.x, points.candidate_scale
    n, d = x.shape
    count = -(-n // BLOCK)
    blocks = Blocks(
        split(x, threads),
        _aligned(count * BLOCK * d),
        np.empty(count * BLOCK, np.float32),
        np.empty(count * d),
        np.empty(count * d),
        np.empty(count * d),
        np.empty(count),
        np.empty(count, np.int64),
    )
    pack = kernels().knn_pack
    step = max(1, _PACKED // (d + 1))
    for_chunks(count, step, threads, lambda begin, end: pack(x, scale, begin, end, blocks))
    return blocks


def split(x: _validate.Matrix, threads: int) -> Int64s:
    """Return an order of the rows of `x` in which each block of 128 rows holds rows near each other.

    The order affects the time of a search, never its result.
    """
    n, d = x.shape
    order, knn_split = np.arange(n), kernels().knn_split
    most = max(min(_SPLIT // max(d, 64), -(-n // threads)), BLOCK)
    pieces, small = [(0, n)], []
    while pieces:
        begin, end = pieces.pop()
        middle = begin + (-(-(end - begin) // BLOCK) + 1) // 2 * BLOCK
        if end - begin <= most or middle >= end:
            small.append((begin, end))
        else:
            knn_split(x, begin, end, middle - begin, order)
            pieces += [(middle, end), (begin, middle)]
    for_chunks(len(small), 1, threads, lambda at, _: knn_split(x, *small[at], BLOCK, order))
    return order


def _aligned(size: int) -> Floats:
    """Return an empty array that starts at a cache line.

    Vectors that straddle two cache lines make a search in 32 columns 5 % slower.
    """
    padded = np.empty(size + 15, np.float32)
    start = -padded.ctypes.data % 64 // 4
    return padded[start : start + size]
