"""The reading of a stream's rows: random keys, decay, totals, and the sketch of the rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise.reservoirs.bottom_k import BottomK
from equipoise.reservoirs.labels import NO_SLOTS, CallClasses, ClassCounts
from equipoise.reservoirs.scan import (
    BLOCK,
    Gather,
    Kernel,
    Reading,
    Stream,
    Workspace,
    block_kernel,
    row_kernel,
)
from equipoise.reservoirs.threshold import is_worthwhile
from equipoise.rng import BLOCKS, IDS, ROWS

__all__ = ["StreamReader", "compensated_sum", "sum_of"]


LN2 = float.fromhex("0x1.62e42fefa39efp-1")
_MIN_CAPACITY, _MAX_CAPACITY = 1 << 12, 1 << 14  # candidates that a thread's workspace holds
_NO_INTEGERS = np.empty(0, np.int64)
_NO_REALS = np.empty(0)
_NO_WEIGHTS = np.empty(0, np.float32)
_ONE = np.ones(1, np.float32)
Int64s = NDArray[np.int64]
Reals = NDArray[np.float64]


class StreamReader:
    """A stream of weighted rows and a sketch of them. Either all rows have ids or none do.

    A call changes the state in one assignment at its end, so an error or an interrupt leaves it unchanged.
    """

    def _start(self, half_life: float | None, seed: int, stream: int, max_points: int) -> None:
        """Set up an empty reservoir.

        ``max_points`` is the largest number of points of a row, or 0 without replacement.
        """
        self._half_life, self._seed, self._stream = half_life, seed, stream
        self._rate = LN2 / half_life if half_life else 0.0  # at which the logarithms of weights decay
        self._max_points = max_points
        self._keys: dict[int, np.uint64] = {}  # keys of random words, by purpose
        self._keyed: str | None = None  # "ids" or "positions", once there are rows
        self._position = 0  # rows read from the reservoir's own stream
        self._merged: dict[int, int] = {}  # number of rows read from each merged stream
        self._n_seen = 0
        self._total = self._lost = 0.0  # compensated sum of the weights, except those in the tail
        self._latest = -math.inf  # time of the newest row of positive weight
        self._tail = np.empty(0)  # weights of the last block, while it is incomplete
        self._counts = ClassCounts(_NO_INTEGERS)  # rows by class number
        self._sketch: BottomK
        self._workspaces: list[Workspace] = []

    def _columns(self, *more: str) -> tuple[str, ...]:
        """Return the names of the sketch's columns."""
        return ("ranks", "ids", "weights", *(("times",) if self._half_life else ()), *more)

    # ---- reading rows

    def _read(
        self,
        given: NDArray[Any] | None,
        ids: Int64s | None,
        times: Reals | None,
        classes: CallClasses | None,
        threads: int,
        **more: Any,
    ) -> bool:
        """Read rows whose arguments have been checked.

        Return False, with the state unchanged, if a class is unknown. `given` holds the weights, or is None
        if all of them are 1. `more` are attributes that change together with the state.
        """
        keyed = _validate.check_keying(self._keyed, "positions" if ids is None else "ids")
        weights = (
            np.broadcast_to(_ONE, 0 if classes is None else classes.labels.size) if given is None else given
        )
        count = weights.size
        if not count:
            return True
        if ids is None:
            _validate.check_own_stream(self._stream, self._merged)
        latest = self._latest
        if times is not None:
            _validate.check_exponents(times, self._rate)
            latest = max(latest, float(times.max(where=weights > 0, initial=-math.inf)))
        capacity, plain = self._capacity(), classes is None and times is None
        seen = self._n_seen if self._sketch.size else 0
        guess = plain and is_worthwhile(int(self._sketch.quotas[0]), count, seen)
        num_classes = 1 if classes is None else classes.size
        for guessed in (True, False) if guess else (False,):
            sketch, tail = self._wide_sketch(), self._tail
            sketch.distinct = self._distinct(keyed)
            reading = Reading(sketch, num_classes, threads, capacity, self._workspaces)
            if guessed and not reading.guess(weights, replacement=bool(self._max_points)):
                continue
            if ids is None and plain:
                tail = self._read_blocks(reading, weights)
            elif not self._read_rows(reading, weights, given is not None, ids, classes, times, latest):
                return False
            if guessed and reading.guessed_well():
                break
        total, lost = self._total_at(latest)
        for _, piece in sorted(reading.totals):  # threads finish in any order, but sums must not depend on it
            total, lost = compensated_sum(total, lost, piece)
        _validate.check_total(total + lost + sum_of(tail))
        if classes is not None:
            counted = np.sum([workspace.counts for workspace in reading.workspaces], axis=0)
            more["_counts"] = self._counts.plus(counted, classes.numbers)
        vars(self).update(
            _sketch=reading.found, _total=total, _lost=lost, _latest=latest, _tail=tail, _keyed=keyed,
            _n_seen=self._n_seen + count, _position=self._position + (count if ids is None else 0),
            _workspaces=reading.workspaces, **more,
        )  # fmt: skip
        return True

    def _wide_sketch(self) -> BottomK:
        """Return a copy of the sketch that has all classes."""
        return self._sketch.copy()

    def _read_blocks(self, reading: Reading, weights: NDArray[Any]) -> Reals:
        """Read all complete blocks, and return the weights of the incomplete one."""
        waiting = self._tail.size
        head = (BLOCK - waiting) % BLOCK if waiting else 0
        if waiting and weights.size < head:
            _validate.check_weights(weights, 0)
            return np.concatenate((self._tail, weights))
        start = self._position - waiting
        check = lambda: _validate.check_weights(weights, 0)  # noqa: E731
        if waiting:
            block = np.concatenate((self._tail, weights[:head]))
            reading.scan(BLOCK, self._block_kernel(block, start), self._position_columns(start), check)
            start += BLOCK
        rest = weights[head:]
        whole = rest.size // BLOCK * BLOCK
        tail = rest[whole:].astype(np.float64) if whole < rest.size else _NO_REALS
        reading.scan(whole, self._block_kernel(rest, start), self._position_columns(start), check)
        if tail.size:
            _validate.check_weights(tail, head + whole)
        return tail

    def _block_kernel(self, weights: NDArray[Any], start: int) -> Kernel:
        return block_kernel(self._key(BLOCKS), start // BLOCK, weights, self._max_points)

    def _read_rows(
        self,
        reading: Reading,
        weights: NDArray[Any],
        weighted: bool,
        ids: Int64s | None,
        classes: CallClasses | None,
        times: Reals | None,
        latest: float,
    ) -> bool:
        """Read rows one by one. Return False if a class is unknown."""
        stream = Stream(
            self._key(ROWS if ids is None else IDS),
            self._position,
            _NO_INTEGERS if ids is None else ids,
            _NO_REALS if times is None else times,
            self._rate,
        )
        kernel = row_kernel(
            stream,
            weights if weighted else _NO_WEIGHTS,
            CallClasses(_NO_INTEGERS, NO_SLOTS, 1, None) if classes is None else classes,
            max(self._max_points, 1),
        )

        def decayed_total(begin: int, end: int) -> float:
            # A row after `latest` has weight 0.
            decay = np.minimum(self._decay_factors(stream.times[begin:end], latest), 1.0)
            with np.errstate(all="ignore"):
                return float((weights[begin:end] * decay).sum())

        gather = self._row_columns(self._stream if ids is None else 0, times)
        check = lambda: _validate.check_weights(weights, 0)  # noqa: E731
        return reading.scan(weights.size, kernel, gather, check, None if times is None else decayed_total)

    def _position_columns(self, start: int) -> Gather:
        return lambda rows: {"ids": np.add(rows, start, out=rows), "streams": self._stream}

    def _row_columns(self, stream: int, times: Reals | None) -> Gather:
        def gather(rows: Int64s) -> dict[str, Any]:
            columns: dict[str, Any] = {"streams": stream}
            if times is not None:
                columns["times"] = times[rows] + 0.0  # -0.0 is the time 0.0
            return columns

        return gather

    def _capacity(self) -> int:
        """Return the number of candidates that a workspace holds.

        It is about the number of rows retained, so that the threshold falls early.
        """
        retained = max(self._sketch.total_quota, _MIN_CAPACITY)
        return max(min(retained, _MAX_CAPACITY), self._max_points) + 16 * BLOCK

    def _distinct(self, keyed: str | None) -> tuple[str, ...]:
        """Return the columns that tell rows apart. Rows that agree in all these columns count once.

        Such rows are a row that was read twice, or points of a row that rounding has made equal.
        """
        if keyed == "ids":
            return ("ranks", "ids", "classes", "weights", "times")
        return ("ranks", "ids", "classes", "streams") if self._max_points else ()

    def _key(self, purpose: int) -> np.uint64:
        if purpose not in self._keys:
            stream = np.uint64(0 if purpose == IDS else self._stream)
            self._keys[purpose] = np.uint64(kernels().call_key(np.uint64(self._seed), 0, purpose, stream))
        return self._keys[purpose]

    def _decay_factors(self, times: Reals, latest: float) -> Reals:
        """Return the factors by which weights of these times have decayed by the time `latest`."""
        if latest == -math.inf:
            return np.zeros(times.size)
        with np.errstate(all="ignore"):
            x: Reals = times * self._rate
            x -= latest * self._rate
        kernels().exp(x, x)
        return x

    def _total_at(self, latest: float) -> tuple[float, float]:
        """Return the compensated total as of the time `latest`."""
        if self._latest in (latest, -math.inf):
            return self._total, self._lost
        factor = float(self._decay_factors(np.array([self._latest]), latest)[0])
        return self._total * factor, self._lost * factor


def sum_of(tail: Reals) -> float:
    """Return the sum of the weights in a tail, which is usually empty."""
    if not tail.size:
        return 0.0
    with np.errstate(over="ignore"):
        return float(tail.sum())


def compensated_sum(total: float, lost: float, x: float) -> tuple[float, float]:
    """Add a number to a compensated sum (Neumaier's algorithm)."""
    both = total + x
    return both, lost + ((total - both) + x if abs(total) >= abs(x) else (x - both) + total)
