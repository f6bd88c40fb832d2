"""Named weights, exclusions, streams of rows and bad arguments, so that a failing test names its case."""

from __future__ import annotations

import numpy as np

import equipoise

SMALL = (1, 2, 3, 1000)
SIZES = (*SMALL, 2**16 - 1, 2**16, 2**16 + 1, 10**7)
DTYPES = (np.float32, np.float64, np.int32, np.int64, np.uint32)


# ---- weights: name -> (n -> float64 array) ---------------------------------------------------------------


def ones(n):
    return np.ones(n)


def zipf(n):
    return 1.0 / np.arange(1, n + 1)


def pareto(n):
    """Return weights with tail index 1: a few ids have much of the mass."""
    return 1.0 / (1.0 - np.random.default_rng(n).random(n))


def one_heavy(n):
    """Return weights one of which, in the middle, has half of the mass."""
    w = np.ones(n)
    w[n // 2] = max(n - 1, 1)
    return w


def one_crushing(n):
    """Return weights one of which is so large that the share of each other one is below a unit."""
    w = np.ones(n)
    w[n // 2] = 1e30
    return w


def one_light(n):
    """Return equal weights, except that the last is a thousandth of the others."""
    w = np.ones(n)
    w[-1] = 1e-3
    return w


def zeros_inside(n):
    """Return weights, two of every three of which are zero. The first is positive."""
    w = zipf(n)
    w[1::3] = 0
    w[2::3] = 0
    return w


def zeros_at_the_ends(n):
    w = np.zeros(n)
    w[n // 3 : n - n // 3] = pareto(n)[n // 3 : n - n // 3]
    return w


def wide(n):
    """Return weights from 1e-300 to 1e300, shuffled."""
    w = 10.0 ** np.linspace(-300, 300, n)
    return np.random.default_rng(n).permutation(w)


def ascending(n):
    """Return ascending weights, which send the two indices of the alias sweep far apart."""
    return np.arange(1, n + 1, dtype=np.float64)


def two_levels(n):
    """Return 1 and 2 in turn, so that units are exact and many cells are exactly full."""
    return np.where(np.arange(n) % 2 == 0, 1.0, 2.0)


WEIGHTS = {
    f.__name__: f
    for f in (
        ones,
        zipf,
        pareto,
        one_heavy,
        one_crushing,
        one_light,
        zeros_inside,
        zeros_at_the_ends,
        wide,
        ascending,
        two_levels,
    )
}


def as_dtype(w, dtype):
    """Convert weights to a dtype. Integers are at most 2^31 - 1, and no positive weight becomes 0."""
    if np.dtype(dtype).kind == "f":
        return w.astype(dtype)
    return np.where(w > 0, np.maximum(np.floor(w / w.max() * (2**31 - 1)), 1), 0).astype(dtype)


EXACT = [1, 2, 3, 10]  # their sum is 16, so the units are the weights times 2^30


# ---- exclusions: name -> list of rows --------------------------------------------------------------------


def exclusions(weights):
    """Return {name: excluded ids of a row} for the given weights."""
    n = len(weights)
    order = [int(i) for i in np.argsort(weights, kind="stable")]
    positive = [i for i in order if weights[i] > 0]
    spaced = list(range(0, n, 2))
    return {
        "empty": [],
        "everything": list(range(n)),
        "all but the lightest": [i for i in range(n) if i != positive[0]],
        "all but the lightest two": [i for i in range(n) if i not in positive[:2]],
        "the heaviest": [positive[-1]],
        "the first": [0],
        "the last": [n - 1],
        "duplicates": [0, 0, n - 1, 0, n - 1, n // 2, n // 2],
        "unsorted": spaced[::-1],
        "every second": spaced,
        "all of zero weight": [i for i in range(n) if weights[i] == 0],
        "empty again": [],
    }


def csr(rows, dtype=np.int64):
    """Return (indptr, indices) of a list of rows."""
    indptr = np.zeros(len(rows) + 1, dtype=dtype)
    np.cumsum([len(row) for row in rows], out=indptr[1:])
    return indptr, np.array([i for row in rows for i in row], dtype=dtype)


# ---- streams of weighted rows, drawn from a generator -----------------------------------------


def row_weights(rng, n):
    """Return random weights: ordinary, of all magnitudes, small integers, mostly zero, or subnormal."""
    kind = rng.integers(7)
    if kind == 0:
        w = rng.pareto(1.2, n)
    elif kind == 1:
        w = 10.0 ** rng.uniform(-300, 300, n)
    elif kind == 2:
        w = rng.integers(0, 4, n)
    elif kind == 3:
        w = np.where(rng.random(n) < 0.05, rng.random(n), rng.choice([0.0, -0.0], n))
    elif kind == 4:
        w = rng.integers(0, 4, n) * 5e-324
    elif kind == 5:
        w = np.where(rng.random(n) < 0.5, 1e305, 1e-305) * rng.random(n)
    else:
        w = np.where(rng.random(n) < 0.02, 1e6, rng.random(n))
    dtype = rng.choice(["f4", "f8", "f8", "i4", "u8"])
    if np.dtype(dtype).kind != "f":
        return np.minimum(w, 2**31 - 1).astype(dtype)
    with np.errstate(over="ignore", under="ignore"):
        return np.minimum(w, 1e30).astype(dtype) if dtype == "f4" else w.astype(np.float64)


def row_times(rng, n):
    """Return (times, half-life). Times are seconds over years, or small numbers; half-lives vary widely."""
    start, width = [(1.7e9, 1e8), (0.0, 10.0), (-1e6, 2e6)][rng.integers(3)]
    times = start + width * rng.random(n)
    if rng.random() < 0.3:
        times = np.floor(times)
    return times, float(width * 10.0 ** rng.uniform(-12, 3))


def cuts(rng, n, most=6):
    """Return positions at which to cut n rows, from 0 to n. Some pieces may be empty."""
    return [0, *sorted(rng.integers(0, n + 1, rng.integers(0, most)).tolist()), n]


# ---- bad arguments -----------------------------------------------------------------------


def five(**settings):
    """Return a sampler of five ids, the last of which has weight 0. Row 1 excludes nothing, row 2 all ids."""
    return equipoise.NegativeSampler(
        [4, 3, 2, 1, 0], exclude=([0, 2, 2, 7], [0, 1, 4, 3, 2, 1, 0]), **settings
    )


class CudaTensor:
    """An object that looks like a CUDA tensor, for machines without one."""

    dtype = "int64"

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, **_):
        raise AssertionError("the data on the device must not be read")


class Raising:
    """An array, path or number of another library that raises an exception when it is converted."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __array__(self, *_, **__):
        raise self.error

    __index__ = __float__ = __fspath__ = __array__


class RaisingTensor(Raising):
    def __dlpack_device__(self):
        return (1, 0)

    def __dlpack__(self, **_):
        raise self.error
