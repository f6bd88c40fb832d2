"""Weighted samples of streams."""

from equipoise.reservoirs.class_reservoir import ClassReservoir
from equipoise.reservoirs.reservoir import Reservoir, weighted_sample
from equipoise.reservoirs.sample import ReservoirSample

__all__ = ["ClassReservoir", "Reservoir", "ReservoirSample", "weighted_sample"]
