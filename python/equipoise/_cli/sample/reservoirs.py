"""Reservoirs over the rows of several files."""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise import _validate
from equipoise._cli.sample.request import Request
from equipoise._validate import Int64s
from equipoise.reservoirs import ClassReservoir, Reservoir, ReservoirSample
from equipoise.reservoirs.hooks import PlacedClassReservoir, PlacedReservoir


class Sampler:
    """A sampler of the rows of all files.

    It has a single reservoir if rows have ids, and otherwise one for each file.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._kind: Any = ClassReservoir if request.by else Reservoir
        self._placed: Any = None
        self._whole: Any = None
        self._part: Any = None
        self.starts: list[int] = []  # the number of each file's first row
        if request.id is not None:
            self._placed = self._whole = self._make(PlacedClassReservoir if request.by else PlacedReservoir)

    def _make(self, kind: Any, **more: Any) -> Any:
        return kind(self._request.k, half_life=self._request.half_life, seed=self._request.seed, **more)

    def start_file(self, number: int, start: int) -> None:
        """Begin a file. Its first row has the number `start` among the rows of all files."""
        self.end_file()
        self.starts.append(start)
        if self._placed is None:
            self._part = self._make(self._kind, stream=number)

    def end_file(self) -> None:
        """Merge the rows of the current file, and check that the sum of all weights is finite."""
        if self._part is None:
            return
        if self._whole is None or not self._whole.n_seen:
            self._whole = self._part
        elif self._part.n_seen:
            self._whole.merge(self._part)
        self._part = None
        with np.errstate(over="ignore"):
            _validate.check_total(self._whole.total_weight)

    def update(self, start: int, rows: int, arrays: dict[str, Any]) -> None:
        """Add a batch of rows, the first of which has the number `start`."""
        reservoir = self._part
        if self._placed is not None:
            reservoir = self._placed
            reservoir.start = start
        weights, more = arrays.get("weight"), {"ids": arrays.get("id"), "times": arrays.get("time")}
        if self._request.by is not None:
            reservoir.update(arrays["by"], weights, **more)
        else:
            reservoir.update(np.ones(rows, np.float32) if weights is None else weights, **more)

    def sample(self) -> tuple[Int64s, ReservoirSample]:
        """Return the numbers of the sampled rows, and the sample in the same order."""
        return self._numbered_sample(self._whole)

    def candidates(self) -> Int64s:
        """Return the numbers of all rows seen so far that can still be sampled, and of a few others."""
        if self._placed is not None:
            return np.unique(self.sample()[0])
        parts = {id(r): r for r in (self._whole, self._part) if r is not None}.values()
        rows = [part.candidates() for part in parts]
        return np.unique(np.concatenate([self._numbers(r.ids, r.streams) for r in rows]))

    def _numbered_sample(self, reservoir: Any) -> tuple[Int64s, ReservoirSample]:
        if self._placed is not None:
            sample = reservoir.placed_sample()
            return sample.streams.astype(np.int64), sample
        sample = reservoir.sample()
        return self._numbers(sample.ids, sample.streams), sample

    def _numbers(self, positions: Int64s, streams: Any) -> Int64s:
        if streams is None:  # no row was seen
            return positions
        numbers: Int64s = np.array(self.starts, np.int64)[streams.astype(np.int64)] + positions
        return numbers

    @property
    def seen(self) -> tuple[int, float]:
        """Return the number of rows seen and the sum of their weights."""
        return self._whole.n_seen, self._whole.total_weight

    @property
    def counts(self) -> dict[int, int]:
        """Return the number of rows seen of each class."""
        return dict(self._whole.counts)
