"""Cross-entropy with weights, and its spread over classes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equipoise import _validate
from equipoise.losses.inputs import Rows, check_reduction, log_prob, of_targets, read_rows, reduce

__all__ = ["balanced_loss", "imbalance_loss", "weighted_cross_entropy"]


def weighted_cross_entropy(
    logits: Tensor,
    target: Tensor,
    class_weights: Any = None,
    *,
    sample_weights: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Return the cross-entropy of rows that weigh as their classes do.

    The loss of a row is ``w[y] * (logsumexp(z) - z[y])``, for its logits z, its class y and the class
    weights w.

    Parameters
    ----------
    logits : tensor of float, shape (N, K) or (N,)
        With one logit x a row, the loss is that of the two logits (0, x).
    target : tensor of int, shape (N,)
        Classes in [0, K). With one logit a row: 0 or 1, also as bool or float.
    class_weights : list, array or tensor of shape (K,), optional
        Weights >= 0 of the classes, such as ``equipoise.class_weights`` returns, by default 1. It is moved to
        the logits' device.
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
    It equals ``torch.nn.functional.cross_entropy(weight=)`` within rounding, except that torch's mean of no
    rows is NaN.

    The mean of a batch with rows of one class does not depend on the class weights, since they cancel. That
    is most small batches if 0.5 % of the rows are positive. ``reduction="sum"``, divided by N, is unbiased.

    Examples
    --------
    >>> import torch
    >>> from equipoise.losses import weighted_cross_entropy
    >>> logits, target = torch.tensor([[2.0, 0.0], [0.5, 0.0]]), torch.tensor([0, 1])
    >>> round(weighted_cross_entropy(logits, target, [1.0, 9.0]).item(), 4)
    0.8894
    """
    check_reduction(reduction)
    rows = read_rows(logits, target, sample_weights, ignore_index)
    return reduce(-log_prob(*rows[:2]), rows.weights * of_targets(class_weights, rows), reduction)


def imbalance_loss(
    logits: Tensor, target: Tensor, *, sample_weights: Any = None, ignore_index: int = -100
) -> Tensor:
    """Return the variance over classes of their mean cross-entropy.

    The loss is the sum over c of ``(m[c] - m) ** 2``, divided by K', the number of classes that have weight
    in the batch. m[c] is the weighted mean cross-entropy of the rows of class c, and m is the mean of all
    m[c]. With fewer than two classes in the batch it is 0.

    Parameters
    ----------
    logits : tensor of float, shape (N, K) or (N,)
        With one logit x a row, the loss is that of the two logits (0, x).
    target : tensor of int, shape (N,)
        Classes in [0, K). With one logit a row: 0 or 1, also as bool or float.
    sample_weights : list, array or tensor of shape (N,), optional
        Weights >= 0 of the rows, by default 1.
    ignore_index : int
        Rows with this target do not count. Their logits may be NaN.

    Returns
    -------
    tensor
        A number. float64 for float64 logits, else float32. There is no `reduction`: each mean m[c] divides by
        the sum of the sample weights of the rows of its class.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or value.
    IndexError
        If a target in CPU memory is out of range.

    Notes
    -----
    This is the penalty of V-REx [1]_, with classes in the place of environments. It is usually added to a
    mean cross-entropy with a factor lam, as :func:`balanced_loss` does.

    **How large lam may be.** If the mean has balanced class weights, so that it is m, the coefficient of m[c]
    in the gradient is ``(1 + 2 * lam * (m[c] - m)) / K'``. It is negative for a class with
    ``m - m[c] > 1 / (2 * lam)``: such an easy class is then unlearned. lam = 0.1 allows differences of 5
    nats. A model that predicts a click rate of 0.5 % for every row begins at 2.65.

    Small batches overstate the variance by the noise of each m[c]. Use class-balanced batches, such as those
    of :class:`equipoise.torch.ClassBalancedBatchSampler`.

    References
    ----------
    .. [1] D. Krueger et al., "Out-of-distribution generalization via risk extrapolation (REx)", ICML 2021.

    Examples
    --------
    >>> import torch
    >>> from equipoise.losses import imbalance_loss
    >>> logits, target = torch.tensor([[2.0, 0.0], [0.5, 0.0]]), torch.tensor([0, 1])
    >>> round(imbalance_loss(logits, target).item(), 4)
    0.1794
    """
    rows = read_rows(logits, target, sample_weights, ignore_index)
    return variance_over_classes(-log_prob(*rows[:2]), rows)


def balanced_loss(
    logits: Tensor,
    target: Tensor,
    class_weights: Any = None,
    *,
    lam: float = 0.1,
    sample_weights: Any = None,
    ignore_index: int = -100,
) -> Tensor:
    """Return the mean weighted cross-entropy plus lam times the imbalance loss.

    Parameters
    ----------
    logits : tensor of float, shape (N, K) or (N,)
        With one logit x a row, the loss is that of the two logits (0, x).
    target : tensor of int, shape (N,)
        Classes in [0, K). With one logit a row: 0 or 1, also as bool or float.
    class_weights : list, array or tensor of shape (K,), optional
        Weights >= 0 of the classes in the mean, by default 1. The imbalance loss does not use them.
    lam : float
        The factor >= 0 of the imbalance loss. If it is too large, easy classes are unlearned: see the notes
        of :func:`imbalance_loss`.
    sample_weights : list, array or tensor of shape (N,), optional
        Weights >= 0 of the rows, by default 1.
    ignore_index : int
        Rows with this target do not count. Their logits may be NaN.

    Returns
    -------
    tensor
        A number. float64 for float64 logits, else float32. There is no `reduction`: the mean divides by the
        sum of sample weight times class weight, and is 0 if that is 0.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or value.
    IndexError
        If a target in CPU memory is out of range.

    See Also
    --------
    weighted_cross_entropy, imbalance_loss

    Examples
    --------
    >>> import torch
    >>> from equipoise.losses import balanced_loss
    >>> logits, target = torch.tensor([[2.0, 0.0], [0.5, 0.0]]), torch.tensor([0, 1])
    >>> round(balanced_loss(logits, target, [1.0, 9.0], lam=0.1).item(), 4)
    0.9073
    """
    if not torch.compiler.is_compiling():
        lam = _validate.as_real(lam, "lam", least=0)
    rows = read_rows(logits, target, sample_weights, ignore_index)
    loss = -log_prob(*rows[:2])
    mean = reduce(loss, rows.weights * of_targets(class_weights, rows), "mean")
    return mean + lam * variance_over_classes(loss, rows)


def variance_over_classes(loss: Tensor, rows: Rows) -> Tensor:
    """Return the variance of the mean losses of the classes that have weight."""
    none = loss.new_zeros(rows.classes)
    mass = none.index_add(0, rows.target, rows.weights)
    sums = none.index_add(0, rows.target, loss * rows.weights)
    there = mass > 0
    count = there.sum().clamp(min=1)
    means = sums / torch.where(there, mass, 1.0)
    centered = torch.where(there, means - means.sum() / count, 0.0)
    return centered.square().sum() / count
