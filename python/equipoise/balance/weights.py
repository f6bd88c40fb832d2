"""Weights of classes and of rows, and shares of classes that change while training."""

from __future__ import annotations

import math
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise.balance.counts import ClassCounts, count_classes, number_classes

__all__ = [
    "class_weights",
    "deferred_weights",
    "progressive_probs",
    "sample_weights",
    "weights_of_counts",
]


Floats = NDArray[np.float64]
_SCHEMES = ("balanced", "inverse", "sqrt", "effective")


@overload
def class_weights(
    y: Any, scheme: str = ..., *, classes: Any = ..., beta: float = ..., as_dict: Literal[False] = ...
) -> Floats: ...
@overload
def class_weights(
    y: Any, scheme: str = ..., *, classes: Any = ..., beta: float = ..., as_dict: Literal[True]
) -> dict[Any, float]: ...
def class_weights(
    y: Any,
    scheme: str = "balanced",
    *,
    classes: Any = None,
    beta: float = 0.999,
    as_dict: bool = False,
) -> Floats | dict[Any, float]:
    """Return a weight for each class, which is larger for a smaller class.

    With n_c rows of class c, n rows, and K+ classes that have rows:

    ===========  ==================================================================================
    scheme       weight
    ===========  ==================================================================================
    "balanced"   n / (K+ n_c), as scikit-learn's
    "inverse"    1 / n_c
    "sqrt"       s / sqrt(n_c), with s = n / sum sqrt(n_c), so that rows weigh 1 on average
    "effective"  (1 - beta) / (1 - beta^n_c), scaled so that the weights sum to K+ (Cui et al. 2019)
    ===========  ==================================================================================

    Parameters
    ----------
    y : array of shape (n,), or mapping
        The label of each row, or a mapping from labels to counts, as in :func:`class_counts`. Pass all labels
        of the training data, not those of a batch.
    scheme : {"balanced", "inverse", "sqrt", "effective"}
        See above.
    classes : array of shape (K,), optional
        The classes in the order that you want, as in :func:`class_counts`.
    beta : float
        For "effective", in [0, 1). A class of many more than 1 / (1 - beta) rows weighs no less than one of
        that many: 0.999 tells classes of over 5,000 rows hardly apart.
    as_dict : bool
        Return a dict from labels to weights, of Python objects, which is what scikit-learn's and Keras's
        ``class_weight=`` take.

    Returns
    -------
    float64 ndarray of shape (K,), or dict
        In the order of ``class_counts(y, classes=classes).classes``. A class without rows has the weight 0.

    Raises
    ------
    TypeError, IndexError
        As :func:`class_counts`.
    ValueError
        As :func:`class_counts`; or if there are no rows, the scheme is unknown, or `beta` is outside [0, 1).

    References
    ----------
    - Y. Cui, M. Jia, T.-Y. Lin, Y. Song and S. Belongie, "Class-balanced loss based on effective number of
      samples", CVPR 2019.
    - G. King and L. Zeng, "Logistic regression in rare events data", Political Analysis 9, 2001.

    Examples
    --------
    >>> import equipoise
    >>> equipoise.class_weights([0, 0, 0, 1])
    array([0.66666667, 2.        ])
    >>> equipoise.class_weights(["b", "a", "b", "b", "b"], "sqrt", as_dict=True)
    {'a': 1.6666666666666667, 'b': 0.8333333333333334}
    """
    scheme = _validate.as_choice(scheme, "scheme", _SCHEMES)
    beta, as_dict = _validate.as_beta(beta), _validate.as_flag(as_dict, "as_dict")
    found = count_classes(y, classes)
    _validate.check_counted(int(found.counts.any()), "y")
    weights = weights_of_counts(found.counts, scheme, beta)
    if as_dict:
        return dict(zip(found.classes.tolist(), weights.tolist(), strict=True))
    return weights


def weights_of_counts(counts: NDArray[Any], scheme: str, beta: float) -> Floats:
    """Return the weights of classes that have some rows, 0 for a class without rows.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.balance.weights import weights_of_counts
    >>> weights_of_counts(np.array([4, 0, 1]), "inverse", 0.0)
    array([0.25, 0.  , 1.  ])
    """
    out = np.zeros(counts.size)
    some = counts > 0
    n: Floats = counts[some].astype(np.float64)
    if scheme == "balanced":
        out[some] = n.sum() / (n.size * n)
    elif scheme == "inverse":
        out[some] = 1 / n
    elif scheme == "sqrt":
        out[some] = n.sum() / np.sqrt(n).sum() / np.sqrt(n)
    else:
        w = 1 / _effective_numbers(n, beta)
        out[some] = w / w.sum() * n.size
    return out


def _effective_numbers(n: Floats, beta: float) -> Floats:
    """Return 1 - beta^n, without a loss of digits where beta is close to 1."""
    if beta == 0:
        return np.ones(n.size)
    # The library's own functions, so that weights are the same on every machine.
    log_beta, powers = np.array([beta - 1]), np.empty(n.size)
    kernels().log1p(log_beta, log_beta)
    kernels().expm1(n * log_beta, powers)
    return -powers


