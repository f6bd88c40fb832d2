"""Checks of class labels: integers, booleans, strings or floats in any container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.arrays import as_array, check_range, is_kind
from equipoise._validate.containers.categories import read_categories
from equipoise._validate.containers.texts import read_texts
from equipoise._validate.containers.unread import Unread, refuse_null, refuse_unread
from equipoise._validate.wording import Int64s, has, kind_of

INTEGERS, BOOLEANS, STRINGS, FLOATS = "integers", "booleans", "strings", "floats"
_WANTED = "integers, booleans or strings"
_WANTED_OR_FLOATS = "integers, booleans, strings or floats"
_ONE_OF = {INTEGERS: "an integer", BOOLEANS: "a boolean", STRINGS: "a string"}


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of rows, all of one kind.

    ``values`` are int64 for integers and booleans, float64 for floats, and a list for strings; labels of
    another kind, for which ``kind`` is None, stay an array as they came. With ``index``, row i has the label
    ``values[index[i]]``, and a value may be listed more than once or belong to no row. If they are
    ``ordered``, the values are all classes, each listed once and in their own order.
    """

    kind: str | None
    values: Any
    index: Int64s | None = None
    ordered: bool = False

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.values) if self.index is None else self.index.size

    def taken(self, index: Int64s) -> Labels:
        """Return the labels of the rows at some positions."""
        if isinstance(self.values, list):
            return Labels(self.kind, self.values, index if self.index is None else self.index[index])
        return Labels(self.kind, self.values[index])


def as_labels(x: Any, name: str = "classes", *, num_classes: int | None = None) -> Labels:
    """Return the classes of rows: integers that fit in int64, booleans or strings, but one kind only.

    With `num_classes`, they are a copy of integers in [0, num_classes), or of booleans.
    """
    labels = x if isinstance(x, Labels) else read_labels(x, name)
    if labels.kind is None and labels.size:
        _refuse_kind(labels.values, name, _WANTED)
    if num_classes is not None:
        if labels.kind == STRINGS:
            raise TypeError(f"{name} must be integers or booleans, as the classes are numbered, got strings")
        values = np.array(labels.values, np.int64)  # check a copy, since it is used as indices
        check_range(values, name, 0, num_classes)
        return Labels(labels.kind, values)
    return labels if labels.size else Labels(None, np.empty(0, np.int64))


def as_class_labels(x: Any, name: str = "y", *, own_order: bool = True) -> Labels:
    """Return the classes of rows, as :func:`as_labels`, or finite floats.

    With `own_order`, the categories of pandas and of a polars Enum keep their order, and those without rows
    are classes.
    """
    shape = x.shape if not isinstance(x, np.ndarray) and has(x, "shape") else ()
    if isinstance(shape, tuple) and len(shape) == 2:  # a frame or a sparse matrix
        raise ValueError(f"{name} must be 1-D, not 2-D (shape {shape})")
    try:
        found = read_categories(x) if own_order else None
    except MemoryError:  # the argument is not at fault
        raise
    except Exception as failure:  # other libraries may raise anything
        raise TypeError(f"{name} must be {_WANTED_OR_FLOATS}, got a {type(x).__name__}: {failure}") from None
    if isinstance(found, Unread):
        refuse_unread(found, name, _WANTED_OR_FLOATS)
    if found is None:
        labels = _with_floats(read_labels(x, name, _WANTED_OR_FLOATS), name)
        return labels if labels.size else Labels(None, np.empty(0, np.int64))
    categories, codes = found
    values = _with_floats(read_labels(categories, f"{name}'s categories", _WANTED_OR_FLOATS), name)
    if values.index is not None:  # categories that are an Arrow dictionary
        values = Labels(values.kind, [values.values[i] for i in values.index.tolist()])
    return Labels(values.kind, values.values, codes, ordered=True)


def _with_floats(labels: Labels, name: str) -> Labels:
    """Return labels, where finite floats are a kind of their own and other kinds are refused."""
    a = labels.values
    if labels.kind is not None or not labels.size:
        return labels
    if not is_kind(a, "f"):
        _refuse_kind(a, name, _WANTED_OR_FLOATS)
    if not np.isfinite(a).all():
        at = int(np.isfinite(a).argmin())
        raise ValueError(f"{name}[{at}] must be finite, got {a[at]}")
    return Labels(FLOATS, a.astype(np.float64) + 0.0)  # -0.0 is 0.0


