"""How often rows are repeated, so that those of rare labels come more often."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks
from equipoise.balance.counts import number_labels
from equipoise.rng import REPEAT, RNG, key_from_rng

__all__ = ["repeat_factors", "repeat_rows"]


Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]
_CHUNK = 1 << 16  # rows drawn between two checks for Ctrl-C; a multiple of 64


def repeat_factors(labels: Any, threshold: float) -> Floats:
    """Return how often each row should come in an epoch, at least once, so that rare labels come more often.

    A label that a share f of the rows have has the factor max(1, sqrt(threshold / f)). A row has the largest
    factor of its labels, or 1 without labels (LVIS).

    Parameters
    ----------
    labels : lists of labels, pair, sparse or dense matrix, or array of shape (n,)
        The labels of each row: a list of lists (or of tuples, sets or arrays) of labels; a pair ``(indptr,
        indices)``, a tuple, where row i has ``indices[indptr[i]:indptr[i + 1]]``; an array or a sparse matrix
        of zeros and ones with a row for each row; or one label a row, as in :func:`class_counts`. A label
        that a row has twice counts once.
    threshold : float
        In (0, 1]. Labels that a smaller share of the rows have are repeated. LVIS takes 0.001.

    Returns
    -------
    float64 ndarray of shape (n,)
        At least 1. :func:`repeat_rows` makes rows of them.

    Raises
    ------
    TypeError, ValueError, IndexError
        As :func:`class_counts`; or if an entry of a matrix is neither 0 nor 1, or `threshold` is outside
        (0, 1].

    References
    ----------
    - A. Gupta, P. Dollar and R. Girshick, "LVIS: a dataset for large vocabulary instance segmentation", CVPR
      2019, appendix B.2 of arXiv:1908.03195v2.

    Examples
    --------
    >>> import equipoise
    >>> equipoise.repeat_factors([["car"], ["car", "bus"], ["car"], []], 0.75)
    array([1.        , 1.73205081, 1.        , 1.        ])
    """
    threshold = _validate.as_threshold(threshold)
    if not isinstance(labels, list | tuple) and _validate.is_table(labels):
        n, _, rows, codes = _validate.as_indicators(labels, "labels")
    else:
        sizes, found = _validate.as_label_lists(labels)
        n, rows = sizes.size, np.repeat(np.arange(sizes.size), sizes)
        codes = number_labels(found)[1]
    out = np.ones(n)
    if codes.size:
        width = int(codes.max()) + 1
        rows, codes = np.divmod(np.unique(rows * width + codes), width)
        counts = np.bincount(codes)[codes]
        np.maximum.at(out, rows, np.sqrt(threshold * n / counts))
    return out


def repeat_rows(factors: Any, *, rng: RNG = None) -> Int64s:
    """Return the rows of an epoch, where row i comes f_i times on average.

    It comes floor(f_i) times, and once more with probability f_i - floor(f_i), independently of other rows.
    (Rounding up once, as some libraries do, makes
    2 of 1.01.) Pass another `rng` in each epoch, or a generator.

    Parameters
    ----------
    factors : array of shape (n,)
        Finite, >= 0. For example, those of :func:`repeat_factors`. A factor below 1 leaves rows out.
    rng : None, int, SeedSequence, BitGenerator or Generator
        See :func:`equipoise.rng.key_from_rng`. The same int gives the same rows.

    Returns
    -------
    int64 ndarray
        Row numbers in ascending order. Shuffle them, or pass them to a sampler that does.

    Raises
    ------
    TypeError, ValueError
        If the factors have the wrong type, shape or values, or `rng` is none of the above.

    Examples
    --------
    >>> import equipoise
    >>> equipoise.repeat_rows([1, 2, 0, 1.5], rng=2)
    array([0, 1, 1, 3, 3])
    """
    f = _validate.as_finite(factors, "factors")
    key = np.uint64(kernels().call_key(key_from_rng(rng), 0, REPEAT, 0))
    whole = np.floor(f)
    _validate.check_addressable(int(np.minimum(f, 2.0**62).sum()) + f.size, "factors")
    times = whole.astype(np.int64)

    def draw(begin: int, end: int) -> None:
        words = np.empty(2 * (end - begin), np.int64)
        kernels().uniform_draw(key, 1 << 31, 2 * begin, words)
        coins = (words[::2] << 22) | (words[1::2] >> 9)
        # A factor of at least 1 is a multiple of 2^-52, so its probability is exact.
        times[begin:end] += coins < (f[begin:end] - whole[begin:end]) * 2.0**53

    for_chunks(f.size, _CHUNK, 1, draw)
    return np.repeat(np.arange(f.size), times)
