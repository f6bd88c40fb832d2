"""Search for exact nearest neighbors among rows of numbers, with or without category codes."""

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
from equipoise.neighbors.blocks import BLOCK, Points, make_blocks, split

__all__ = ["Neighbors", "mixed_neighbors", "nearest_neighbors"]


Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]
_WORK = {"cpp": 1 << 30, "numba": 1 << 28}  # the most products of one kernel call, which takes about 50 ms
_TINY, _HUGE = -400, 510  # between these exponents, the squares of one column need no scaling


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The k nearest rows of each of m queries, nearest first.

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
    distances: _validate.Matrix


def nearest_neighbors(
    X: Any, k: int, *, queries: Any = None, n_threads: int | None = None, progress: Any = None
) -> Neighbors:
    """Find the k nearest rows of ``X`` for every row, exactly.

    A squared distance is the sum of ``(x_c - y_c)^2`` over the columns c, in float64, in four partial sums
    (column c goes to sum c mod 4) that are added as ``(s0 + s1) + (s2 + s3)``. Rows are returned in the
    order of their squared distances, and equal ones in the order of their indices. This is the whole
    definition: the result does not depend on the backend, the CPU, the number of threads or the order of the
    search. If the largest value is so large that squares would overflow (about 10^150), or if it is below
    2^-400, all values are first multiplied by one power of two; differences 10^300 times smaller than the
    largest value still count. A distance beyond the range of the dtype is infinite.

    Parameters
    ----------
    X : array_like of shape (n, d), float32 or float64
        The rows to search. Any strides are accepted, as are read-only and memory-mapped arrays. A data frame
        is read as the matrix of its columns: float32 if all of them are, else float64.
    k : int
        The number of neighbors of each query, ``1 <= k < n`` (``<= n`` with ``queries``).
    queries : array_like of shape (m, d), optional
        The rows to find neighbors of, in the dtype of ``X``. By default these are the rows of ``X``
        themselves. Then no row is its own neighbor, which is decided by index: another row with the same
        values is a neighbor at distance 0.
    n_threads : int, optional
        Number of threads, which are started and joined within the call. By default, the value of the
        environment variable ``EQUIPOISE_NUM_THREADS``, or 1 if it is not set.
    progress : callable or True, optional
        A function that is called as ``progress(done, total)`` now and then, in the calling thread, with
        numbers of queries. True shows a tqdm bar on stderr if that is a terminal (extra ``progress``).

    Returns
    -------
    Neighbors
        ``indices`` (int64) and ``distances`` (the dtype of ``X``), both of shape (m, k).

    Raises
    ------
    TypeError
        If ``X`` or ``queries`` is not float32 or float64, or if their dtypes differ.
    ValueError
        If a shape does not fit, a value is not finite (the message names its row and column), ``k`` is out of
        range, or another thread overwrites the rows during the search, so that fewer than k are found.
    ImportError
        If ``progress=True`` and tqdm is not installed.

    Notes
    -----
    Rows are split into blocks of 128 along the columns of the largest variance (Friedman, Bentley and Finkel
    1977). Each block has a center, a radius and a bounding box, which show that whole blocks or single
    queries can be skipped. All others are compared by float32 dot products relative to the block's center,
    with a bound on their error; rows that the bound cannot exclude are ranked in float64. The memory in use
    is a float32 copy of ``X``, about 32 bytes per row, and n k entries for the result, never n^2. The search
    is fast if there are few columns or if the rows are clustered; uniform noise in many columns takes n^2 d
    products.

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
    x = _validate.as_points(X, "X")
    k = _validate.as_neighbors(k, len(x), self_join=queries is None)
    asked, asked_codes = None, None
    if queries is not None:
        asked = _validate.as_points(queries, "queries", columns=x.shape[1], dtype=x.dtype, least=0)
        asked_codes = np.zeros((len(asked), 0), np.int32)
    threads = _validate.as_threads(n_threads)
    no_codes = np.zeros((len(x), 0), np.int32)
    return _search(x, no_codes, 0.0, k, asked, asked_codes, threads, progress)


def mixed_neighbors(
    X: _validate.Matrix,
    codes: Int32s,
    mismatch: float,
    k: int,
    *,
    queries: _validate.Matrix | None = None,
    query_codes: Int32s | None = None,
    n_threads: int | None = None,
    progress: Any = None,
) -> Neighbors:
    """Find neighbors as :func:`nearest_neighbors` does, adding ``mismatch^2`` for each code that differs.

    This is internal: values are not checked, since the callers have made X and the codes themselves.

    Parameters
    ----------
    X : float32 or float64 ndarray of shape (n, d)
        Finite numbers; d may be 0.
    codes : int32 ndarray of shape (n, c)
        Category codes.
    mismatch : float
        The square of this is added to a squared distance for each code that differs.
    k : int
        As for :func:`nearest_neighbors`.
    queries, query_codes : ndarrays of shape (m, d) and (m, c), optional
        Give both or neither.
    n_threads, progress
        As for :func:`nearest_neighbors`.

    Returns
    -------
    Neighbors
    """
    x: Any = np.ascontiguousarray(X)
    codes = np.ascontiguousarray(codes, np.int32)
    k = _validate.as_neighbors(k, len(x), self_join=queries is None)
    if queries is not None:
        queries = np.ascontiguousarray(queries, x.dtype)
        query_codes = np.ascontiguousarray(query_codes, np.int32)
    threads = _validate.as_threads(n_threads)
    return _search(x, codes, float(mismatch), k, queries, query_codes, threads, progress)


def _search(
    x: _validate.Matrix,
    codes: Int32s,
    mismatch: float,
    k: int,
    queries: _validate.Matrix | None,
    query_codes: Int32s | None,
    threads: int,
    progress: Any,
) -> Neighbors:
    """Find the neighbors of checked queries or, if `queries` is None, of the points themselves."""
    self_join = queries is None
    largest = max(_largest(x), mismatch, 0.0 if queries is None else _largest(queries))
    scale, candidate_scale = _scales(largest, x.shape[1] + codes.shape[1])
    points = Points(x, codes, scale, candidate_scale, (mismatch * scale) ** 2)
    blocks = make_blocks(points, threads)
    if queries is None or query_codes is None:
        asked, order = points, blocks.order
    else:
        asked, order = points._replace(x=queries, codes=query_codes), split(queries, threads)

    m, knn_search = len(asked.x), backend.kernels().knn_search
    indices, distances = np.empty((m, k), np.int64), np.empty((m, k), x.dtype)
    with reporter(progress, m) as report:

        def search(begin: int, end: int) -> None:
            complete = knn_search(points, blocks, asked, order, begin, end, self_join, indices, distances)
            _validate.check_unchanged(complete, self_join)
            report(end - begin)

        for_chunks(m, _queries_per_call(x.shape[0], x.shape[1], k), threads, search)
    return Neighbors(indices, distances)


def _queries_per_call(n: int, d: int, k: int) -> int:
    """Return how many queries a kernel call takes: a power of two that bounds its time and memory."""
    rows = min(_WORK[backend.backend()] // (n * (d + 1)), (1 << 21) // (2 * k + 64), BLOCK)
    return 1 << max(0, rows.bit_length() - 1)


def _scales(largest: float, columns: int) -> tuple[float, float]:
    """Return the powers of two that numbers are multiplied by, for answers and for candidates.

    The first is 1 unless squares would overflow or underflow. The second brings `largest` to about 1.
    """
    exponent, most = math.frexp(largest)[1], _HUGE - (columns.bit_length() + 1) // 2
    scale = 1.0
    if exponent > most:  # just small enough to prevent overflow, so that small differences survive
        scale = math.ldexp(1.0, most - exponent)
    elif exponent < _TINY:
        scale = math.ldexp(1.0, min(1000, -exponent))
    return scale, math.ldexp(1.0, max(-1000, min(1000, -exponent)))


def _largest(x: _validate.Matrix) -> float:
    """Return the largest absolute value."""
    return max(float(x.max()), -float(x.min())) if x.size else 0.0
