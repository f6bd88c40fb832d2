"""Checks of arrays: conversion, shapes, integers, ids, output arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Number
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.arguments import as_count
from equipoise._validate.containers import read
from equipoise._validate.containers.unread import (
    Unread,
    refuse_null,
    refuse_unread,
    remedy_for_dtype,
    remedy_for_text,
)
from equipoise._validate.wording import Int64s, first_bad, kind_of, place

_MOST_DIMENSIONS = 32  # NumPy 1's limit
_FIRST_USER_DTYPE = 256  # NumPy's numbers of dtypes that other libraries register, such as bfloat16
_INT64 = (-(2**63), 2**63)
_NULLS = ("NAType", "NaTType", "MaskedConstant")


def as_array(x: Any, name: str, wanted: str = "numbers", *, floats: bool = False) -> NDArray[Any]:
    """Return `x` as a NumPy array, whatever holds it: see :mod:`equipoise._validate.containers`.

    Arrays of other libraries in CPU memory are not copied. `wanted` says in errors what the argument takes.
    With `floats`, a frame of integers or booleans becomes float64.
    """
    if type(x) is np.ndarray:
        return x
    kind = type(x).__name__
    try:
        found = read(x, floats=floats)
    except MemoryError:  # the argument is not at fault
        raise
    except (ValueError, OverflowError) as failure:
        raise ValueError(f"{name} must be a rectangular array of numbers, got {kind}: {failure}") from None
    except Exception as failure:  # other libraries may raise anything
        raise TypeError(f"{name} must be an array that NumPy can read, got a {kind}: {failure}") from None
    if isinstance(found, Unread):
        refuse_unread(found, name, wanted)
    return found


def is_kind(a: NDArray[Any], kinds: str) -> bool:
    """Return whether the dtype of an array is one of NumPy's of some kinds, of at most 64 bits."""
    return a.dtype.kind in kinds and a.dtype.itemsize <= 8 and a.dtype.num < _FIRST_USER_DTYPE


def refuse_dtype(a: NDArray[Any], x: Any, name: str, wanted: str) -> NoReturn:
    """Refuse an array of a dtype that an argument does not take. `x` is what the user gave."""
    got, remedy = kind_of(a), ""
    if a.ndim == 0 and not isinstance(x, np.ndarray | np.generic):
        got = type(x).__name__
    elif a.dtype == object:
        for at, entry in np.ndenumerate(a):
            if entry is None or type(entry).__name__ in _NULLS:
                refuse_null(name, *at)
            if not isinstance(entry, Number | np.generic):
                remedy = f": {place(name, at)} is of type {type(entry).__name__}"
                remedy += f": {remedy_for_text(wanted)}" if isinstance(entry, str) else ""
                break
        else:
            remedy = "" if isinstance(x, list | tuple) else f": {remedy_for_dtype(wanted)}"
    elif a.dtype.kind in "UST":
        remedy = f": {remedy_for_text(wanted)}"
    elif a.dtype.num >= _FIRST_USER_DTYPE and a.dtype.kind in "Vf":
        remedy = f": {remedy_for_dtype(wanted)}"
    raise TypeError(f"{name} must be {wanted}, got {got}{remedy}")


def as_shape(size: Any, name: str = "size") -> tuple[int, ...]:
    """Return an integer or a tuple of integers, each >= 0, as a tuple."""
    if isinstance(size, tuple | list):
        shape = tuple(as_count(s, f"{name}[{i}]") for i, s in enumerate(size))
        if len(shape) > _MOST_DIMENSIONS:
            raise ValueError(f"{name} must have at most {_MOST_DIMENSIONS} dimensions, got {len(shape)}")
    else:
        shape = (as_count(size, name, wanted="an integer or a tuple of integers"),)
    check_addressable(math.prod(max(s, 1) for s in shape), name)
    return shape


def check_addressable(entries: int, name: str) -> None:
    """Check that an array of `entries` 8-byte entries can be addressed, even if memory is too small."""
    if entries >= 2**60:
        raise ValueError(f"{name} must ask for fewer than 2^60 entries, got {entries}")


def integers(x: Any, name: str, ndim: tuple[int, ...] | None) -> NDArray[Any]:
    """Return `x` as an array of integers of any dtype, possibly a view of the caller's memory."""
    a = as_array(x, name, "integers")
    if a.dtype.kind in "fO" and a.size and isinstance(x, list | tuple):
        exact = np.array(x, dtype=object)  # for integers that int64 or uint64 cannot hold
        if not all(type(i) is int for i in exact.flat):
            refuse_dtype(a, x, name, "integers")
        return _of_dimensions(exact, name, ndim)
    untyped = a.size == 0 and a.dtype == np.float64  # an empty list has no dtype of its own
    if not is_kind(a, "iu") and not untyped:
        refuse_dtype(a, x, name, "integers")
    return _of_dimensions(a, name, ndim)


