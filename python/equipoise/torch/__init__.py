"""Samplers, batch samplers and collate functions for PyTorch's data loaders.

The modules, and what they use::

    passes.py       epochs, positions and states: the base of all order samplers
    samplers.py     WeightedSampler, DistributedWeightedSampler       passes, equipoise.orders
    batches.py      ClassBalancedBatchSampler                         passes, equipoise.orders
    epochs.py       epochs that all workers of a loader agree on
    smote.py        SmoteBatches                                      epochs, equipoise.orders and .smote
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as failure:
    raise ImportError("equipoise.torch needs PyTorch: see https://pytorch.org") from failure

from equipoise.torch.batches import ClassBalancedBatchSampler
from equipoise.torch.samplers import DistributedWeightedSampler, WeightedSampler
from equipoise.torch.smote import SmoteBatches

__all__ = ["ClassBalancedBatchSampler", "DistributedWeightedSampler", "SmoteBatches", "WeightedSampler"]
