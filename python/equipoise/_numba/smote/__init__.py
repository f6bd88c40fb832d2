"""Numba twins of ``cpp/smote``."""
