"""Tools that run both backends in one process and compare their answers."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.util

import numpy as np
from hypothesis import strategies as st

import equipoise
from equipoise._runtime import backend as runtime
from support import cases

MODULES = {"cpp": "equipoise._core", "numba": "equipoise._numba"}
MISSING = [name for name in ("equipoise._core", "numba") if importlib.util.find_spec(name) is None]
NONE = np.empty(0, np.uint64)
U64 = st.integers(0, 2**64 - 1)
SEEDS = st.integers(0, 2**32 - 1)
EDGES = [0, 1, 2, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]


def both():
    """Return the kernels of both backends."""
    return [importlib.import_module(name) for name in MODULES.values()]


def words(rng, size):
    """Return random 64-bit words, some of which are at the ends of common ranges."""
    drawn = rng.integers(0, 2**64, size, dtype=np.uint64)
    return np.where(rng.random(size) < 0.3, rng.choice(np.array(EDGES, np.uint64), size), drawn)


def frozen(array):
    """Return the array after making it read-only."""
    array.flags.writeable = False
    return array


def pack(x):
    """Convert an answer to a value that is equal only for the same dtypes, shapes and bytes."""
    if isinstance(x, np.ndarray | np.generic):
        return (str(x.dtype), x.shape, x.tobytes())
    if dataclasses.is_dataclass(x):
        return tuple(pack(getattr(x, field.name)) for field in dataclasses.fields(x))
    if isinstance(x, dict):
        return {key: pack(value) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return [pack(value) for value in x]
    assert isinstance(x, bytes | str | int | float | bool | None), type(x)
    return x


# ---- the kernels, on random input -------------------------------------------------------------------------


def agree(name, *args, outs=()):
    """Call the kernel of both backends, check that they agree, and return the answer of C++.

    `outs` has the positions of the output arrays, of which each backend gets a copy.
    """
    answers = []
    for kernels in both():
        mine = [a.copy() if i in outs else a for i, a in enumerate(args)]
        answers.append([getattr(kernels, name)(*mine), *(mine[i] for i in outs)])
    assert pack(answers[0]) == pack(answers[1]), name
    return answers[0]


def weights_of(rng, n):
    """Return random weights of several kinds, a fifth of them zero."""
    kind = rng.integers(4)
    if kind == 0:
        w = rng.random(n) * 10.0 ** rng.uniform(-320, 300, n)
    elif kind == 1:
        w = (words(rng, n) >> np.uint64(1)).astype(np.int64)
    elif kind == 2:
        w = rng.integers(0, 5, n)
    else:
        w = rng.integers(0, 2**11, n).astype(np.uint64).view(np.float64) * 2.0 ** rng.integers(0, 1000)
    w[rng.random(n) < 0.2] = 0
    return w


def table_of(rng, n):
    """Return (n, units, cells, prefix sums) of a random table. The arrays of a uniform table are empty."""
    if rng.random() < 0.2:
        return n, NONE, NONE, NONE
    w = np.maximum(weights_of(rng, n).astype(np.float64), 0)
    w[rng.integers(n)] += w.max() or 1.0
    units = equipoise.AliasTable(np.minimum(w, 1e300))._units
    prefix = np.concatenate([NONE, [np.uint64(0)], np.cumsum(units)])
    _, cells = agree("alias_build", units, np.empty(n, np.uint64), outs=[1])
    return n, units, cells, prefix


def proposer_of(n, units, cells, prefix=NONE):
    """Return a table as the record that kernels take."""
    return n, n << 32 if units.size else n, cells, units, prefix


def exclusions_of(rng, rows, n, longest):
    """Return (indptr, ids) of random rows, sorted and without repeats."""
    sizes = rng.integers(0, longest + 1, rows) * (rng.random(rows) < 0.8)
    indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    ids = np.minimum(n * rng.random(indptr[-1]) ** 2, n - 1).astype(np.uint32)
    for row in rng.permutation(rows)[: rows // 3]:
        ids[indptr[row] : indptr[row + 1]].sort()
    kept, indptr, ids = agree("exclusion_sort", indptr, ids, outs=[0, 1])
    return indptr, np.ascontiguousarray(ids[:kept])


REALS = (np.float32, np.float64)


def rows_of(rng, n, d, dtype):
    """Return random rows, with subnormal numbers and signed zeros among them."""
    X = rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-40, 6, (n, d))
    return np.where(rng.random((n, d)) < 0.1, rng.choice([0.0, -0.0, 1.0], (n, d)), X).astype(dtype)


# ---- the public API, on both backends in this process -----------------------------------------------------


@contextlib.contextmanager
def running(backend):
    """Run the package on `backend`. Outside of tests, the backend is chosen once."""
    before = runtime._NAME
    try:
        runtime._NAME = backend
        runtime.kernels.cache_clear()
        assert equipoise.backend() == backend
        assert runtime.kernels().__name__ == MODULES[backend]
        yield
    finally:
        runtime._NAME = before
        runtime.kernels.cache_clear()


def check(make):
    """Check that make() gives the same answer or error on both backends, and return that of C++."""
    answers = []
    for backend in MODULES:
        with running(backend):
            try:
                answers.append(pack(make()))
            except (TypeError, ValueError, IndexError, OSError) as error:
                answers.append((type(error), str(error)))
    assert answers[0] == answers[1]
    return answers[0]


def about(table, rng=7):
    """Return the answers of all methods of a table."""
    n = len(table)
    some = np.arange(min(n, 300))
    return [
        n, table.nbytes, repr(table), table._units, table._cells, table.fingerprint(), table.digest(),
        table.prob(some), table.log_prob(some.reshape(1, -1)), table.sample(777, rng=rng),
        table.sample((3, 5), rng=np.random.default_rng(rng)), table.sample(300, rng=np.random.MT19937(rng)),
        table.sample(1000, rng=rng, n_threads=3, out=np.empty(1000, np.int64)),
    ]  # fmt: skip


ITEMS = {
    "int": int,
    "uniform": equipoise.UniformTable,
    "log_uniform": equipoise.LogUniformTable,
    "weights": np.arange,
    "zipf": lambda n: equipoise.AliasTable(cases.zipf(n), power=0.75),
    "zeros": cases.zeros_inside,
    "crushing": cases.one_crushing,
}
