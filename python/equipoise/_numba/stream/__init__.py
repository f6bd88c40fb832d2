"""Numba twins of ``cpp/stream``: the words of the stream contract, and elementary functions."""
