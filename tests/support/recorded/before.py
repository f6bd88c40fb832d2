"""Files that were written before the package was split into sub-packages, and what is read from them.

The files are in ``tests/house/before``. The code of commit 63dad8a wrote them, with NumPy 1.26 and pickle
protocol 4. They stand for the files that users have, so they are never written again.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import equipoise
from support.recorded.digests import BEFORE, cases
from support.recorded.drop_ins import DROP_INS
from support.recorded.inputs import below, exclusions, labeled, points, weights_of
from support.recorded.negatives import negatives_sampler
from support.recorded.reservoirs import class_filled, filled
from support.recorded.smote import smote_sampler
from support.recorded.tables import answers_of_table


def before_pickles():
    """Return the objects that the committed pickles hold, by name."""
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
    """Return the reservoirs that the committed bytes hold, by name."""
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
    for settings in kept.values():  # the tests' own estimators must not be pickled
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
    """Write all files of ``before/``, a folder that must not exist yet."""
    BEFORE.mkdir()
    with contextlib.chdir(BEFORE):
        equipoise.AliasTable(weights_of("zeros")[:60], smoothing=0.5).save("table.alias")
        equipoise.UniformTable(123).save("table.uniform")
        Path("rows.float64").write_bytes(b"another header!\n" + points(40, 3, 53).astype("<f8").tobytes())
        # Pickles hold relative paths here, since nobody knows where the tests will be.
        with mock.patch("os.path.abspath", os.fspath):
            made = before_pickles()
        for name, value in {**made, "drop_ins": before_drop_ins()}.items():
            Path(f"{name}.pickle").write_bytes(pickle.dumps(value, 4))
        for name, value in before_bytes().items():
            Path(f"{name}.bytes").write_bytes(value.to_bytes())
        Path("states.json").write_text(json.dumps(before_states(), indent=1) + "\n", encoding="utf-8")


# Pickles that are refused, since they have version 1, and what they are refused as. A sampler's table comes
# before the sampler.
REFUSED = {
    "alias_table": "AliasTable",
    "mapped_table": "AliasTable",
    "log_uniform_table": "AliasTable",
    "negative_sampler": "AliasTable",
    "negative_sampler_midway": "AliasTable",
    "smote_sampler": "AliasTable",
    "smote_sampler_midway": "SmoteSampler",
}


def unpickled(name):
    with contextlib.chdir(BEFORE):
        return pickle.loads(Path(f"{name}.pickle").read_bytes())


@cases("uniform_table")
def table_pickled_before(name):
    return answers_of_table(unpickled(name))


@cases("negatives", "shared_negatives", "synthetic_rows", "reservoir_sample", "neighbors")
def answer_pickled_before(name):
    return unpickled(name)


def refusal(read):
    """Return the text of the error by which a reservoir of version 1 is refused."""
    with pytest.raises(ValueError, match="version 2 of the stream, got version 1") as refused:
        read()
    return str(refused.value)


@cases("reservoir", "class_reservoir")
def reservoir_pickled_before(name):
    return refusal(lambda: unpickled(name))


@cases(
    "reservoir_positions",
    "reservoir_ids",
    "reservoir_half_life",
    "reservoir_replacement",
    "class_reservoir",
    "class_reservoir_ids",
)
def bytes_written_before(name):
    kind = equipoise.ClassReservoir if name.startswith("class") else equipoise.Reservoir
    return refusal(lambda: kind.from_bytes((BEFORE / f"{name}.bytes").read_bytes()))


@cases()
def drop_ins_pickled_before():
    pytest.importorskip("imblearn", reason="imbalanced-learn is not installed")
    loaded = unpickled("drop_ins")
    x, y = labeled()
    answers = [[type(sampler).__name__ for sampler in loaded]]
    for sampler in loaded:
        kind = type(sampler).__name__
        if kind == "NearestNeighbors":
            answers.append(sampler.fit(x).kneighbors())
        elif kind not in (
            "KMeansSMOTE",
            "SVMSMOTE",
            "SMOTENC",
            "SMOTEN",
        ):  # these need other rows or estimators
            answers.append(sampler.fit_resample(x, y))
    return answers
