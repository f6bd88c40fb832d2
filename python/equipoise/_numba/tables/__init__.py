"""Numba twins of ``cpp/tables``."""
