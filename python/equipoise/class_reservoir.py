"""Names that pickles written before the sub-packages refer to; use ``equipoise`` itself."""

from equipoise.reservoirs import ClassReservoir

__all__ = ["ClassReservoir"]
