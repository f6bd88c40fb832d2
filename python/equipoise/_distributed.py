"""Weighted samples of rows spread over many machines, for the Dask and Ray adapters.

There are three steps, and only the first one reads the data:

1. Each part keeps its own k + 1 rows of smallest rank, in place.
2. Thinned sketches of their ranks, a few kilobytes each, are merged into a threshold: a rank that is
   guaranteed to be at least as large as k + 1 ranks of all parts.
3. The rows up to the threshold, slightly more than k, go to the driver, where a reservoir reads them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise.reservoirs import ClassReservoir, Reservoir, serialize
from equipoise.reservoirs.codes import LabelCodes
from equipoise.reservoirs.hooks import retained_rows

__all__ = ["INCLUSION", "Limits", "Plan", "finalize", "merge", "reraise"]


INCLUSION = "inclusion"
_THINNED = "thinned sketch"
_EXACT = 8  # the number of smallest ranks that a sketch holds without thinning
_RATIO = 1.125  # between the places of consecutive ranks after those
_LABELLED = re.compile(r"^(TypeError|ValueError|IndexError): ((?:weights?|key|by|dataset) .*)$", re.M)
Limits = dict[int, float]  # by the code of a class
Column = Callable[[str], Any]
Int64s = NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """The arguments of a call, with the steps that run on each part of the data.

    In each step, ``column(name)`` returns a column of the part, and positions refer to the part's rows.
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
        """Check the names of a part's columns, or the keys of a record, against the arguments."""
        for name in ("weight", "key", *(() if self.by is None else ("by",))):
            _validate.check_column(name, getattr(self, name), columns)
        _validate.check_no_column(INCLUSION, columns)

    def prune(self, column: Column) -> Int64s:
        """Return the positions, in ascending order, of the rows that may be in the sample.

        Every other row has a larger rank than k + 1 of these.
        """
        return np.sort(_Rows(self, column).kept_positions())

    def sketch(self, column: Column) -> bytes:
        """Return a thinned sketch: some of each class's smallest ranks, and how many rows each stands for."""
        rows = _Rows(self, column)
        order = np.lexsort((rows.ranks, rows.codes))
        codes, ranks = rows.codes[order], rows.ranks[order]
        place = np.arange(order.size) - np.searchsorted(codes, codes) + 1
        last = np.ones(order.size, np.bool_)
        last[:-1] = codes[1:] != codes[:-1]
        chosen = np.flatnonzero(_held_places(int(place.max(initial=0)))[place] | last)
        place = place[chosen]
        counts = np.where(place == 1, 1, np.diff(place, prepend=0))
        return _write(rows.kind, codes[chosen], ranks[chosen], counts)

    def take(self, column: Column, limits: Limits) -> Int64s:
        """Return the positions, in ascending order, of the rows within their class's limit."""
        rows = _Rows(self, column)
        codes, at = np.unique(rows.codes, return_inverse=True)
        limit = np.array([limits.get(code, math.inf) for code in codes.tolist()])
        return np.sort(rows.kept_positions()[rows.ranks <= limit[at]])

    def collect(
        self, merged: Callable[[int], bytes], taken: Callable[[Limits], Any], column: Callable[[Any], Column]
    ) -> tuple[Any, Int64s, NDArray[np.float64]]:
        """Return the rows within the limits, the positions of the sample among them, and its inclusion.

        ``merged(wanted)`` returns the merged sketch of all parts. ``taken(limits)`` returns the rows of all
        parts within the limits, or None if there are none.
        """
        wanted = self.k + 1
        while True:
            limits = finalize(merged(wanted), wanted)
            batch = taken(limits)
            if batch is None:
                return None, np.empty(0, np.int64), np.empty(0)
            rows = _Rows(self, column(batch))
            codes, counts = np.unique(rows.codes, return_counts=True)
            have = dict(zip(codes.tolist(), counts.tolist(), strict=True))
            if all(have.get(code, 0) > self.k for code, limit in limits.items() if limit < math.inf):
                return batch, *rows.sample()
            wanted *= 4  # the parts share rows, which were counted more than once


