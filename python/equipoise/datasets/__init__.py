"""Data sets that come with the package."""

from equipoise.datasets.open_bandit import CAMPAIGNS, NUM_ITEMS, POLICIES, OpenBandit, load_open_bandit

__all__ = ["CAMPAIGNS", "NUM_ITEMS", "POLICIES", "OpenBandit", "load_open_bandit"]
