"""Recorded answers of the neighbor search."""

from __future__ import annotations

import numpy as np

import equipoise
from support.recorded.digests import cases
from support.recorded.inputs import below, points


@cases("float64", "float32")
def nearest_neighbors(dtype):
    answers = []
    for n, d, k in ((700, 2, 5), (900, 9, 1), (400, 40, 20), (50, 1, 49)):
        x, queries = points(n, d, 30, dtype), points(60, d, 40, dtype)
        for threads in (1, 2):
            answers.append(equipoise.nearest_neighbors(x, k, n_threads=threads))
            answers.append(equipoise.nearest_neighbors(x, k, queries=queries, n_threads=threads))
    return answers


@cases("ties", "copies", "wide", "huge", "tiny", "strided", "no columns", "no queries")
def unusual_neighbors(kind):
    plain = points(500, 3, 31)
    x = {
        "ties": below(1500, 5, 32).reshape(500, 3).astype(np.float64),
        "copies": np.repeat(plain[:50], 10, axis=0),
        "wide": np.ldexp(plain, (below(1500, 600, 33) - 300).astype(np.int32).reshape(500, 3)),
        "huge": np.ldexp(plain, 1020),
        "tiny": np.ldexp(plain, -1000),
        "strided": np.asfortranarray(plain)[::2],
        "no columns": plain[:, :1] * 0,
        "no queries": plain,
    }[kind]
    queries = x[:0] if kind == "no queries" else x[::7] * 0.75
    return [equipoise.nearest_neighbors(x, 6), equipoise.nearest_neighbors(x, 6, queries=queries)]
