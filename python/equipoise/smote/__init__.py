"""Synthetic minority rows (SMOTE).

The parts and what they call::

    borderline_weights, safe_level_weights      SmoteSampler (sampler.py)
              (parent_weights.py)                 |       |        |
                      |                           |       |        +--> memmap.py   X as a file, in pickles
                      +---------------------------+       |
                      |                                   +--> interpolation.py
                      v                                          interpolate, interpolate_csr
            neighbors: table.py, search.py                       (called by equipoise.imblearn, too)

``SmoteSampler`` finds the k neighbors of each row once, when it is made. After that, ``sample`` only draws a
parent, one of its neighbors and a gap, and writes ``base + gap * (neighbor - base)``, in one kernel
(``smote_draw``). ``interpolate`` and ``interpolate_csr`` apply the same formula to parents, neighbors and
gaps that the caller has drawn. The functions of ``parent_weights`` choose the parents that a sampler draws.
``equipoise.rng`` defines the stream of the draws.
"""

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
