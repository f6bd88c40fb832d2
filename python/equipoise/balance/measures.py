"""Measures of how unequal classes are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate, plot
from equipoise.balance.counts import ClassCounts, count_classes, number_labels
from equipoise.balance.weights import weights_of_counts

__all__ = ["Imbalance", "MultilabelImbalance", "imbalance"]


Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Imbalance:
    """How unequal classes are. p_c is the share of the n rows that class c of K has, and n_c its rows.

    Attributes
    ----------
    classes : ndarray of shape (K,)
        The labels.
    counts : int64 ndarray of shape (K,)
        The rows of each class, n_c.
    proportions : float64 ndarray of shape (K,)
        The share of each class, p_c.
    ratio : float
        The largest count divided by the smallest. ``inf`` if a class has no rows.
    difference : float
        The largest share less the smallest.
    entropy : float
        -sum p_c ln p_c / ln K: 1 if all classes have the same rows, 0 if one has all. It is 1 for one class.
    gini : float
        The Gini coefficient of the counts, a measure of inequality: 0 if they are equal, (K - 1) / K if one
        class has all rows. (It is not the Gini impurity of decision trees.)
    effective_classes : float
        1 / sum p_c^2: the number of classes of equal size that are as concentrated. Between 1 and K.
    class_weights : float64 ndarray of shape (K,)
        n / (K+ n_c), the "balanced" weights of :func:`class_weights`; 0 for a class without rows.

    Examples
    --------
    >>> import equipoise
    >>> found = equipoise.imbalance(["no"] * 95 + ["yes"] * 5)
    >>> found.ratio, round(found.entropy, 4), round(found.effective_classes, 4)
    (19.0, 0.2864, 1.105)
    """

    classes: NDArray[Any]
    counts: NDArray[np.int64]
    proportions: Floats
    ratio: float
    difference: float
    entropy: float
    gini: float
    effective_classes: float
    class_weights: Floats

    def top_share(self, fraction: float = 0.1) -> float:
        """Return the share of the rows that the largest classes have: ceil(fraction * K) of them.

        Parameters
        ----------
        fraction : float
            In [0, 1].

        Returns
        -------
        float

        Raises
        ------
        TypeError, ValueError
            If `fraction` is not a real number, or outside [0, 1].

        Examples
        --------
        >>> import equipoise
        >>> equipoise.imbalance({"a": 60, "b": 20, "c": 10, "d": 10}).top_share(0.5)
        0.8
        """
        fraction = _validate.as_part(fraction, "fraction")
        size = self.counts.size
        # 0.07 * 100 is 7.000000000000001 in float64.
        top = min(size, math.ceil(fraction * size * (1 - 1e-12)))
        largest = np.sort(self.counts)[size - top :]
        return float(largest.sum(dtype=np.float64) / self.counts.sum(dtype=np.float64))

    def plot(self, ax: Any = None) -> Any:
        """Draw the rows of each class.

        Up to 50 classes are bars in their order. More are a curve from the largest to the smallest, on
        logarithmic axes.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw. By default, a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        See ``docs/balance.md``.
        """
        return plot.class_bars(self, ax)


@dataclass(frozen=True, eq=False)
class MultilabelImbalance:
    """How unequal labels are, of which a row may have several, or none.

    Attributes
    ----------
    classes : ndarray of shape (K,)
        The labels: the numbers of the columns, or as given.
    counts : int64 ndarray of shape (K,)
        The rows that have each label, n_c.
    proportions : float64 ndarray of shape (K,)
        The share of the rows that have each label. They may sum to more or less than 1.
    irlbl : float64 ndarray of shape (K,)
        The largest count divided by the label's: 1 for the most frequent label, ``inf`` for one without rows.
    mean_ir : float
        The mean of `irlbl` over the labels that have rows.
    cvir : float
        The coefficient of variation of `irlbl` over the labels that have rows: the standard deviation, with
        K+ - 1 in the denominator, divided by `mean_ir`. NaN for a single label.

    References
    ----------
    - F. Charte, A. J. Rivera, M. J. del Jesus and F. Herrera, "Addressing imbalance in multilabel
      classification: measures and random resampling algorithms", Neurocomputing 163, 2015.

    Examples
    --------
    >>> import numpy as np, equipoise
    >>> found = equipoise.imbalance(np.array([[1, 0], [1, 1], [1, 0], [1, 0]]))
    >>> found.irlbl.tolist(), found.mean_ir
    ([1.0, 4.0], 2.5)
    """

    classes: NDArray[Any]
    counts: NDArray[np.int64]
    proportions: Floats
    irlbl: Floats
    mean_ir: float
    cvir: float

    def plot(self, ax: Any = None) -> Any:
        """Draw the rows that have each label, as :meth:`Imbalance.plot`.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw. By default, a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        See ``docs/balance.md``.
        """
        return plot.class_bars(self, ax)


def imbalance(y: Any, *, classes: Any = None) -> Imbalance | MultilabelImbalance:
    """Measure how unequal classes are.

    The classes may also be the items or the users of a log: ``imbalance(log.item_id)``.

    Parameters
    ----------
    y : array of shape (n,), mapping, or matrix of shape (n, K)
        The label of each row, or a mapping from labels to counts, as in :func:`class_counts`. Or, for rows
        with several labels, an array or a sparse matrix of zeros and ones with a column for each label.
    classes : array of shape (K,), optional
        The classes in the order that you want, those without rows included, as in :func:`class_counts`. For
        a matrix, the names of its columns.

    Returns
    -------
    Imbalance, or MultilabelImbalance for a matrix

    Raises
    ------
    TypeError, IndexError
        As :func:`class_counts`.
    ValueError
        As :func:`class_counts`; or if there are no rows, an entry of a matrix is neither 0 nor 1, or there
        is not one class for each column.

    Examples
    --------
    >>> import equipoise
    >>> found = equipoise.imbalance([7, 7, 7, 9])
    >>> found.ratio, found.gini, found.proportions
    (3.0, 0.25, array([0.75, 0.25]))
    """
    if _validate.is_table(y):
        return _of_matrix(y, classes)
    found = count_classes(y, classes)
    _validate.check_counted(int(found.counts.any()), "y")
    return _of_counts(found)


def _of_counts(found: ClassCounts) -> Imbalance:
    counts, size = found.counts.astype(np.float64), found.counts.size
    n = counts.sum()
    p = counts / n
    some = p[p > 0]
    ranks = 2.0 * np.arange(1, size + 1) - size - 1
    least, most = counts.min(), counts.max()
    return Imbalance(
        found.classes,
        found.counts,
        p,
        ratio=float(most / least) if least else math.inf,
        difference=float((most - least) / n),
        entropy=float(-(some * np.log(some)).sum() / math.log(size)) + 0.0 if size > 1 else 1.0,
        gini=float((ranks * np.sort(counts)).sum() / (size * n)),
        effective_classes=float(1 / (p * p).sum()),
        class_weights=weights_of_counts(found.counts, "balanced", 0.0),
    )


def _of_matrix(y: Any, classes: Any) -> MultilabelImbalance:
    n, size, _, columns = _validate.as_indicators(y, "y")
    _validate.check_counted(n, "y")
    counts = np.bincount(columns, minlength=size).astype(np.int64, copy=False)
    names: NDArray[Any] = np.arange(size)
    if classes is not None:
        values, order = number_labels(_validate.as_class_labels(classes, "classes"))
        _validate.check_names(order.size, size)
        names = values[order]
    some = counts[counts > 0]
    irlbl = np.full(size, math.inf)
    irlbl[counts > 0] = some.max(initial=0) / some
    finite = irlbl[counts > 0]
    mean = float(finite.mean()) if some.size else math.nan
    cvir = float(finite.std(ddof=1)) / mean if some.size > 1 else math.nan
    return MultilabelImbalance(names, counts, counts / n, irlbl, mean, cvir)
