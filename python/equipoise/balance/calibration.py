"""Probabilities corrected for other class priors, and measures of how well they are calibrated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise.balance.counts import number_classes

__all__ = ["Calibration", "CalibrationGroups", "calibration", "prior_correct"]


Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]


def prior_correct(p: Any, train_prior: Any, true_prior: Any) -> Floats:
    """Return the probabilities that a model would give if it had seen the classes in their true shares.

    p'_c is p_c r_c / sum p_k r_k, with r_c = true_prior_c / train_prior_c. It takes back what under- and
    over-sampling, a class-balanced sampler or class weights did to the probabilities, if the rows of a class
    were drawn without regard to anything else. Of two classes, the ranking of rows stays as it was. It is not
    for focal loss, margins or SMOTE: what such models return are no posteriors of another prior.

    Parameters
    ----------
    p : array of shape (n,) or (..., K)
        The model's probabilities: in 1-D, those of class 1; else of each class, where each row sums to 1
        within 1e-6.
    train_prior, true_prior : float, or array of shape (K,)
        The prior of each class in training and in truth. They need not sum to 1: counts will do. With class
        weights, pass counts * weights for `train_prior`. For a 1-D `p`, they are pairs (class 0, class 1), or
        single probabilities of class 1. If negatives were kept at the rate w, pass ``[w, 1], [1, 1]``, which
        is p / (p + (1 - p) / w) (He et al. 2014) = w p / (w p - p + 1) (Dal Pozzolo et al. 2015).

    Returns
    -------
    float64 ndarray of the shape of `p`
        0 for a class whose true prior is 0.

    Raises
    ------
    TypeError
        If an argument does not hold numbers.
    ValueError
        If a probability is NaN or outside [0, 1], a row does not sum to 1, a prior does not fit `p` or is
        negative or not finite, or the training prior of a class is 0; or if a row has the probability 0 for
        all classes whose true prior is positive.

    References
    ----------
    - M. Saerens, P. Latinne and C. Decaestecker, "Adjusting the outputs of a classifier to new a priori
      probabilities: a simple procedure", Neural Computation 14, 2002.
    - C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001.
    - X. He et al., "Practical lessons from predicting clicks on ads at Facebook", ADKDD 2014.
    - A. Dal Pozzolo, O. Caelen, R. A. Johnson and G. Bontempi, "Calibrating probability with undersampling
      for unbalanced classification", SSCI 2015.

    Examples
    --------
    >>> import equipoise
    >>> equipoise.prior_correct([0.5, 0.9], [0.05, 1], [1, 1]).round(4)  # 5 % of the negatives were kept
    array([0.0476, 0.3103])
    >>> equipoise.prior_correct([[0.2, 0.3, 0.5]], [1, 1, 1], [90, 9, 1]).round(4)
    array([[0.8491, 0.1274, 0.0236]])
    """
    probs = _validate.as_probs(p)
    if probs.ndim < 2:
        r0, r1 = _ratios(train_prior, true_prior, None)
        ones, zeros = probs * r1, (1 - probs) * r0
        total = ones + zeros
        _validate.check_possible(total)
        return np.asarray(ones / total)
    _validate.check_rows_sum(probs)
    scaled = probs * _ratios(train_prior, true_prior, probs.shape[-1])
    total = scaled.sum(axis=-1)
    _validate.check_possible(total)
    return np.asarray(scaled / total[..., None])


def _ratios(train_prior: Any, true_prior: Any, num_classes: int | None) -> Floats:
    train = _validate.as_prior(train_prior, "train_prior", num_classes)
    ratios = _validate.as_ratios(train, _validate.as_prior(true_prior, "true_prior", num_classes))
    # They are at most 1. A power of two keeps their products with tiny probabilities out of the subnormal
    # numbers, which have fewer digits.
    return np.ldexp(ratios, 1000)


@dataclass(frozen=True, eq=False)
class CalibrationGroups:
    """How well probabilities are calibrated within each group of rows: the fields of :class:`Calibration`.

    Attributes
    ----------
    labels : ndarray of shape (G,)
        The labels of the groups that have rows, in the order of :func:`class_counts`.
    rows : int64 ndarray of shape (G,)
        As in :class:`Calibration`, like all that follow.
    positives, predicted, ratio, log_loss, normalized_entropy, ece : float64 ndarray of shape (G,)
        The bins of `ece` are those of the group.

    Examples
    --------
    >>> import equipoise
    >>> found = equipoise.calibration([1, 0, 0, 1], [0.5, 0.5, 0.2, 0.3], groups=["x", "x", "y", "y"])
    >>> found.groups.labels.tolist(), found.groups.ratio.tolist()
    (['x', 'y'], [1.0, 0.5])
    """

    labels: NDArray[Any]
    rows: Int64s
    positives: Floats
    predicted: Floats
    ratio: Floats
    log_loss: Floats
    normalized_entropy: Floats
    ece: Floats


@dataclass(frozen=True, eq=False)
class Calibration:
    """How well probabilities of a class are calibrated. Row i has the outcome y_i, 0 or 1, and weight w_i.

    Attributes
    ----------
    rows : int
        The number of rows.
    positives : float
        sum w y: the observed positives.
    predicted : float
        sum w p: the expected positives.
    ratio : float
        predicted / positives: above 1, the model promises too much. NaN without positives. (Expected over
        observed clicks, as He et al. define it. Some pages print the inverse.)
    log_loss : float
        The weighted mean of -ln p for positives and -ln(1 - p) for others. Probabilities are never clipped,
        so it is ``inf`` if p is 0 for a positive.
    normalized_entropy : float
        `log_loss`, divided by that of a model that always says the share of positives, sum w y / sum w: below
        1, the model knows something. NaN if all rows are of one class.
    ece : float
        The expected calibration error: the sum over bins of abs(sum w (p - y)), divided by sum w. The bins
        have about the same number of rows: their edges are quantiles of p.
    groups : CalibrationGroups or None
        The same within each group, if groups were given.

    Examples
    --------
    >>> import equipoise
    >>> found = equipoise.calibration([1, 0, 0, 0], [0.5, 0.25, 0.5, 0.25])
    >>> found.rows, found.ratio, round(found.normalized_entropy, 4), found.ece
    (4, 1.5, 0.8721, 0.125)
    """

    rows: int
    positives: float
    predicted: float
    ratio: float
    log_loss: float
    normalized_entropy: float
    ece: float
    groups: CalibrationGroups | None = None


def calibration(
    y: Any, p: Any, *, groups: Any = None, sample_weights: Any = None, bins: int = 10
) -> Calibration:
    """Measure how well predicted probabilities agree with outcomes, for all rows and for each group.

    Parameters
    ----------
    y : array of shape (n,)
        The outcomes, 0 or 1: integers, booleans or floats.
    p : array of shape (n,)
        The predicted probabilities of 1.
    groups : array of shape (n,), optional
        The group of each row, such as its campaign, item or kind of user: labels, as in :func:`class_counts`.
    sample_weights : array of shape (n,), optional
        Finite, >= 0, by default 1.
    bins : int
        The number of bins of `ece`, at least 1. Their edges are ``np.quantile(p, np.linspace(0, 1, bins +
        1))``, and a row on an edge is in the bin below, as in scikit-learn's ``calibration_curve`` with
        ``strategy="quantile"``. If bins had equal widths, nearly all rows of a click model would be in one.

    Returns
    -------
    Calibration

    Raises
    ------
    TypeError
        If an argument has the wrong type or dtype.
    ValueError
        If there are no rows, arrays have different lengths, an outcome is neither 0 nor 1, a probability is
        NaN or outside [0, 1], a weight is negative or not finite, or all of them are 0.

    References
    ----------
    - X. He et al., "Practical lessons from predicting clicks on ads at Facebook", ADKDD 2014.
    - M. P. Naeini, G. F. Cooper and M. Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
      binning", AAAI 2015.

    Examples
    --------
    >>> import equipoise
    >>> found = equipoise.calibration([True, False, False], [0.5, 0.25, 0.0], groups=["ad", "ad", "mail"])
    >>> found.ratio, found.ece, found.groups.positives
    (0.75, 0.25, array([1., 0.]))
    """
    probs = _validate.as_probs(p, ndim=1)
    _validate.check_counted(probs.size, "p")
    outcomes = _validate.as_outcomes(y, probs.size)
    bins = _validate.as_count(bins, "bins", least=1, most=2**31 - 1)
    w = np.ones(probs.size) if sample_weights is None else _weights_of(sample_weights, probs.size)
    order = np.argsort(probs, kind="stable")
    rows = probs[order], outcomes[order], w[order]
    found = _measured(*rows, np.array([0, probs.size]), bins)
    whole = {name: value.item() for name, value in found.items()}
    return Calibration(**whole, groups=None if groups is None else _grouped(groups, *rows, order, bins))


def _weights_of(sample_weights: Any, length: int) -> Floats:
    w = _validate.as_finite(sample_weights, "sample_weights")
    _validate.check_length(w.size, length, "sample_weights")
    _validate.check_weighted(w, "sample_weights")
    return w


def _grouped(
    groups: Any, p: Floats, y: NDArray[np.bool_], w: Floats, order: Int64s, bins: int
) -> CalibrationGroups:
    """Return the measures of each group. `order` has the numbers of the rows, in ascending order of p."""
    found, numbers = number_classes(groups, "groups")
    _validate.check_length(numbers.size, order.size, "groups")
    numbers = numbers[order]
    if found.counts.size <= 1 << 16:  # NumPy sorts these in linear time
        numbers = numbers.astype(np.uint16)
    by_group = np.argsort(numbers, kind="stable")
    some = found.counts > 0
    offsets = np.concatenate(([0], np.cumsum(found.counts[some])))
    measured = _measured(p[by_group], y[by_group], w[by_group], offsets, bins)
    return CalibrationGroups(found.classes[some], **measured)


def _measured(
    p: Floats, y: NDArray[np.bool_], w: Floats, offsets: Int64s, bins: int
) -> dict[str, NDArray[Any]]:
    """Return the fields of a calibration.

    Group g has the rows offsets[g] .. offsets[g + 1] - 1, in ascending order of p.
    """
    starts = offsets[:-1]
    total = np.add.reduceat(w, starts)
    positives, predicted = np.add.reduceat(w * y, starts), np.add.reduceat(w * p, starts)
    with np.errstate(divide="ignore", invalid="ignore"):
        losses = -np.where(y, np.log(p), np.log1p(-p))
        losses = np.where(w > 0, w * losses, 0.0)
        log_loss = np.add.reduceat(losses, starts) / total
        base = positives / total
        entropy = -(base * np.log(base) + (1 - base) * np.log1p(-base))
        return {
            "rows": np.diff(offsets),
            "positives": positives,
            "predicted": predicted,
            "ratio": np.where(positives > 0, predicted / positives, np.nan),
            "log_loss": log_loss,
            "normalized_entropy": np.where((base > 0) & (base < 1), log_loss / entropy, np.nan),
            "ece": _bin_errors(p, w * (p - y), offsets, bins) / total,
        }


def _bin_errors(p: Floats, gaps: Floats, offsets: Int64s, bins: int) -> Floats:
    """Return the sum over the bins of each group of the absolute sum of their gaps, w (p - y)."""
    ends = _bin_ends(p, offsets, bins)
    begins = np.concatenate((offsets[:-1, None], ends[:, :-1]), axis=1)
    full = ends > begins  # reduceat would take the next row for an empty bin
    sums = np.zeros(ends.shape)
    sums[full] = np.abs(np.add.reduceat(gaps, begins[full]))
    return np.asarray(sums.sum(axis=1))


def _bin_ends(p: Floats, offsets: Int64s, bins: int) -> Int64s:
    """Return the end of each bin of each group: behind the last row whose p is at most the bin's upper edge.

    The edges are quantiles of the group, interpolated to the last bit as NumPy does.
    """
    size = np.diff(offsets)[:, None]
    rank = (size - 1) * np.linspace(0, 1, bins + 1)[1:-1]
    below = np.minimum(rank.astype(np.int64), np.maximum(size - 2, 0))
    t = rank - below
    low, high = offsets[:-1, None] + below, offsets[:-1, None] + np.minimum(below + 1, size - 1)
    step = p[high] - p[low]
    edges = np.where(t < 0.5, p[low] + step * t, p[high] - step * (1 - t))
    last = np.concatenate((p[1:] > p[:-1], [True]))
    last[offsets[1:] - 1] = True
    run_ends = np.flatnonzero(last)[np.cumsum(np.concatenate(([0], last[:-1])))] + 1
    ends = np.where(edges >= p[high], run_ends[high], run_ends[low])
    return np.concatenate((ends, offsets[1:, None]), axis=1)