def _refuse_kind(a: NDArray[Any], name: str, wanted: str) -> NoReturn:
    got = kind_of(a)
    if a.dtype == object:
        got = " and ".join(sorted({type(label).__name__ for label in a}))
    raise TypeError(f"{name} must be {wanted}, got {got}")


def read_labels(x: Any, name: str, wanted: str = _WANTED) -> Labels:
    """Return labels of any kind. None of them may be missing."""
    if type(x) in (list, tuple):
        return _from_objects(list(x), name) if x else Labels(None, np.empty(0))
    try:
        texts = read_texts(x)
    except MemoryError:  # the argument is not at fault
        raise
    except Exception as failure:  # other libraries may raise anything
        raise TypeError(f"{name} must be {wanted}, got a {type(x).__name__}: {failure}") from None
    if isinstance(texts, Unread):
        refuse_unread(texts, name, wanted)
    if texts is None:
        return _from_array(as_array(x, name, wanted), name)
    labels = _from_objects(texts.values, name) if texts.values else Labels(STRINGS, [])
    return labels if texts.places is None else labels.taken(texts.places)


def check_kind(mine: str | None, theirs: str | None, name: str = "classes") -> str | None:
    """Return the kind of labels. All labels of a reservoir, or of a distributed column, are of one kind."""
    if mine is not None and theirs is not None and mine != theirs:
        raise TypeError(f"{name} must be {mine}, like those before, got {theirs}")
    return theirs if mine is None else mine


def refuse_same_code(one: str, other: str) -> NoReturn:
    """Refuse a string whose digest is that of another one."""
    raise ValueError(f"classes must have different digests, got {one!r} and {other!r}: rename one of them")


def _from_array(a: NDArray[Any], name: str) -> Labels:
    if a.ndim != 1:
        raise ValueError(f"{name} must be 1-D, not {a.ndim}-D (shape {a.shape})")
    if is_kind(a, "b"):
        return Labels(BOOLEANS, a.astype(np.int64))
    if is_kind(a, "iu"):
        if a.dtype == np.uint64:
            check_range(a, name, -(2**63), 2**63)
        return Labels(INTEGERS, np.ascontiguousarray(a, np.int64))
    if a.dtype.kind in "OTU" and a.size:
        return _from_objects(a.tolist(), name)
    if a.dtype.kind in "fcmM":
        missing = np.isnat(a) if a.dtype.kind in "mM" else np.isnan(a)
        if missing.any():
            refuse_null(name, int(missing.argmax()))
    return Labels(None, a)


def _from_objects(labels: list[Any], name: str) -> Labels:
    kinds = {cls: _kind_of_type(cls) for cls in set(map(type, labels))}
    found = set(kinds.values())
    if len(found) == 1 and found != {None}:
        (kind,) = found
        if kind == STRINGS:
            return Labels(STRINGS, labels)
        a = np.array(labels, object if kind == INTEGERS else np.bool_)
        if kind == INTEGERS:
            check_range(a, name, -(2**63), 2**63)
        return Labels(kind, a.astype(np.int64))
    for at, label in enumerate(labels):
        if _is_missing(label):
            refuse_null(name, at)
    if None not in found:
        first = kinds[type(labels[0])]
        at = next(i for i, label in enumerate(labels) if kinds[type(label)] != first)
        wanted, got = (_ONE_OF[kind] for kind in (first, kinds[type(labels[at])]) if kind)
        raise TypeError(f"{name}[{at}] must be {wanted}, like {name}[0], got {got}")
    if found == {None}:  # floats, for example, or rows of a matrix
        a = as_array(labels, name)
        if a.ndim != 1 or a.dtype.kind not in "OTU":
            return _from_array(a, name)
    others = np.empty(len(labels), object)
    others[:] = labels
    return Labels(None, others)


def _kind_of_type(cls: type) -> str | None:
    if issubclass(cls, bool | np.bool_):
        return BOOLEANS
    if issubclass(cls, int | np.integer):
        return INTEGERS
    return STRINGS if issubclass(cls, str) else None


def _is_missing(label: Any) -> bool:
    if isinstance(label, float | np.floating):
        return bool(np.isnan(label))
    return label is None or type(label).__name__ in ("NAType", "NaTType")
