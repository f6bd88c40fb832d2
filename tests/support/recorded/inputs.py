"""Inputs of the recorded answers.

They come from integers, divisions and square roots alone, which are the same on every machine.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np


def words(n, salt):
    """Return n 64-bit words, the hashes of consecutive numbers."""
    z = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(salt * 0x2545F4914F6CDD1D % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(n, salt):
    """Return numbers in (0, 1)."""
    return ((words(n, salt) >> np.uint64(12)).astype(np.float64) + 0.5) / 2**52


def below(n, end, salt):
    """Return integers in [0, end)."""
    return (words(n, salt) % np.uint64(end)).astype(np.int64)


def zeroed(w, salt):
    """Return the same weights, but with about a quarter of them 0."""
    return np.where(below(w.size, 4, salt) == 0, 0, w)


def weights_of(kind, n=1000):
    heavy_tailed = 1.0 / uniform(n, 1)
    return {
        "float64": heavy_tailed,
        "float32": heavy_tailed.astype(np.float32),
        "int64": below(n, 2**50, 2),
        "int32": below(n, 100, 3).astype(np.int32),
        "uint32": below(n, 2**32, 4).astype(np.uint32),
        "zeros": zeroed(heavy_tailed, 5),
        "equal": np.ones(n),
        "wide": np.ldexp(heavy_tailed, (below(n, 1600, 6) - 800).astype(np.int32)),
        "subnormal": zeroed(below(n, 9, 7), 7) * 5e-324,
        "one": np.array([3.0]),
    }[kind]


WEIGHTS = ("float64", "float32", "int64", "int32", "uint32", "zeros", "equal", "wide", "subnormal", "one")


def exclusions(n, rows=200):
    """Return (indptr, indices). A row has up to 36 ids, unsorted and with repeats; some rows have none."""
    lengths = np.arange(rows) % 37
    indptr = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    return indptr, below(int(indptr[-1]), n, 8)


def points(n, d, salt, dtype=np.float64):
    """Return overlapping clouds of points whose distances do not tie."""
    return (uniform(n * d, salt).reshape(n, d) + below(n, 3, salt + 1)[:, None] / 4).astype(dtype)


def bytes_of(save):
    """Return the content of the file that ``save(path)`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        save(path)
        return Path(path).read_bytes()


def two_threads():
    return mock.patch.dict(os.environ, {"EQUIPOISE_NUM_THREADS": "2"})


def labeled(dtype=np.float64):
    """Return two overlapping classes, the second of which is rare."""
    y = (below(400, 5, 34) == 0).astype(np.int64)
    return (points(400, 4, 35) + y[:, None] / 5).astype(dtype), y
