"""Samplers and collate functions for data loaders of torch.

NegativeCollate (collate)
  __call__  -> as_collated (_validate)  -> keys_by_index, keys_by_batch (negatives.keys)
            -> NegativeSampler.sample
"""

from equipoise import _validate

try:
    import torch as _theirs  # noqa: F401
except ImportError:
    _validate.refuse_without("torch", "torch", "equipoise.torch")

from equipoise.torch.collate import NegativeCollate

__all__ = ["NegativeCollate"]

# Users, tracebacks and pickles see one public path, whichever module defines a name.
for _name in __all__:
    globals()[_name].__module__ = __name__
