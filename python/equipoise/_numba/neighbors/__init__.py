"""Numba twins of ``cpp/neighbors``."""
