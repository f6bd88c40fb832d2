"""Numba twins of ``cpp/negatives``."""
