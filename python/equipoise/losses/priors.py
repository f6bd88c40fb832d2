"""Losses and logits that are adjusted by the prior of the classes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equipoise import _validate
from equipoise.losses.inputs import (
    check_reduction,
    in_float32,
    is_readable,
    log_prob,
    of_some_class,
    read_rows,
    reduce,
    values_of,
)

__all__ = ["adjust_logits", "balanced_softmax", "logit_adjusted"]


def logit_adjusted(
    logits: Tensor,
    target: Tensor,
    prior: Any,
    *,
    tau: float = 1.0,
    sample_weights: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Return the cross-entropy of logits to which the log prior is added, in training alone.

    It is the cross-entropy of ``z + tau * log(prior)``. The model then learns logits for classes that are all
    alike frequent, and is used without the prior.

    Parameters
    ----------
    logits : tensor of float, shape (N, K) or (N,)
        With one logit x a row, the loss is that of the two logits (0, x).
    target : tensor of int, shape (N,)
        Classes in [0, K). With one logit a row: 0 or 1, also as bool or float.
    prior : list, array or tensor of shape (K,)
        Probabilities of the classes in the training data, up to a factor: counts will do. A class of
        probability 0 leaves the softmax; as a target its loss is infinite.
    tau : float
        The strength of the adjustment, >= 0. With 0 it is the cross-entropy, of all classes.
    sample_weights : list, array or tensor of shape (N,), optional
        Weights >= 0 of the rows, by default 1.
    ignore_index : int
        Rows with this target have loss 0, and no part in a mean. Their logits may be NaN.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the sum of the sample weights, and is 0 if that sum is 0. "none" returns the
        weighted losses of the rows.

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

    See Also
    --------
    adjust_logits : the same correction of a model that was trained without it.

    References
    ----------
    A. K. Menon et al., "Long-tail learning via logit adjustment", ICLR 2021.

    Examples
    --------
    >>> import torch
    >>> from equipoise.losses import logit_adjusted
    >>> logits, target = torch.tensor([[2.0, 0.0], [0.5, 0.0]]), torch.tensor([0, 1])
    >>> logit_adjusted(logits, target, [0.9, 0.1], reduction="none")
    tensor([0.0149, 2.7624])
    """
    check_reduction(reduction)
    return _adjusted(logits, target, prior, "prior", tau, sample_weights, ignore_index, reduction)


def balanced_softmax(
    logits: Tensor,
    target: Tensor,
    counts: Any,
    *,
    sample_weights: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Return the cross-entropy of a softmax in which each class weighs as its count.

    It is :func:`logit_adjusted` with ``prior=counts`` and ``tau=1``.

    Parameters
    ----------
    logits : tensor of float, shape (N, K) or (N,)
        With one logit x a row, the loss is that of the two logits (0, x).
    target : tensor of int, shape (N,)
        Classes in [0, K). With one logit a row: 0 or 1, also as bool or float.
    counts : list, array or tensor of shape (K,)
        Numbers of rows of the classes, in the data set and not in the batch. A class without rows leaves the
        softmax; as a target its loss is infinite.
    sample_weights : list, array or tensor of shape (N,), optional
        Weights >= 0 of the rows, by default 1.
    ignore_index : int
        Rows with this target have loss 0, and no part in a mean. Their logits may be NaN.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the sum of the sample weights, and is 0 if that sum is 0. "none" returns the
        weighted losses of the rows.

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
    J. Ren et al., "Balanced meta-softmax for long-tailed visual recognition", NeurIPS 2020.

    Examples
    --------
    >>> import torch
    >>> from equipoise.losses import balanced_softmax
    >>> logits, target = torch.tensor([[2.0, 0.0], [0.5, 0.0]]), torch.tensor([0, 1])
    >>> balanced_softmax(logits, target, [900, 100], reduction="none")
    tensor([0.0149, 2.7624])
    """
    check_reduction(reduction)
    return _adjusted(logits, target, counts, "counts", 1.0, sample_weights, ignore_index, reduction)


def adjust_logits(logits: Tensor, prior: Any, *, tau: float = 1.0) -> Tensor:
    """Return logits from which the log prior is subtracted, after a training without adjustment.

    The result is ``z - tau * log(prior)``, with a prior that sums to 1.

    Parameters
    ----------
    logits : tensor of float, shape (N, K) or (N,)
        With one logit x a row, the result is that of the two logits (0, x), again as one logit.
    prior : list, array or tensor of shape (K,)
        Probabilities > 0 of the classes in the training data, up to a factor: counts will do.
    tau : float
        The strength of the adjustment, >= 0.

    Returns
    -------
    tensor
        Of the logits' shape. float64 for float64 logits, else float32.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or value. Also if a class has prior 0, as it would win every
        row.

    See Also
    --------
    logit_adjusted : a loss with the same purpose.

    References
    ----------
    A. K. Menon et al., "Long-tail learning via logit adjustment", ICLR 2021.

    Examples
    --------
    >>> import torch
    >>> from equipoise.losses import adjust_logits
    >>> adjust_logits(torch.tensor([[2.0, 0.0]]), [0.9, 0.1])
    tensor([[2.1054, 2.3026]])
    """
    if not torch.compiler.is_compiling():
        _validate.check_logits(logits)
        tau = _validate.as_real(tau, "tau", least=0)
    classes = logits.shape[1] if logits.ndim == 2 else 2
    priors = of_some_class(prior, "prior", classes)
    if is_readable(priors):
        _validate.check_all_classes(values_of(priors), "prior")
    logits = in_float32(logits)
    return logits - _for(logits, tau * _log(priors))


def _log(prior: Tensor) -> Tensor:
    """Return the log of a prior, divided by its sum. Logs of large counts would cost digits in float32."""
    logs = prior.log()
    return logs - torch.logsumexp(logs, 0)


def _for(logits: Tensor, numbers: Tensor) -> Tensor:
    """Return the numbers of classes as terms of logits [N, K], or their difference as that of logits [N]."""
    return (numbers if logits.ndim == 2 else numbers[1] - numbers[0]).to(logits)


def _adjusted(
    logits: Tensor,
    target: Tensor,
    prior: Any,
    name: str,
    tau: float,
    sample_weights: Any,
    ignore_index: int,
    reduction: str,
) -> Tensor:
    if not torch.compiler.is_compiling():
        tau = _validate.as_real(tau, "tau", least=0)
    rows = read_rows(logits, target, sample_weights, ignore_index)
    priors = of_some_class(prior, name, rows.classes)
    if tau == 0:  # 0 * log(0) would be NaN
        return reduce(-log_prob(*rows[:2]), rows.weights, reduction)
    adjusted = rows.logits + _for(rows.logits, tau * _log(priors))
    # Rows of a class that left the softmax must not be multiplied by a weight of 0, which would give NaN.
    lost = (priors == 0).to(adjusted.device)[rows.target]
    loss = torch.where(lost, 0.0, -log_prob(adjusted, rows.target))
    infinite = torch.where(lost & (rows.weights > 0), torch.inf, 0.0)
    if reduction == "none":
        return reduce(loss, rows.weights, reduction) + infinite
    return reduce(loss, rows.weights, reduction) + infinite.sum()
