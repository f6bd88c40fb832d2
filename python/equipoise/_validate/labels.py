"""Checks of class labels: integers, booleans or strings in any container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.arrays import as_array, check_range
from equipoise._validate.columns import as_numpy, is_arrow, refuse_column, refuse_null
from equipoise._validate.wording import Int64s, kind_of

INTEGERS, BOOLEANS, STRINGS = "integers", "booleans", "strings"
_ONE_OF = {INTEGERS: "an integer", BOOLEANS: "a boolean", STRINGS: "a string"}


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of rows, all of one kind.

    ``values`` are int64 for integers and booleans, and a list for strings; labels of another kind, for which
    ``kind`` is None, stay an array as they came. With ``index``, row i has the label ``values[index[i]]``,
    and a value may be listed more than once or belong to no row.
    """

    kind: str | None
    values: Any
    index: Int64s | None = None

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
        a, got = labels.values, kind_of(labels.values)
        if a.dtype == object:
            got = " and ".join(sorted({type(label).__name__ for label in a}))
        raise TypeError(f"{name} must be integers, booleans or strings, got {got}")
    if num_classes is not None:
        if labels.kind == STRINGS:
            raise TypeError(f"{name} must be integers or booleans, as num_classes is given, got strings")
        values = np.array(labels.values, np.int64)  # check a copy, since it is used as indices
        check_range(values, name, 0, num_classes)
        return Labels(labels.kind, values)
    return labels if labels.size else Labels(None, np.empty(0, np.int64))


def read_labels(x: Any, name: str) -> Labels:
    """Return labels of any kind. None of them may be missing."""
    library = type(x).__module__.partition(".")[0]
    if getattr(x, "ndim", 1) == 1 or library not in ("pandas", "polars"):
        if library == "pandas":
            return _from_pandas(x, name)
        if library == "polars":
            return _from_polars(x, name)
        if isinstance(x, list | tuple):
            return _from_objects(list(x), name) if x else Labels(None, np.empty(0))
        if not isinstance(x, np.ndarray) and is_arrow(x):
            return _from_arrow(x, name)
    return _from_array(np.asarray(x) if library in ("pandas", "polars") else as_array(x, name), name)


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
    if a.dtype.kind == "b":
        return Labels(BOOLEANS, a.astype(np.int64))
    if a.dtype.kind in "iu":
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


def _from_pandas(x: Any, name: str) -> Labels:
    """Read a Series, an Index or a Categorical. Only the categories of rows are looked at."""
    coded = x if hasattr(x, "categories") else getattr(x, "array", x)
    missing = np.asarray(x.isna())
    if missing.any():
        refuse_null(name, int(missing.argmax()))
    if not hasattr(coded, "categories"):
        return _from_array(np.asarray(x), name)
    used, index = np.unique(np.asarray(coded.codes), return_inverse=True)
    return _from_pandas(coded.categories[used], name).taken(index)


def _from_polars(x: Any, name: str) -> Labels:
    if x.null_count():
        refuse_null(name, int(x.is_null().arg_max()))
    kind = str(x.dtype)
    if kind.startswith(("Categorical", "Enum", "String")):
        return Labels(STRINGS, x.to_list())
    return _from_array(x.to_numpy(), name)


def _from_arrow(x: Any, name: str) -> Labels:
    try:
        import pyarrow as pa
    except ImportError:
        return _from_array(as_numpy(x, name), name)  # it refuses the column, and names the missing extra
    column = x
    try:
        if not isinstance(x, pa.Array | pa.ChunkedArray):
            column = pa.chunked_array(x) if hasattr(x, "__arrow_c_stream__") else pa.array(x)
    except (TypeError, ValueError, NotImplementedError, pa.ArrowException) as failure:
        refuse_column(name, type(x).__name__, failure)
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    is_ = pa.types
    if is_.is_null(kind) and len(column):
        refuse_null(name, 0)
    if not (is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind)):
        known = is_.is_integer(kind) or is_.is_floating(kind) or is_.is_boolean(kind)
        if not (known or is_.is_temporal(kind)):
            raise TypeError(f"{name} must be integers, booleans or strings, got Arrow {kind}")
        return _from_array(as_numpy(column, name), name)
    texts: list[str] = []
    index = [np.empty(0, np.int64)]
    start = 0
    for chunk in chunks:
        words, rows = _distinct_words(chunk, name, start)
        index.append(rows + len(texts))
        texts += words
        start += len(chunk)
    return Labels(STRINGS, texts, np.concatenate(index))


def _distinct_words(chunk: Any, name: str, start: int) -> tuple[list[str], Int64s]:
    """Return the strings of an Arrow array, and each row's position among them."""
    import pyarrow as pa

    if pa.types.is_string_view(chunk.type):
        chunk = chunk.cast(pa.large_string())
    if pa.types.is_dictionary(chunk.type) and (
        len(chunk.dictionary) > len(chunk) or chunk.dictionary.null_count
    ):
        chunk = chunk.dictionary_decode()
    if chunk.null_count:
        refuse_null(name, start + int(np.from_dlpack(chunk.is_null().cast(pa.uint8())).argmax()))
    if not pa.types.is_dictionary(chunk.type):
        chunk = chunk.dictionary_encode()
    return chunk.dictionary.to_pylist(), np.from_dlpack(chunk.indices).astype(np.int64)
