"""Synthetic minority rows."""

from equipoise.smote.interpolation import interpolate, interpolate_csr
from equipoise.smote.parent_weights import borderline_weights, safe_level_weights
from equipoise.smote.sampler import SmoteSampler, SyntheticRows

__all__ = [
    "SmoteSampler",
    "SyntheticRows",
    "borderline_weights",
    "interpolate",
    "interpolate_csr",
    "safe_level_weights",
]