def sample_weights(y: Any, scheme: str = "inverse", *, normalize: bool = True) -> Floats:
    """Return a weight for each row: that of its class.

    Parameters
    ----------
    y : array of shape (n,)
        The label of each row, as in :func:`class_counts`.
    scheme : {"balanced", "inverse", "sqrt", "effective"}
        As in :func:`class_weights`. With "balanced" and ``normalize=False``, these are scikit-learn's
        ``compute_sample_weight("balanced", y)``.
    normalize : bool
        Scale the weights so that they sum to 1. With "inverse" and "balanced", the rows of each class then
        sum to the same.

    Returns
    -------
    float64 ndarray of shape (n,)
        For example, for :class:`equipoise.torch.WeightedSampler` or :class:`AliasTable`.

    Raises
    ------
    TypeError, ValueError, IndexError
        As :func:`class_weights`.

    Examples
    --------
    >>> import equipoise
    >>> equipoise.sample_weights(["b", "a", "b", "b"])
    array([0.16666667, 0.5       , 0.16666667, 0.16666667])
    """
    scheme = _validate.as_choice(scheme, "scheme", _SCHEMES)
    normalize = _validate.as_flag(normalize, "normalize")
    found, numbers = number_classes(y)
    _validate.check_counted(numbers.size, "y")
    weights = weights_of_counts(found.counts, scheme, 0.999)
    if normalize:
        weights /= (weights * found.counts).sum()
    return np.asarray(weights.take(numbers))


def deferred_weights(counts: Any, epoch: int, *, start: int, beta: float = 0.9999) -> Floats:
    """Return class weights that are 1 at first, and "effective" from an epoch on.

    The first epochs learn features from all rows alike, and the last ones, at a small learning rate, move the
    borders between classes (LDAM-DRW, which has 160 of its 200 epochs before the weights).

    Parameters
    ----------
    counts : array of shape (K,), or ClassCounts
        The number of rows of each class: finite, >= 0, and not all zero.
    epoch : int
        The epoch that is trained, from 0 on.
    start : int
        The first epoch with weights.
    beta : float
        In [0, 1), as in :func:`class_weights`.

    Returns
    -------
    float64 ndarray of shape (K,)
        Ones before `start`. Then, a class without rows has the weight 0.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or value.

    References
    ----------
    - K. Cao, C. Wei, A. Gaidon, N. Arechiga and T. Ma, "Learning imbalanced datasets with
      label-distribution-aware margin loss", NeurIPS 2019.

    Examples
    --------
    >>> import equipoise
    >>> [equipoise.deferred_weights([90, 10], epoch, start=160).round(3).tolist() for epoch in (159, 160)]
    [[1.0, 1.0], [0.201, 1.799]]
    """
    n = _counts_of(counts)
    epoch, start = _validate.as_count(epoch, "epoch"), _validate.as_count(start, "start")
    beta = _validate.as_beta(beta)
    return np.ones(n.size) if epoch < start else weights_of_counts(n, "effective", beta)


def progressive_probs(counts: Any, epoch: int, num_epochs: int) -> Floats:
    """Return the share of each class in an epoch, from that in the data at first to the same for all at last.

    With t = min(epoch / (num_epochs - 1), 1), or 0 if there is one epoch, class c has the share
    (1 - t) n_c / n + t / K+, where K+ classes have rows, and n_c of the n rows are of class c. The paper
    prints epoch / num_epochs for t, which never reaches equal shares; the authors' code has the t above.

    Parameters
    ----------
    counts : array of shape (K,), or ClassCounts
        The number of rows of each class: finite, >= 0, and not all zero.
    epoch : int
        The epoch, from 0 on.
    num_epochs : int
        The number of epochs, at least 1.

    Returns
    -------
    float64 ndarray of shape (K,)
        They sum to 1; a class without rows has the share 0. A function that
        ``equipoise.torch.ClassBalancedBatchSampler`` takes as ``schedule=`` may return it, if the counts are
        in ascending order of the labels.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or value.

    References
    ----------
    - B. Kang, S. Xie, M. Rohrbach, Z. Yan, A. Gordo, J. Feng and Y. Kalantidis, "Decoupling representation
      and classifier for long-tailed recognition", ICLR 2020.

    Examples
    --------
    >>> import equipoise
    >>> [equipoise.progressive_probs([90, 10], epoch, 3).tolist() for epoch in range(3)]
    [[0.9, 0.1], [0.7, 0.3], [0.5, 0.5]]
    """
    n = _counts_of(counts)
    epoch = _validate.as_count(epoch, "epoch")
    num_epochs = _validate.as_count(num_epochs, "num_epochs", least=1)
    t = min(epoch / (num_epochs - 1), 1.0) if num_epochs > 1 else 0.0
    some = n > 0
    return np.asarray((1 - t) * n / math.fsum(n) + t * some / np.count_nonzero(some))


def _counts_of(counts: Any) -> Floats:
    return _validate.as_counts(counts.counts if isinstance(counts, ClassCounts) else counts)
