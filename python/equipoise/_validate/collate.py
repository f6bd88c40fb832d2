"""Checks of a collate function: its sampler, the order it follows, and the rows of a batch."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NoReturn

import numpy as np

from equipoise._validate.arguments import as_count
from equipoise._validate.arrays import as_ids
from equipoise._validate.wording import Int64s, has, kind_of

_FIELDS = ("index", "user", "item")
_KEYS = "the keys 'index', 'user' and 'item'"
_LOWEST = -(2**63)


def check_sampler(sampler: Any, kind: type) -> None:
    """Check that a collate function is given a sampler of negatives."""
    if not isinstance(sampler, kind):
        raise TypeError(f"sampler must be a {kind.__name__}, got {kind_of(sampler)}")


def check_order(epoch_of: Any) -> None:
    """Check that an object tells its epoch, as an order sampler of ours does."""
    if isinstance(epoch_of, type) or not has(epoch_of, "epoch_cell"):
        raise TypeError(
            "epoch_of must be an order sampler of equipoise.torch, such as a WeightedSampler, "
            f"got {kind_of(epoch_of)}"
        )


def refuse_set_epoch(order: str) -> NoReturn:
    """Refuse to set the epoch of a collate function that follows an order sampler."""
    raise RuntimeError(
        f"set_epoch must not be called with epoch_of: the {order} sets the epoch when its pass begins"
    )


def refuse_collated(error: IndexError) -> NoReturn:
    """Refuse users or items that the sampler does not have, by their names in a batch."""
    name, bracket, rest = str(error).partition("[")
    field = {"rows": "user", "exclude_ids": "item"}.get(name, name)
    raise IndexError(f"{_of(field)}{bracket}{rest}") from None


def as_collated(batch: Any) -> tuple[Int64s, Int64s, Int64s]:
    """Return the indices, users and items of a batch: a list of rows, or three columns."""
    if isinstance(batch, list):
        columns = _columns_of_rows(batch)
    else:
        columns = [as_ids(column, _of(field), lower=_LOWEST) for field, column in _columns(batch)]
    index, user, item = columns
    for field, column in (("user", user), ("item", item)):
        if column.size != index.size:
            raise ValueError(f"{_of(field)} must have {index.size} entries, as index has, got {column.size}")
    if not index.size:
        raise ValueError("batch must have at least one row, got none")
    return index, user, item


def _of(field: str) -> str:
    return f"{field} of batch"


def _columns(batch: Any) -> list[tuple[str, Any]]:
    if isinstance(batch, Mapping):
        missing = [field for field in _FIELDS if field not in batch]
        if missing:
            raise ValueError(f"batch must have {_KEYS}, got no {missing[0]!r}")
        return [(field, batch[field]) for field in _FIELDS]
    if not isinstance(batch, tuple):
        raise TypeError(
            f"batch must be a list of rows, or three arrays in a tuple or mapping, got {kind_of(batch)}"
        )
    if len(batch) != len(_FIELDS):
        raise ValueError(f"batch must be a tuple of 3 arrays (index, user, item), got {len(batch)}")
    return list(zip(_FIELDS, batch, strict=True))


def _columns_of_rows(batch: list[Any]) -> list[Int64s]:
    """Return the columns of a list of rows. An array of the standard library refuses what is no integer."""
    if not batch:
        raise ValueError("batch must have at least one row, got an empty list")
    kinds = set(map(type, batch))
    try:
        rows: Any = batch
        if all(issubclass(kind, Mapping) for kind in kinds):
            rows = map(itemgetter(*_FIELDS), batch)
        elif not all(issubclass(kind, tuple | list) for kind in kinds):
            raise TypeError
        index, user, item = zip(*rows, strict=True)
        return [np.frombuffer(array("q", column), np.int64) for column in (index, user, item)]
    except (KeyError, OverflowError, TypeError, ValueError):
        pass  # found below, row by row
    checked = [_integers_of(row, at) for at, row in enumerate(batch)]
    columns = zip(_FIELDS, zip(*checked, strict=True), strict=True)
    return [as_ids(column, _of(field), lower=_LOWEST) for field, column in columns]


def _integers_of(row: Any, at: int) -> list[int]:
    """Return the fields of a row, or say what is wrong with it."""
    fields: Sequence[Any]
    if isinstance(row, Mapping):
        missing = [field for field in _FIELDS if field not in row]
        if missing:
            raise ValueError(f"batch[{at}] must have {_KEYS}, got no {missing[0]!r}")
        fields = [row[field] for field in _FIELDS]
    elif isinstance(row, tuple | list):
        fields = row
    else:
        remedy = ": columns must be in a tuple or mapping, not in a list" if has(row, "shape") else ""
        raise TypeError(
            f"batch[{at}] must be a tuple (index, user, item) or a mapping, got {kind_of(row)}{remedy}"
        )
    if len(fields) != len(_FIELDS):
        raise ValueError(f"batch[{at}] must have 3 fields (index, user, item), got {len(fields)}")
    named = zip(_FIELDS, fields, strict=True)
    return [as_count(x, f"{_of(field)}[{at}]", least=_LOWEST, most=2**64) for field, x in named]
