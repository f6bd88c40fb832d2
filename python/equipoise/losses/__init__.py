"""Losses for unbalanced classes and for sampled negatives, in PyTorch.

The modules, and what they use::

    inputs.py     logits, targets and weights as tensors; reductions
    entropy.py    weighted_cross_entropy, imbalance_loss, balanced_loss       inputs
    focal.py      focal_loss, class_balanced_loss                             inputs
    margins.py    ldam_loss                                                   inputs
    priors.py     logit_adjusted, balanced_softmax, adjust_logits             inputs
    sampled.py    sampled_softmax, bpr_loss                                   inputs

Every loss of classes takes logits of shape [N, K] with integer targets of shape [N], or logits of shape [N],
one a row, with targets 0 and 1. One logit x a row is the same as the two logits (0, x). Half precision is
computed and returned in float32. On devices other than the CPU no value is looked at, so that nothing waits
for the device, and `torch.compile` traces all losses without a graph break.
"""

from equipoise import _validate

try:
    import torch as _torch  # noqa: F401
except ImportError:
    _validate.refuse_without("torch", "torch", "equipoise.losses")

from equipoise.losses.entropy import balanced_loss, imbalance_loss, weighted_cross_entropy
from equipoise.losses.focal import class_balanced_loss, focal_loss
from equipoise.losses.margins import ldam_loss
from equipoise.losses.priors import adjust_logits, balanced_softmax, logit_adjusted
from equipoise.losses.sampled import bpr_loss, sampled_softmax

__all__ = [
    "adjust_logits",
    "balanced_loss",
    "balanced_softmax",
    "bpr_loss",
    "class_balanced_loss",
    "focal_loss",
    "imbalance_loss",
    "ldam_loss",
    "logit_adjusted",
    "sampled_softmax",
    "weighted_cross_entropy",
]

# Users and tracebacks see one public path.
for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
