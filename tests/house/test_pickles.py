"""Every public object can be pickled with every protocol, and copied."""

from __future__ import annotations

import copy
import inspect
import pickle

import numpy as np
import pytest

import equipoise
from support.recorded import digest_of

X = np.random.default_rng(0).normal(size=(30, 3))


def negatives():
    return equipoise.NegativeSampler([3, 2, 1, 5], exclude=([0, 1, 2], [0, 3]), seed=3)


def reservoir(kind, *first):
    made = kind(4)
    made.update(*first, np.arange(1.0, 31.0))
    return made


def calibrated():
    return equipoise.calibration(X[:, 0] > 0, np.full(30, 0.5), groups=np.arange(30) % 3)


OBJECTS = {
    "AliasTable": lambda: equipoise.AliasTable([1, 2, 3]),
    "LogUniformTable": lambda: equipoise.LogUniformTable(9),
    "UniformTable": lambda: equipoise.UniformTable(9),
    "NegativeSampler": negatives,
    "Negatives": lambda: negatives().sample([0, 1], 2),
    "SharedNegatives": lambda: negatives().sample_shared(3),
    "Reservoir": lambda: reservoir(equipoise.Reservoir),
    "ClassReservoir": lambda: reservoir(equipoise.ClassReservoir, np.arange(30) % 3),
    "ReservoirSample": lambda: reservoir(equipoise.Reservoir).sample(),
    "SmoteSampler": lambda: equipoise.SmoteSampler(X, parent_weights=np.arange(30)),
    "SyntheticRows": lambda: equipoise.SmoteSampler(X).sample(4, return_parents=True),
    "Neighbors": lambda: equipoise.nearest_neighbors(X, 2),
    "Estimate": lambda: reservoir(equipoise.Reservoir).estimate(),
    "ClassCounts": lambda: equipoise.class_counts([5, 7, 5]),
    "Imbalance": lambda: equipoise.imbalance(np.arange(30) % 3),
    "MultilabelImbalance": lambda: equipoise.imbalance(X > 0),
    "Calibration": calibrated,
    "CalibrationGroups": lambda: calibrated().groups,
    "CandidateRows": lambda: reservoir(equipoise.Reservoir).candidates(),
}


def answer_of(value):
    """Return the digest of an object, or of what it draws next."""
    if hasattr(value, "prob"):
        return digest_of([value.sample(50, rng=1), value.prob(np.arange(len(value)))])
    if isinstance(value, equipoise.NegativeSampler):
        return digest_of([value.state_dict(), value.sample([0, 1], 1), value.sample_shared(2)])
    if isinstance(value, equipoise.SmoteSampler):
        return digest_of([value.state_dict(), value.sample(9)])
    if isinstance(value, equipoise.Reservoir | equipoise.ClassReservoir):
        return digest_of([value.to_bytes(), value.sample()])
    return digest_of(value)


def test_every_public_class_is_here():
    classes = {name for name in equipoise.__all__ if inspect.isclass(getattr(equipoise, name))}
    assert classes <= set(OBJECTS)


WAYS = {f"protocol {p}": lambda x, p=p: pickle.loads(pickle.dumps(x, p)) for p in range(6)}
WAYS |= {"copy": copy.copy, "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("way", WAYS)
def test_a_copy_gives_the_same_answer(name, way):
    value = OBJECTS[name]()
    other = WAYS[way](value)
    assert type(other) is type(value)
    assert answer_of(other) == answer_of(value)


@pytest.mark.parametrize("protocol", range(6))
def test_mapped_objects_can_be_pickled(protocol, tmp_path):
    OBJECTS["AliasTable"]().save(tmp_path / "table")
    X.tofile(tmp_path / "rows")
    table = equipoise.AliasTable.load(tmp_path / "table")
    rows = np.memmap(tmp_path / "rows", np.float64, "r").reshape(-1, 3)
    for value in (table, equipoise.NegativeSampler(table), equipoise.SmoteSampler(rows)):
        other = pickle.loads(pickle.dumps(value, protocol))
        assert answer_of(other) == answer_of(value)
