"""The options of ``equipoise sample`` as one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Request"]


@dataclass(frozen=True)
class Request:
    """A request to ``equipoise sample``. The fields have the names of the options.

    Examples
    --------
    >>> Request(["log.parquet"], 1000, "sample.parquet", weight="price").inclusion_column
    'inclusion'
    """

    files: Sequence[str]
    k: int
    output: str
    weight: str | None = None
    by: str | None = None
    id: str | None = None
    half_life: float | None = None
    time: str | None = None
    seed: int = 0
    inclusion_column: str = "inclusion"
    delimiter: str | None = None
