"""Datasets that ship with the package. ``import equipoise`` does not load them."""

from equipoise.datasets.open_bandit import CAMPAIGNS, NUM_ITEMS, POLICIES, OpenBandit, load_open_bandit

__all__ = ["CAMPAIGNS", "NUM_ITEMS", "POLICIES", "OpenBandit", "load_open_bandit"]
