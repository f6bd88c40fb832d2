"""The old location of these names, kept so that old pickles load. Import them from ``equipoise``."""

from equipoise.reservoirs import Reservoir, ReservoirSample, weighted_sample

__all__ = ["Reservoir", "ReservoirSample", "weighted_sample"]
