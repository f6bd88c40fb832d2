"""Interpolate between given rows, dense or sparse."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks

__all__ = ["Pairs", "interpolate", "interpolate_csr"]


Int64s = NDArray[np.int64]
_CHUNK = 1 << 20  # numbers read or written between two checks for Ctrl-C, which takes a few milliseconds


class Pairs(NamedTuple):
    """The rows that synthetic rows lie between, as kernels take them.

    Row i is ``base + gap * (neighbor - base)`` with ``base = X[parents[i]]``, ``neighbor = X[neighbors[i]]``
    and ``gap = gaps[i]``.
    """

    parents: Int64s
    neighbors: Int64s
    gaps: NDArray[Any]  # of X's dtype

    def part(self, begin: int, end: int) -> Pairs:
        """Return the pairs from ``begin`` to ``end``, as views."""
        return Pairs(self.parents[begin:end], self.neighbors[begin:end], self.gaps[begin:end])


def interpolate(
    X: Any,
    parents: Any,
    neighbors: Any,
    gaps: Any,
    *,
    out: NDArray[Any] | None = None,
    n_threads: int | None = None,
) -> NDArray[Any]:
    """Return rows on the lines from some rows of X to others.

    Row i is

        base + gap * (neighbor - base)

    with base = X[parents[i]], neighbor = X[neighbors[i]] and gap = gaps[i]. Each operation is rounded to X's
    dtype, and none is fused.

    Parameters
    ----------
    X : float32 or float64 array of shape (n, d)
        Finite. If neighbor - base overflows, so does the result.
    parents, neighbors : integer arrays of shape (m,)
        Rows of X.
    gaps : array of shape (m,), of X's dtype
        Finite; in [0, 1] for rows between the two.
    out : ndarray of shape (m, d), optional
        An array to fill and return, of X's dtype. It must be C-contiguous and writable, and must not share
        memory with X.
    n_threads : int, optional
        Number of threads. By default, the value of the environment variable ``EQUIPOISE_NUM_THREADS``, or 1
        if it is not set. The result does not depend on it.

    Returns
    -------
    ndarray of shape (m, d), of X's dtype

    Raises
    ------
    IndexError
        If a parent or neighbor is outside [0, n).
    TypeError, ValueError
        If an argument has the wrong type or dtype, or the wrong value or shape.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.smote import interpolate
    >>> interpolate(np.array([[0.0, 4.0], [2.0, 0.0]]), [0, 1], [1, 0], np.array([0.25, 0.5]))
    array([[0.5, 3. ],
           [1. , 2. ]])
    """
    rows = _validate.as_rows(X)
    a = _validate.as_ids(parents, "parents", upper=len(rows))
    b = _validate.as_ids(neighbors, "neighbors", upper=len(rows), length=a.size)
    steps = _validate.as_gaps(gaps, a.size, rows.dtype)
    threads = _validate.as_threads(n_threads)
    shape = (a.size, rows.shape[1])
    if out is None:
        out = np.empty(shape, rows.dtype)
    else:
        _validate.check_out(out, "out", rows.dtype.type, shape)
        _validate.check_apart(out, rows, "X")
    pairs, to, kernel = Pairs(a, b, steps), out, kernels().interpolate

    def fill(begin: int, end: int) -> None:
        kernel(rows, pairs.part(begin, end), to[begin:end])

    for_chunks(a.size, max(1, _CHUNK // (8 + shape[1])), threads, fill)
    return out


def interpolate_csr(
    data: Any,
    indices: Any,
    indptr: Any,
    parents: Any,
    neighbors: Any,
    gaps: Any,
    *,
    n_threads: int | None = None,
) -> tuple[NDArray[Any], Int64s, Int64s]:
    """Interpolate as :func:`interpolate` does, between rows of a CSR matrix.

    Row i is

        base + gap * (neighbor - base)

    in every column that either row stores; entries that a row does not store are 0. A result row stores
    exactly these columns, in increasing order, even where the result is 0: call ``eliminate_zeros`` if that
    matters.

    Parameters
    ----------
    data : float32 or float64 array of shape (nnz,)
        Finite.
    indices : integer array of shape (nnz,)
        The columns, increasing and without repeats within each row, as in a SciPy matrix after
        ``sum_duplicates()``. Entries of ``data`` and ``indices`` behind the last row are ignored.
    indptr : integer array of shape (n + 1,)
    parents, neighbors : integer arrays of shape (m,)
        Rows of the matrix.
    gaps : array of shape (m,), of the dtype of ``data``
        Finite; in [0, 1] for rows between the two.
    n_threads : int, optional
        Number of threads. By default, the value of the environment variable ``EQUIPOISE_NUM_THREADS``, or 1
        if it is not set. The result does not depend on it.

    Returns
    -------
    data : ndarray of the dtype of ``data``
    indices : int64 ndarray
    indptr : int64 ndarray of shape (m + 1,)

    Raises
    ------
    IndexError
        If a parent or neighbor is outside [0, n), or a column is negative.
    TypeError, ValueError
        If an argument has the wrong type or dtype, or the wrong value or shape.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.smote import interpolate_csr
    >>> matrix = np.array([4.0, 2.0]), [1, 0], [0, 1, 2]  # [[0, 4], [2, 0]]
    >>> interpolate_csr(*matrix, [0], [1], np.array([0.25]))
    (array([0.5, 3. ]), array([0, 1]), array([0, 2]))
    """
    values, columns, ptr = _validate.as_csr(data, indices, indptr)
    a = _validate.as_ids(parents, "parents", upper=ptr.size - 1)
    b = _validate.as_ids(neighbors, "neighbors", upper=ptr.size - 1, length=a.size)
    steps = _validate.as_gaps(gaps, a.size, values.dtype)
    threads = _validate.as_threads(n_threads)
    # A chunk of rows of average length takes a few milliseconds.
    chunk = max(1, _CHUNK // (8 + 2 * (columns.size // max(1, ptr.size - 1))))
    pairs, out_ptr = Pairs(a, b, steps), np.zeros(a.size + 1, np.int64)
    count, fill = kernels().interpolate_csr_count, kernels().interpolate_csr

    def count_rows(begin: int, end: int) -> None:
        count(columns, ptr, a[begin:end], b[begin:end], out_ptr[begin + 1 : end + 1])

    for_chunks(a.size, chunk, threads, count_rows)
    np.cumsum(out_ptr, out=out_ptr)
    out_data, out_columns = np.empty(out_ptr[-1], values.dtype), np.empty(out_ptr[-1], np.int64)

    def fill_rows(begin: int, end: int) -> None:
        ends = out_ptr[begin : end + 1]
        fill(values, columns, ptr, pairs.part(begin, end), ends, out_data, out_columns)

    for_chunks(a.size, chunk, threads, fill_rows)
    return out_data, out_columns, out_ptr
