"""Names that pickles from before the sub-packages refer to. Import them from ``equipoise``."""

from equipoise.reservoirs import ClassReservoir

__all__ = ["ClassReservoir"]
