"""Checks of the arguments of weights and measures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.arguments import as_real
from equipoise._validate.arrays import as_array, is_kind, refuse_dtype
from equipoise._validate.containers import read
from equipoise._validate.containers.frames import is_lazy
from equipoise._validate.csr import as_entries, as_indptr
from equipoise._validate.labels import Labels, as_class_labels
from equipoise._validate.weights import check_sum
from equipoise._validate.wording import Int64s, first_bad, has, kind_of, place

Floats = NDArray[np.float64]
_NUMBERS = "floats, integers or booleans"
_SCALARS = (str, bytes, Number, np.generic)
_ARRAYS = ("__array__", "__array_interface__", "__dlpack__", "__arrow_c_stream__")


# ---- classes and their counts -----------------------------------------------------------------------------


def as_label_counts(x: Mapping[Any, Any], name: str) -> tuple[Labels, Int64s]:
    """Return the labels of a mapping, and the count of each."""
    labels = as_class_labels(list(x), name)
    counts = [_as_label_count(count, f"{name}[{label!r}]") for label, count in x.items()]
    return labels, np.array(counts, np.int64)


def _as_label_count(x: Any, name: str) -> int:
    if isinstance(x, bool | np.bool_) or not isinstance(x, int | np.integer):
        raise TypeError(f"{name} must be an integer, the number of rows of a class, got {kind_of(x)}")
    if not 0 <= x < 2**63:
        raise ValueError(f"{name} must be in [0, 2^63), got {x}")
    return int(x)


def check_same_labels(y: Labels, classes: Labels, name: str) -> None:
    """Check that labels and the classes that they are to be counted by are of one kind."""
    if y.kind is not None and classes.kind is not None and y.kind != classes.kind:
        raise TypeError(f"classes must be {y.kind}, like {name}, got {classes.kind}")


def refuse_repeated(label: Any, at: int, first: int) -> NoReturn:
    """Refuse a class that is listed twice."""
    raise ValueError(f"classes[{at}] must differ from classes[{first}], got {label!r} twice")


def refuse_label(label: Any, at: int | None, name: str) -> NoReturn:
    """Refuse a label that is none of the given classes. `at` is its row, or None if it has no place."""
    where = name if at is None else f"{name}[{at}]"
    raise ValueError(f"{where} must be one of classes, got {label!r}")


def check_counted(total: int, name: str) -> None:
    """Check that some class has rows."""
    if not total:
        raise ValueError(f"{name} must have at least one row, got none")


def check_names(given: int, columns: int) -> None:
    """Check that there is one class for each column of a matrix."""
    if given != columns:
        raise ValueError(f"classes must have {columns} entries, one for each column of y, got {given}")


def as_counts(x: Any, name: str = "counts") -> Floats:
    """Return the numbers of rows of classes as float64: finite, >= 0, and not all zero."""
    counts = as_finite(x, name)
    check_sum(counts, name)
    if not counts.any():
        raise ValueError(f"{name} must not all be zero, got {counts.size} zeros")
    return counts


def as_finite(x: Any, name: str) -> Floats:
    """Return a 1-D array of finite numbers >= 0 as float64."""
    a = as_array(x, name, "floats or integers")
    if not is_kind(a, "fiu"):
        refuse_dtype(a, x, name, "floats or integers")
    if a.ndim != 1:
        raise ValueError(f"{name} must be 1-D, not {a.ndim}-D (shape {a.shape})")
    numbers = np.array(a, np.float64)
    good = (numbers >= 0) & (numbers < math.inf)
    if not good.all():
        at = int(good.argmin())
        raise ValueError(f"{name}[{at}] must be finite and >= 0, got {a[at]}")
    return numbers


# ---- numbers ----------------------------------------------------------------------------------------------


def as_beta(x: Any, name: str = "beta") -> float:
    """Return `x` as a float in [0, 1)."""
    beta = as_real(x, name)
    if not 0 <= beta < 1:
        raise ValueError(f"{name} must be in [0, 1), got {beta}")
    return beta


def as_threshold(x: Any, name: str = "threshold") -> float:
    """Return `x` as a float in (0, 1]."""
    threshold = as_real(x, name)
    if not 0 < threshold <= 1:
        raise ValueError(f"{name} must be in (0, 1], got {threshold}")
    return threshold


# ---- labels of rows that may have several ----------------------------------------------------------------


def is_sparse(x: Any) -> bool:
    """Return whether `x` is a sparse matrix of SciPy."""
    return has(x, "tocsr", "toarray")


def is_table(x: Any) -> bool:
    """Return whether `x` has two axes: a sparse or dense matrix, or a frame."""
    if is_sparse(x):
        return True
    if isinstance(x, list | tuple):
        return bool(x) and isinstance(x[0], list | tuple | np.ndarray)
    if has(x, "shape"):
        return isinstance(x.shape, tuple) and len(x.shape) == 2
    if is_lazy(x) or not any(has(x, member) for member in _ARRAYS):
        return False
    try:
        found = read(x)
    except MemoryError:
        raise
    except Exception:  # the reader of labels says why
        return False
    return isinstance(found, np.ndarray) and found.ndim == 2


def as_indicators(x: Any, name: str) -> tuple[int, int, Int64s, Int64s]:
    """Return the shape of a matrix of zeros and ones, and the rows and columns of its ones."""
    if is_sparse(x):
        return _as_sparse_indicators(x, name)
    a = as_array(x, name, _NUMBERS)
    if not is_kind(a, "biuf"):
        refuse_dtype(a, x, name, _NUMBERS)
    if a.ndim != 2:
        raise ValueError(f"{name} must be 2-D, not {a.ndim}-D (shape {a.shape})")
    check_binary(a, name)
    rows, columns = np.nonzero(a)
    return *a.shape, rows, columns


def _as_sparse_indicators(x: Any, name: str) -> tuple[int, int, Int64s, Int64s]:
    csr = x.tocsr()
    if len(csr.shape) != 2:
        raise ValueError(f"{name} must be 2-D, not {len(csr.shape)}-D (shape {csr.shape})")
    height, width = csr.shape
    ptr = as_indptr(csr.indptr, f"{name} indptr")
    columns = _as_label_ids(as_entries(as_array(csr.indices, name), f"{name} indices", ptr), name, width)
    values = as_entries(as_array(csr.data, f"{name} data"), f"{name} data", ptr)
    if not is_kind(values, "biuf"):
        refuse_dtype(values, csr.data, f"{name} data", _NUMBERS)
    check_binary(values, f"{name} data")
    rows = np.repeat(np.arange(height), np.diff(ptr))
    ones = values != 0
    return height, width, rows[ones], columns[ones]


def _as_label_ids(a: NDArray[Any], name: str, most: int = 2**63) -> Int64s:
    bad = (a < 0) | (a >= most)
    if bad.any():
        at = int(bad.argmax())
        raise IndexError(f"{name} indices[{at}] must be in [0, {most}), got {a[at]}")
    return a.astype(np.int64)


def as_label_lists(x: Any, name: str = "labels") -> tuple[Int64s, Labels]:
    """Return how many labels each row has, and all labels, row by row.

    Rows are lists of labels; or a pair (indptr, indices); or they are labels themselves.
    """
    if isinstance(x, tuple) and len(x) == 2 and not all(isinstance(part, _SCALARS) for part in x):
        ptr = as_indptr(x[0], f"{name} indptr")
        indices = as_array(x[1], f"{name} indices", "integers")
        if not is_kind(indices, "iu") and indices.size:
            refuse_dtype(indices, x[1], f"{name} indices", "integers")
        ids = _as_label_ids(as_entries(indices, f"{name} indices", ptr), name)
        return np.diff(ptr), as_class_labels(ids, name)
    rows = _lists_in(x)
    if rows is None:
        labels = as_class_labels(x, name)
        return np.ones(labels.size, np.int64), labels
    sizes = np.fromiter(map(len, rows), np.int64, len(rows))
    return sizes, _joined(rows, name)


def _lists_in(x: Any) -> Sequence[Any] | None:
    """Return the rows of a list of lists, or of a column of lists, or None if it holds labels themselves."""
    if has(x, "dtype") and x.dtype == object and has(x, "tolist") and getattr(x, "ndim", 1) == 1:
        x = x.tolist()
    if not isinstance(x, list | tuple):
        return None
    kinds = set(map(type, x))
    listed = {kind for kind in kinds if issubclass(kind, list | tuple | set | frozenset | np.ndarray)}
    return x if listed and listed == kinds else None


def _joined(rows: Sequence[Any], name: str) -> Labels:
    """Return the labels of all rows. An error names a row and a position in it."""
    entries = [label for row in rows for label in (row.tolist() if isinstance(row, np.ndarray) else row)]
    try:
        return as_class_labels(entries, name)
    except (TypeError, ValueError, IndexError):
        for i, row in enumerate(rows):
            as_class_labels(row if isinstance(row, np.ndarray) else list(row), f"{name}[{i}]")
        raise


def check_binary(a: NDArray[Any], name: str) -> None:
    """Check that all entries are 0 or 1."""
    good = (a == 0) | (a == 1)
    if not good.all():
        at = first_bad(~good)
        raise ValueError(f"{place(name, at)} must be 0 or 1, got {a[at]}")


# ---- probabilities ----------------------------------------------------------------------------------------


def as_probs(x: Any, name: str = "p", *, ndim: int | None = None) -> Floats:
    """Return probabilities as float64, each in [0, 1]."""
    wanted = "floats or integers"
    a = as_array(x, name, wanted)
    if not is_kind(a, "fiu"):
        refuse_dtype(a, x, name, wanted)
    if ndim is not None and a.ndim != ndim:
        raise ValueError(f"{name} must be {ndim}-D, not {a.ndim}-D (shape {a.shape})")
    probs = np.asarray(a, np.float64)
    good = (probs >= 0) & (probs <= 1)  # NaN also fails here
    if not good.all():
        at = first_bad(~good)
        raise ValueError(f"{place(name, at)} must be in [0, 1], got {a[at]}")
    return probs


def check_rows_sum(p: Floats) -> None:
    """Check that there are several classes, and that the probabilities of each row sum to 1 within 1e-6."""
    if p.shape[-1] < 2:
        raise ValueError(f"p must be 1-D, or have a column for each class, got shape {p.shape}")
    sums = p.sum(axis=-1)
    bad = ~(np.abs(sums - 1) <= 1e-6)
    if bad.any():
        at = first_bad(bad)
        raise ValueError(f"{place('p', at)} must sum to 1 within 1e-6, got a sum of {float(sums[at]):.9g}")


def as_prior(x: Any, name: str, num_classes: int | None) -> Floats:
    """Return a prior as weights of the classes. Without `num_classes`, there are two, and P(1) may stand."""
    wanted = "floats or integers"
    a = as_array(x, name, wanted)
    if not is_kind(a, "fiu"):
        refuse_dtype(a, x, name, wanted)
    if a.ndim == 0 and num_classes is None:
        positive = float(a)
        if not 0 <= positive <= 1:
            raise ValueError(f"{name} must be in [0, 1], the probability of class 1, got {positive}")
        return np.array([1 - positive, positive])
    size = 2 if num_classes is None else num_classes
    if a.shape != (size,):
        whole = (
            "a probability of class 1, or a pair" if num_classes is None else f"an array of shape ({size},)"
        )
        raise ValueError(f"{name} must be {whole}, one number for each class of p, got shape {a.shape}")
    return as_counts(x, name)


def as_ratios(train: Floats, true: Floats) -> Floats:
    """Return true / train, divided by the largest. Classes that training did not have are refused."""
    if not train.all():
        at = int(train.argmin())
        raise ValueError(
            f"train_prior must be > 0 for every class, got {train[at]} for class {at}: nothing is known of it"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        ratios = (true / true.max()) / (train / train.max())
    if not (np.isfinite(ratios).all() and ratios.any()):
        raise ValueError(
            "true_prior / train_prior must be finite for every class, got a ratio beyond float64"
        )
    return np.asarray(ratios / ratios.max())


def check_possible(total: Floats) -> None:
    """Check that each row of p leaves a class of positive true prior."""
    if not total.all():
        at = first_bad(total == 0)
        raise ValueError(f"{place('p', at)} must be > 0 for a class whose true_prior is > 0, got 0 for all")


def as_outcomes(x: Any, length: int, name: str = "y") -> NDArray[np.bool_]:
    """Return outcomes, each of which is 0 or 1, as booleans."""
    a = as_array(x, name, _NUMBERS)
    if not is_kind(a, "biuf"):
        refuse_dtype(a, x, name, _NUMBERS)
    if a.ndim != 1:
        raise ValueError(f"{name} must be 1-D, not {a.ndim}-D (shape {a.shape})")
    check_length(a.size, length, name)
    check_binary(a, name)
    return np.asarray(a != 0)


def check_weighted(w: Floats, name: str) -> None:
    """Check that weights have a finite sum and are not all zero."""
    check_sum(w, name)
    if not w.any():
        raise ValueError(f"{name} must not all be zero")


def check_length(size: int, wanted: int, name: str) -> None:
    """Check that an array has an entry for each row."""
    if size != wanted:
        raise ValueError(f"{name} must have {wanted} entries, one for each row of p, got {size}")


# ---- plots ------------------------------------------------------------------------------------------------


def check_counts_of(x: Any, name: str) -> None:
    """Check that an argument has classes and their counts."""
    if not has(x, "classes", "counts"):
        raise TypeError(f"{name} must be an Imbalance or a ClassCounts, got {kind_of(x)}")


def check_axes(x: Any, name: str) -> None:
    """Check that an argument is an Axes of matplotlib, or can be used like one."""
    if not has(x, "bar", "set_xlabel"):
        raise TypeError(f"{name} must be a matplotlib Axes, or None, got {kind_of(x)}")
