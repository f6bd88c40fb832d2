"""Focal loss, and losses weighted by the effective number of rows of a class."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from equipoise import _validate
from equipoise.losses.inputs import (
    check_reduction,
    floats_like,
    in_float32,
    is_readable,
    log_prob,
    of_classes,
    of_some_class,
    read_rows,
    reduce,
    values_of,
    weights_of_rows,
)

__all__ = ["class_balanced_loss", "focal_loss"]


def focal_loss(
    logits: Tensor,
    target: Tensor,
    *,
    gamma: float = 2.0,
    alpha: Any = None,
    sample_weights: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Return the focal loss, in which rows that are already right count less.

    With targets of the logits' shape it is the **sigmoid** form: each element is a question of its own, and
    its loss is ``alpha_t * (1 - p_t) ** gamma * BCE``, with ``p_t = p * t + (1 - p) * (1 - t)`` for the
    probability p = sigmoid(logit) and the target t. With logits (N, K) and targets (N,) it is the **softmax**
    form: the loss of a row is ``alpha[y] * (1 - p[y]) ** gamma * -log(p[y])``.

    Parameters
    ----------
    logits : tensor of float
        Any shape for the sigmoid form, (N, K) for the softmax form.
    target : tensor
        Of the logits' shape, with values in [0, 1] of any dtype; or classes in [0, K), int of shape (N,).
    gamma : float
        The focus, >= 0. With 0 it is the cross-entropy.
    alpha : float, or list, array or tensor of shape (K,), optional
        Sigmoid form: a number in [0, 1], the weight of t = 1. That of t = 0 is ``1 - alpha``, and between
        them it is linear. Softmax form: a weight >= 0 for each class. By default, all weights are 1.
    sample_weights : list, array or tensor, optional
        Weights >= 0, of shape (N,) for rows, or of the target's shape. By default 1.
    ignore_index : int
        Rows or elements with this target have loss 0, and no part in a mean. Their logits may be NaN.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the sum of the sample weights alone, over rows or, in the sigmoid form, elements. It
        is 0 if that sum is 0. `alpha` is part of the loss, as in the paper. "none" returns the weighted
        losses in the shape of the target.

    Returns
    -------
    tensor
        A number, or a loss for each target for "none". float64 for float64 logits, else float32.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or value.
    IndexError
        If a class in CPU memory is out of range.

    Notes
    -----
    torchvision's default ``alpha=0.25`` weighs the positives *down*, because its gamma = 2 weighs easy
    negatives down much more. Here there is no default.

    The probability of error, ``1 - p_t``, is never computed by that subtraction. In float32 this is 0 beyond
    logits of 17, and its power then has NaN gradients for gamma < 1. It is sigmoid(-x) for t = 1, or the sum
    of the other classes' probabilities.

    References
    ----------
    T.-Y. Lin et al., "Focal loss for dense object detection", ICCV 2017.

    Examples
    --------
    >>> import torch
    >>> from equipoise.losses import focal_loss
    >>> logits = torch.tensor([1.0, -1.0, 0.0])
    >>> focal_loss(logits, torch.tensor([1, 1, 0]), reduction="none")
    tensor([0.0227, 0.7019, 0.1733])
    >>> round(focal_loss(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([1])).item(), 4)
    1.7879
    """
    check_reduction(reduction)
    if not torch.compiler.is_compiling():
        _validate.check_scores(logits, "logits")
        _validate.check_target(target, floats=True)
        gamma = _validate.as_real(gamma, "gamma", least=0)
        if target.shape != logits.shape:
            _validate.check_shape(
                *(target, tuple(logits.shape[:1]), "target"), f"or {tuple(logits.shape)}, that of the logits"
            )
    if target.shape == logits.shape:
        return _elements(logits, target, gamma, alpha, sample_weights, ignore_index, reduction)
    rows = read_rows(logits, target, sample_weights, ignore_index)
    loss, weights = _softmax_focal(rows.logits, rows.target, gamma), rows.weights
    if alpha is not None:
        weights = weights * of_classes(alpha, "alpha", rows.classes).to(weights)[rows.target]
    return reduce(loss, weights, reduction, rows.weights)


