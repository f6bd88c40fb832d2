"""Containers of pandas and polars."""

from __future__ import annotations

import numpy as np

from support.containers.container import (
    ALL_NULL,
    DTYPE,
    IN_COLUMN,
    NULL,
    ONE_COLUMN,
    REFUSED,
    TEXT,
    Container,
    refused,
    with_null,
)


def pd():
    import pandas

    return pandas


def arrow():
    import pyarrow

    return pyarrow


def nullable(a):
    return {"f": "Float64", "i": "Int64", "b": "boolean"}[a.dtype.kind]


def frame(a, *dtypes):
    """Return a frame whose columns have the given dtypes, or the dtype of `a`."""
    data = {f"c{j}": pd().Series(a[:, j]) for j in range(a.shape[1])}
    return pd().DataFrame(
        {n: c.astype(d) for (n, c), d in zip(data.items(), dtypes or [a.dtype] * len(data), strict=False)}
    )


PANDAS = {
    "Series": Container(lambda a: pd().Series(a, index=range(9, 9 + len(a))), dims=(1,)),
    "Index": Container(lambda a: pd().Index(a), dims=(1,)),
    "nullable": Container(lambda a: pd().Series(a, dtype=nullable(a)), dims=(1,)),
    "nullable array": Container(lambda a: pd().array(a, dtype=nullable(a)), dims=(1,)),
    "nullable index": Container(
        lambda a: pd().Index(pd().array(a, dtype=nullable(a))), dims=(1,), kinds="if"
    ),
    "NA": Container(lambda a: pd().Series(with_null(a), dtype=nullable(a)), NULL, dims=(1,)),
    "NA in objects": Container(lambda a: pd().Series(with_null(a, pd().NA), dtype=object), NULL, dims=(1,)),
    "objects": Container(
        lambda a: pd().Series(a.tolist(), dtype=object), refused(f"object array: {DTYPE}"), dims=(1,)
    ),
    "category": Container(lambda a: pd().Series(a).astype("category"), dims=(1,), kinds="if"),
    "categorical": Container(lambda a: pd().Categorical(a), dims=(1,), kinds="if"),
    "categorical index": Container(lambda a: pd().CategoricalIndex(a), dims=(1,), kinds="if"),
    "category of 300": Container(  # their codes are int16
        lambda a: pd().Series(pd().Categorical(a, categories=np.append(np.unique(a), np.arange(100, 400)))),
        dims=(1,),
        kinds="if",
    ),
    "category with NA": Container(
        lambda a: pd().Series(with_null(a)).astype("category"), NULL, dims=(1,), kinds="if"
    ),
    "category of text": Container(lambda a: pd().Series(a.astype(str)).astype("category"), TEXT, dims=(1,)),
    "text": Container(lambda a: pd().Series(a.astype(str)), TEXT, dims=(1,)),
    "sparse": Container(
        lambda a: pd().Series(pd().arrays.SparseArray(a)),
        refused(r"pandas Sparse\[.*: use .sparse.to_dense", "dense"),
        dims=(1,),
    ),
    "periods": Container(
        lambda a: pd().Series(pd().period_range("2026", periods=len(a))), refused("pandas period"), dims=(1,)
    ),
    "timedeltas": Container(
        lambda a: pd().Series(pd().timedelta_range("1D", periods=len(a))), REFUSED, dims=(1,)
    ),
    "MultiIndex": Container(
        lambda a: pd().MultiIndex.from_arrays([a, a]), refused("object array: .* is of type tuple"), dims=(1,)
    ),
    "pyarrow-backed": Container(
        lambda a: pd().Series(a, dtype=pd().ArrowDtype(arrow().from_numpy_dtype(a.dtype))),
        dims=(1,),
        needs="pyarrow",
    ),
    "pyarrow-backed with NA": Container(
        lambda a: pd().Series(with_null(a), dtype=nullable(a)).convert_dtypes(dtype_backend="pyarrow"),
        NULL,
        dims=(1,),
        needs="pyarrow",
    ),
    "pyarrow-backed text": Container(
        lambda a: pd().Series(a.astype(str), dtype="string[pyarrow]"), TEXT, dims=(1,), needs="pyarrow"
    ),
    "DataFrame": Container(lambda a: pd().DataFrame(a), dims=(2,)),
    "DataFrame of columns": Container(frame, dims=(2,)),
    "DataFrame of two dtypes": Container(lambda a: frame(a, "int64", "float64"), dims=(2,), kinds="f"),
    "DataFrame of integers": Container(lambda a: frame(a, "int8", "int64"), dims=(2,)),
    "DataFrame nullable": Container(lambda a: frame(a, nullable(a), nullable(a)), dims=(2,)),
    "DataFrame with NA": Container(
        lambda a: pd().DataFrame(with_null(a), dtype=nullable(a)), NULL, dims=(2,)
    ),
    "DataFrame with text": Container(lambda a: frame(a, a.dtype, "str"), IN_COLUMN, dims=(2,)),
    "DataFrame with categories": Container(lambda a: frame(a, "category", "category"), dims=(2,)),
    "DataFrame sparse": Container(
        lambda a: frame(a, a.dtype, pd().SparseDtype(a.dtype)), IN_COLUMN, dims=(2,)
    ),
    "DataFrame pyarrow-backed": Container(
        lambda a: frame(a).convert_dtypes(dtype_backend="pyarrow"), dims=(2,), needs="pyarrow"
    ),
    "one column": Container(lambda a: pd().DataFrame({"c0": a}), ONE_COLUMN, dims=(-1,)),
}


