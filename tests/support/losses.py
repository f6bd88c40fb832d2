"""The losses of classes with arguments that several tests share, and batches for them. It needs torch."""

from __future__ import annotations

import torch

from equipoise import losses

COUNTS = [900, 50, 40, 9, 1]
CLASS_WEIGHTS = [0.2, 1.0, 1.5, 3.0, 4.3]

# Losses of logits [N, K] and classes [N], K = 5, that have a reduction.
REDUCED = {
    "weighted": lambda z, y, **how: losses.weighted_cross_entropy(z, y, CLASS_WEIGHTS, **how),
    "plain": losses.weighted_cross_entropy,
    "focal": lambda z, y, **how: losses.focal_loss(z, y, alpha=CLASS_WEIGHTS, **how),
    "cb softmax": lambda z, y, **how: losses.class_balanced_loss(z, y, COUNTS, **how),
    "cb sigmoid": lambda z, y, **how: losses.class_balanced_loss(z, y, COUNTS, base="sigmoid", **how),
    "cb focal": lambda z, y, **how: losses.class_balanced_loss(z, y, COUNTS, base="focal", **how),
    "ldam": lambda z, y, **how: losses.ldam_loss(z, y, COUNTS, scale=3.0, class_weights=CLASS_WEIGHTS, **how),
    "balanced softmax": lambda z, y, **how: losses.balanced_softmax(z, y, COUNTS, **how),
    "adjusted": lambda z, y, **how: losses.logit_adjusted(z, y, COUNTS, tau=1.3, **how),
}
SCALARS = {
    "imbalance": losses.imbalance_loss,
    "balanced": lambda z, y, **how: losses.balanced_loss(z, y, CLASS_WEIGHTS, lam=0.3, **how),
}
OF_CLASSES = REDUCED | SCALARS

PAIR = [0.3, 1.7]
# Losses of logits [N] and targets [N] of 0 and 1, which are those of two logits, the first of them 0.
ONE_LOGIT = {
    "weighted": lambda z, y, **how: losses.weighted_cross_entropy(z, y, PAIR, **how),
    "ldam": lambda z, y, **how: losses.ldam_loss(z, y, [90, 3], scale=3.0, **how),
    "balanced softmax": lambda z, y, **how: losses.balanced_softmax(z, y, [90, 3], **how),
    "adjusted": lambda z, y, **how: losses.logit_adjusted(z, y, [0.9, 0.1], tau=0.7, **how),
    "focal": losses.focal_loss,
    "imbalance": losses.imbalance_loss,
    "balanced": lambda z, y, **how: losses.balanced_loss(z, y, PAIR, lam=0.3, **how),
}


def batch(rows=40, classes=5, seed=0, dtype=torch.float64, spread=2.0):
    """Return logits that require grad, targets and sample weights. Targets 0 and 1 if there is one class."""
    g = torch.Generator().manual_seed(seed)
    shape = (rows, classes) if classes > 1 else (rows,)
    logits = torch.randn(shape, generator=g, dtype=torch.float64) * spread
    target = torch.randint(0, max(classes, 2), (rows,), generator=g)
    weights = torch.rand(rows, generator=g, dtype=torch.float64) + 0.1
    return logits.to(dtype).requires_grad_(), target, weights


def vectors(rows=6, negatives=4, width=3, seed=0, shared=False, dtype=torch.float64, device="cpu"):
    """Return query, positive, negatives and log q of a sampled softmax."""
    g = torch.Generator().manual_seed(seed)
    leading = (negatives,) if shared else (rows, negatives)
    shapes = ((rows, width), (rows, width), (*leading, width), leading)
    made = [torch.randn(shape, generator=g, dtype=torch.float64) for shape in shapes]
    made[3] -= 3
    return [x.to(dtype).to(device).requires_grad_(at < 3) for at, x in enumerate(made)]
