"""Containers of Arrow."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from support.containers.container import (
    ALL_NULL,
    IN_COLUMN,
    NULL,
    ONE_COLUMN,
    REFUSED,
    TEXT,
    Container,
    refused,
    with_null,
)
from support.containers.plain import broken


class HasArrowArray:
    """A column of a library that has only Arrow's C interface."""

    def __init__(self, column):
        self.column = column

    def __arrow_c_array__(self, schema=None):
        return self.column.__arrow_c_array__(schema)


class HasArrowStream:
    def __init__(self, column):
        self.column = column

    def __arrow_c_stream__(self, schema=None):
        return self.column.__arrow_c_stream__(schema)


def pa():
    import pyarrow

    return pyarrow


def pa_table(a, kind=None):
    return pa().table({f"c{j}": pa().array(a[:, j], kind) for j in range(a.shape[1])})


def pa_text(kind):
    return lambda a: pa().array(a.astype(str).tolist(), kind())


def pa_extension(a):
    class Own(pa().ExtensionType):
        def __init__(self):
            super().__init__(pa().from_numpy_dtype(a.dtype), "equipoise.test")

        def __arrow_ext_serialize__(self):
            return b""

        @classmethod
        def __arrow_ext_deserialize__(cls, storage, serialized):
            return cls()

    return pa().ExtensionArray.from_storage(Own(), pa().array(a))


def pa_decimals(a):
    return pa().array([Decimal(int(4 * i)) / 4 for i in a], pa().decimal128(10, 2))


ARROW = {
    "broken array": Container(broken("__arrow_c_array__", method=True), REFUSED),
    "broken stream": Container(broken("__arrow_c_stream__", method=True), REFUSED),
    "Array": Container(lambda a: pa().array(a), dims=(1,)),
    "sliced": Container(lambda a: pa().array(np.concatenate([a, a]))[: len(a)], dims=(1,)),
    "ChunkedArray": Container(lambda a: pa().chunked_array([a[:1], a[1:1], a[1:]]), dims=(1,)),
    "null": Container(lambda a: pa().array(with_null(a)), NULL, dims=(1,)),
    "null in chunks": Container(
        lambda a: pa().chunked_array([a[:1].tolist(), [None], a[2:].tolist()]), NULL, dims=(1,)
    ),
    "nulls": Container(lambda a: pa().nulls(len(a)), ALL_NULL, dims=(1,)),
    "dictionary": Container(lambda a: pa().array(a).dictionary_encode(), dims=(1,), kinds="if"),
    "dictionary int8": Container(
        lambda a: (
            pa()
            .array(a)
            .dictionary_encode()
            .cast(pa().dictionary(pa().int8(), pa().from_numpy_dtype(a.dtype)))
        ),
        dims=(1,),
        kinds="if",
    ),
    "chunked dictionary": Container(
        lambda a: pa().chunked_array([a[:2], a[2:]]).dictionary_encode(), dims=(1,), kinds="if"
    ),
    "null in dictionary": Container(
        lambda a: pa().array(with_null(a)).dictionary_encode(), NULL, dims=(1,), kinds="if"
    ),
    "dictionary of text": Container(
        lambda a: pa().array(a.astype(str).tolist()).dictionary_encode(), TEXT, dims=(1,)
    ),
    "string": Container(pa_text(lambda: pa().string()), TEXT, dims=(1,)),
    "large_string": Container(pa_text(lambda: pa().large_string()), TEXT, dims=(1,)),
    "string_view": Container(pa_text(lambda: pa().string_view()), TEXT, dims=(1,)),
    "binary": Container(lambda a: pa().array([b"a"] * len(a)), refused("Arrow binary"), dims=(1,)),
    "list": Container(lambda a: pa().array([[1]] * len(a)), refused("Arrow list"), dims=(1,)),
    "decimal": Container(pa_decimals, dims=(1,), kinds="f"),
    "decimal for integers": Container(pa_decimals, REFUSED, dims=(1,), kinds="i"),
    "durations": Container(
        lambda a: pa().array(a.astype("m8[s]")), refused("Arrow duration"), dims=(1,), kinds="i"
    ),
    "extension type": Container(pa_extension, dims=(1,)),
    "bool8": Container(
        lambda a: pa().ExtensionArray.from_storage(pa().bool8(), pa().array(a.view("i1"))),
        dims=(1,),
        kinds="b",
    ),
    "Table": Container(pa_table, dims=(2,)),
    "RecordBatch": Container(lambda a: pa_table(a).to_batches()[0], dims=(2,)),
    "Table of integers": Container(lambda a: pa_table(a.astype("i8")), dims=(2,)),
    "Table with null": Container(
        lambda a: pa().table({"c0": pa().array(with_null(a[:, 0])), "c1": a[:, 1]}), NULL, dims=(2,)
    ),
    "Table with text": Container(
        lambda a: pa().table({"c0": a[:, 0], "c1": a[:, 1].astype(str).tolist()}), IN_COLUMN, dims=(2,)
    ),
    "one column": Container(lambda a: pa().table({"c0": a}), ONE_COLUMN, dims=(-1,)),
    "another library's column": Container(lambda a: HasArrowArray(pa().array(a)), dims=(1,)),
    "another library's stream": Container(lambda a: HasArrowStream(pa().chunked_array([a])), dims=(1,)),
    "another library's table": Container(lambda a: HasArrowStream(pa_table(a)), dims=(2,)),
}
