"""Names that pickles from before the sub-packages refer to. Import them from ``equipoise``."""

from equipoise.reservoirs import Reservoir, ReservoirSample, weighted_sample

__all__ = ["Reservoir", "ReservoirSample", "weighted_sample"]
