"""The loss of label-distribution-aware margins."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equipoise import _validate
from equipoise.losses.inputs import check_reduction, log_prob, of_some_class, of_targets, read_rows, reduce

__all__ = ["ldam_loss"]


def ldam_loss(
    logits: Tensor,
    target: Tensor,
    counts: Any,
    *,
    max_margin: float = 0.5,
    scale: float = 30.0,
    class_weights: Any = None,
    sample_weights: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Return the cross-entropy with a margin that is larger for rare classes (LDAM).

    It is the cross-entropy of ``scale * z``, where the margin of the row's class is first subtracted from
    its logit. The margin of class c is ``max_margin * (min(counts) / counts[c]) ** (1 / 4)``, with the least
    positive count.

    Parameters
    ----------
    logits : tensor of float, shape (N, K) or (N,)
        Cosines in [-1, 1], of normalized features and normalized class vectors: the margins and the scale are
        made for these. With one logit x a row, the loss is that of the two logits (0, x).
    target : tensor of int, shape (N,)
        Classes in [0, K). With one logit a row: 0 or 1, also as bool or float.
    counts : list, array or tensor of shape (K,)
        Numbers of rows of the classes, in the data set and not in the batch. A class without rows has the
        largest margin.
    max_margin : float
        The margin of the rarest class, >= 0.
    scale : float
        The factor > 0 of the logits.
    class_weights : list, array or tensor of shape (K,), optional
        Weights >= 0 of the classes, by default 1. The paper defers them to late epochs, as
        ``equipoise.deferred_weights`` does.
    sample_weights : list, array or tensor of shape (N,), optional
        Weights >= 0 of the rows, by default 1. They multiply those of the classes.
    ignore_index : int
        Rows with this target have loss 0, and no part in a mean. Their logits may be NaN.
    reduction : {"mean", "sum", "none"}
        "mean" divides the sum of the weighted losses by the sum of sample weight times class weight, as torch
        does. It is 0 if that sum is 0. "none" returns the weighted losses of the rows.

    Returns
    -------
    tensor
        A number, or (N,) for "none". float64 for float64 logits, else float32.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or value.
    IndexError
        If a target in CPU memory is out of range.

    Notes
    -----
    In the authors' code a count of 0 makes the margin of its class NaN and all others 0.

    References
    ----------
    K. Cao et al., "Learning imbalanced datasets with label-distribution-aware margin loss", NeurIPS 2019.

    Examples
    --------
    >>> import torch
    >>> from equipoise.losses import ldam_loss
    >>> logits, target = torch.tensor([[0.9, 0.1], [0.2, 0.6]]), torch.tensor([0, 1])
    >>> ldam_loss(logits, target, [1600, 100], scale=10.0, reduction="none")
    tensor([0.0041, 1.3133])
    """
    check_reduction(reduction)
    if not torch.compiler.is_compiling():
        max_margin = _validate.as_real(max_margin, "max_margin", least=0)
        scale = _validate.as_positive(scale, "scale")
    rows = read_rows(logits, target, sample_weights, ignore_index)
    margins = _margins(of_some_class(counts, "counts", rows.classes), max_margin).to(rows.logits)
    if rows.logits.ndim == 1:
        shifted = rows.logits + torch.where(rows.target == 1, -margins[1], margins[0])
    else:
        own = rows.target[:, None]
        shifted = rows.logits.scatter_add(1, own, -margins[own])
    weights = rows.weights * of_targets(class_weights, rows)
    return reduce(-log_prob(scale * shifted, rows.target), weights, reduction)


def _margins(counts: Tensor, max_margin: float) -> Tensor:
    there = counts > 0
    least = torch.where(there, counts, torch.inf).amin()
    return max_margin * torch.where(there, least / counts, 1.0) ** 0.25
