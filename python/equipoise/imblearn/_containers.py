"""Take rows and labels in any container, and give the resampled ones back in the same kind of container.

imbalanced-learn returns frames of pandas whose columns are plain NumPy columns. Here, these work as well:

- pandas columns that are nullable or backed by pyarrow. They are read as plain columns of the same values,
  and what is made from them gets their dtypes.
- frames and series of polars, which imbalanced-learn does not take.
- one-hot labels in a frame.
- sparse arrays. The result has 32-bit indices whenever they suffice, as scikit-learn's solvers require.
- arrays in the other byte order.

If rows are only chosen, they are taken from the user's frame, so that no value is converted at all.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np
from imblearn.utils import check_target_type
from numpy.typing import NDArray
from scipy import sparse
from sklearn import get_config
from sklearn.utils.validation import validate_data

from equipoise import _validate

__all__ = ["Containers", "columns_of", "is_polars", "plain", "taken"]


class Given(NamedTuple):
    """A frame under a name that imbalanced-learn does not know, so that it leaves the result as it is."""

    frame: Any


class Containers:
    """A mixin of the drop-in classes: frames, sparse arrays and byte orders in and out."""

    _frames_stay = False  # Whether `_fit_resample` takes frames rather than arrays.

    def fit_resample(self, X: Any, y: Any, **params: Any) -> tuple[Any, Any]:
        """Resample the rows and their labels.

        Parameters
        ----------
        X : {array-like, sparse matrix, pandas or polars DataFrame} of shape (n, d)
            The rows. A frame's columns may be nullable or backed by pyarrow.
        y : {array-like, pandas or polars Series or DataFrame} of shape (n,), (n, 1) or (n, classes)
            The labels, or a column for each class with one 1 in each row.
        **params
            Passed on.

        Returns
        -------
        X_resampled : same type as X, of shape (n_new, d)
            A frame has the columns and dtypes of `X`. Numbers are truncated for a column of integers, as in
            imbalanced-learn.
        y_resampled : same type as y
            The labels of these rows.

        Raises
        ------
        ValueError
            If an argument is refused. The message names the column and row of a frame's missing value.

        Examples
        --------
        >>> from equipoise.imblearn import RandomOverSampler
        >>> RandomOverSampler(random_state=0).fit_resample([[1.0], [2.0], [3.0]], ["a", "a", "b"])
        ([[1.0], [2.0], [3.0], [3.0]], ['a', 'a', 'b', 'b'])
        """
        for name, frame in (("X", X), ("y", y)):
            _validate.check_collected(frame, name)
        given = Given(X) if _library_of(X) else X
        try:
            new, labels = super().fit_resample(given, _labels(y), **params)  # type: ignore[misc]
        except ValueError as failure:
            missing = _missing(X) if given is not X and "NaN" in str(failure) else None
            if missing is not None:
                _validate.refuse_missing(*missing, failure)
            raise
        if not _library_of(new):  # the frames that stay are complete
            new = self._like(X, new)
        if _library_of(y) and not _library_of(labels):
            labels = _as_frame(y, labels)
        if _library_of(X) == _library_of(y) == "pandas":
            labels.index = new.index
        return new, labels

    def _like(self, X: Any, new: Any) -> Any:
        """Return new rows in the container of the given ones."""
        if not _library_of(X):
            return _as_sparse(X, new) if sparse.issparse(new) else new
        chosen = getattr(self, "sample_indices_", None)
        if chosen is None or getattr(self, "shrinkage", None) is not None:
            return _as_frame(X, new)
        rows = taken(X, chosen)
        return rows if is_polars(X) else rows.reset_index(drop=True)

    def _check_X_y(self, X: Any, y: Any) -> tuple[Any, NDArray[Any], bool]:
        frame = X.frame if isinstance(X, Given) else X
        X, y = _canonical(frame), _labels(y)
        if self._frames_stay and is_polars(X):
            y, one_hot = check_target_type(y, indicate_one_vs_all=True)
            validate_data(self, X=X, y=y, reset=True, skip_check_array=True)
        else:
            X, y, one_hot = super()._check_X_y(X if self._frames_stay else plain(X), y)  # type: ignore[misc]
        if is_polars(frame):  # old versions of scikit-learn do not read the names of recent ones of polars
            self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        if get_config()["assume_finite"] and not self._frames_stay:
            _validate.check_finite(X)  # here, since later rows are counted within their class
        return X, _native(y), one_hot


def is_polars(x: Any) -> bool:
    """Tell whether this is a frame or series of polars."""
    return _library_of(x) == "polars"


def _library_of(x: Any) -> str:
    """Return "pandas" or "polars" for a frame or series of theirs, and "" for anything else."""
    for name in ("pandas", "polars"):
        library = sys.modules.get(name)  # a user who has a frame has imported it
        if isinstance(x, (getattr(library, "DataFrame", ()), getattr(library, "Series", ()))):
            return name
    return ""


def taken(X: Any, rows: NDArray[np.int64]) -> Any:
    """Return some rows of an array or a frame."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def columns_of(X: Any, columns: NDArray[np.int64]) -> Any:
    """Return some columns of an array or a frame of pandas, or an array of them for a frame of polars."""
    if is_polars(X):
        return np.asarray(X[:, columns.tolist()])
    return X.iloc[:, columns] if hasattr(X, "iloc") else X[:, columns]


