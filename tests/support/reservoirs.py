"""Every kind of reservoir, filled with the same rows, and all of its answers."""

from __future__ import annotations

import functools
import itertools
import json

import numpy as np
import pytest

from equipoise import ClassReservoir, Reservoir

N = 400_003  # several pieces for each thread, and an incomplete block
RNG = np.random.default_rng(0)
WEIGHTS = RNG.pareto(1.1, N) * (RNG.random(N) < 0.9)
IDS = RNG.permutation(N) * 1_000_003 - 10**11
TIMES = 1.7e9 + 1e7 * RNG.random(N)
CLASSES = np.minimum(RNG.integers(0, 9, N), RNG.integers(0, 9, N)) * 10**15 - 4

# Every kind of reservoir: name -> (constructor, names of the columns that it reads).
KINDS = {
    "positions": (functools.partial(Reservoir, 500, seed=3, stream=8), ("weights",)),
    "ids": (functools.partial(Reservoir, 500, seed=3), ("weights", "ids")),
    "decay": (functools.partial(Reservoir, 500, half_life=1e6, seed=3), ("weights", "times")),
    "decay of ids": (functools.partial(Reservoir, 500, half_life=1e6, seed=3), ("weights", "ids", "times")),
    "replacement": (functools.partial(Reservoir, 60, replacement=True, seed=3), ("weights",)),
    "replacement of ids": (functools.partial(Reservoir, 60, replacement=True, seed=3), ("weights", "ids")),
    "replacement, decay": (
        functools.partial(Reservoir, 60, replacement=True, half_life=1e6, seed=3),
        ("weights", "times"),
    ),
    "classes": (functools.partial(ClassReservoir, 40, seed=3), ("classes", "weights")),
    "classes of ids": (functools.partial(ClassReservoir, 40, seed=3), ("classes", "weights", "ids")),
    "classes, decay": (
        functools.partial(ClassReservoir, 40, half_life=1e6, seed=3),
        ("classes", "weights", "ids", "times"),
    ),
}
COLUMNS = {"weights": WEIGHTS, "ids": IDS, "times": TIMES, "classes": CLASSES}
WITH_IDS = [name for name, (_, columns) in KINDS.items() if "ids" in columns]
kinds = pytest.mark.parametrize("name", KINDS)


def read(name, pieces, n_threads=None, reservoir=None):
    """Return a reservoir that has read these pieces, which are slices or arrays of rows."""
    make, names = KINDS[name]
    reservoir = make() if reservoir is None else reservoir
    for piece in pieces:
        reservoir.update(**{c: COLUMNS[c][piece] for c in names}, n_threads=n_threads)
    return reservoir


def cut(count, n=N):
    """Return uneven pieces."""
    at = np.sort(np.random.default_rng(count).integers(0, n, count - 1)).tolist()
    return [slice(begin, end) for begin, end in itertools.pairwise([0, *at, n])]


@functools.cache
def whole(name):
    """Return the answers of a reservoir that has read all rows in one call."""
    return answers(read(name, [slice(None)]))


def answers(reservoir):
    """Return a reservoir's answers as (exact answers, sums whose last digits may differ)."""
    samples, more = [reservoir.sample()], []
    if isinstance(reservoir, ClassReservoir):
        policies = ("equal", "sqrt", "proportional")
        samples += [reservoir.sample(total=t, policy=p) for t in (1, 50, 111) for p in policies]
        more = list(reservoir.counts.items())
    bits, sums = [reservoir.n_seen, more], [reservoir.total_weight]
    for sample in samples:
        bits += [sample.ids.tobytes(), sample.weights.tobytes()]
        bits += [None if x is None else x.tobytes() for x in (sample.classes, sample.streams)]
        if draws_with_replacement(reservoir):
            sums += sample.inclusion.tolist()
        else:
            bits.append(sample.inclusion.tobytes())
    return bits, sums


def draws_with_replacement(reservoir):
    return header(reservoir)["settings"].get("replacement", False)


def header(reservoir):
    data = reservoir.to_bytes()
    return json.loads(data[24 : 24 + int.from_bytes(data[20:24], "little")])


def same(reservoir, wanted):
    """Assert that a reservoir has the wanted answers."""
    bits, sums = answers(reservoir)
    assert bits == wanted[0]
    np.testing.assert_allclose(sums, wanted[1], rtol=1e-12)


def small_reservoirs(**more):
    """Yield (name, reservoir with a few rows, function n -> other arguments for an update of n rows)."""
    plain, ids = Reservoir(5, **more), Reservoir(5, **more)
    plain.update(np.ones(70))
    ids.update(np.ones(70), ids=np.arange(70))
    yield "positions", plain, lambda n: {}
    yield "ids", ids, lambda n: {"ids": np.arange(n)}
    replaced = Reservoir(5, replacement=True, **more)
    replaced.update(np.ones(70))
    yield "replacement", replaced, lambda n: {}
    decay = Reservoir(5, half_life=3.0, **more)
    decay.update(np.ones(70), times=np.arange(70))
    yield "decay", decay, lambda n: {"times": np.arange(n)}
    classes = ClassReservoir(5, **more)
    classes.update([1, 2, 3], [1.0, 1.0, 1.0])
    yield "classes", classes, lambda n: {"classes": np.arange(n) % 9}
    known = ClassReservoir(5, num_classes=9, half_life=3.0, **more)
    known.update([1, 2, 3], [1.0, 1.0, 1.0], times=[1, 2, 3])
    yield "known", known, lambda n: {"classes": np.arange(n) % 9, "times": np.arange(n)}
