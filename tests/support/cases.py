"""Named inputs: what the tests feed to the tables and to the samplers, so that a failure names its case."""

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
    """Tail index 1, so that a few ids hold much of the mass."""
    return 1.0 / (1.0 - np.random.default_rng(n).random(n))


def one_heavy(n):
    """Half of the mass on one id, in the middle."""
    w = np.ones(n)
    w[n // 2] = max(n - 1, 1)
    return w


def one_crushing(n):
    """One id holds so much that the share of every other one is below a unit."""
    w = np.ones(n)
    w[n // 2] = 1e30
    return w


def one_light(n):
    """The last id has the thousandth part of anyone's weight."""
    w = np.ones(n)
    w[-1] = 1e-3
    return w


def zeros_inside(n):
    """Two of three ids without weight, the first one with it."""
    w = zipf(n)
    w[1::3] = 0
    w[2::3] = 0
    return w


def zeros_at_the_ends(n):
    w = np.zeros(n)
    w[n // 3 : n - n // 3] = pareto(n)[n // 3 : n - n // 3]
    return w


def wide(n):
    """1e-300 to 1e300, shuffled."""
    w = 10.0 ** np.linspace(-300, 300, n)
    return np.random.default_rng(n).permutation(w)


def ascending(n):
    """Every heavy id behind every light one: the sweep's two indices run far apart."""
    return np.arange(1, n + 1, dtype=np.float64)


def two_levels(n):
    """A power of two apart, alternately: units come out exact, many cells exactly full."""
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
    """The weights in another dtype: integers are scaled to a largest of 2^31 - 1, none is lost."""
    if np.dtype(dtype).kind == "f":
        return w.astype(dtype)
    return np.where(w > 0, np.maximum(np.floor(w / w.max() * (2**31 - 1)), 1), 0).astype(dtype)


EXACT = [1, 2, 3, 10]  # 16 in all, so that units are the weights themselves, times 2^30


# ---- exclusions: name -> list of rows --------------------------------------------------------------------


def exclusions(weights):
    """Rows of excluded ids for the given weights, by name; every one may stand in a CSR beside the others."""
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
        "all of no weight": [i for i in range(n) if weights[i] == 0],
        "empty again": [],
    }


def csr(rows, dtype=np.int64):
    """(indptr, indices) of a list of rows, in the order given."""
    indptr = np.zeros(len(rows) + 1, dtype=dtype)
    np.cumsum([len(row) for row in rows], out=indptr[1:])
    return indptr, np.array([i for row in rows for i in row], dtype=dtype)


# ---- streams of weighted rows: random ones, for a given generator -----------------------------------------


def row_weights(rng, n):
    """Ordinary, wild, many equal, mostly zero, minus zeros, subnormal: of float32, float64 or integers."""
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
        w = rng.integers(0, 4, n) * 5e-324  # ranks beyond float64
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
    """(times, half-life): seconds of years with half-lives from absurdly short to long, or small numbers."""
    start, width = [(1.7e9, 1e8), (0.0, 10.0), (-1e6, 2e6)][rng.integers(3)]
    times = start + width * rng.random(n)
    if rng.random() < 0.3:
        times = np.floor(times)
    return times, float(width * 10.0 ** rng.uniform(-12, 3))


def cuts(rng, n, most=6):
    """Where to cut n rows: 0 = begin <= .. <= end = n, empty pieces among them."""
    return [0, *sorted(rng.integers(0, n + 1, rng.integers(0, most)).tolist()), n]


# ---- what errors are provoked with -----------------------------------------------------------------------


def five(**settings):
    """A sampler of five ids, the last of no weight; row 1 excludes nothing, row 2 everything."""
    return equipoise.NegativeSampler(
        [4, 3, 2, 1, 0], exclude=([0, 2, 2, 7], [0, 1, 4, 3, 2, 1, 0]), **settings
    )


class CudaTensor:
    """What a CUDA tensor shows of itself, for machines without one."""

    dtype = "int64"

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, **_):
        raise AssertionError("nobody may touch the device")


class Raising:
    """Somebody else's array, path or number that raises when it is asked for anything."""

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
