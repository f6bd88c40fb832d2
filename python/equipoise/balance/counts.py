"""Rows counted by class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate

__all__ = ["ClassCounts", "class_counts", "count_classes", "number_classes", "number_labels"]


Int64s = NDArray[np.int64]
_SPARSE = 4  # integer labels in a range of up to this many times their number are counted, not sorted


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """The classes of rows, and the number of rows of each.

    Attributes
    ----------
    classes : ndarray of shape (K,)
        The labels: int64, bool, float64 or strings.
    counts : int64 ndarray of shape (K,)
        The number of rows of each class.

    Examples
    --------
    >>> import equipoise
    >>> found = equipoise.class_counts(["cat", "dog", "cat"])
    >>> found.classes.tolist(), found.counts.tolist()
    (['cat', 'dog'], [2, 1])
    """

    classes: NDArray[Any]
    counts: Int64s


def class_counts(y: Any, *, classes: Any = None) -> ClassCounts:
    """Count the rows of each class.

    Parameters
    ----------
    y : array of shape (n,), or mapping
        The label of each row: integers, booleans, strings or finite floats, in any container. A mapping from
        labels to their counts, such as a ``Counter`` or ``ClassReservoir.counts``, may stand for it. (A
        pandas ``value_counts()`` is a column, whose values would be counted: pass its ``.to_dict()``.)
    classes : array of shape (K,), optional
        The classes in the order that you want. Those without rows have the count 0. By default, they are the
        labels of `y` in ascending order, or a pandas Categorical's or a polars Enum's categories in their own
        order, the unused ones included. The order of Arrow dictionaries and of a polars Categorical, which
        depends on how they were made, is not used.

    Returns
    -------
    ClassCounts

    Raises
    ------
    TypeError
        If labels are of another kind or of several kinds, or `classes` are of another kind than `y`.
    ValueError
        If a label is missing (NaN, None, null), infinite, or not in `classes`, a class is listed twice, or
        `y` is not 1-D.
    IndexError
        If a label is beyond int64.

    Examples
    --------
    >>> import equipoise
    >>> equipoise.class_counts([0, 1, 0, 0], classes=[1, 0, 2]).counts
    array([1, 3, 0])
    >>> equipoise.class_counts({"click": 5, "buy": 2}).classes
    array(['buy', 'click'], dtype='<U5')
    """
    return count_classes(y, classes)


def count_classes(y: Any, classes: Any = None, name: str = "y") -> ClassCounts:
    """Count the rows of each class, as :func:`class_counts`. Errors name the argument `name`.

    Examples
    --------
    >>> from equipoise.balance.counts import count_classes
    >>> count_classes([True, True]).counts
    array([2])
    """
    if isinstance(y, Mapping):
        labels, given = _validate.as_label_counts(y, name)
        values, codes = number_labels(labels)
        counts = np.zeros(len(values), np.int64)
        counts[codes] = given
        named = np.zeros(len(values), np.bool_)
        named[codes] = True
        return _listed(ClassCounts(values[named], counts[named]), labels, classes, name)
    labels = _validate.as_class_labels(y, name)
    values, codes = number_labels(labels)
    counts = np.bincount(codes, minlength=len(values)).astype(np.int64, copy=False)
    if not labels.ordered and not counts.all():  # values that no row has
        values, counts = values[counts > 0], counts[counts > 0]
    return _listed(ClassCounts(values, counts), labels, classes, name, codes)


def number_classes(y: Any, name: str = "y") -> tuple[ClassCounts, Int64s]:
    """Return the classes of rows, some of which may have no row, and the number of each row's class.

    Examples
    --------
    >>> from equipoise.balance.counts import number_classes
    >>> found, numbers = number_classes(["b", "a", "b"])
    >>> found.counts, numbers
    (array([1, 2]), array([1, 0, 1]))
    """
    values, codes = number_labels(_validate.as_class_labels(y, name))
    return ClassCounts(values, np.bincount(codes, minlength=len(values)).astype(np.int64, copy=False)), codes


def number_labels(labels: _validate.Labels) -> tuple[NDArray[Any], Int64s]:
    """Return values in the order of the classes, and the number among them of each row's label.

    No row may have some of the values.

    Examples
    --------
    >>> from equipoise import _validate
    >>> from equipoise.balance.counts import number_labels
    >>> number_labels(_validate.as_labels([7, 5, 7]))
    (array([5, 6, 7]), array([2, 0, 2]))
    """
    if labels.ordered and labels.index is not None:
        values = labels.values
        return _strings(values) if isinstance(values, list) else _of_kind(values, labels), labels.index
    if isinstance(labels.values, list):
        texts = sorted(map(str.__str__, set(labels.values)))  # not np.str_, and not the name of an Enum
        number = {text: at for at, text in enumerate(texts)}
        codes = np.fromiter(map(number.__getitem__, labels.values), np.int64, len(labels.values))
        return _strings(texts), codes if labels.index is None else codes[labels.index]
    numbers = labels.values if labels.index is None else labels.values[labels.index]
    if not numbers.size:
        return _of_kind(numbers, labels), np.empty(0, np.int64)
    if labels.kind != _validate.FLOATS:
        least, most = int(numbers.min()), int(numbers.max())
        if most - least < max(1 << 16, _SPARSE * numbers.size):
            values = least + np.arange(most - least + 1)
            return _of_kind(values, labels), numbers - least if least else numbers
    values, codes = np.unique(numbers, return_inverse=True)
    return _of_kind(values, labels), codes.reshape(-1)


def _of_kind(values: NDArray[Any], labels: _validate.Labels) -> NDArray[Any]:
    return values.astype(np.bool_) if labels.kind == _validate.BOOLEANS else values


def _strings(texts: list[str]) -> NDArray[Any]:
    texts = list(map(str.__str__, texts))
    strings = np.array(texts, np.str_)
    # NumPy's strings drop null characters at the end.
    return strings if strings.tolist() == texts else np.array(texts, object)


def _listed(
    found: ClassCounts, labels: _validate.Labels, classes: Any, name: str, codes: Int64s | None = None
) -> ClassCounts:
    """Return counts in the order of `classes`. `labels` and `codes` say where an unknown label is."""
    if classes is None:
        return found
    wanted = _validate.as_class_labels(classes, "classes")
    _validate.check_same_labels(labels, wanted, name)
    values, order = number_labels(wanted)
    listed = values[order]
    number: dict[Any, int] = {}
    for at, label in enumerate(listed.tolist()):
        if label in number:
            _validate.refuse_repeated(label, at, number[label])
        number[label] = at
    counts = np.zeros(len(number), np.int64)
    for label, count in zip(found.classes.tolist(), found.counts.tolist(), strict=True):
        if label in number:
            counts[number[label]] = count
        elif count or codes is None:
            _refuse(label, labels, codes, name)
    return ClassCounts(listed, counts)


def _refuse(label: Any, labels: _validate.Labels, codes: Int64s | None, name: str) -> NoReturn:
    """Refuse a label that is none of the classes, at its first row."""
    if codes is None:
        _validate.refuse_label(label, None, name)
    values = number_labels(labels)[0].tolist()
    _validate.refuse_label(label, int((codes == values.index(label)).argmax()), name)
