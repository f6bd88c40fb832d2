"""Checks of negatives: exclusions, policies, exhausted rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.arguments import as_choice, as_count
from equipoise._validate.arrays import as_array, as_ids, booleans, check_range, integers
from equipoise._validate.csr import as_entries, as_indptr
from equipoise._validate.weights import Weights, as_weights
from equipoise._validate.wording import Int64s, has, kind_of, place

_MOST_DIMENSIONS = 31  # of rows: results have one more, and NumPy 1 has at most 32


def as_exclude(exclude: Any, n: int) -> tuple[Int64s, NDArray[np.uint32]]:
    """Return a copy of a pair (indptr, indices), or of a CSR matrix, as int64 and uint32 arrays."""
    if has(exclude, "format", "shape") and exclude.format != "csr":
        raise TypeError(f"exclude must be in CSR format, got {exclude.format!r}: call .tocsr() first")
    if has(exclude, "format", "shape", "indptr", "indices"):
        if len(exclude.shape) != 2 or exclude.shape[1] != n:
            raise ValueError(
                f"exclude must have {n} columns, one for each item, got shape {tuple(exclude.shape)}"
            )
        exclude = (exclude.indptr, exclude.indices)
    if not isinstance(exclude, tuple) or len(exclude) != 2:  # a list of length 2 may well be two users' lists
        raise TypeError(
            f"exclude must be a pair (indptr, indices) or a SciPy CSR matrix, got {kind_of(exclude)}"
        )
    indptr = as_indptr(exclude[0], "exclude indptr")
    entries = as_entries(integers(exclude[1], "exclude indices", (1,)), "exclude indices", indptr)
    indices = np.array(entries)  # check a copy, as in as_ids
    check_range(indices, "exclude indices", 0, n)
    return indptr, indices.astype(np.uint32)


def as_items(items: Any) -> int | Weights:
    """Return the number of items, or their weights."""
    wanted = "an integer, an array of weights or a table"
    if as_array(items, "items", wanted).ndim:
        return as_weights(items, "items")
    return as_count(items, "items", least=1, most=2**32 - 1, wanted=wanted)


def as_batch_rows(rows: Any, known: int | None) -> Int64s:
    """Return row numbers of any shape but (), each in [0, known) or, if that is None, any int64."""
    if known is None:
        ids = as_ids(rows, "rows", lower=-(2**63), ndim=None)
    else:
        ids = as_ids(rows, "rows", upper=known, ndim=None)
    if not 1 <= ids.ndim <= _MOST_DIMENSIONS:
        raise ValueError(f"rows must have between 1 and {_MOST_DIMENSIONS} dimensions, got {ids.ndim}")
    return ids


def as_exclude_ids(exclude_ids: Any, shape: tuple[int, ...], n: int) -> Int64s:
    """Return further excluded ids as an array of m ids for each of the rows, which have the given shape."""
    size = math.prod(shape)
    ids = as_ids(exclude_ids, "exclude_ids", lower=-1, upper=n, ndim=None)
    if shape in (ids.shape, ids.shape[:-1]):
        return ids.reshape(size, -1) if size else np.empty((0, 0), np.int64)
    if ids.ndim != 0 and (ids.ndim != 2 or len(ids) != 1):
        each = f"({', '.join(map(str, shape))}, m)"
        *most, last = dict.fromkeys((str(shape), each, "(1, m)"))
        shapes = f"{', '.join(most)} or {last}"
        raise ValueError(f"exclude_ids must be one id, or have shape {shapes}, got {ids.shape}")
    return np.repeat(ids.reshape(1, -1), size, axis=0)


def as_kept_columns(keep: Any, shape: tuple[int, ...], candidates: int) -> Int64s:
    """Return the column of the candidates that each of the flattened rows keeps."""
    columns = as_ids(keep, "keep", upper=candidates, ndim=None)
    if columns.shape != shape:
        raise ValueError(f"keep must have shape {shape}, that of rows, got {columns.shape}")
    return columns.reshape(-1)


def as_masked_ids(
    x: Any, mask: Any, name: str, n: int, ndim: tuple[int, ...] | None = None
) -> tuple[Int64s, NDArray[np.bool_] | None]:
    """Return ids in [0, n), and a copy of the mask. Ids that it leaves out are not checked, and become 0."""
    if mask is None:
        return as_ids(x, name, upper=n, ndim=ndim), None
    ids = np.array(integers(x, name, ndim), order="C")  # check a copy, as in as_ids
    kept = booleans(mask, "mask")
    if kept.shape != ids.shape:
        raise ValueError(f"mask must have shape {ids.shape}, that of {name}, got {kept.shape}")
    kept = np.array(kept)
    ids[~kept] = 0
    check_range(ids, name, 0, n)
    return ids.astype(np.int64, copy=False), kept


def as_policy(on_exhausted: Any, unique: bool, choices: Iterable[str]) -> str:
    """Return the policy for rows with too few ids."""
    policy = as_choice(on_exhausted, "on_exhausted", choices)
    if policy == "replace" and not unique:
        raise ValueError("on_exhausted='replace' must come with unique=True, got unique=False")
    return policy


def refuse_exhausted(position: int, rows: Int64s, left: int, k: int, unique: bool) -> NoReturn:
    """Refuse the row at a position of the flattened rows, which has too few ids left."""
    at = np.unravel_index(position, rows.shape)
    row = f"{place('rows', at)} = {rows[at]}"
    needed = f"unique=True needs {k}" if unique else f"num_negatives={k} needs at least one"
    ways = "on_exhausted='mask'" + (" or 'replace'" if unique and left else "")
    raise ValueError(
        f"{row} has {left} id{'s' * (left != 1)} of positive weight left, {needed} ({ways} allows this)"
    )


def check_enough(count: int, positive: int) -> None:
    """Check that there are `count` distinct ids."""
    if count > positive:
        raise ValueError(
            f"num_samples must be at most {positive}, the ids of positive weight, with unique=True, "
            f"got {count}"
        )
