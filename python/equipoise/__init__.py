"""equipoise: the sampling engine for training on imbalanced data.

>>> import numpy as np, equipoise
>>> popularity = np.array([1000, 200, 50, 10, 1])
>>> sampler = equipoise.NegativeSampler(equipoise.AliasTable(popularity, power=0.75), seed=0)
>>> sampler.sample([0, 1], 3).ids.shape
(2, 3)
"""

from equipoise._backend import backend
from equipoise._versions import show_versions
from equipoise.class_reservoir import ClassReservoir
from equipoise.negatives import Negatives, NegativeSampler, SharedNegatives
from equipoise.neighbors import Neighbors, nearest_neighbors
from equipoise.reservoir import Reservoir, ReservoirSample, weighted_sample
from equipoise.tables import AliasTable, LogUniformTable, UniformTable

__all__ = [
    "AliasTable",
    "ClassReservoir",
    "LogUniformTable",
    "NegativeSampler",
    "Negatives",
    "Neighbors",
    "Reservoir",
    "ReservoirSample",
    "SharedNegatives",
    "UniformTable",
    "__version__",
    "backend",
    "nearest_neighbors",
    "show_versions",
    "weighted_sample",
]

__version__ = "0.1.0"
