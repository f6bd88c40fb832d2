"""Nearest neighbors, by the definition in the docstring of ``equipoise.nearest_neighbors``."""

from __future__ import annotations

import math

import numpy as np


def scale(*arrays, mismatch=0.0, columns=1):
    """Return the power of two by which values are multiplied.

    It is 1, unless a sum of squares would overflow or all values are below 2^-400.
    """
    largest = max(abs(float(x)) for a in arrays for x in (a.min(initial=0), a.max(initial=0), mismatch))
    exponent = math.frexp(largest)[1]
    most = 510 - (columns.bit_length() + 1) // 2
    if exponent > most:
        return math.ldexp(1.0, most - exponent)
    return math.ldexp(1.0, min(-exponent, 1000)) if exponent < -400 else 1.0


def squared_distances(x, points):
    """Return the squared distances from one row to all points.

    Column c is added to sum c mod 4. NumPy's own operations round each step once.
    """
    sums = [np.zeros(len(points)) for _ in range(4)]
    for c in range(len(x)):
        difference = x[c] - points[:, c]
        sums[c % 4] = sums[c % 4] + difference * difference
    return (sums[0] + sums[1]) + (sums[2] + sums[3])


def neighbors(X, k, *, queries=None, codes=None, mismatch=0.0, query_codes=None, rows=None):
    """Return (indices, distances) of nearest_neighbors or, with `codes`, of mixed_neighbors.

    If `rows` is given, only these rows get an answer.
    """
    columns = X.shape[1] + (0 if codes is None else codes.shape[1])
    s = scale(X, X if queries is None else queries, mismatch=mismatch, columns=columns)
    points = s * X.astype(np.float64)
    asked = points if queries is None else s * queries.astype(np.float64)
    if codes is not None:
        codes_asked = codes if queries is None else query_codes
    rows = range(len(asked)) if rows is None else rows
    indices, distances = np.empty((len(rows), k), np.int64), np.empty((len(rows), k), X.dtype)
    for i, row in enumerate(rows):
        d2 = squared_distances(asked[row], points)
        if codes is not None:
            d2 = d2 + (s * mismatch) ** 2 * (codes != codes_asked[row]).sum(axis=1)
        order = np.argsort(d2, kind="stable")  # equal distances are ordered by index
        if queries is None:
            order = order[order != row]
        indices[i] = order[:k]
        with np.errstate(over="ignore"):
            distances[i] = (np.sqrt(d2[order[:k]]) / s).astype(X.dtype)
    return indices, distances
