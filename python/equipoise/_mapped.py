"""The old location of this class, kept so that old pickles load."""

from equipoise.smote.memmap import MappedFile

__all__ = ["MappedFile"]
