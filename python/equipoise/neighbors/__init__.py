"""Exact nearest neighbors."""

from equipoise.neighbors.search import Neighbors, nearest_neighbors

__all__ = ["Neighbors", "nearest_neighbors"]