def plain(X: Any) -> Any:
    """Return a frame with NumPy columns for those that are nullable or backed by pyarrow, and no decimals."""
    if not _library_of(X) or not hasattr(X, "columns"):
        return X
    if is_polars(X):
        decimals = [name for name, dtype in zip(X.columns, X.dtypes, strict=True) if dtype.is_decimal()]
        return X.cast(dict.fromkeys(decimals, sys.modules["polars"].Float64))
    made = X
    for i, dtype in enumerate(X.dtypes):
        if hasattr(dtype, "na_value") and hasattr(dtype, "construct_array_type"):
            values = _plain_values(X.iloc[:, i], dtype)
            if values is not None:
                made = X.copy(deep=False) if made is X else made
                made.isetitem(i, values)
    return made


def _plain_values(column: Any, dtype: Any) -> NDArray[Any] | None:
    """Return a column of an extension dtype as an array, or None where scikit-learn reads it as it is."""
    wanted, missing = getattr(dtype, "numpy_dtype", None), column.isna().any()
    if str(dtype).startswith("decimal"):
        wanted = np.dtype(np.float64)
    if getattr(wanted, "kind", "") in ("b", "i", "u", "f"):
        return column.to_numpy(np.float64, na_value=np.nan) if missing else column.to_numpy(wanted)
    # Encoders cannot compare text with the missing value of pandas, but take None as a category.
    unordered = missing and repr(dtype.na_value) == "<NA>"
    return column.to_numpy(object, na_value=None) if unordered else None


def _labels(y: Any) -> Any:
    """Return labels that imbalanced-learn can read. None may be missing."""
    library = _library_of(y)
    if not library:
        return y
    missing = _missing(y)
    if missing is not None:
        _validate.refuse_null("y", missing[0])
    if library == "polars":
        return y.to_numpy()
    return y if y.ndim == 1 or y.shape[1] == 1 else plain(y).to_numpy()


def _missing(x: Any) -> tuple[int, Any] | None:
    """Return the row and the name of the column of a frame's or series' first missing value, if any."""
    many = hasattr(x, "columns")
    for i, name in enumerate(x.columns if many else [x.name]):
        if is_polars(x):
            column = x[:, i] if many else x
            gone = column.is_null()
            gone = (gone | column.is_nan().fill_null(False)) if column.dtype.is_float() else gone
        else:
            gone = (x.iloc[:, i] if many else x).isna()
        if gone.any():
            return int(np.argmax(np.asarray(gone, bool))), name
    return None


def _native(a: NDArray[Any]) -> NDArray[Any]:
    """Return an array in native byte order."""
    return a if a.dtype.isnative else a.astype(a.dtype.newbyteorder("="))


def _canonical(x: Any) -> Any:
    """Return an array in native byte order, and CSR and CSC in canonical format: sorted, without duplicates.

    scikit-learn searches duplicates as if they were columns, and entries behind the last row are no entries.
    """
    if isinstance(x, np.ndarray):
        return _native(x)
    if not sparse.issparse(x) or x.format not in ("csr", "csc"):
        return x
    size = int(x.indptr[-1])
    if len(x.indices) > size or len(x.data) > size or not x.has_canonical_format:
        x = type(x)((x.data[:size], x.indices[:size], x.indptr), shape=x.shape, copy=True)
        x.sum_duplicates()
    return _narrow(x)


def _narrow(x: Any) -> Any:
    """Return CSR or CSC with 32-bit indices, if they suffice."""
    if x.indices.dtype == np.int32 or max(x.nnz, *x.shape) > np.iinfo(np.int32).max:
        return x
    return type(x)((x.data, x.indices.astype(np.int32), x.indptr.astype(np.int32)), shape=x.shape)


def _as_frame(given: Any, values: Any) -> Any:
    """Return values as a frame or series with the columns and dtypes of the given one."""
    if not hasattr(given, "columns"):
        return _polars_series(given.name, values, given.dtype)
    if values.ndim == 1:  # labels in one column
        values = values[:, np.newaxis]
    if is_polars(given):
        of_column = zip(given.columns, values.T, given.dtypes, strict=True)
        return type(given)([_polars_series(*one) for one in of_column])
    pandas: Any = sys.modules["pandas"]
    make = pandas.DataFrame.sparse.from_spmatrix if sparse.issparse(values) else pandas.DataFrame
    made = make(values)
    if any(dtype != wanted for dtype, wanted in zip(made.dtypes, given.dtypes, strict=True)):
        made = pandas.DataFrame(
            {i: _as_dtype(made[i], dtype) for i, dtype in enumerate(given.dtypes)}, index=made.index
        )
    made.columns = given.columns
    return made


def _as_dtype(column: Any, dtype: Any) -> Any:
    """Return a column of pandas in another dtype, as a plain column of the same kind is converted."""
    kind = getattr(getattr(dtype, "numpy_dtype", None), "kind", "")
    if kind in ("i", "u", "b") and getattr(column.dtype, "kind", "O") in ("f", "O"):
        numbers = column.astype(np.float64)
        true = (numbers != 0).astype(np.float64).mask(numbers.isna())
        column = true if kind == "b" else np.trunc(numbers)
    return column.astype(dtype)


def _polars_series(name: str, values: NDArray[Any], dtype: Any) -> Any:
    """Return values as a series of polars. Numbers are truncated for a column of integers."""
    polars: Any = sys.modules["polars"]
    simple = values.dtype.kind in "biuf"
    made = polars.Series(name, np.ascontiguousarray(values) if simple else values.tolist(), strict=False)
    return (made if dtype.is_float() or not made.dtype.is_float() else made.fill_nan(None)).cast(dtype)


def _as_sparse(given: Any, new: Any) -> Any:
    """Return CSR or CSC in the format and class of the given one, with 32-bit indices if they suffice."""
    if sparse.issparse(given):
        kept = given.format if given.format in ("csr", "csc") else new.format
        new = getattr(sparse, f"{kept}_{'array' if isinstance(given, sparse.sparray) else 'matrix'}")(new)
    return _narrow(new)
