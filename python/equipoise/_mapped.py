"""A name that pickles from before the sub-packages refer to."""

from equipoise.smote.memmap import MappedFile

__all__ = ["MappedFile"]
