"""Recorded answers of reservoirs, with and without classes, and of ``weighted_sample``."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re

import numpy as np

import equipoise
from support.recorded.digests import cases, digest_of
from support.recorded.inputs import WEIGHTS, below, uniform, weights_of, words

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
    """Return the arguments of ``update`` for some of the rows."""
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
    """Return the sample, estimates, totals and bytes, rounded where NumPy's sums differ by version.

    With a half-life the total weight is a sum that NumPy 1.26 and 2.4 round differently. With replacement,
    inclusion and estimates depend on the total, too.
    """
    data = reservoir.to_bytes()
    settings = header_of(data)["settings"]
    decayed, replacement = settings["half_life"] is not None, settings.get("replacement", False)
    sample, total = reservoir.sample(), reservoir.total_weight
    with np.errstate(over="ignore"):  # squares of the widest weights
        estimates = [
            tuple(reservoir.estimate()),
            tuple(reservoir.estimate(values=sample.weights, where=sample.ids % 2 == 0)),
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
    """Read no row, only weights of zero, fewer rows than k, and one row at a time."""
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
    """Read rows twice and merge a reservoir with its equal, so that rows must count once."""
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