def booleans(x: Any, name: str) -> NDArray[np.bool_]:
    """Return `x` as an array of booleans, possibly a view of the caller's memory."""
    a = as_array(x, name, "a bool array")
    if a.dtype != np.bool_:
        refuse_dtype(a, x, name, "a bool array")
    return a


def _of_dimensions(a: NDArray[Any], name: str, ndim: tuple[int, ...] | None) -> NDArray[Any]:
    if ndim is not None and a.ndim not in ndim:
        raise ValueError(
            f"{name} must be {' or '.join(f'{d}-D' for d in ndim)}, not {a.ndim}-D (shape {a.shape})"
        )
    return a


def check_range(a: NDArray[Any], name: str, lower: int, upper: int) -> None:
    """Check that all integers of `a` are in [lower, upper)."""
    if a.size and (a.min() < lower or a.max() >= upper):
        at = first_bad((a < lower) | (a >= upper))
        remedy = ""
        if (lower, upper) == _INT64 and 0 <= int(a[at]) < 2**64:
            remedy = ": .view(numpy.int64) maps uint64 to int64 one to one"
        raise IndexError(f"{place(name, at)} must be in [{lower}, {upper}), got {a[at]}{remedy}")


def as_ids(
    x: Any,
    name: str,
    *,
    upper: int = 2**63,
    lower: int = 0,
    ndim: tuple[int, ...] | None = (1,),
    length: int | None = None,
) -> Int64s:
    """Return integers in [lower, upper) as a new C-contiguous int64 array.

    `length` is the required length of axis 0. ``ndim=None`` allows any number of dimensions.
    """
    a = integers(x, name, ndim)
    if length is not None and a.shape[0] != length:
        raise ValueError(f"{name} must have {length} entries, one for each row, got {a.shape[0]}")
    # Check a copy, since the caller's array may be `out`, or another thread may write to it.
    a = np.array(a, order="C")
    check_range(a, name, lower, upper)
    return a.astype(np.int64, copy=False)


def as_row_keys(x: Any, shape: tuple[int, ...]) -> NDArray[np.uint64]:
    """Return the 64-bit keys of the flattened rows. Negative integers are interpreted as two's complement."""
    a = integers(x, "row_keys", None)
    if a.shape != shape:
        raise ValueError(f"row_keys must have shape {shape}, that of rows, got {a.shape}")
    a = a.reshape(-1)
    if a.dtype == object:
        check_range(a, "row_keys", -(2**63), 2**64)
        a = np.array([key % 2**64 for key in a], np.uint64)
    return np.array(a, dtype=np.uint64 if a.dtype == np.uint64 else np.int64, order="C").view(np.uint64)


def check_out(out: Any, name: str, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    """Check that `out` has the dtype, shape, strides, alignment and flags to be filled in place."""
    if not isinstance(out, np.ndarray):
        raise TypeError(
            f"{name} must be a NumPy array (a torch tensor's .numpy() shares its memory), got {kind_of(out)}"
        )
    if out.dtype != dtype or not out.dtype.isnative:
        raise TypeError(f"{name} must be of dtype {np.dtype(dtype)}, got {out.dtype}")
    if out.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {out.shape}")
    if not out.flags.c_contiguous:
        raise ValueError(f"{name} must be C-contiguous, got strides {out.strides}")
    if not out.flags.aligned:
        raise ValueError(f"{name} must be aligned in memory, got a misaligned {out.dtype} array")
    if not out.flags.writeable:
        raise ValueError(f"{name} must be writable, got a read-only array")


def check_parts(
    out: Any, wanted: type, dtypes: Mapping[str, type[np.generic]], shape: tuple[int, ...]
) -> None:
    """Check that `out` is the dataclass `wanted`, with arrays that can be filled and don't overlap."""
    if not isinstance(out, wanted):
        raise TypeError(f"out must be a {wanted.__name__} of arrays, got {type(out).__name__}")
    for name, dtype in dtypes.items():
        check_out(getattr(out, name), f"out.{name}", dtype, shape)
    names = list(dtypes)
    for i, name in enumerate(names):
        for other in names[:i]:
            if np.may_share_memory(getattr(out, other), getattr(out, name)):
                raise ValueError(f"out.{name} must lie apart from out.{other}, got arrays that share memory")


def check_apart(out: NDArray[Any], other: NDArray[Any], name: str) -> None:
    """Check that `out` and `other` share no memory."""
    if np.may_share_memory(out, other):
        raise ValueError(f"out must lie apart from {name}, got arrays that share memory")
