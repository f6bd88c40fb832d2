"""Names that pickles written before the sub-packages refer to; use ``equipoise`` itself."""

from equipoise.reservoirs import Reservoir, ReservoirSample, weighted_sample

__all__ = ["Reservoir", "ReservoirSample", "weighted_sample"]
