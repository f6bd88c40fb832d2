"""Numba twins of ``cpp/orders``."""
