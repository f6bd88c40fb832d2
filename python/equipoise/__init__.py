"""A sampling engine for training on imbalanced data.

>>> import numpy as np, equipoise
>>> popularity = np.array([1000, 200, 50, 10, 1])
>>> sampler = equipoise.NegativeSampler(equipoise.AliasTable(popularity, power=0.75), seed=0)
>>> sampler.sample([0, 1], 3).ids.shape
(2, 3)
"""

from typing import get_type_hints

from equipoise._runtime.backend import backend
from equipoise._runtime.dynamo import leave_untraced
from equipoise._runtime.versions import __version__, show_versions
from equipoise.balance import (
    Calibration,
    CalibrationGroups,
    ClassCounts,
    Imbalance,
    MultilabelImbalance,
    calibration,
    class_counts,
    class_weights,
    deferred_weights,
    imbalance,
    prior_correct,
    progressive_probs,
    repeat_factors,
    repeat_rows,
    sample_weights,
)
from equipoise.negatives import Negatives, NegativeSampler, SharedNegatives
from equipoise.neighbors import Neighbors, nearest_neighbors
from equipoise.reservoirs import (
    CandidateRows,
    ClassReservoir,
    Estimate,
    Reservoir,
    ReservoirSample,
    weighted_sample,
)
from equipoise.smote import SmoteSampler, SyntheticRows, borderline_weights, safe_level_weights
from equipoise.tables import AliasTable, LogUniformTable, UniformTable

__all__ = [
    "AliasTable",
    "Calibration",
    "CalibrationGroups",
    "CandidateRows",
    "ClassCounts",
    "ClassReservoir",
    "Estimate",
    "Imbalance",
    "LogUniformTable",
    "MultilabelImbalance",
    "NegativeSampler",
    "Negatives",
    "Neighbors",
    "Reservoir",
    "ReservoirSample",
    "SharedNegatives",
    "SmoteSampler",
    "SyntheticRows",
    "UniformTable",
    "__version__",
    "backend",
    "borderline_weights",
    "calibration",
    "class_counts",
    "class_weights",
    "deferred_weights",
    "imbalance",
    "nearest_neighbors",
    "prior_correct",
    "progressive_probs",
    "repeat_factors",
    "repeat_rows",
    "safe_level_weights",
    "sample_weights",
    "show_versions",
    "weighted_sample",
]

# Users, tracebacks and pickles see one public path, whichever module defines a name.
for _name in __all__:
    if _name != "__version__":
        _object = globals()[_name]
        if "__dataclass_fields__" in vars(_object):  # hints of classes are looked up in the module they name
            _object.__annotations__ = get_type_hints(_object)
        _object.__module__ = __name__
leave_untraced(__name__)
del _name, _object, get_type_hints, leave_untraced


def __dir__() -> list[str]:
    return sorted(
        [*__all__, "balance", "negatives", "neighbors", "plot", "reservoirs", "rng", "smote", "tables"]
    )