class _Rows:
    """The k + 1 rows of smallest rank of each class of a part. Without ``by`` there is one class.

    Classes are their labels' 64-bit codes, on which all parts agree.
    """

    def __init__(self, plan: Plan, column: Column) -> None:
        weight, key = f"weight column {plan.weight!r}", f"key column {plan.key!r}"
        self._weights = _validate.as_row_weights(column(plan.weight), weight)
        _validate.check_weights(self._weights, 0, weight)
        self._ids = _validate.as_keys(column(plan.key), key, self._weights.size)
        self._reservoir: Reservoir | ClassReservoir
        self._label_codes, self.kind = LabelCodes(), None
        if plan.by is None:
            self._reservoir = Reservoir(plan.k, seed=plan.seed)
            self._reservoir.update(self._weights, ids=self._ids)
            self._classes = np.zeros(self._ids.size, np.int64)
        else:
            labels = _validate.as_labels(column(plan.by), f"by column {plan.by!r}")
            self._classes, self.kind = self._label_codes.of(labels), labels.kind
            self._reservoir = ClassReservoir(plan.k, seed=plan.seed)
            self._reservoir.update(labels, self._weights, ids=self._ids)
        self.ranks, self._kept_ids, self._kept_weights, self.codes = retained_rows(self._reservoir)

    def kept_positions(self) -> Int64s:
        """Return the positions of the kept rows in the part."""
        return self._find(self.codes, self._kept_ids, self._kept_weights)

    def sample(self) -> tuple[Int64s, NDArray[np.float64]]:
        """Return the positions of the sampled rows in the part, by class and rank, and their inclusion."""
        got = self._reservoir.sample()
        codes = np.zeros(got.ids.size, np.int64)
        if got.classes is not None:
            codes = self._label_codes.of(_validate.as_labels(got.classes))
        return self._find(codes, got.ids, got.weights), got.inclusion

    def _find(self, classes: Int64s, ids: Int64s, weights: NDArray[np.float64]) -> Int64s:
        """Return the position of the first row with each (class, id, weight). All must be in the part."""
        candidates = _candidate_matches(self._ids, ids)
        columns = (self._weights[candidates], self._ids[candidates], self._classes[candidates])
        order = np.lexsort(
            [np.concatenate(pair) for pair in zip((weights, ids, classes), columns, strict=True)]
        )
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        # The sort is stable, so the first match follows each row.
        return candidates[order[place[: ids.size] + 1] - ids.size]


def _candidate_matches(x: Int64s, wanted: Int64s) -> Int64s:
    """Return the positions of all values of `x` that are in `wanted`, and of a few others.

    A hash table of bits costs less than sorting `x`.
    """
    bits = np.uint64(64 - max(10, (32 * wanted.size).bit_length()))
    occupied = np.zeros(1 << (64 - int(bits)), np.bool_)
    mix = np.uint64(0x9E3779B97F4A7C15)  # keeps multiples of a power of two from colliding
    occupied[(wanted.view(np.uint64) * mix) >> bits] = True
    return np.flatnonzero(occupied[(x.view(np.uint64) * mix) >> bits])


def _held_places(most: int) -> NDArray[np.bool_]:
    """Return, for each i up to `most`, whether a sketch holds the i-th smallest rank."""
    held = np.zeros(most + 1, np.bool_)
    place = 1
    while place <= most:
        held[place] = True
        place = place + 1 if place < _EXACT else math.ceil(place * _RATIO)
    return held


def _write(kind: str | None, codes: Int64s, ranks: NDArray[np.float64], counts: Int64s) -> bytes:
    columns = {"codes": codes, "ranks": ranks, "counts": counts}
    return serialize.write(_THINNED, {"kind": kind}, columns)


def _kind_and_columns(
    header: Any, columns: dict[str, NDArray[Any]]
) -> tuple[str | None, Int64s, NDArray[np.float64], Int64s]:
    return header["kind"], columns["codes"], columns["ranks"], columns["counts"]


def merge(sketches: Iterable[bytes], wanted: int) -> bytes:
    """Return one sketch of the rows of all sketches.

    It keeps each class's ranks up to one that is guaranteed to be at least as large as `wanted` of them.
    """
    kind = None
    parts: list[list[Any]] = [[np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64)]]
    for data in sketches:
        theirs, *part = serialize.read(data, _THINNED, _kind_and_columns)
        kind = _validate.check_kind(kind, theirs, "by column")
        parts.append(part)
    codes, ranks, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((ranks, codes))
    codes, ranks, counts = codes[order], ranks[order], counts[order]
    before = np.cumsum(counts) - counts
    before -= before[np.searchsorted(codes, codes)]  # only rows of the same class count
    needed = before < wanted
    return _write(kind, codes[needed], ranks[needed], counts[needed])


def finalize(sketch: bytes, wanted: int) -> Limits:
    """Return each class's limit: a rank guaranteed to be at least as large as the `wanted` smallest.

    The limit is infinite for a class that has fewer rows.
    """
    _, codes, ranks, counts = serialize.read(sketch, _THINNED, _kind_and_columns)
    classes, numbers = np.unique(codes, return_inverse=True)
    have, limits = np.zeros(classes.size, np.int64), np.full(classes.size, -math.inf)
    np.add.at(have, numbers, counts)
    np.maximum.at(limits, numbers, ranks)
    limits[have < wanted] = math.inf
    return dict(zip(classes.tolist(), limits.tolist(), strict=True))


def reraise(text: str) -> None:
    """Raise a worker's error again if `text` quotes it.

    `text` is the message of the error that the cluster software raised.
    """
    found = _LABELLED.search(text)
    if found:
        _validate.refuse_again(found[1], found[2])
