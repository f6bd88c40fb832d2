"""Negative samples: ids that a row must not get are never drawn."""

from equipoise.negatives.sampler import Negatives, NegativeSampler, SharedNegatives

__all__ = ["NegativeSampler", "Negatives", "SharedNegatives"]
