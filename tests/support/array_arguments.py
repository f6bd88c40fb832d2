"""Every public argument that takes an array: a plain array that is right, and a call that takes it.

A new argument is one line here. ``tests/house/test_containers.py`` gives each of them every container.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import equipoise
from equipoise.orders import ClassBatches, RaceOrder, WeightedOrder
from equipoise.smote import interpolate, interpolate_csr
from support.cases import five

IDS = np.array([0, 1, 1, 3])
WEIGHTS = np.array([1.0, 2.0, 4.0, 3.0])
FLAGS = np.array([True, False, True, True])
# Whole numbers, so that float32 and columns of integers hold them too. No two distances are equal.
X = np.array([[0.0, 1.0], [3.0, 5.0], [1.0, 16.0], [9.0, 2.0], [40.0, 31.0], [12.0, 3.0]])
GAPS = np.array([0.0, 0.5, 0.25, 1.0])


class Argument(NamedTuple):
    """An argument: its name in errors, an array that is right, and a call that returns arrays."""

    name: str
    good: np.ndarray
    call: Callable[[Any], Any]
    any_shape: bool = False
    label: bool = False  # labels may be text, too


def updated(reservoir, **columns):
    reservoir.update(**columns)
    return reservoir.to_bytes()


def estimated(**arrays):
    reservoir = equipoise.Reservoir(4, seed=1)
    reservoir.update([1.0, 2.0, 3.0, 4.0, 5.0])
    return tuple(reservoir.estimate(**arrays))


def kept(**columns):
    return updated(equipoise.Reservoir(3, seed=2), **columns)


def kept_by_class(**columns):
    return updated(equipoise.ClassReservoir(2, seed=3), **columns)


def negatives(rows, **how):
    got = five(seed=4).sample(rows, 2, **how)
    return got.ids, got.log_q


def found(*args, **how):
    got = equipoise.nearest_neighbors(*args, **how)
    return got.indices, got.distances.tolist()


def drawn(rows, **how):
    return equipoise.SmoteSampler(rows, k_neighbors=2, seed=5, **how).sample(7)


def counted(found):
    """Return the classes that have rows. A categorical column may have others."""
    some = found.counts > 0
    return found.classes[some], found.counts[some]


SHARES = np.array([0.0, 1.0, 1.0, 0.0])  # probabilities that integers hold, too
TABLE = equipoise.AliasTable(WEIGHTS)
UNIFORM, LOG_UNIFORM = equipoise.UniformTable(4), equipoise.LogUniformTable(4)
ROWS = np.array([0, 1, 1, 0])
Y = np.array([1, 0, 1, 0, 1, 0])
CSR = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 2, 1, 2]), np.array([0, 2, 3, 4])
ENDS = np.array([0, 1, 2, 1])

ARGUMENTS = {
    "AliasTable weights": Argument("weights", WEIGHTS, lambda x: equipoise.AliasTable(x).sample(9, rng=1)),
    "AliasTable.prob": Argument("ids", IDS, TABLE.prob, any_shape=True),
    "AliasTable.log_prob": Argument("ids", IDS, TABLE.log_prob, any_shape=True),
    "UniformTable.prob": Argument("ids", IDS, UNIFORM.prob, any_shape=True),
    "LogUniformTable.log_prob": Argument("ids", IDS, LOG_UNIFORM.log_prob, any_shape=True),
    "NegativeSampler items": Argument(
        "items", WEIGHTS, lambda x: equipoise.NegativeSampler(x, seed=1).sample([0], 9).ids
    ),
    "NegativeSampler indptr": Argument(
        "exclude indptr", np.array([0, 1, 2, 2]),
        lambda x: equipoise.NegativeSampler(5, exclude=(x, [0, 1])).sample([0, 1], 9).ids,
    ),
    "NegativeSampler indices": Argument(
        "exclude indices", IDS, lambda x: equipoise.NegativeSampler(5, exclude=([0, 4], x)).sample([0], 9).ids
    ),
    "NegativeSampler.log_prob": Argument("ids", IDS, lambda x: five().log_prob(x), any_shape=True),
    "sample rows": Argument("rows", ROWS, negatives, any_shape=True),
    "sample exclude_ids": Argument("exclude_ids", IDS, lambda x: negatives(ROWS * 0 + 1, exclude_ids=x)),
    "sample exclude_ids 2-D": Argument(
        "exclude_ids", IDS.reshape(2, 2), lambda x: negatives([1, 1], exclude_ids=x)
    ),
    "sample row_keys": Argument("row_keys", IDS, lambda x: negatives(ROWS, row_keys=x)),
    "accidental_hits rows": Argument(
        "rows", ROWS, lambda x: five().accidental_hits(x, [0, 1]), any_shape=True
    ),
    "accidental_hits candidates": Argument(
        "candidate_ids", IDS, lambda x: five().accidental_hits([0, 1], x)
    ),
    "accidental_hits keep": Argument("keep", ROWS, lambda x: five().accidental_hits(ROWS, [0, 1], keep=x)),
    "weighted_sample": Argument("weights", WEIGHTS, lambda x: equipoise.weighted_sample(x, 2, rng=1)),
    "RaceOrder": Argument("weights", WEIGHTS, lambda x: RaceOrder(x, 1).rows(0, 0, 4)),
    "ClassBatches y": Argument("y", Y, lambda x: ClassBatches(x, 4).rows(range(5), 1), label=True),
    "WeightedOrder": Argument("weights", WEIGHTS, lambda x: WeightedOrder(x, 1).rows(0, 0, 9)),
    "Reservoir weights": Argument("weights", WEIGHTS, lambda x: kept(weights=x)),
    "Reservoir ids": Argument("ids", IDS, lambda x: kept(weights=WEIGHTS, ids=x)),
    "Reservoir times": Argument(
        "times", WEIGHTS,
        lambda x: updated(equipoise.Reservoir(3, half_life=2.0), weights=WEIGHTS, times=x),
    ),
    "estimate values": Argument("values", WEIGHTS, lambda x: estimated(values=x)),
    "estimate where": Argument("where", FLAGS, lambda x: estimated(where=x)),
    "ClassReservoir k": Argument("k", IDS + 1, lambda x: updated(equipoise.ClassReservoir(x), classes=IDS)),
    "ClassReservoir classes": Argument("classes", IDS, lambda x: kept_by_class(classes=x), label=True),
    "ClassReservoir weights": Argument(
        "weights", WEIGHTS, lambda x: kept_by_class(classes=IDS, weights=x)
    ),
    "ClassReservoir ids": Argument("ids", IDS, lambda x: kept_by_class(classes=IDS, ids=x)),
    "ClassReservoir times": Argument(
        "times", WEIGHTS,
        lambda x: updated(equipoise.ClassReservoir(3, half_life=2.0), classes=IDS, times=x),
    ),
    "nearest_neighbors X": Argument("X", X, lambda x: found(x, 2)),
    "nearest_neighbors queries": Argument("queries", X, lambda x: found(X, 2, queries=x)),
    "SmoteSampler X": Argument("X", X, drawn),
    "SmoteSampler categorical": Argument("categorical", np.array([1, 0]), lambda x: drawn(X, categorical=x)),
    "SmoteSampler parent_weights": Argument(
        "parent_weights", np.array([1.0, 2.0, 0.0, 3.0, 1.0, 4.0]), lambda x: drawn(X, parent_weights=x)
    ),
    "borderline_weights X": Argument(
        "X", X, lambda x: equipoise.borderline_weights(x, Y, 1, m_neighbors=3)
    ),
    "borderline_weights y": Argument(
        "y", Y, lambda x: equipoise.borderline_weights(X, x, 1, m_neighbors=3), label=True
    ),
    "safe_level_weights X": Argument("X", X, lambda x: equipoise.safe_level_weights(x, Y, 1, k_neighbors=3)),
    "safe_level_weights y": Argument(
        "y", Y, lambda x: equipoise.safe_level_weights(X, x, 1, k_neighbors=3), label=True
    ),
    "interpolate X": Argument("X", X, lambda x: interpolate(x, IDS, ENDS, GAPS)),
    "interpolate parents": Argument("parents", IDS, lambda x: interpolate(X, x, ENDS, GAPS)),
    "interpolate neighbors": Argument("neighbors", ENDS, lambda x: interpolate(X, IDS, x, GAPS)),
    "interpolate gaps": Argument("gaps", GAPS, lambda x: interpolate(X, IDS, ENDS, x)),
    "interpolate_csr data": Argument(
        "data", CSR[0], lambda x: interpolate_csr(x, *CSR[1:], [0], [1], GAPS[:1])
    ),
    "interpolate_csr indices": Argument(
        "indices", CSR[1], lambda x: interpolate_csr(CSR[0], x, CSR[2], [0], [1], GAPS[:1])
    ),
    "interpolate_csr indptr": Argument(
        "indptr", CSR[2], lambda x: interpolate_csr(*CSR[:2], x, [0], [1], GAPS[:1])
    ),
    "interpolate_csr parents": Argument(
        "parents", ENDS, lambda x: interpolate_csr(*CSR, x, [0, 1, 2, 0], GAPS)
    ),
    "interpolate_csr neighbors": Argument(
        "neighbors", ENDS, lambda x: interpolate_csr(*CSR, [0, 1, 2, 0], x, GAPS)
    ),
    "interpolate_csr gaps": Argument("gaps", GAPS, lambda x: interpolate_csr(*CSR, ENDS, ENDS, x)),
    "class_counts y": Argument("y", IDS, lambda x: counted(equipoise.class_counts(x)), label=True),
    "class_counts y of floats": Argument(
        "y", WEIGHTS, lambda x: counted(equipoise.class_counts(x)), label=True
    ),
    "class_counts classes": Argument(
        "classes", IDS[[3, 0, 1]], lambda x: counted(equipoise.class_counts(IDS, classes=x)), label=True
    ),
    "class_weights y": Argument("y", FLAGS, equipoise.class_weights, label=True),
    "class_weights classes": Argument(
        "classes", IDS[[3, 0, 1]], lambda x: equipoise.class_weights(IDS, classes=x), label=True
    ),
    "sample_weights y": Argument("y", IDS, equipoise.sample_weights, label=True),
    "deferred_weights": Argument("counts", WEIGHTS, lambda x: equipoise.deferred_weights(x, 1, start=1)),
    "progressive_probs": Argument("counts", WEIGHTS, lambda x: equipoise.progressive_probs(x, 1, 3)),
    "repeat_factors": Argument("labels", IDS, lambda x: equipoise.repeat_factors(x, 0.9), label=True),
    "repeat_factors indptr": Argument(
        "labels indptr", np.array([0, 1, 2, 2]), lambda x: equipoise.repeat_factors((x, [0, 1]), 0.9)
    ),
    "repeat_factors indices": Argument(
        "labels indices", IDS, lambda x: equipoise.repeat_factors(([0, 1, 4], x), 0.9)
    ),
    "repeat_rows": Argument("factors", WEIGHTS + 0.5, lambda x: equipoise.repeat_rows(x, rng=1)),
    "imbalance y": Argument("y", IDS, lambda x: counted(equipoise.imbalance(x)), label=True),
    "imbalance matrix": Argument(
        "y", FLAGS.reshape(2, 2), lambda x: equipoise.imbalance(x).counts, label=True
    ),
    "prior_correct p": Argument("p", SHARES, lambda x: equipoise.prior_correct(x, 0.5, 0.25)),
    "prior_correct matrix": Argument(
        "p", np.eye(2), lambda x: equipoise.prior_correct(x, [1, 1], [1, 2])
    ),
    "prior_correct train_prior": Argument(
        "train_prior", WEIGHTS[:2], lambda x: equipoise.prior_correct(SHARES, x, [1, 2])
    ),
    "prior_correct true_prior": Argument(
        "true_prior", WEIGHTS[:2], lambda x: equipoise.prior_correct(SHARES, [1, 2], x)
    ),
    "calibration y": Argument("y", FLAGS, lambda x: equipoise.calibration(x, SHARES).ece),
    "calibration p": Argument("p", SHARES, lambda x: equipoise.calibration(FLAGS, x).ece),
    "calibration groups": Argument(
        "groups", IDS, lambda x: equipoise.calibration(FLAGS, SHARES, groups=x).groups.ece, label=True
    ),
    "calibration sample_weights": Argument(
        "sample_weights", WEIGHTS, lambda x: equipoise.calibration(FLAGS, SHARES, sample_weights=x).ece
    ),
}  # fmt: skip
