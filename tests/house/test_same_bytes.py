"""Digests of every public draw and answer, recorded before the package was split into sub-packages.

They hold on both backends, every CPU path, any number of threads, and the oldest supported NumPy,
scikit-learn and imbalanced-learn. A new case is recorded with

    python tests/house/test_same_bytes.py

which adds what is missing and never changes a recorded digest. A digest that must change (a new version of
the stream contract) is deleted by hand first.

The files in ``before/`` were written by the code of commit 63dad8a, with NumPy 1.26 and pickle protocol 4,
and are never written again: they stand for the files that users have.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import pickle
import re
import sys
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import equipoise
from equipoise import rng as contract

HERE = Path(__file__).resolve().parent
RECORDED = HERE / "same_bytes.json"
BEFORE = HERE / "before"

CASES = {}


def cases(*arguments):
    """Register the decorated function once for each argument, or once without arguments."""

    def register(function):
        for argument in arguments:
            name = f"{function.__name__}[{argument}]"
            assert name not in CASES
            CASES[name] = lambda argument=argument: function(argument)
        if not arguments:
            CASES[function.__name__] = function
        return function

    return register


# ---- digests -------------------------------------------------------------------------------------------


def feed(digest, answer):
    """Add an answer to a digest: its type, dtype and shape, and its bytes in little-endian order."""
    if dataclasses.is_dataclass(answer):
        fields = [getattr(answer, field.name) for field in dataclasses.fields(answer)]
        feed(digest, (type(answer).__name__, *fields))
    elif isinstance(answer, np.ndarray | np.generic):
        array = np.asarray(answer)
        assert array.dtype.kind in "biuf", array.dtype
        digest.update(f"array {array.dtype.kind}{array.dtype.itemsize} {array.shape};".encode())
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    elif isinstance(answer, dict):
        feed(digest, ("dict", *answer.items()))
    elif isinstance(answer, tuple | list):
        digest.update(f"{len(answer)} entries;".encode())
        for entry in answer:
            feed(digest, entry)
    elif isinstance(answer, bytes):
        digest.update(f"{len(answer)} bytes;".encode() + answer)
    elif isinstance(answer, float):
        digest.update(f"float {answer.hex()};".encode())
    else:
        assert answer is None or isinstance(answer, str | bool | int), type(answer)
        digest.update(f"{type(answer).__name__} {answer!r};".encode())


def digest_of(answer):
    digest = hashlib.blake2b(digest_size=12)
    feed(digest, answer)
    return digest.hexdigest()


def recorded():
    return json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {}


# ---- inputs: integers, divisions and square roots alone, which are the same on every machine -----------


def words(n, salt):
    """64-bit words from a hash of 0 .. n - 1."""
    z = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(salt * 0x2545F4914F6CDD1D % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(n, salt):
    """Numbers in (0, 1)."""
    return ((words(n, salt) >> np.uint64(12)).astype(np.float64) + 0.5) / 2**52


def below(n, end, salt):
    """Integers in [0, end)."""
    return (words(n, salt) % np.uint64(end)).astype(np.int64)


def zeroed(w, salt):
    """The same weights, a quarter of them 0."""
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
    """(indptr, indices): row r has up to 36 ids, unsorted and with repeats; some rows have none."""
    lengths = np.arange(rows) % 37
    indptr = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    return indptr, below(int(indptr[-1]), n, 8)


def points(n, d, salt, dtype=np.float64):
    """Overlapping clouds whose distances do not tie."""
    return (uniform(n * d, salt).reshape(n, d) + below(n, 3, salt + 1)[:, None] / 4).astype(dtype)


def bytes_of(save):
    """The content of the file that ``save(path)`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        save(path)
        return Path(path).read_bytes()


def two_threads():
    return mock.patch.dict(os.environ, {"EQUIPOISE_NUM_THREADS": "2"})


# ---- tables --------------------------------------------------------------------------------------------


def answers_of_table(table):
    ids = np.arange(min(len(table), 2000))
    out = np.empty((2, 9), np.int64)
    return [
        len(table),
        [table.sample(size, rng=7) for size in (0, 1, (), (3, 5, 7), 1000)],
        table.sample((2, 9), rng=7, out=out) is out,
        out,
        [table.sample(600, rng=11, n_threads=threads) for threads in (1, 2)],
        table.prob(ids),
        table.log_prob(ids),
        table.prob(ids[: len(ids) // 2 * 2].reshape(2, -1)),
        bytes_of(table.save),
    ]


@cases(*WEIGHTS)
def alias_table(kind):
    return answers_of_table(equipoise.AliasTable(weights_of(kind)))


@cases(0.0, 0.25, 0.5, 0.75, 1.0, 2.0, 0.3, -1.0)
def alias_table_of_power(power):
    return [
        answers_of_table(equipoise.AliasTable(weights_of(kind), power=power, smoothing=smoothing))
        for kind in ("float64", "int32", "zeros")
        for smoothing in (0.0, 1.5)
    ]


@cases(1, 7, 1000, 2**32 - 1)
def uniform_table(n):
    return answers_of_table(equipoise.UniformTable(n))


@cases(1, 7, 1000)
def log_uniform_table(n):
    return answers_of_table(equipoise.LogUniformTable(n))


@cases(1, 2)
def long_draws(threads):
    tables = (equipoise.AliasTable(weights_of("zeros")), equipoise.UniformTable(12345))
    return [table.sample(600_001, rng=3, n_threads=threads) for table in tables]


@cases("int", "SeedSequence", "PCG64", "Generator", "MT19937")
def rng_argument(kind):
    rng = {
        "int": 5,
        "SeedSequence": np.random.SeedSequence(5),
        "PCG64": np.random.PCG64(5),
        "Generator": np.random.Generator(np.random.PCG64(5)),
        "MT19937": np.random.Generator(np.random.MT19937(5)),
    }[kind]
    table = equipoise.UniformTable(10**6)
    keys = [contract.key_from_rng(rng) for _ in range(3)]
    samples = [table.sample(5, rng=rng) for _ in range(3)]
    return [keys, samples, equipoise.weighted_sample(weights_of("float64"), 5, rng=rng)]


@cases()
def contract_constants():
    names = ("TABLE", "KEYED", "COUNTED", "SHARED", "IDS", "ROWS", "BLOCKS", "SMOTE")
    return [contract.worker_lane(), *(getattr(contract, name) for name in names)]


# ---- negatives -----------------------------------------------------------------------------------------

ITEMS = ("count", "weights", "power", "log-uniform", "uniform", "heavy")


def items_of(kind):
    heavy = np.ones(1000)
    heavy[below(1000, 1000, 8)[:50]] = 1e9
    return {
        "count": 1000,
        "weights": weights_of("zeros"),
        "power": equipoise.AliasTable(weights_of("int32"), power=0.75, smoothing=1.0),
        "log-uniform": equipoise.LogUniformTable(1000),
        "uniform": equipoise.UniformTable(1000),
        "heavy": heavy,  # most draws hit an exclusion, so that the exact draw is needed
    }[kind]


def negatives_sampler(kind, excluding=True, **settings):
    return equipoise.NegativeSampler(
        items_of(kind), exclude=exclusions(1000) if excluding else None, **settings
    )


@cases(*ITEMS)
def negatives(kind):
    sampler = negatives_sampler(kind, seed=9)
    rows = below(300, 200, 9)
    return [
        sampler.sample(rows, 8),
        sampler.sample(rows, 8),  # the stream goes on
        sampler.sample(rows[:1], 16),
        sampler.sample(rows, 5, unique=True),
        sampler.sample(rows, 5, row_keys=words(300, 10).astype(np.int64)),
        sampler.sample(rows, 0),
        sampler.sample(rows[:0], 3),
        sampler.sample(rows, 4, exclude_ids=below(300, 1001, 11) - 1),
        sampler.sample(rows, 4, exclude_ids=below(900, 1001, 12).reshape(300, 3) - 1, unique=True),
        sampler.log_prob(np.arange(1000)),
        sampler.state_dict(),
    ]


@cases(*ITEMS)
def negatives_without_exclusions(kind):
    sampler = negatives_sampler(kind, excluding=False, seed=2**64 - 1, stream=5)
    rows = words(50, 13).astype(np.int64)
    return [
        sampler.sample(rows, 8),
        sampler.sample(rows, 8, unique=True, exclude_ids=below(50, 1000, 14)),
        sampler.accidental_hits(rows, np.arange(30)),
        sampler.state_dict(),
    ]


@cases("mask", "mask unique", "replace unique")
def negatives_of_exhausted_rows(options):
    policy, _, unique = options.partition(" ")
    exclude = np.array([0, 0, 8, 15, 20, 26]), np.concatenate([np.arange(m) for m in (8, 7, 5, 6)])
    answers = []
    for items in (8, [4, 3, 2, 1, 9, 8, 7, 0], [1, 1, 1, 1, 1, 1, 0, 1]):
        sampler = equipoise.NegativeSampler(items, exclude=exclude, seed=1)
        # A row with nothing left is refused under "replace".
        rows = [0, 4, 3, 0, 3] if policy == "replace" else [0, 1, 2, 3, 4, 1, 0]
        more = {"exclude_ids": np.arange(len(rows)) % 2 * 2 - 1}
        for extra in ({}, more):
            answers.append(sampler.sample(rows, 6, unique=bool(unique), on_exhausted=policy, **extra))
    return answers


@cases(1, 2)
def negatives_in_threads(threads):
    rows = below(6000, 200, 15)
    answers = []
    for kind in ("count", "power"):
        for unique in (False, True):
            sampler = negatives_sampler(kind, seed=4, stream=2)
            answers.append(sampler.sample(rows, 16, unique=unique, n_threads=threads))
    return answers


@cases("weights", "uniform")
def negatives_out(kind):
    shape = (40, 6)
    out = equipoise.Negatives(
        np.empty(shape, np.int64), np.empty(shape, np.float32), np.empty(shape, np.bool_)
    )
    same = negatives_sampler(kind, seed=4).sample(below(40, 200, 16), 6, out=out)
    return [same is out, out]


@cases(0, 1, 2**32 - 1)
def negatives_of_epoch(epoch):
    sampler = negatives_sampler("weights", seed=4, stream=2**63)
    sampler.sample([1, 2], 3)
    sampler.set_epoch(epoch)
    rows = below(40, 200, 17)
    answers = [
        sampler.sample(rows, 3),
        sampler.sample(rows, 3, row_keys=np.arange(40) - 20),
        sampler.sample_shared(20),
        sampler.state_dict(),
    ]
    resumed = negatives_sampler("weights", seed=4, stream=2**63)
    resumed.load_state_dict(answers[-1])
    return [*answers, resumed.sample(rows, 3), resumed.sample_shared(20)]


@cases()
def negatives_of_scipy_csr():
    sparse = pytest.importorskip("scipy.sparse")
    indptr, indices = exclusions(1000)
    matrix = sparse.csr_matrix((np.ones(indices.size), indices, indptr), shape=(200, 1000))
    sampler = equipoise.NegativeSampler(weights_of("zeros"), exclude=matrix, seed=9)
    return [sampler.sample(below(100, 200, 18), 8), sampler.state_dict()]


@cases(*ITEMS)
def shared_negatives(kind):
    sampler = negatives_sampler(kind, seed=6, stream=1)
    most = {"weights": int(np.count_nonzero(weights_of("zeros")))}.get(kind, 1000)
    return [
        *(sampler.sample_shared(count) for count in (0, 1, 100, 100, most)),
        *(sampler.sample_shared(count, unique=False) for count in (0, 1, 3000)),
        sampler.state_dict(),
    ]


@cases()
def accidental_hits():
    sampler = negatives_sampler("weights", seed=6)
    rows, candidates = below(64, 200, 19), below(64, 1000, 20)
    _, indices = exclusions(1000)
    candidates[::2] = indices[:32]
    return [
        sampler.accidental_hits(rows, candidates),
        sampler.accidental_hits(rows, candidates, keep=np.arange(64)),
        sampler.accidental_hits(np.arange(200), indices),
        sampler.accidental_hits(rows, candidates[:0]),
    ]


# ---- reservoirs ----------------------------------------------------------------------------------------

ROWS = 20_000
KINDS = {
    "positions": {},
    "ids": {"ids": True},
    "positions half-life": {"half_life": 900.0},
    "ids half-life": {"half_life": 900.0, "ids": True},
    "positions replacement": {"replacement": True},
    "ids replacement": {"replacement": True, "ids": True},
    "positions replacement half-life": {"replacement": True, "half_life": 900.0},
    "ids replacement half-life": {"replacement": True, "half_life": 900.0, "ids": True},
}


def row_arguments(begin, end, *, weights="zeros", ids=False, half_life=None, **_):
    """Arguments of ``update`` for some of the rows; ids repeat for equal weights only."""
    arguments = {"weights": weights_of(weights, ROWS)[begin:end]}
    if ids:
        arguments["ids"] = words(ROWS, 21).astype(np.int64)[begin:end]
    if half_life is not None:
        arguments["times"] = (np.arange(ROWS) / 4 + below(ROWS, 50, 22))[begin:end]
    return arguments


def filled(k, kind, cuts=(0, ROWS), *, settings=None, threads=None, **more):
    options = {**KINDS[kind], **more}
    settings = {"seed": 8, **(settings or {})}
    settings |= {name: options[name] for name in ("half_life", "replacement") if name in options}
    reservoir = equipoise.Reservoir(k, **settings)
    for begin, end in itertools.pairwise(cuts):
        reservoir.update(**row_arguments(begin, end, **options), n_threads=threads)
    return reservoir


def header_of(data):
    return json.loads(data[24 : 24 + int.from_bytes(data[20:24], "little")])


def rounded(x):
    return [f"{value:.5e}" for value in np.atleast_1d(x).tolist()]


def answers_of_reservoir(reservoir):
    """Sample, estimates, totals and bytes, all of them exact but what follows from a sum of NumPy's.

    With a half-life the total weight is such a sum, and NumPy 1.26 and 2.4 round it differently. Draws with
    replacement get their inclusion, and so their estimates, from the total.
    """
    data = reservoir.to_bytes()
    settings = header_of(data)["settings"]
    decayed, replacement = settings["half_life"] is not None, settings.get("replacement", False)
    sample, total = reservoir.sample(), reservoir.total_weight
    with np.errstate(over="ignore"):  # squares of the widest weights
        estimates = [
            reservoir.estimate(),
            reservoir.estimate(values=sample.weights, where=sample.ids % 2 == 0),
        ]
    again = type(reservoir).from_bytes(data)
    assert digest_of(again.sample()) == digest_of(sample)
    assert again.to_bytes() == data
    if decayed:
        total = rounded(total)
        # Without the checksum, which from_bytes has verified.
        data = re.sub(rb'"total":\[[^]]*\]', b"", data[:-16])
    if decayed and replacement:
        sample = dataclasses.replace(sample, inclusion=rounded(sample.inclusion))
        estimates = [rounded(pair) for pair in estimates]
    return [sample, estimates, reservoir.n_seen, total, data]


@cases(*KINDS)
def reservoir(kind):
    return [answers_of_reservoir(filled(k, kind)) for k in (1, 50, 3000)]


@cases(*KINDS)
def reservoir_in_chunks(kind):
    return answers_of_reservoir(filled(64, kind, (0, 1, 1, 64, 130, 7001, 7002, ROWS)))


@cases(*KINDS)
def reservoir_in_threads(kind):
    return [answers_of_reservoir(filled(300, kind, (0, 150, ROWS), threads=threads)) for threads in (1, 2)]


@cases("float64", "float32", "int64", "int32", "uint32", "equal", "wide", "subnormal")
def reservoir_of_weights(weights):
    kinds = ("positions", "ids", "positions half-life", "ids replacement")
    return [answers_of_reservoir(filled(40, kind, weights=weights)) for kind in kinds]


@cases(*KINDS)
def merged_reservoirs(kind):
    parts = []
    for stream in range(3):
        cuts = (stream * 6000, (stream + 1) * 6000)
        parts.append(filled(100, kind, cuts, settings={"stream": stream}))
    parts[0].merge(parts[1])
    parts[2].merge(parts[0])
    return [answers_of_reservoir(part) for part in parts]


@cases("positions", "ids", "replacement")
def small_reservoirs(kind):
    """Nothing seen, nothing but zeros, fewer rows than k, and one row at a time."""
    answers = []
    ids = [5, -3, 2**62, 9] if kind == "ids" else None
    for weights in ([], [0.0] * 4, [1.0, 0.0, 2.5, 1.0]):
        reservoir = equipoise.Reservoir(5, replacement=kind == "replacement", seed=2, stream=2**64 - 1)
        if weights:
            reservoir.update(weights, ids=ids)
        answers.append([reservoir.sample(), reservoir.n_seen, reservoir.total_weight, reservoir.to_bytes()])
    single = equipoise.Reservoir(5, replacement=kind == "replacement", seed=2)
    for i, weight in enumerate(weights_of("zeros")[:200]):
        single.update([weight], ids=None if ids is None else [i])
    return [answers, answers_of_reservoir(single)]


@cases()
def reservoir_of_repeated_rows():
    """Rows that are seen twice count once in the sample; the merge of a reservoir with its copy, too."""
    reservoirs = [filled(30, "ids") for _ in range(2)]
    reservoirs[0].update(**row_arguments(5000, 9000, ids=True))
    reservoirs[0].merge(reservoirs[1])
    tied = equipoise.Reservoir(10, seed=1)
    tied.update(np.full(50, 5e-324), ids=np.arange(50)[::-1])  # ranks beyond float64, all of them equal
    return [answers_of_reservoir(reservoirs[0]), tied.sample(), tied.to_bytes()]


@cases()
def reservoir_of_datetimes():
    reservoir = equipoise.Reservoir(20, half_life=3600.0, seed=3)
    times = np.datetime64("2024-02-28T23:00", "s") + below(500, 10**6, 23).astype("m8[s]")
    reservoir.update(weights_of("zeros", 500), ids=np.arange(500), times=times)
    return answers_of_reservoir(reservoir)


CLASS_KINDS = ("positions", "ids", "positions half-life", "ids half-life")


def class_filled(k, kind, cuts=(0, ROWS), *, threads=None, weighted=True, spread=1, **settings):
    options = KINDS[kind]
    settings = {"seed": 8, "half_life": options.get("half_life"), **settings}
    # Class c is about c times as rare as class 0.
    labels = np.minimum(4, (1 / uniform(ROWS, 24)).astype(np.int64) - 1) * spread
    reservoir = equipoise.ClassReservoir(k, **settings)
    for begin, end in itertools.pairwise(cuts):
        arguments = row_arguments(begin, end, **options)
        if not weighted:
            arguments["weights"] = None
        reservoir.update(labels[begin:end], **arguments, n_threads=threads)
    return reservoir


def answers_of_classes(reservoir):
    return [
        answers_of_reservoir(reservoir),
        reservoir.counts,
        [
            reservoir.sample(total=total, policy=policy)
            for total in (1, 37, 10**6)
            for policy in ("equal", "sqrt", "proportional")
        ],
    ]


@cases(*CLASS_KINDS)
def class_reservoir(kind):
    cuts = (0, 1, 300, 7001, ROWS)
    return [
        answers_of_classes(class_filled(100, kind)),
        answers_of_classes(class_filled(100, kind, cuts, num_classes=7)),
        answers_of_classes(class_filled([1, 5, 50, 500, 5000], kind, num_classes=5)),
        answers_of_classes(class_filled(100, kind, cuts, weighted=False, spread=-(2**61))),
    ]


@cases(*CLASS_KINDS)
def class_reservoir_in_threads(kind):
    return [answers_of_classes(class_filled(100, kind, threads=threads)) for threads in (1, 2)]


@cases(*CLASS_KINDS)
def merged_class_reservoirs(kind):
    parts = []
    for stream in range(3):
        cuts = (stream * 6000, (stream + 1) * 6000)
        parts.append(class_filled(40, kind, cuts, stream=stream, spread=1 + stream))
    parts[0].merge(parts[1])
    parts[2].merge(parts[0])
    return [answers_of_classes(part) for part in parts]


@cases(*WEIGHTS)
def weighted_sample(kind):
    weights = weights_of(kind, ROWS)
    return [
        equipoise.weighted_sample(
            weights, k, replacement=replacement, rng=5, n_threads=threads, return_inclusion=inclusion
        )
        for k in (1, 40, 2 * ROWS if kind in ("zeros", "one") else 500)
        for replacement in (False, True)
        for inclusion in (False, True)
        for threads in (1, 2)
    ]


# ---- neighbors -----------------------------------------------------------------------------------------


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


def labelled(dtype=np.float64):
    """Two overlapping classes, the second one rare."""
    y = (below(400, 5, 34) == 0).astype(np.int64)
    return (points(400, 4, 35) + y[:, None] / 5).astype(dtype), y


@cases("float64", "float32")
def parent_weights(dtype):
    x, y = labelled(dtype)
    return [
        equipoise.borderline_weights(x, y, 1),
        equipoise.borderline_weights(x, y, 1, m_neighbors=3),
        equipoise.safe_level_weights(x, y, 1),
        equipoise.safe_level_weights(x, y, 0, k_neighbors=9),
    ]


# ---- SMOTE ---------------------------------------------------------------------------------------------

SMOTE_KINDS = ("plain", "weighted", "categorical", "categories alone", "copies", "border")


def smote_sampler(kind, dtype=np.float64, **settings):
    x = points(150, 4, 36, dtype)
    codes = below(300, 4, 37).reshape(150, 2)
    if kind == "weighted":
        settings["parent_weights"] = weights_of("zeros", 150)
    elif kind == "categorical":
        x, settings["categorical"] = np.column_stack([codes[:, 0], x, codes[:, 1]]).astype(dtype), [0, 5]
    elif kind == "categories alone":
        x, settings["categorical"] = np.column_stack([codes, codes[::-1] * 7]).astype(dtype), range(4)
    elif kind == "copies":
        x = np.concatenate([x, x[:30], x[:10]])
    elif kind == "border":
        x, y = labelled(dtype)
        settings["parent_weights"] = equipoise.borderline_weights(x, y, 1)
        x = x[y == 1]
    return equipoise.SmoteSampler(x, **{"k_neighbors": 5, "seed": 12, **settings})


@cases(*(f"{kind} {dtype}" for kind in SMOTE_KINDS for dtype in ("float64", "float32")))
def smote(case):
    kind, _, dtype = case.rpartition(" ")
    sampler = smote_sampler(kind, dtype)
    first = sampler.sample(700, return_parents=True)
    out = np.empty((65, first.rows.shape[1]), dtype)
    same = sampler.sample(65, out=out) is out
    state = sampler.state_dict()
    with two_threads():
        second = sampler.sample(300, return_parents=True)
    sampler.set_epoch(2**32 - 1)
    epoch = sampler.sample(3)
    sampler.load_state_dict(state)
    return [first, same, out, state, second, epoch, sampler.sample(9), sampler.sample(0)]


@cases(1, 2)
def smote_in_threads(threads):
    """Enough rows that two threads have work; the thread count comes from the environment."""
    with mock.patch.dict(os.environ, {"EQUIPOISE_NUM_THREADS": str(threads)}):
        sampler = smote_sampler("weighted", np.float32, k_neighbors=20, seed=2**64 - 1)
        return sampler.sample(200_000, return_parents=True)


# ---- drop-in classes -----------------------------------------------------------------------------------
#
# Their answers must not depend on the versions of scikit-learn and imbalanced-learn. The rows of most classes
# follow from exact neighbors and from NumPy's legacy RandomState, whose streams are frozen. KMeansSMOTE and
# SVMSMOTE use scikit-learn's clustering and support vectors, which change with its version, so they get
# estimators of this file. The tests of equipoise.imblearn compare the defaults with the installed version.


class Cells:
    """A clustering for KMeansSMOTE: the sign of the first column, less its median."""

    n_clusters = 2

    def fit_predict(self, X, y=None):
        return (X[:, 0] > np.sort(X[:, 0])[len(X) // 2]).astype(np.int64)

    def fit(self, X, y=None):
        return self

    predict = fit_predict

    def get_params(self, deep=True):
        return {}

    def set_params(self, **_):
        return self


class EverySecond:
    """A classifier for SVMSMOTE: every second row is a support vector."""

    def fit(self, X, y):
        self.support_ = np.arange(0, len(X), 2)
        return self

    def predict(self, X):
        return np.zeros(len(X), np.int64)

    def get_params(self, deep=True):
        return {}

    def set_params(self, **_):
        return self


DROP_INS = {
    "SMOTE": {"random_state": 3},
    "BorderlineSMOTE": {"random_state": 3},
    "ADASYN": {"random_state": 3},
    "SMOTENC": {"random_state": 3, "categorical_features": [0, 5]},
    "SMOTEN": {"random_state": 3},
    "KMeansSMOTE": {"random_state": 3, "kmeans_estimator": Cells(), "cluster_balance_threshold": 0.0},
    "SVMSMOTE": {"random_state": 3, "svm_estimator": EverySecond()},
    "RandomOverSampler": {"random_state": 3},
    "RandomUnderSampler": {"random_state": 3},
    "TomekLinks": {},
    "EditedNearestNeighbours": {},
    "NearMiss": {},
    "SMOTEENN": {"random_state": 3},
    "SMOTETomek": {"random_state": 3},
}
VARIANTS = {
    "SMOTE": {"k_neighbors": 2, "sampling_strategy": {1: 200}},
    "BorderlineSMOTE": {"kind": "borderline-2"},
    "RandomOverSampler": {"sampling_strategy": 0.5},
    "RandomUnderSampler": {"replacement": True},
    "TomekLinks": {"sampling_strategy": "all"},
    "EditedNearestNeighbours": {"kind_sel": "mode", "n_neighbors": 5},
    "NearMiss": {"version": 2},
}


@cases(*DROP_INS)
def drop_in(name):
    pytest.importorskip("imblearn", reason="imbalanced-learn is not installed")
    import equipoise.imblearn as ours

    answers = []
    for dtype in (np.float64, np.float32):
        x, y = labelled(dtype)
        if name == "SMOTENC":
            codes = below(800, 4, 38).reshape(400, 2)
            x = np.column_stack([codes[:, 0], x, codes[:, 1]]).astype(dtype)
        elif name == "SMOTEN":
            x = below(2400, 12, 39).reshape(400, 6).astype(dtype)
        for variant in ({}, VARIANTS.get(name)):
            if variant is not None:
                sampler = getattr(ours, name)(**{**DROP_INS[name], **variant})
                answers += [*sampler.fit_resample(x, y), getattr(sampler, "sample_indices_", None)]
    return answers


@cases("SMOTE", "RandomOverSampler", "EditedNearestNeighbours", "SMOTETomek")
def drop_in_on_sparse_rows(name):
    pytest.importorskip("imblearn", reason="imbalanced-learn is not installed")
    from scipy import sparse

    import equipoise.imblearn as ours

    x, y = labelled()
    x[:, 1:][below(1200, 3, 41).reshape(400, 3) == 0] = 0
    new, labels = getattr(ours, name)(**DROP_INS[name]).fit_resample(sparse.csr_matrix(x), y)
    return [new.toarray(), labels]


@cases()
def neighbors_estimator():
    pytest.importorskip("imblearn", reason="imbalanced-learn is not installed")
    import equipoise.imblearn as ours

    x, y = labelled()
    finder = ours.NearestNeighbors(n_neighbors=4).fit(x)
    return [
        finder.kneighbors(x[:50] / 2),
        finder.kneighbors(),
        ours.SMOTE(k_neighbors=finder, random_state=1).fit_resample(x, y),
        equipoise.safe_level_weights(x, y, 1, k_neighbors=finder),
        equipoise.SmoteSampler(x, k_neighbors=finder, seed=1).sample(100),
    ]


# ---- files that were written before --------------------------------------------------------------------


def before_pickles():
    """The objects of the committed pickles, by name."""
    rows = below(30, 200, 50)
    sampler = negatives_sampler("power", seed=13, stream=3)
    sampler.set_epoch(2)
    answers = {"negatives": sampler.sample(rows, 4), "shared_negatives": sampler.sample_shared(9)}
    synthetic = smote_sampler("weighted", np.float32)
    answers["synthetic_rows"] = synthetic.sample(7, return_parents=True)
    mixed = smote_sampler("categorical")
    mixed.set_epoch(5)
    mixed.sample(11)
    reservoirs = before_bytes()
    return answers | {
        "alias_table": equipoise.AliasTable(weights_of("zeros")[:60], power=0.75),
        "mapped_table": equipoise.AliasTable.load("table.alias"),
        "uniform_table": equipoise.UniformTable(77),
        "log_uniform_table": equipoise.LogUniformTable(50),
        "negative_sampler": equipoise.NegativeSampler(
            weights_of("int32")[:90], exclude=exclusions(90, 40), seed=1
        ),
        "negative_sampler_midway": sampler,
        "smote_sampler": synthetic,
        "smote_sampler_midway": mixed,
        "mapped_smote_sampler": equipoise.SmoteSampler(
            np.memmap("rows.float64", "<f8", "r", 16, (40, 3)), k_neighbors=3, seed=6
        ),
        "reservoir": reservoirs["reservoir_ids"],
        "class_reservoir": reservoirs["class_reservoir"],
        "reservoir_sample": reservoirs["class_reservoir"].sample(total=20),
        "neighbors": equipoise.nearest_neighbors(points(30, 2, 51, np.float32), 3),
    }


def before_bytes():
    """The reservoirs of the committed bytes, by name."""
    return {
        "reservoir_positions": filled(20, "positions", (0, 333), settings={"stream": 4}),
        "reservoir_ids": filled(20, "ids", (0, 333)),
        "reservoir_half_life": filled(20, "positions half-life", (0, 333)),
        "reservoir_replacement": filled(20, "positions replacement", (0, 333)),
        "class_reservoir": class_filled(8, "positions", (0, 333)),
        "class_reservoir_ids": class_filled([2, 4, 6, 8, 10], "ids half-life", (0, 333), num_classes=5),
    }


def before_drop_ins():
    import equipoise.imblearn as ours

    kept = {name: dict(settings) for name, settings in DROP_INS.items()}
    for settings in kept.values():  # estimators of this file are not for pickles
        settings.pop("kmeans_estimator", None)
        settings.pop("svm_estimator", None)
    return [getattr(ours, name)(**settings) for name, settings in kept.items()] + [
        ours.NearestNeighbors(n_neighbors=4)
    ]


def before_states():
    sampler, synthetic = negatives_sampler("log-uniform", seed=14), smote_sampler("categorical")
    for epoch in (0, 3):
        sampler.set_epoch(epoch)
        synthetic.set_epoch(epoch)
        sampler.sample(below(30, 200, 52), 4)
        sampler.sample_shared(5)
        synthetic.sample(70)
    return {"NegativeSampler": sampler.state_dict(), "SmoteSampler": synthetic.state_dict()}


def write_before():
    """Write all the files of ``before/``, which must not be there yet."""
    BEFORE.mkdir()
    with contextlib.chdir(BEFORE):
        equipoise.AliasTable(weights_of("zeros")[:60], smoothing=0.5).save("table.alias")
        equipoise.UniformTable(123).save("table.uniform")
        Path("rows.float64").write_bytes(b"another header!\n" + points(40, 3, 53).astype("<f8").tobytes())
        # Paths in pickles are relative here, since the folder of the tests is not known.
        with mock.patch("os.path.abspath", os.fspath):
            made = before_pickles()
        for name, value in {**made, "drop_ins": before_drop_ins()}.items():
            Path(f"{name}.pickle").write_bytes(pickle.dumps(value, 4))
        for name, value in before_bytes().items():
            Path(f"{name}.bytes").write_bytes(value.to_bytes())
        Path("states.json").write_text(json.dumps(before_states(), indent=1) + "\n", encoding="utf-8")


def unpickled(name):
    with contextlib.chdir(BEFORE):
        return pickle.loads(Path(f"{name}.pickle").read_bytes())


@cases("alias_table", "mapped_table", "uniform_table", "log_uniform_table")
def table_pickled_before(name):
    return answers_of_table(unpickled(name))


@cases("negatives", "shared_negatives", "synthetic_rows", "reservoir_sample", "neighbors")
def answer_pickled_before(name):
    return unpickled(name)


@cases("negative_sampler", "negative_sampler_midway")
def negatives_pickled_before(name):
    sampler = unpickled(name)
    rows = np.arange(40)
    answers = [sampler.state_dict(), sampler.sample(rows, 6), sampler.sample(rows, 3, unique=True)]
    answers += [sampler.sample(rows, 3, row_keys=rows), sampler.sample_shared(20)]
    return [*answers, sampler.accidental_hits(rows, rows), sampler.log_prob(rows), sampler.state_dict()]


@cases("smote_sampler", "smote_sampler_midway", "mapped_smote_sampler")
def smote_pickled_before(name):
    sampler = unpickled(name)
    answers = [sampler.state_dict(), sampler.sample(90, return_parents=True), sampler.state_dict()]
    sampler.set_epoch(1)
    return [*answers, sampler.sample(5)]


def answers_of_old_reservoir(reservoir):
    """What it holds, and what it is after it has read and merged more."""
    answers = [answers_of_reservoir(reservoir)]
    other = pickle.loads(pickle.dumps(reservoir))
    of_classes = isinstance(reservoir, equipoise.ClassReservoir)
    header = header_of(reservoir.to_bytes())
    arguments = {"weights": weights_of("float64", 500)}
    if header["keyed"] == "ids":
        arguments["ids"] = np.arange(500) + 10**12
    if header["settings"]["half_life"] is not None:
        arguments["times"] = np.arange(500) * 3.0
    if of_classes:
        arguments["classes"] = below(500, 5, 54)
    other.update(**arguments)
    answers.append(answers_of_reservoir(other))
    if header["keyed"] == "ids":
        reservoir.merge(other)
        answers.append(answers_of_reservoir(reservoir))
    return answers


@cases("reservoir", "class_reservoir")
def reservoir_pickled_before(name):
    return answers_of_old_reservoir(unpickled(name))


@cases(
    "reservoir_positions",
    "reservoir_ids",
    "reservoir_half_life",
    "reservoir_replacement",
    "class_reservoir",
    "class_reservoir_ids",
)
def bytes_written_before(name):
    data = (BEFORE / f"{name}.bytes").read_bytes()
    kind = equipoise.ClassReservoir if name.startswith("class") else equipoise.Reservoir
    assert kind.from_bytes(data).to_bytes() == data
    return answers_of_old_reservoir(kind.from_bytes(data))


@cases("mapped", "read")
def table_saved_before(how):
    return [
        answers_of_table(equipoise.AliasTable.load(BEFORE / "table.alias", mmap=how == "mapped")),
        answers_of_table(equipoise.UniformTable.load(BEFORE / "table.uniform", mmap=how == "mapped")),
    ]


@cases("NegativeSampler", "SmoteSampler")
def state_saved_before(name):
    state = json.loads((BEFORE / "states.json").read_text(encoding="utf-8"))[name]
    negative = name == "NegativeSampler"
    sampler = negatives_sampler("log-uniform", seed=14) if negative else smote_sampler("categorical")
    sampler.load_state_dict(state)
    answers = [sampler.state_dict()]
    if negative:
        return [*answers, sampler.sample(np.arange(9), 4), sampler.sample_shared(5), sampler.state_dict()]
    return [*answers, sampler.sample(30, return_parents=True), sampler.state_dict()]


@cases()
def drop_ins_pickled_before():
    pytest.importorskip("imblearn", reason="imbalanced-learn is not installed")
    loaded = unpickled("drop_ins")
    x, y = labelled()
    answers = [[type(sampler).__name__ for sampler in loaded]]
    for sampler in loaded:
        kind = type(sampler).__name__
        if kind == "NearestNeighbors":
            answers.append(sampler.fit(x).kneighbors())
        elif kind not in ("KMeansSMOTE", "SVMSMOTE", "SMOTENC", "SMOTEN"):  # other rows, or estimators
            answers.append(sampler.fit_resample(x, y))
    return answers


# ---- the tests -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_an_answer_is_what_it_was(name):
    assert digest_of(CASES[name]()) == recorded().get(name, "not recorded")


def test_every_recorded_digest_has_its_case():
    assert sorted(recorded()) == sorted(CASES)


def test_every_file_written_before_has_its_case():
    names = {path.stem for path in BEFORE.iterdir()} - {"table", "rows", "states"}
    assert all(any(f"[{name}]" in case or case.startswith(name) for case in CASES) for name in names)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros(2), np.array([0.0, -0.0])),
        (np.zeros(2), np.zeros(2, np.float32)),
        (np.zeros(2), np.zeros((2, 1))),
        (np.zeros(2), np.zeros(2, np.int64)),
        (1.0, np.nextafter(1.0, 2.0).item()),
        ([1, [2, 3]], [[1, 2], 3]),
        (True, 1),
        ({"a": 1}, {"a": 2}),
    ],
)
def test_a_digest_tells_answers_apart(one, other):
    assert digest_of(one) != digest_of(other)


if __name__ == "__main__":
    if sys.argv[1:] == ["before"]:
        write_before()
    known = recorded()
    known |= {name: digest_of(case()) for name, case in CASES.items() if name not in known}
    RECORDED.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n", encoding="utf-8")