def class_balanced_loss(
    logits: Tensor,
    target: Tensor,
    counts: Any,
    *,
    beta: float = 0.999,
    base: str = "softmax",
    gamma: float = 2.0,
    sample_weights: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Return a loss whose rows weigh by the effective number of rows of their class.

    The weight of class c is ``(1 - beta) / (1 - beta ** counts[c])``, scaled so that the weights of the
    classes with rows sum to their number. A class without rows has weight 0.

    Parameters
    ----------
    logits : tensor of float, shape (N, K)
    target : tensor of int, shape (N,)
        Classes in [0, K).
    counts : list, array or tensor of shape (K,)
        Numbers of rows of the classes, in the data set and not in the batch.
    beta : float
        In [0, 1). With 0 all classes weigh the same; the nearer to 1, the more a weight is as 1 / count. With
        0.999 all classes of more than some 5,000 rows weigh the same.
    base : {"softmax", "sigmoid", "focal"}
        What is weighted: the cross-entropy of the softmax; the sum over the K classes of the binary
        cross-entropy, with target 1 for the row's class and else 0; or the same sum of the sigmoid focal
        loss.
    gamma : float
        The focus of the focal loss, >= 0. Other bases ignore it.
    sample_weights : list, array or tensor of shape (N,), optional
        Weights >= 0 of the rows, by default 1.
    ignore_index : int
        Rows with this target have loss 0, and no part in a mean. Their logits may be NaN.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the sum of the sample weights alone, since the weights of the classes are part of
        the loss, as in the authors' code. It is 0 if that sum is 0. "none" returns the weighted losses of the
        rows.

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

    References
    ----------
    Y. Cui et al., "Class-balanced loss based on effective number of samples", CVPR 2019.

    Examples
    --------
    >>> import torch
    >>> from equipoise.losses import class_balanced_loss
    >>> logits, target = torch.tensor([[2.0, 0.0], [0.5, 0.0]]), torch.tensor([0, 1])
    >>> class_balanced_loss(logits, target, [900, 100], reduction="none")
    tensor([0.0351, 1.6789])
    """
    check_reduction(reduction)
    if not torch.compiler.is_compiling():
        _validate.check_logits(logits, matrix=True)
        beta, gamma = _validate.as_beta(beta), _validate.as_real(gamma, "gamma", least=0)
        _validate.as_choice(base, "base", ("softmax", "sigmoid", "focal"))
    rows = read_rows(logits, target, sample_weights, ignore_index)
    if base == "softmax":
        loss = -log_prob(*rows[:2])
    else:
        own = torch.arange(rows.classes, device=target.device) == rows.target[:, None]
        gamma = gamma if base == "focal" else 0.0
        loss = _sigmoid_focal(torch.where(own, rows.logits, -rows.logits), gamma).sum(1)
    effective = _effective_weights(of_some_class(counts, "counts", rows.classes), beta)
    return reduce(loss, rows.weights * effective.to(loss)[rows.target], reduction, rows.weights)


def _effective_weights(counts: Tensor, beta: float) -> Tensor:
    """Return (1 - beta) / (1 - beta^n) of each class, scaled to a sum of the number of classes with rows."""
    there = counts > 0
    log_beta = math.log(beta) if beta else -math.inf
    powers = torch.expm1(torch.where(there, counts, 1.0) * log_beta)  # beta^n - 1, with all its digits
    weights = torch.where(there, (beta - 1) / powers, 0.0)
    return weights * (there.sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny))


def _elements(
    logits: Tensor,
    target: Tensor,
    gamma: float,
    alpha: Any,
    sample_weights: Any,
    ignore_index: int,
    reduction: str,
) -> Tensor:
    """Return the sigmoid form of the focal loss."""
    if not torch.compiler.is_compiling():
        _validate.as_count(ignore_index, "ignore_index", least=-(2**63), most=2**63 - 1)
        if alpha is not None:
            alpha = _validate.as_part(alpha, "alpha")
    logits = in_float32(logits)
    hard = not target.is_floating_point()
    target = target.long() if hard else target
    if is_readable(target):
        if hard:
            _validate.check_classes(values_of(target), 2, ignore_index)
        else:
            _validate.check_probabilities(values_of(target), ignore_index)
    used = target != ignore_index
    weights = _weights_of_elements(sample_weights, used, logits)
    if not (is_readable(used) and bool(used.all())):
        logits, target = torch.where(used, logits, 0.0), torch.where(used, target, 0)
    if hard:
        loss = _sigmoid_focal(torch.where(target == 1, logits, -logits), gamma)
    else:
        loss = _soft_focal(logits, target.to(logits), gamma)
    alphas = 1.0 if alpha is None else (1 - alpha) + (2 * alpha - 1) * target.to(logits)
    return reduce(loss, weights * alphas, reduction, weights)


def _weights_of_elements(sample_weights: Any, used: Tensor, like: Tensor) -> Tensor:
    """Return the weights of elements, from weights of the same shape or of rows."""
    if sample_weights is not None and used.ndim > 1:
        given = getattr(sample_weights, "ndim", None)
        if given is None:
            sample_weights = torch.as_tensor(sample_weights, dtype=like.dtype)
            given = sample_weights.ndim
        if given == 1:
            sample_weights = floats_like(
                sample_weights, like, used.shape[:1], "sample_weights", "one weight for each row"
            )
            sample_weights = sample_weights.view(-1, *(1,) * (used.ndim - 1)).expand_as(used)
    return weights_of_rows(sample_weights, used, like)


def _modulated(log_p: Tensor, error: Tensor, gamma: float) -> Tensor:
    """Return -log(p) * error^gamma, where error = 1 - p has all its digits.

    Below the least normal number the loss is 0 in any case. The power of such an error would have an infinite
    gradient for gamma < 1, and infinity times 0 is NaN.
    """
    if gamma == 0:
        return -log_p
    return -log_p * error.clamp(min=torch.finfo(error.dtype).tiny) ** gamma


def _sigmoid_focal(x: Tensor, gamma: float) -> Tensor:
    """Return the focal loss of elements with target 1. One with target 0 has the opposite logit."""
    return _modulated(F.logsigmoid(x), torch.sigmoid(-x), gamma)


def _soft_focal(x: Tensor, t: Tensor, gamma: float) -> Tensor:
    """Return the focal loss of elements with targets t in [0, 1]."""
    opposite = -x
    error = torch.lerp(torch.sigmoid(x), torch.sigmoid(opposite), t)
    return _modulated(torch.lerp(F.logsigmoid(opposite), F.logsigmoid(x), t), error, gamma)


def _softmax_focal(logits: Tensor, target: Tensor, gamma: float) -> Tensor:
    """Return the focal loss of rows with one class each."""
    if logits.ndim == 1:
        return _sigmoid_focal(torch.where(target == 1, logits, -logits), gamma)
    logs, own = F.log_softmax(logits, 1), target[:, None]
    log_p = logs.gather(1, own).squeeze(1)
    # Where a row is right, log_p has lost digits. There its value comes from the other classes, and only its
    # derivatives from log_p: a matrix of probabilities that is differentiated would take twice the time.
    error = logs.detach().exp().scatter(1, own, 0.0).sum(1)
    right = torch.log1p(-error.clamp(max=0.5))
    log_p = torch.where(error < 0.5, right + (log_p - log_p.detach()), log_p)
    return _modulated(log_p, -torch.expm1(log_p), gamma)
