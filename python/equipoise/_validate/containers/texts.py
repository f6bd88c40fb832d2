"""Read columns of text, categorical or not, of pandas, polars and Arrow."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.containers.arrow import as_column, is_arrow, is_text
from equipoise._validate.containers.frames import codes_of, is_pandas, is_polars
from equipoise._validate.containers.unread import Unread


class Texts(NamedTuple):
    """The strings of a column. With ``places``, row i has ``values[places[i]]``; values may be repeated."""

    values: list[Any]
    places: NDArray[np.int64] | None = None


def read_texts(x: Any) -> Texts | Unread | None:
    """Return the strings of a column, or None if it holds something else. The object may raise anything."""
    if is_pandas(x):
        return _read_pandas(x) if x.ndim == 1 else Unread("a frame", wanted="1-D")
    if is_polars(x):
        return _read_polars(x) if hasattr(x, "null_count") and not hasattr(x, "columns") else None
    return _read_arrow(x) if not isinstance(x, np.ndarray | np.generic) and is_arrow(x) else None


def _read_pandas(x: Any) -> Texts | Unread | None:
    kind = type(x.dtype).__name__
    if kind == "ArrowDtype":
        return _read_arrow(getattr(x, "array", x).__arrow_array__())
    if kind not in ("StringDtype", "CategoricalDtype"):
        return None
    missing = np.asarray(x.isna(), np.bool_)
    if missing.any():
        return Unread.null_at(int(missing.argmax()))
    if kind == "StringDtype":
        return Texts(np.asarray(x, object).tolist())
    categories, codes = x.dtype.categories, codes_of(x)
    if len(categories) > codes.size:
        used, codes = np.unique(codes, return_inverse=True)
        categories = categories[used]
    values = np.asarray(categories)
    return Texts(values.tolist(), codes.astype(np.int64)) if values.dtype == object else None


def _read_polars(x: Any) -> Texts | Unread | None:
    kind = x.dtype.base_type().__name__
    if kind not in ("String", "Categorical", "Enum"):
        return None
    return Unread.null_at(int(x.is_null().arg_max())) if x.null_count() else Texts(x.to_list())


def _read_arrow(x: Any) -> Texts | Unread | None:
    try:
        import pyarrow as pa
    except ImportError:
        return Unread("Arrow", missing="pyarrow")
    if isinstance(x, pa.Table | pa.RecordBatch):
        return None
    column = as_column(x)
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.cast(column.type.storage_type)
    kind = column.type
    if not is_text(kind.value_type if pa.types.is_dictionary(kind) else kind):
        return None
    values: list[str] = []
    places, start = [np.empty(0, np.int64)], 0
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        found = _read_chunk(chunk)
        if isinstance(found, int):
            return Unread.null_at(start + found)
        places.append(found[1] + len(values))
        values += found[0]
        start += len(chunk)
    return Texts(values, np.concatenate(places))


def _read_chunk(chunk: Any) -> tuple[list[str], NDArray[np.int64]] | int:
    """Return the strings of an array and each row's position among them, or the position of a null."""
    import pyarrow as pa

    coded = pa.types.is_dictionary(chunk.type)
    if coded and (len(chunk.dictionary) > len(chunk) or chunk.dictionary.null_count):
        chunk, coded = chunk.dictionary_decode(), False
    if chunk.null_count:
        return int(np.from_dlpack(chunk.is_null().cast(pa.uint8())).argmax())
    if not coded:
        chunk = chunk.cast(pa.large_string()).dictionary_encode()
    return chunk.dictionary.to_pylist(), np.from_dlpack(chunk.indices).astype(np.int64)