def pl():
    import polars

    return polars


def pl_frame(a, *dtypes):
    kinds = [getattr(pl(), name) for name in dtypes]
    return pl().DataFrame({f"c{j}": pl().Series(a[:, j]).cast(kind) for j, kind in enumerate(kinds)})


def pl_unread(a):
    """Return a column of numbers that NumPy cannot hold, or of durations if polars is too old for those."""
    polars = pl()
    return polars.Series(a).cast(getattr(polars, "Int128", polars.Duration))


def pl_decimals(a):
    return pl().Series(a).cast(pl().Decimal(10, 2))


POLARS = {
    "Series": Container(lambda a: pl().Series(a), dims=(1,)),
    "chunked Series": Container(
        lambda a: pl().concat([pl().Series(a[:1]), pl().Series(a[1:])], rechunk=False), dims=(1,)
    ),
    "null": Container(lambda a: pl().Series(with_null(a)), NULL, dims=(1,)),
    "nulls": Container(lambda a: pl().Series([None] * len(a)), ALL_NULL, dims=(1,)),
    "text": Container(lambda a: pl().Series(a.astype(str).tolist()), TEXT, dims=(1,)),
    "Categorical": Container(
        lambda a: pl().Series(a.astype(str).tolist(), dtype=pl().Categorical), TEXT, dims=(1,)
    ),
    "Enum": Container(lambda a: pl().Series(["a"] * len(a), dtype=pl().Enum(["a"])), TEXT, dims=(1,)),
    "Decimal": Container(pl_decimals, dims=(1,), kinds="f"),
    "Decimal for integers": Container(pl_decimals, REFUSED, dims=(1,), kinds="i"),
    "List": Container(lambda a: pl().Series([[1]] * len(a)), refused("polars List"), dims=(1,)),
    "Struct": Container(lambda a: pl().Series([{"a": 1}] * len(a)), refused("polars Struct"), dims=(1,)),
    "Int128": Container(pl_unread, refused("polars (Int128|Duration)"), dims=(1,), kinds="i"),
    "DataFrame": Container(lambda a: pl().DataFrame(a), dims=(2,)),
    "DataFrame of two dtypes": Container(lambda a: pl_frame(a, "Int64", "Float64"), dims=(2,), kinds="f"),
    "DataFrame of integers": Container(lambda a: pl_frame(a, "Int64", "Int32"), dims=(2,)),
    "DataFrame with null": Container(lambda a: pl().DataFrame(with_null(a), orient="row"), NULL, dims=(2,)),
    "DataFrame with text": Container(lambda a: pl_frame(a, "Int64", "String"), IN_COLUMN, dims=(2,)),
    "LazyFrame": Container(lambda a: pl().DataFrame(a).lazy(), refused(r"a LazyFrame: call \.collect")),
    "one column": Container(lambda a: pl().DataFrame({"c0": a}), ONE_COLUMN, dims=(-1,)),
}
