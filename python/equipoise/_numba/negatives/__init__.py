"""Numba twins of ``cpp/negatives``: rows of negatives, shared sets and exclusions."""
