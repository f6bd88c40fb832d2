"""Samplers, batch samplers and collate functions for PyTorch's data loaders.

The modules, and what they use::

    passes.py       epochs, positions and states: the base of all order samplers
    samplers.py     WeightedSampler, DistributedWeightedSampler       passes, equipoise.orders
    collate.py      NegativeCollate                                   equipoise.negatives
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as failure:
    raise ImportError("equipoise.torch needs PyTorch: see https://pytorch.org") from failure

from equipoise.torch.collate import NegativeCollate
from equipoise.torch.samplers import DistributedWeightedSampler, WeightedSampler

__all__ = ["DistributedWeightedSampler", "NegativeCollate", "WeightedSampler"]
