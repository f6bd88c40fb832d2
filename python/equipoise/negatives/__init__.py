"""Negative samples, which never contain an id that a row must not get.

    NegativeSampler (sampler)
      __init__         -> read_exclude (exclusions)   -> exclusion_sort, exclusion_units (kernels)
      sample           -> draw_rows (rows), in chunks -> negatives_draw
      sample_shared    -> draw_shared (shared)        -> shared_draw, shared_unique, shared_exact
      accidental_hits  -> find_hits (exclusions)      -> exclusion_hits

A table proposes ids (`equipoise.tables`). Kernels take three records: `Proposer` is the table, `Exclusions`
holds the excluded ids of all rows, and `Batch` the rows of one call. The stream contract (`equipoise.rng`, "A
row of negatives" and "Shared negatives") defines every result.
"""

from equipoise.negatives.rows import Negatives
from equipoise.negatives.sampler import NegativeSampler
from equipoise.negatives.shared import SharedNegatives

__all__ = ["NegativeSampler", "Negatives", "SharedNegatives"]
