"""Checks of negatives: exclusions, policies, exhausted rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from equipoise._validate.arguments import as_choice
from equipoise._validate.arrays import as_ids, check_range, integers
from equipoise._validate.wording import Int64s, has, kind_of


def as_exclude(exclude: Any, n: int) -> tuple[Int64s, NDArray[np.uint32]]:
    """Return a copy of a pair (indptr, indices), or of a CSR matrix, as int64 and uint32 arrays."""
    if has(exclude, "format", "shape", "indptr", "indices"):
        if exclude.format != "csr":
            raise TypeError(f"exclude must be in CSR format, got {exclude.format!r}: call .tocsr() first")
        if len(exclude.shape) != 2 or exclude.shape[1] != n:
            raise ValueError(
                f"exclude must have {n} columns, one for each item, got shape {tuple(exclude.shape)}"
            )
        exclude = (exclude.indptr, exclude.indices)
    if not isinstance(exclude, tuple) or len(exclude) != 2:  # a list of length 2 may well be two users' lists
        raise TypeError(
            f"exclude must be a pair (indptr, indices) or a SciPy CSR matrix, got {kind_of(exclude)}"
        )
    indptr = as_ids(exclude[0], "exclude indptr", lower=-(2**63))
    if indptr.size == 0 or indptr[0] != 0:
        raise ValueError(f"exclude indptr[0] must be 0, got {indptr[0] if indptr.size else 'an empty array'}")
    falls = indptr[1:] < indptr[:-1]
    if falls.any():
        at = int(falls.argmax()) + 1
        raise ValueError(
            f"exclude indptr[{at}] must be >= indptr[{at - 1}] = {indptr[at - 1]}, got {indptr[at]}"
        )
    indices = np.array(integers(exclude[1], "exclude indices", (1,)))  # check a copy, as in as_ids
    check_range(indices, "exclude indices", 0, n)
    if indptr[-1] != indices.size:
        raise ValueError(
            f"exclude indptr[{indptr.size - 1}] must be {indices.size}, the number of indices, "
            f"got {indptr[-1]}"
        )
    return indptr, indices.astype(np.uint32)


def as_policy(on_exhausted: Any, unique: bool, choices: Iterable[str]) -> str:
    """Return the policy for rows with too few ids."""
    policy = as_choice(on_exhausted, "on_exhausted", choices)
    if policy == "replace" and not unique:
        raise ValueError("on_exhausted='replace' must come with unique=True, got unique=False")
    return policy


def refuse_exhausted(position: int, row: int, left: int, k: int, unique: bool) -> NoReturn:
    """Refuse a row that has too few ids left."""
    needed = f"unique=True needs {k}" if unique else f"num_negatives={k} needs at least one"
    ways = "on_exhausted='mask'" + (" or 'replace'" if unique and left else "")
    raise ValueError(
        f"rows[{position}] = {row} has {left} ids of positive weight left, {needed} ({ways} allows this)"
    )


def check_enough(count: int, positive: int) -> None:
    """Check that there are `count` distinct ids."""
    if count > positive:
        raise ValueError(
            f"num_samples must be at most {positive}, the ids of positive weight, with unique=True, "
            f"got {count}"
        )
