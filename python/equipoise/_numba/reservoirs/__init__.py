"""Numba twins of ``cpp/reservoirs``."""
