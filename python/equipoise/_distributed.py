"""Weighted samples of rows that are spread over many machines, for the adapters to Dask and Ray.

There are three steps, and only the first one reads the data:

1. Each part keeps its own k + 1 rows of smallest rank where they are.
2. Thinned sketches of their ranks, a few kilobytes each, are merged to a threshold: a rank that is certainly
   not exceeded by k + 1 rows of all parts.
3. The rows up to the threshold, hardly more than k, go to the driver, where a reservoir reads them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise.reservoirs import ClassReservoir, Reservoir, serialize
from equipoise.reservoirs.hooks import retained_rows

__all__ = ["INCLUSION", "Limits", "Plan", "finalize", "merge", "refusal"]


INCLUSION = "inclusion"
_THINNED = "thinned sketch"
_EXACT = 8  # smallest ranks, all of which a sketch holds before it is thinned
_RATIO = 1.125
_LABELLED = re.compile(r"^(TypeError|ValueError|IndexError): ((?:weights?|key|by|dataset) .*)$", re.M)
Limits = dict[Any, float]
Column = Callable[[str], Any]
Int64s = NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """The arguments of a call, and the steps of a part.

    ``column(name)`` returns a column of the part. The steps return positions of its rows.
    """

    k: int
    weight: str
    key: str
    by: str | None
    seed: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", _validate.as_count(self.k, "k", least=1, most=2**40))
        object.__setattr__(self, "seed", _validate.as_count(self.seed, "seed", most=2**64 - 1))
        for name in ("weight", "key", *(() if self.by is None else ("by",))):
            _validate.as_name(getattr(self, name), name)

    def check(self, columns: Iterable[Any]) -> None:
        """Check the names of a part's columns, or the keys of a record."""
        for name in ("weight", "key", *(() if self.by is None else ("by",))):
            _validate.check_column(name, getattr(self, name), columns)
        _validate.check_no_column(INCLUSION, columns)

    def prune(self, column: Column) -> Int64s:
        """Return the positions of the rows that may be in the sample, ascending.

        Every other row has a larger rank than k + 1 of these.
        """
        return np.sort(_Rows(self, column).kept())

    def sketch(self, column: Column) -> bytes:
        """Return the smallest ranks of each class, thinned out, and how many rows each rank stands for."""
        rows = _Rows(self, column)
        order = np.lexsort((rows.ranks, rows.numbers))
        numbers, ranks = rows.numbers[order], rows.ranks[order]
        place = np.arange(order.size) - np.searchsorted(numbers, numbers) + 1
        last = np.ones(order.size, np.bool_)
        last[:-1] = numbers[1:] != numbers[:-1]
        some = np.flatnonzero(_grid(int(place.max(initial=0)))[place] | last)
        place = place[some]
        counts = np.where(place == 1, 1, np.diff(place, prepend=0))
        return _write(rows.labels, numbers[some], ranks[some], counts)

    def take(self, column: Column, limits: Limits) -> Int64s:
        """Return the positions of the rows up to the limits of their classes, ascending."""
        rows = _Rows(self, column)
        limit = np.array([limits.get(label, math.inf) for label in rows.labels])
        return np.sort(rows.kept()[rows.ranks <= limit[rows.numbers]])

    def collect(
        self, merged: Callable[[int], bytes], taken: Callable[[Limits], Any], column: Callable[[Any], Column]
    ) -> tuple[Any, Int64s, NDArray[np.float64]]:
        """Return the rows that were taken, the positions of the sample in them, and its inclusion.

        ``merged(wanted)`` returns the merged sketch of all parts, and ``taken(limits)`` the rows of all parts
        or None.
        """
        wanted = self.k + 1
        while True:
            limits = finalize(merged(wanted), wanted)
            batch = taken(limits)
            if batch is None:
                return None, np.empty(0, np.int64), np.empty(0)
            rows = _Rows(self, column(batch))
            have = dict(zip(rows.labels, np.bincount(rows.numbers, minlength=len(rows.labels)), strict=True))
            if all(have.get(label, 0) > self.k for label, limit in limits.items() if limit < math.inf):
                return batch, *rows.sample()
            wanted *= 4  # parts have rows in common, which were counted more than once


