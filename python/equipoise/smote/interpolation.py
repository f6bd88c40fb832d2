"""Interpolation between given rows, dense and sparse."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks
from equipoise.smote.sampler import _CHUNK, Int64s

__all__ = ["interpolate", "interpolate_csr"]


def interpolate(
    X: Any,
    parents: Any,
    neighbours: Any,
    gaps: Any,
    *,
    out: NDArray[Any] | None = None,
    n_threads: int | None = None,
) -> NDArray[Any]:
    """Rows on the lines from some rows of X to others: row i is

        base + gap * (neighbour - base)

    with base = X[parents[i]], neighbour = X[neighbours[i]] and gap = gaps[i], every operation rounded to X's
    dtype, none fused.

    Parameters
    ----------
    X : float32 or float64 array of shape (n, d)
        Finite. Where neighbour - base overflows, so does the result.
    parents, neighbours : integer arrays of shape (m,)
        Rows of X.
    gaps : array of shape (m,), of X's dtype
        Finite; in [0, 1] for a point between the two.
    out : ndarray of shape (m, d), optional
        Of X's dtype, C-contiguous, writable, apart from X; filled in place and returned.
    n_threads : int, optional
        Default ``EQUIPOISE_NUM_THREADS``, else 1. The answer does not depend on it.

    Returns
    -------
    ndarray of shape (m, d), of X's dtype

    Raises
    ------
    IndexError
        A parent or neighbour outside [0, n).
    TypeError, ValueError
        Arguments of the wrong type or dtype, or of the wrong value or shape.

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
    b = _validate.as_ids(neighbours, "neighbours", upper=len(rows), length=a.size)
    steps = _validate.as_gaps(gaps, a.size, rows.dtype)
    threads = _validate.as_threads(n_threads)
    shape = (a.size, rows.shape[1])
    if out is None:
        out = np.empty(shape, rows.dtype)
    else:
        _validate.check_out(out, "out", rows.dtype.type, shape)
        _validate.check_apart(out, rows, "X")
    to, kernel = out, kernels().interpolate

    def fill(at: int, end: int) -> None:
        kernel(rows, a[at:end], b[at:end], steps[at:end], to[at:end])

    for_chunks(a.size, max(1, _CHUNK // (8 + shape[1])), threads, fill)
    return out


def interpolate_csr(
    data: Any,
    indices: Any,
    indptr: Any,
    parents: Any,
    neighbours: Any,
    gaps: Any,
    *,
    n_threads: int | None = None,
) -> tuple[NDArray[Any], Int64s, Int64s]:
    """:func:`interpolate` for the rows of a CSR matrix: row i is

        base + gap * (neighbour - base)

    in every column that either row stores; what a row does not store is 0. A result row stores just these
    columns, in rising order, also where the result is 0: call ``eliminate_zeros`` if that matters.

    Parameters
    ----------
    data : float32 or float64 array of shape (nnz,)
        Finite.
    indices : integer array of shape (nnz,)
        Columns, rising within each row and without repeats: a SciPy matrix after ``sum_duplicates()``.
    indptr : integer array of shape (n + 1,)
    parents, neighbours : integer arrays of shape (m,)
        Rows of the matrix.
    gaps : array of shape (m,), of the dtype of ``data``
        Finite; in [0, 1] for a point between the two.
    n_threads : int, optional
        Default ``EQUIPOISE_NUM_THREADS``, else 1. The answer does not depend on it.

    Returns
    -------
    data : ndarray of the dtype of ``data``
    indices : int64 ndarray
    indptr : int64 ndarray of shape (m + 1,)

    Raises
    ------
    IndexError
        A parent or neighbour outside [0, n); a negative column.
    TypeError, ValueError
        Arguments of the wrong type or dtype, or of the wrong value or shape.

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
    b = _validate.as_ids(neighbours, "neighbours", upper=ptr.size - 1, length=a.size)
    steps = _validate.as_gaps(gaps, a.size, values.dtype)
    threads = _validate.as_threads(n_threads)
    # As long as an average row, a chunk takes some milliseconds; a stop within a row is not worth its state.
    chunk = max(1, _CHUNK // (8 + 2 * (columns.size // max(1, ptr.size - 1))))
    out_ptr = np.zeros(a.size + 1, np.int64)
    count, fill = kernels().interpolate_csr_count, kernels().interpolate_csr

    def count_rows(at: int, end: int) -> None:
        count(columns, ptr, a[at:end], b[at:end], out_ptr[at + 1 : end + 1])

    for_chunks(a.size, chunk, threads, count_rows)
    np.cumsum(out_ptr, out=out_ptr)
    out_data, out_columns = np.empty(out_ptr[-1], values.dtype), np.empty(out_ptr[-1], np.int64)

    def fill_rows(at: int, end: int) -> None:
        ends = out_ptr[at : end + 1]
        fill(values, columns, ptr, a[at:end], b[at:end], steps[at:end], ends, out_data, out_columns)

    for_chunks(a.size, chunk, threads, fill_rows)
    return out_data, out_columns, out_ptr
