"""Exact nearest neighbours: candidates from blocks of rows, answers from distances in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime import backend
from equipoise._runtime.chunks import for_chunks
from equipoise._runtime.progress import reporter

__all__ = ["Neighbors", "nearest_neighbors"]


Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]
_BLOCK = 128  # rows of a block, and of a call's queries at most
_WORK = {"cpp": 1 << 30, "numba": 1 << 28}  # products of a call at most, some 50 ms
_TINY, _HUGE = -400, 510  # exponents of values whose squares, of one column, need no scale
_SPLIT = 1 << 23  # numbers, in rows of 64 at least, that are split in one call


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The k nearest rows of each of m queries, the nearest first.

    Attributes
    ----------
    indices : int64 ndarray of shape (m, k)
        Rows of ``X``.
    distances : ndarray of shape (m, k)
        Euclidean distances to them, in the dtype of ``X``.

    Examples
    --------
    See :func:`nearest_neighbors`.
    """

    indices: Int64s
    distances: _validate.Points


def nearest_neighbors(
    X: Any, k: int, *, queries: Any = None, n_threads: int | None = None, progress: Any = None
) -> Neighbors:
    """The k nearest rows of ``X`` of every row, exactly.

    A squared distance is the sum of ``(x_c - y_c)^2`` over the columns c, in float64, in four partial sums
    (column c in sum c mod 4) that are added as ``(s0 + s1) + (s2 + s3)``. Rows come in order of it, equal
    ones by smaller index. That is the whole definition: backend, CPU, threads and the order of the search
    cannot be seen in the answer. Where the largest value is so large that squares would overflow (some
    10^150), or below 2^-400, all values are multiplied by one power of two first; differences 10^300 times
    smaller than the largest value still count. A distance beyond the range of the dtype is infinite.

    Parameters
    ----------
    X : array_like of shape (n, d), float32 or float64
        Rows. Any strides, read-only and memory-mapped arrays included.
    k : int
        Neighbours of a query, ``1 <= k < n`` (``<= n`` with ``queries``).
    queries : array_like of shape (m, d), optional
        Rows to find neighbours of, in the dtype of ``X``. By default the rows of ``X`` themselves; then no
        row is its own neighbour, by its index: another row with the same values is one, at distance 0.
    n_threads : int, optional
        Threads, made and joined within the call. None: ``EQUIPOISE_NUM_THREADS``, else 1.
    progress : callable or True, optional
        A function that is called as ``progress(done, total)`` now and then, in the thread of the call, with
        the number of queries; True: a bar of tqdm's on stderr, if that is a terminal (extra ``progress``).

    Returns
    -------
    Neighbors
        ``indices`` (int64) and ``distances`` (the dtype of ``X``), both of shape (m, k).

    Raises
    ------
    TypeError
        ``X`` or ``queries`` of another dtype, or of two.
    ValueError
        A shape that does not fit, a value that is not finite (its row and column are named), a bad ``k``.
    ImportError
        ``progress=True`` without tqdm.

    Notes
    -----
    Rows are split into blocks of 128 along the columns of largest variance (Friedman, Bentley and Finkel
    1977), each with a centre, a radius and a box, by which whole blocks and single queries are skipped. The
    rest is float32 dot products, relative to the block's centre, with a bound on their error; rows that the
    bound cannot exclude are ranked in float64. Memory: a float32 copy of ``X`` and some 32 bytes a row, n k
    for the answer, never n^2. Few columns and clustered rows cost little; uniform noise in many columns costs
    n^2 d products.

    Examples
    --------
    >>> import numpy as np, equipoise
    >>> X = np.array([[0.0], [1.0], [3.0], [3.0]])
    >>> found = equipoise.nearest_neighbors(X, 2)
    >>> found.indices
    array([[1, 2],
           [0, 2],
           [3, 1],
           [2, 1]])
    >>> found.distances[2]
    array([0., 2.])
    >>> equipoise.nearest_neighbors(X, 1, queries=[[2.5]]).indices
    array([[2]])
    """
    x = _validate.points(X, "X")
    k = _validate.as_neighbours(k, len(x) - (queries is None), itself=queries is None)
    if queries is None:
        others = None
    else:
        others = _validate.points(queries, "queries", columns=x.shape[1], dtype=x.dtype, least=0)
    threads = _validate.as_threads(n_threads)
    none = np.zeros((len(x), 0), np.int32)
    other_none = None if others is None else np.zeros((len(others), 0), np.int32)
    return _search(x, none, 0.0, k, others, other_none, threads, progress)