class _Rows:
    """The k + 1 rows of smallest rank of each class of a part; without `by` there is one class."""

    labels: list[Any]

    def __init__(self, plan: Plan, column: Column) -> None:
        weight, key = f"weight column {plan.weight!r}", f"key column {plan.key!r}"
        self._weights = _validate.as_row_weights(column(plan.weight), weight)
        _validate.check_weights(self._weights, 0, weight)
        self._ids = _validate.as_keys(column(plan.key), key, self._weights.size)
        self._reservoir: Reservoir | ClassReservoir
        words = None
        if plan.by is None:
            self._reservoir = Reservoir(plan.k, seed=plan.seed)
            self._reservoir.update(self._weights, ids=self._ids)
            self._classes = np.zeros(self._ids.size, np.int64)
        else:
            words, self._classes = _classes(column(plan.by), f"by column {plan.by!r}")
            self._reservoir = ClassReservoir(plan.k, seed=plan.seed)
            self._reservoir.update(self._classes, self._weights, ids=self._ids)
        kept = retained_rows(self._reservoir)
        self.ranks, self._kept_ids, self._kept_weights = kept.ranks, kept.ids, kept.weights
        self.labels, self.numbers = [words[c] if words else c for c in kept.labels.tolist()], kept.numbers
        self._kept_classes = kept.labels[kept.numbers]

    def kept(self) -> Int64s:
        """Return their positions in the part."""
        return self._find(self._kept_classes, self._kept_ids, self._kept_weights)

    def sample(self) -> tuple[Int64s, NDArray[np.float64]]:
        """Return the positions of the sample in the part, by class and rank, and its inclusion."""
        got = self._reservoir.sample()
        classes = np.zeros(got.ids.size, np.int64) if got.classes is None else got.classes
        return self._find(classes, got.ids, got.weights), got.inclusion

    def _find(self, classes: Int64s, ids: Int64s, weights: NDArray[np.float64]) -> Int64s:
        """Return the position of the first row of each (class, id, weight); all of them are in the part."""
        near = _perhaps(self._ids, ids)
        mine = (self._weights[near], self._ids[near], self._classes[near])
        order = np.lexsort([np.concatenate(pair) for pair in zip((weights, ids, classes), mine, strict=True)])
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        return near[order[place[: ids.size] + 1] - ids.size]  # the sort is stable: the next row is ours


def _perhaps(x: Int64s, some: Int64s) -> Int64s:
    """Return the positions in `x` of everything that is in `some`, and of a few others."""
    bits = np.uint64(64 - max(10, (32 * some.size).bit_length()))
    there = np.zeros(1 << (64 - int(bits)), np.bool_)
    mix = np.uint64(0x9E3779B97F4A7C15)  # so that multiples of a power of two don't collide
    there[(some.view(np.uint64) * mix) >> bits] = True
    return np.flatnonzero(there[(x.view(np.uint64) * mix) >> bits])


def _classes(x: Any, name: str) -> tuple[list[str] | None, Int64s]:
    """Return (None, integer labels), or the sorted strings and the number of each label among them."""
    if not isinstance(x, list) and np.asarray(x).dtype.kind in "iu":
        return None, _validate.as_labels(x, None, name)
    words = _validate.as_words(x, name)
    if words and isinstance(words[0], int):
        return None, _validate.as_labels(words, None, name)
    known: list[Any] = sorted(set(words))
    numbers = {word: i for i, word in enumerate(known)}
    return known, np.fromiter(map(numbers.__getitem__, words), np.int64, len(words))


def _grid(most: int) -> NDArray[np.bool_]:
    """Return, for i up to `most`, whether a sketch holds the i-th smallest rank."""
    there = np.zeros(most + 1, np.bool_)
    at = 1
    while at <= most:
        there[at] = True
        at = at + 1 if at < _EXACT else math.ceil(at * _RATIO)
    return there


def _write(labels: Sequence[Any], numbers: Int64s, ranks: NDArray[np.float64], counts: Int64s) -> bytes:
    columns = {"numbers": numbers, "ranks": ranks, "counts": counts}
    return serialize.write(_THINNED, {"labels": list(labels)}, columns)


def _parts(header: Any, columns: dict[str, NDArray[Any]]) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    return header["labels"], columns


def merge(sketches: Iterable[bytes], wanted: int) -> bytes:
    """Return one sketch of all rows.

    Each class goes up to a rank that is certainly not exceeded by `wanted` rows.
    """
    labels: dict[Any, int] = {}
    parts = []
    for data in sketches:
        names, columns = serialize.read(data, _THINNED, _parts)
        known = [labels.setdefault(label, len(labels)) for label in names]
        parts.append((np.array(known, np.int64)[columns["numbers"]], columns["ranks"], columns["counts"]))
    if len({type(label) for label in labels}) > 1:
        _validate.refuse_mixed("by column")
    parts = parts or [(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))]
    numbers, ranks, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((ranks, numbers))
    numbers, ranks, counts = numbers[order], ranks[order], counts[order]
    before = np.cumsum(counts) - counts  # rows of smaller rank, and rows of the classes before
    before -= before[np.searchsorted(numbers, numbers)]
    some = before < wanted
    return _write(list(labels), numbers[some], ranks[some], counts[some])


def finalize(sketch: bytes, wanted: int) -> Limits:
    """Return {class: a rank that is certainly not exceeded by `wanted` rows}.

    It is infinite for a class that has fewer rows.
    """
    names, columns = serialize.read(sketch, _THINNED, _parts)
    numbers, classes = columns["numbers"], len(names)
    have, limits = np.zeros(classes, np.int64), np.zeros(classes)
    np.add.at(have, numbers, columns["counts"])
    np.maximum.at(limits, numbers, columns["ranks"])
    limits[have < wanted] = math.inf
    return dict(zip(names, limits.tolist(), strict=True))


def refusal(text: str) -> None:
    """Raise a worker's error again if `text`, of an error of the engine, quotes one of ours."""
    found = _LABELLED.search(text)
    if found:
        _validate.refuse_again(found[1], found[2])
