"""Numba twins of ``cpp/tables``: whole units, and tables that propose ids."""
