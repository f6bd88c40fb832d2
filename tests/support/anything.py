"""Calls with any mixture of good and bad arguments, and their outcomes."""

from __future__ import annotations

import os
import tempfile

import numpy as np
from hypothesis import strategies as st

import equipoise
from equipoise.smote.interpolation import interpolate
from support.cases import five

good_ids = st.lists(st.integers(0, 4), max_size=6)
numbers = st.one_of(
    st.integers(-3, 8),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=2),
)
arrays = st.one_of(
    good_ids,
    st.lists(numbers, max_size=5),
    st.lists(good_ids, max_size=3),
    st.sampled_from(
        ["int8", "uint64", ">i8", "float32", "bool", "complex64", "datetime64[s]", "S3", "O"]
    ).map(lambda d: np.zeros(3, d)),
    st.just(np.zeros((0, 3), np.int64)),
    st.just(np.array([], np.float64)),
    numbers,
)


def mostly(good, other):
    """Draw from `good` five times in six, so that some calls with many arguments are good.

    ``one_of`` would count every part of `other` as an alternative of its own.
    """
    return st.sampled_from([good] * 5 + [other]).flatmap(lambda chosen: chosen)


weights = mostly(st.lists(st.floats(0, 10), min_size=5, max_size=5), arrays)
pairs = mostly(
    st.sampled_from([None, ([0, 2, 2, 7], [0, 1, 4, 3, 2, 1, 0])]),
    st.one_of(st.tuples(arrays, arrays), numbers),
)
counts = mostly(st.integers(0, 9), numbers)
powers = mostly(st.sampled_from([1.0, 0.75, 0.3, 0]), numbers)
rows = mostly(st.lists(st.integers(0, 1), min_size=2, max_size=2), st.one_of(good_ids, arrays))
some_ids = mostly(st.one_of(st.none(), st.lists(st.integers(0, 1), min_size=2, max_size=2)), arrays)
flags = mostly(st.booleans(), numbers)
words = mostly(st.just("mask"), st.sampled_from(["raise", "replace", "x", 3, None]))
sizes = mostly(st.integers(0, 9), st.lists(st.one_of(st.integers(0, 3), numbers), max_size=3))
# Never None, which would draw entropy from the system.
rngs = mostly(st.integers(0, 9), st.one_of(numbers, arrays)).map(lambda rng: 1 if rng is None else rng)
threads = mostly(st.sampled_from([None, 1, 3]), numbers)
# These become arrays once the shape is known: a dtype, and "flat", "odd" (a view with gaps) or "frozen".
parts = st.tuples(
    st.sampled_from(["int64", "int64", "float32", "bool", "float64", ">i8"]),
    st.sampled_from(["good", "good", "flat", "odd", "frozen"]),
)
outs = mostly(st.sampled_from([None, ("int64", "good")]), st.one_of(parts, numbers, good_ids))
triples = mostly(
    st.sampled_from([None, (("int64", "good"), ("float32", "good"), ("bool", "good"))]),
    st.one_of(st.tuples(parts, parts, parts), parts, numbers),
)
paths = mostly(st.sampled_from(["a", "b", "c"]), st.one_of(st.text("abé\0", max_size=2), numbers))
cells = st.sampled_from([0.0, 1.0, 2.0, 3.5, -1.0])
matrices = mostly(
    st.lists(st.lists(cells, min_size=2, max_size=2), min_size=6, max_size=6),
    st.one_of(
        st.lists(st.lists(st.one_of(cells, numbers), min_size=2, max_size=2), min_size=6, max_size=6),
        arrays,
        st.just(np.eye(6, dtype=np.float16)),
    ),
)
columns = mostly(st.sampled_from([None, [1], [0, 1]]), arrays)
some_weights = mostly(st.none(), st.one_of(weights, st.just([1, 0, 2, 0, 0, 3])))
matrix_outs = mostly(st.sampled_from([None, ("float64", "good")]), st.one_of(parts, numbers, good_ids))
calls = st.one_of(
    st.tuples(st.just("table"), weights, powers, powers, sizes, rngs, outs, threads),
    st.tuples(st.just("uniform"), mostly(st.integers(1, 9), numbers), sizes, rngs, outs, threads),
    st.tuples(st.just("log uniform"), mostly(st.integers(1, 9), numbers), sizes, rngs, outs, threads),
    st.tuples(st.just("prob"), weights, arrays),
    st.tuples(st.just("save"), paths),
    st.tuples(st.just("load"), paths, flags),
    st.tuples(st.just("sampler"), weights, pairs, counts, counts),
    st.tuples(st.just("sample"), pairs, rows, counts, some_ids, flags, words, some_ids, triples, threads),
    st.tuples(st.just("shared"), counts, flags),
    st.tuples(st.just("hits"), pairs, rows, rows, some_ids),
    st.tuples(
        st.just("smote"),
        matrices,
        mostly(st.integers(1, 3), numbers),
        columns,
        some_weights,
        counts,
        counts,
        matrix_outs,
        flags,
    ),
    st.tuples(
        st.just("interpolate"),
        matrices,
        rows,
        rows,
        mostly(st.just(np.full(2, 0.5)), arrays),
        matrix_outs,
        threads,
    ),
    st.tuples(
        st.just("parents"),
        matrices,
        mostly(st.just([0, 0, 1, 1, 1, 0]), arrays),
        mostly(st.just(1), numbers),
        mostly(st.integers(1, 5), numbers),
        flags,
    ),
    st.tuples(st.just("epoch"), counts),
    st.tuples(
        st.just("state"),
        st.dictionaries(
            st.sampled_from(["sampler", "version", "fingerprint", "epoch", "rows_drawn", "calls_shared"]),
            st.one_of(numbers, arrays),
        ),
    ),
)
DOCUMENTED = (TypeError, ValueError, IndexError, OSError)


