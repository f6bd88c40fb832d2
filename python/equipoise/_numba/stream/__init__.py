"""Numba twins of ``cpp/stream``."""
