"""The columns that decide which rows are sampled, converted to a reservoir's arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise._cli.errors import BadInput
from equipoise._cli.files.arrow import value_type
from equipoise._cli.files.formats import format_of, row_name
from equipoise._cli.sample.cells import TextCells
from equipoise._cli.sample.request import Request
from equipoise._validate.containers.arrow import is_text

__all__ = ["Columns"]


_ROLES = {"weights": "weight", "ids": "id", "times": "time", "classes": "by"}  # argument: option
_KINDS = {"weight": "number", "by": "label", "id": "integer", "time": "time"}  # option: kind of column


class Columns:
    """The columns named by the options of a request.

    Attributes
    ----------
    roles : dict
        Maps each option that was given ("weight", "by", "id" or "time") to the name of its column.
    kinds : dict
        Maps the name of each column to its kind of content, for :meth:`Rows.batches`.
    """

    def __init__(self, request: Request, schema: Any, path: str) -> None:
        roles = {"weight": request.weight, "by": request.by, "id": request.id, "time": request.time}
        self.roles = {role: name for role, name in roles.items() if name is not None}
        self.kinds: dict[str, str] = {}
        self._cells = TextCells() if format_of(path) == ".csv" else None
        for role, name in self.roles.items():
            self.kinds[name] = "text" if name in self.kinds else _KINDS[role]
            if name not in schema.names:
                listed = ", ".join(schema.names[:20]) + (", ..." if len(schema.names) > 20 else "")
                raise BadInput(f"{path}: there is no column {name!r} for --{role}; the columns are: {listed}")
            if self._cells is None:  # cells of CSV files are converted later
                _check_type(path, role, name, schema.field(name).type)

    def arrays(self, batch: Any) -> dict[str, Any]:
        """Return the columns of a batch by role.

        Errors refer to the columns by the reservoir's argument names, which :meth:`naming` translates.
        """
        columns = {role: batch.column(name) for role, name in self.roles.items()}
        if self._cells is None:
            return columns
        return {role: self._cells.converted(role, column) for role, column in columns.items()}

    @contextmanager
    def naming(self, path: str, first: int) -> Iterator[None]:
        """Turn a reservoir's errors into :class:`BadInput` that names the file, option, column and row.

        ``first`` is the number, within the file, of the row that the reservoir's errors call row 0.
        """
        try:
            yield
        except (TypeError, ValueError, IndexError) as failure:
            text = " ".join(str(failure).split())
            match = re.match(r"(weights|ids|times|classes)(?:\[(\d+)\])? (.*)", text)
            if match is None:
                raise BadInput(f"{path}: {text}") from failure
            argument, at, rest = match.groups()
            role = _ROLES[argument]
            where = "" if at is None else f", {row_name(first + int(at))}"
            if role == "weight" and at is not None:
                rest += "; rows are never dropped silently: correct the column, or give the row weight 0"
            raise BadInput(f"{path}: --{role} {self.roles.get(role)}{where}: {rest}") from failure

    def classes(self, seen: dict[Any, int], sampled: Any) -> list[dict[str, Any]]:
        """Return each class, in ascending order, with the numbers of its rows seen and kept.

        Parameters
        ----------
        seen : dict
            Maps each class to its number of rows.
        sampled : ndarray
            The classes of the rows in the sample.
        """
        labels, counts = np.unique(sampled, return_counts=True)
        kept = dict(zip(labels.tolist(), counts.tolist(), strict=True))
        return [{"class": label, "seen": n, "kept": kept.get(label, 0)} for label, n in seen.items()]


def _check_type(path: str, role: str, name: str, kind: Any) -> None:
    """Refuse a Parquet column of a type that does not suit its option."""
    is_, value = pa.types, value_type(kind)
    number = is_.is_integer(value) or is_.is_floating(value)
    suits, wanted = {
        "weight": (number or is_.is_decimal(value), "numbers"),
        "id": (is_.is_integer(value), "integers"),
        "by": (
            is_.is_integer(value) or is_.is_boolean(value) or is_text(value),
            "integers, booleans or strings",
        ),
        "time": (number or is_.is_timestamp(value) or is_.is_date(value), "numbers, timestamps or dates"),
    }[role]
    if not suits:
        raise BadInput(f"{path}: column {name!r} must hold {wanted} for --{role}, got {kind}")
