"""Named sets of points for the neighbor tests, and comparisons of answers.

Each set is a function (rng, n, d, dtype) -> array of shape (n, d) and that dtype.
"""

from __future__ import annotations

import hashlib

import numpy as np

import equipoise
from equipoise.neighbors.search import mixed_neighbors

DTYPES = (np.float32, np.float64)


def clustered(rng, n, d, dtype):
    """Return clusters of about fifty rows, which are smaller than a block."""
    centers = rng.standard_normal((max(2, n // 50), d)) * 10
    return (centers[rng.integers(0, len(centers), n)] + rng.standard_normal((n, d))).astype(dtype)


def uniform(rng, n, d, dtype):
    return rng.random((n, d)).astype(dtype)


def heavy_tailed(rng, n, d, dtype):
    """Return rows, a few of which are responsible for nearly all of the extent."""
    return rng.standard_t(1, (n, d)).astype(dtype)


def shifted(rng, n, d, dtype):
    """Return rows far from the origin, where norms and dot products would suffer from cancellation."""
    return (clustered(rng, n, d, np.float64) + 1e4).astype(dtype)


def duplicated(rng, n, d, dtype):
    """Return rows that occur ten times each, in random order."""
    few = uniform(rng, -(-n // 10), d, dtype)
    return np.tile(few, (10, 1))[rng.permutation(10 * len(few))[:n]]


def identical(rng, n, d, dtype):
    return np.tile(rng.standard_normal((1, d)).astype(dtype), (n, 1))


def nearly_identical(rng, n, d, dtype):
    """Return rows that differ by a unit in the last place or not at all."""
    one = (1 + rng.random((1, d))).astype(dtype)
    return (one + np.spacing(one) * rng.integers(0, 2, (n, d))).astype(dtype)


def constant_columns(rng, n, d, dtype):
    """Return rows that are large and constant in all columns except the last."""
    points = np.full((n, d), 12345.678, dtype)
    points[:, -1] = rng.standard_normal(n)
    return points


def grid(rng, n, d, dtype):
    """Return small whole numbers and zeros, both of either sign, which give very many ties."""
    points = rng.integers(-1, 2, (n, d)).astype(dtype)
    return np.where((points == 0) & (rng.random((n, d)) < 0.5), dtype(-0.0), points)


def one_hot(rng, n, d, dtype):
    return np.eye(d, dtype=dtype)[rng.integers(0, d, n)]


def zeros(rng, n, d, dtype):
    return np.zeros((n, d), dtype)


def wide(rng, n, d, dtype):
    """Return numbers of nearly all exponents, so that most squares vanish next to the largest."""
    most = 300 if dtype is np.float64 else 37
    return (rng.choice([-1, 1], (n, d)) * 10.0 ** rng.uniform(-most, most, (n, d))).astype(dtype)


def wide_columns(rng, n, d, dtype):
    """Return numbers of nearly all exponents, with one magnitude per column."""
    most = 300 if dtype is np.float64 else 37
    return (rng.standard_normal((n, d)) * 10.0 ** rng.uniform(-most, most - 1, d)).astype(dtype)


def denormal(rng, n, d, dtype):
    """Return small multiples of the smallest subnormal number."""
    return rng.integers(-3000, 3000, (n, d)).astype(dtype) * np.finfo(dtype).smallest_subnormal


def largest(rng, n, d, dtype):
    """Return numbers whose differences do not overflow, but whose squares would."""
    return ((rng.random((n, d)) - 0.5) * np.finfo(dtype).max / np.sqrt(d)).astype(dtype)


def far_clusters(rng, n, d, dtype):
    """Return clusters 1e6 apart and 1e-3 wide, each of which is a few points in float32."""
    return (1e6 * rng.integers(0, 5, (n, 1)) + 1e-3 * rng.standard_normal((n, d))).astype(dtype)


def sorted_line(rng, n, d, dtype):
    """Return rows that differ only in the last column and are sorted by it."""
    points = np.zeros((n, d), dtype)
    points[:, -1] = np.sort(rng.random(n))
    return points


POINTS = {
    f.__name__: f
    for f in (
        clustered,
        uniform,
        heavy_tailed,
        shifted,
        duplicated,
        identical,
        nearly_identical,
        constant_columns,
        grid,
        one_hot,
        zeros,
        wide,
        wide_columns,
        denormal,
        largest,
        far_clusters,
        sorted_line,
    )
}


def points(name, n, d, dtype, seed=0):
    return POINTS[name](np.random.default_rng([seed, n, d]), n, d, dtype)


def arrange(x):
    """Return the values of `x` with other strides, alignments and flags, by name."""
    n, d = x.shape
    spread = np.full((2 * n + 1, 3 * d + 2), np.nan, x.dtype)
    spread[1::2, 2::3] = x
    frozen = x.copy()
    frozen.flags.writeable = False
    room = np.zeros(x.nbytes + 1, np.uint8)
    odd = room[1:].view(x.dtype).reshape(x.shape)
    odd[:] = x
    return {
        "C": x,
        "Fortran": np.asfortranarray(x),
        "rows backwards": x[::-1].copy()[::-1],
        "columns backwards": x[:, ::-1].copy()[:, ::-1],
        "both backwards": np.asfortranarray(x[::-1, ::-1])[::-1, ::-1],
        "slices of a larger array": spread[1::2, 2::3],
        "columns of a wider array": np.hstack([x, x, x])[:, d : 2 * d],
        "read-only": frozen,
        "not aligned": odd,
        "middle axis dropped": np.stack([x, x + 1], axis=1)[:, 0],
    }


def codes_of(rng, n, c, most=4):
    return rng.integers(0, most, (n, c)).astype(np.int32)


def same(got, wanted):
    """Require the same indices and distances, byte for byte, as the first columns of `wanted`."""
    k = got.indices.shape[1]
    indices, distances = (np.ascontiguousarray(a[:, :k]) for a in wanted)
    assert (got.indices.dtype, got.distances.dtype) == (np.int64, distances.dtype)
    assert got.indices.shape == got.distances.shape == indices.shape
    wrong = np.flatnonzero((got.indices != indices).any(axis=1) | (got.distances != distances).any(axis=1))
    if wrong.size:
        i = wrong[0]
        raise AssertionError(
            f"{wrong.size} of {len(indices)} rows differ, the first is {i}: {got.indices[i]} at "
            f"{got.distances[i]}, wanted {indices[i]} at {distances[i]}"
        )
    assert got.distances.tobytes() == distances.tobytes()


def alike(a, b):
    assert a.indices.dtype == b.indices.dtype
    assert a.distances.dtype == b.distances.dtype
    assert a.indices.tobytes() == b.indices.tobytes()
    assert a.distances.tobytes() == b.distances.tobytes()


def digest():
    """Return a hash of the answers for all named points, with several widths and numbers of threads."""
    seen = hashlib.sha256()
    for name in POINTS:
        for dtype in DTYPES:
            for n, d, k in ((300, 3, 5), (700, 17, 299), (1500, 8, 4)):
                x, asked = points(name, n, d, dtype), points(name, 100, d, dtype, seed=1)
                codes = codes_of(np.random.default_rng(0), n, 2)
                answers = [
                    equipoise.nearest_neighbors(x, k, n_threads=1 + n % 3),
                    equipoise.nearest_neighbors(x, k, queries=asked),
                    mixed_neighbors(x, codes, 0.5, k),
                ]
                for got in answers:
                    seen.update(got.indices.tobytes() + got.distances.tobytes())
    return seen.hexdigest()
