"""Samplers, batch samplers and collate functions for PyTorch's data loaders.

- `WeightedSampler`, `DistributedWeightedSampler`: rows by weight, for ``sampler=``.
- `ClassBalancedBatchSampler`: batches with a share for each class, for ``batch_sampler=``.
- `SmoteBatches`: the same batches, partly of synthetic rows: a data set, for ``batch_size=None``.
- `NegativeCollate`: the negatives of a batch, for ``collate_fn=``.

What they give does not depend on the number of workers, unless a `NegativeCollate` has the key "counter",
and an epoch can be resumed anywhere: the samplers on any number of ranks, `SmoteBatches` on as many.

The modules, and what they use::

    passes.py       epochs, positions and states: the base of all order samplers
    samplers.py     WeightedSampler, DistributedWeightedSampler       passes, equipoise.orders
    batches.py      ClassBalancedBatchSampler                         passes, equipoise.orders
    epochs.py       epochs that all workers of a loader agree on
    smote.py        SmoteBatches                                      epochs, equipoise.orders and .smote
    collate.py      NegativeCollate                                   equipoise.negatives
"""

from equipoise import _validate
from equipoise._runtime.dynamo import leave_untraced

try:
    import torch as _torch  # noqa: F401
except ImportError:
    _validate.refuse_without("torch", "torch", "equipoise.torch")

from equipoise.torch.batches import ClassBalancedBatchSampler
from equipoise.torch.collate import NegativeCollate
from equipoise.torch.samplers import DistributedWeightedSampler, WeightedSampler
from equipoise.torch.smote import SmoteBatches

__all__ = [
    "ClassBalancedBatchSampler",
    "DistributedWeightedSampler",
    "NegativeCollate",
    "SmoteBatches",
    "WeightedSampler",
]

# Users, tracebacks and pickles see one public path.
for _name in __all__:
    globals()[_name].__module__ = __name__
leave_untraced("equipoise", but="equipoise.losses")
del _name, leave_untraced
