"""A name that pickles written before the sub-packages refer to."""

from equipoise.smote.memmap import MappedFile

__all__ = ["MappedFile"]
