"""Plots of classes. Only these functions need matplotlib, which the extra ``plot`` installs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from equipoise import _validate

__all__ = ["before_after", "class_bars"]

_MOST_BARS = 50


def class_bars(found: Any, ax: Any = None) -> Any:
    """Draw the rows of each class, as :meth:`equipoise.Imbalance.plot`.

    Parameters
    ----------
    found : Imbalance, MultilabelImbalance or ClassCounts
        What has ``classes`` and ``counts``.
    ax : matplotlib Axes, optional
        Where to draw. By default, a new figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If an argument is of another type.

    Examples
    --------
    See ``docs/balance.md``.
    """
    _validate.check_counts_of(found, "found")
    ax = _axes(ax, "class_bars")
    _draw(ax, {"": found.counts.tolist()}, found.classes.tolist())
    return ax


def before_after(a: Any, b: Any, ax: Any = None) -> Any:
    """Draw the rows of each class before and after, side by side.

    Parameters
    ----------
    a, b : Imbalance, MultilabelImbalance, ClassCounts, mapping or array of shape (n,)
        The classes before and after resampling, for example: what :func:`imbalance` or :func:`class_counts`
        returns, a mapping from labels to counts, or the label of each row. A class that one of them lacks has
        no rows there.
    ax : matplotlib Axes, optional
        Where to draw. By default, a new figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError, IndexError
        If an argument is of another type, or as :func:`class_counts`.

    Examples
    --------
    See ``docs/balance.md``.
    """
    before, after = _counts_of(a, "a"), _counts_of(b, "b")
    ax = _axes(ax, "before_after")
    classes = list(before | after)
    series = {"before": before, "after": after}
    _draw(ax, {name: [counts.get(c, 0) for c in classes] for name, counts in series.items()}, classes)
    ax.legend()
    return ax


def _counts_of(x: Any, name: str) -> dict[Any, int]:
    """Return the rows of each class, in order."""
    if _validate.has(x, "classes", "counts"):
        return dict(zip(x.classes.tolist(), x.counts.tolist(), strict=True))
    if isinstance(x, Mapping):
        _, counts = _validate.as_label_counts(x, name)
        return dict(zip(x, counts.tolist(), strict=True))
    labels = _validate.as_class_labels(x, name)
    values = labels.values if isinstance(labels.values, list) else labels.values.tolist()
    if labels.index is None:
        return dict(sorted(Counter(values).items()))
    rows = np.bincount(labels.index, minlength=len(values)).tolist()
    found: Counter[Any] = Counter()
    for label, count in zip(values, rows, strict=True):
        found[label] += count
    return found if labels.ordered else dict(sorted(found.items()))


def _axes(ax: Any, name: str) -> Any:
    if ax is not None:
        _validate.check_axes(ax, "ax")
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        _validate.refuse_without("matplotlib", "plot", name)
    return plt.subplots()[1]


def _draw(ax: Any, series: dict[str, list[int]], classes: list[Any]) -> None:
    """Draw a bar for each class and series or, of many classes, a curve for each series."""
    if len(classes) > _MOST_BARS:
        for name, counts in series.items():
            falling = np.sort([count for count in counts if count > 0])[::-1]
            ax.loglog(np.arange(1, falling.size + 1), falling, label=name)
        ax.set_xlabel("rank of the class")
    else:
        width = 0.8 / len(series)
        for i, (name, counts) in enumerate(series.items()):
            places = np.arange(len(classes)) + width * (i - (len(series) - 1) / 2)
            ax.bar(places, counts, width, label=name)
        ax.set_xticks(np.arange(len(classes)), list(map(str, classes)))
        ax.set_xlabel("class")
    ax.set_ylabel("rows")