def few(x, most=50):
    """Return at most `most`, except for sizes that no machine can address."""
    return x if not isinstance(x, int) or x >= 2**60 else min(x, most)


def buffers(out, shape):
    """Return the array, or the three arrays, that `out` describes."""
    if not isinstance(out, tuple):
        return out
    if isinstance(out[0], tuple):
        return equipoise.Negatives(*(buffers(part, shape) for part in out))
    dtype, kind = out
    a = np.zeros(shape, dtype)
    if kind == "flat":
        return a.reshape(-1)
    if kind == "odd":
        return np.zeros((*shape, 2), dtype)[..., 0]
    a.flags.writeable = kind != "frozen"
    return a


def drawn(table, size, rng, out, n_threads):
    size = tuple(few(s, 9) for s in size) if isinstance(size, list) else few(size)
    try:
        out = buffers(out, np.empty(size, np.int8).shape)
    except (TypeError, ValueError, MemoryError):  # not a size, which the table will report
        out = buffers(out, (2,))
    got = table.sample(size, rng=rng, out=out, n_threads=n_threads)
    assert out is None or got is out
    return repr(got.tolist())


def filed(kind, *a):
    """Save or load in a folder that has a good file and a damaged one."""
    with tempfile.TemporaryDirectory() as folder:
        good, bad = (os.path.join(folder, name) for name in "ab")
        equipoise.AliasTable([1, 2, 3]).save(good)
        with open(good, "rb") as file, open(bad, "wb") as other:
            other.write(file.read()[:-1] + b"\xff")
        path = os.path.join(folder, a[0]) if isinstance(a[0], str) and a[0] else a[0]
        try:
            if kind == "save":
                return repr((equipoise.AliasTable([2, 1]).save(path), sorted(os.listdir(folder))))
            return repr(equipoise.AliasTable.load(path, mmap=a[1]).sample(9, rng=1).tolist())
        except DOCUMENTED as error:
            return f"{type(error).__name__}: {error}".replace(folder, "FOLDER")


def outcome(call) -> str:
    """Return the answer or the error of a call, as text that must not depend on the backend."""
    kind, *a = call
    try:
        if kind == "table":
            return drawn(equipoise.AliasTable(a[0], power=a[1], smoothing=a[2]), *a[3:])
        if kind == "uniform":
            return drawn(equipoise.UniformTable(a[0]), *a[1:])
        if kind == "log uniform":
            n = a[0] if not isinstance(a[0], int) or a[0] >= 2**32 else min(a[0], 100)
            return drawn(equipoise.LogUniformTable(n), *a[1:])
        if kind == "prob":
            return repr(equipoise.AliasTable(a[0]).log_prob(a[1]).tolist())
        if kind in ("save", "load"):
            return filed(kind, *a)
        if kind == "sampler":
            return repr(
                equipoise.NegativeSampler(a[0], exclude=a[1], seed=a[2], stream=a[3])
                .sample([0], 3)
                .ids.tolist()
            )
        if kind == "sample":
            k = few(a[2])
            shape = (
                np.size(a[1]) if isinstance(a[1], np.ndarray) else len(a[1]) if isinstance(a[1], list) else 1,
            )
            out = buffers(a[7], (*shape, k if type(k) is int and 0 <= k <= 50 else 2))
            s = equipoise.NegativeSampler([4, 3, 2, 1, 0], exclude=a[0], seed=1)
            got = s.sample(
                a[1],
                k,
                exclude_ids=a[3],
                unique=a[4],
                on_exhausted=a[5],
                row_keys=a[6],
                out=out,
                n_threads=a[8],
            )
            assert out is None or got is out
            return repr((got.ids.tolist(), got.log_q.tolist(), got.mask.tolist()))
        if kind == "shared":
            got = five().sample_shared(few(a[0]), unique=a[1])
            return repr((got.ids.tolist(), got.log_q.tolist(), got.num_tries))
        if kind == "hits":
            return repr(
                equipoise.NegativeSampler(5, exclude=a[0]).accidental_hits(a[1], a[2], keep=a[3]).tolist()
            )
        if kind == "smote":
            n = few(a[5])
            out = buffers(a[6], (n if type(n) is int and 0 <= n <= 50 else 2, 2))
            how = {"k_neighbors": a[1], "categorical": a[2], "parent_weights": a[3], "seed": a[4]}
            got = equipoise.SmoteSampler(a[0], **how).sample(n, out=out, return_parents=a[7])
            if isinstance(got, equipoise.SyntheticRows):
                return repr([x.tolist() for x in (got.rows, got.parents, got.neighbors, got.gaps)])
            assert out is None or got is out
            return repr(got.tolist())
        if kind == "interpolate":
            return repr(interpolate(*a[:4], out=buffers(a[4], (2, 2)), n_threads=a[5]).tolist())
        if kind == "parents":
            if a[4] is True:
                return repr(equipoise.borderline_weights(*a[:3], m_neighbors=a[3]).tolist())
            return repr(equipoise.safe_level_weights(*a[:3], k_neighbors=a[3]).tolist())
        if kind == "epoch":
            s = five()
            s.set_epoch(a[0])
            return repr(s.sample([0, 1], 3).ids.tolist())
        return repr(five().load_state_dict({**five().state_dict(), **a[0]}))
    except DOCUMENTED as error:
        return f"{type(error).__name__}: {error}"
