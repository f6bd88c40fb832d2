"""The old location of this class, kept so that old pickles load. Import it from ``equipoise``."""

from equipoise.reservoirs import ClassReservoir

__all__ = ["ClassReservoir"]