def mixed_neighbors(
    X: _validate.Points,
    codes: Int32s,
    mismatch: float,
    k: int,
    *,
    queries: _validate.Points | None = None,
    query_codes: Int32s | None = None,
    n_threads: int | None = None,
    progress: Any = None,
) -> Neighbors:
    """:func:`nearest_neighbors` of rows that have codes, too: each that differs adds ``mismatch^2``.

    Without checks of values: for callers that have made X and codes themselves.
    """
    x: Any = np.ascontiguousarray(X)
    codes = np.ascontiguousarray(codes, np.int32)
    k = _validate.as_neighbours(k, len(x) - (queries is None), itself=queries is None)
    if queries is not None:
        queries = np.ascontiguousarray(queries, x.dtype)
        query_codes = np.ascontiguousarray(query_codes, np.int32)
    threads = _validate.as_threads(n_threads)
    return _search(x, codes, float(mismatch), k, queries, query_codes, threads, progress)


def _search(
    x: _validate.Points,
    codes: Int32s,
    mismatch: float,
    k: int,
    queries: _validate.Points | None,
    query_codes: Int32s | None,
    threads: int,
    progress: Any,
) -> Neighbors:
    (n, d), kernels = x.shape, backend.kernels()
    itself = queries is None
    others, other_codes = (x, codes) if queries is None else (queries, query_codes)
    m = len(others)
    largest = max(_largest(x), mismatch, 0.0 if itself else _largest(others))
    scale, coarse = _scales(largest, d + codes.shape[1])

    order = _split(x, threads)
    blocks = -(-n // _BLOCK)
    panels = _aligned(blocks * _BLOCK * d)
    halves = np.empty(blocks * _BLOCK, np.float32)
    centres, low, high = np.empty((3, blocks * d))
    radii, first = np.empty(blocks), np.empty(blocks, np.int64)
    made = (order, panels, halves, centres, low, high, radii, first)

    def pack(begin: int, end: int) -> None:
        kernels.knn_pack(x, coarse, begin, end, *made)

    for_chunks(blocks, max(1, (1 << 15) // (d + 1)), threads, pack)

    query_order = order if itself else _split(others, threads)
    indices, distances = np.empty((m, k), np.int64), np.empty((m, k), x.dtype)
    rows = min(_WORK[backend.backend()] // (n * (d + 1)), (1 << 21) // (2 * k + 64), _BLOCK)
    rows = 1 << max(0, rows.bit_length() - 1)
    with reporter(progress, m) as report:

        def search(begin: int, end: int) -> None:
            kernels.knn_search(
                x, codes, scale, coarse, (mismatch * scale) ** 2, *made,
                others, other_codes, query_order, begin, end, itself, indices, distances,
            )  # fmt: skip
            report(end - begin)

        for_chunks(m, rows, threads, search)
    return Neighbors(indices, distances)


def _scales(largest: float, columns: int) -> tuple[float, float]:
    """Powers of two: for the answer 1 where squares allow it, for candidates what makes `largest` 1."""
    exponent, most = math.frexp(largest)[1], _HUGE - (columns.bit_length() + 1) // 2
    scale = 1.0
    if exponent > most:  # as little as overflow asks for: small differences are to survive beside
        scale = math.ldexp(1.0, most - exponent)
    elif exponent < _TINY:
        scale = math.ldexp(1.0, min(1000, -exponent))
    return scale, math.ldexp(1.0, max(-1000, min(1000, -exponent)))


def _largest(x: _validate.Points) -> float:
    return max(float(x.max()), -float(x.min())) if x.size else 0.0


def _aligned(size: int) -> NDArray[np.float32]:
    """From a cache line's start on: vectors across two of them cost 5% of a search in 32 columns."""
    room = np.empty(size + 15, np.float32)
    start = -room.ctypes.data % 64 // 4
    return room[start : start + size]


def _split(x: _validate.Points, threads: int) -> Int64s:
    """Rows in the order of blocks of 128, near ones together. What it is changes the time alone."""
    n, d = x.shape
    order, split = np.arange(n), backend.kernels().knn_split
    most = max(min(_SPLIT // max(d, 64), -(-n // threads)), _BLOCK)
    pieces, small = [(0, n)], []
    while pieces:
        begin, end = pieces.pop()
        middle = begin + (-(-(end - begin) // _BLOCK) + 1) // 2 * _BLOCK
        if end - begin <= most or middle >= end:
            small.append((begin, end))
        else:
            split(x, begin, end, 1, order)
            pieces += [(middle, end), (begin, middle)]
    for_chunks(len(small), 1, threads, lambda at, _: split(x, *small[at], 64, order))
    return order
