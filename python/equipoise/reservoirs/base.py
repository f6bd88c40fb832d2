"""What reservoirs with and without classes share: keys, a stream of rows, merging, bytes."""

from __future__ import annotations

import math
import threading
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.locks import add_lock
from equipoise.reservoirs import serialize
from equipoise.reservoirs.bottom_k import Smallest
from equipoise.reservoirs.labels import Numbers
from equipoise.reservoirs.scan import BAD_SUM, Gather, Reading, Scan, Workspace
from equipoise.reservoirs.threshold import pays
from equipoise.rng import BLOCKS, IDS, ROWS

__all__ = ["WeightedRows"]


LN2 = float.fromhex("0x1.62e42fefa39efp-1")
_BLOCK = 64  # rows of a block
_LEAST_ROOM, _MOST_ROOM = 1 << 12, 1 << 18
_NO_INTEGERS = np.empty(0, np.int64)
_NO_REALS = np.empty(0)
_NO_WEIGHTS = np.empty(0, np.float32)
_ONE = np.ones(1, np.float32)
Reals = NDArray[np.float64]


class WeightedRows:
    """Rows keyed by ids or by positions, never both; candidates of a call come to ``_kept`` all or none.

    Public methods hold ``_lock``, so threads take turns.
    """

    _what: str
    _settings: dict[str, Any]  # what two reservoirs must have in common to be merged
    _numbers: Numbers | None = None  # of classes, unless they are numbers
    _counts = _NO_INTEGERS  # rows by class
    _lock: threading.RLock

    def _start(self, half_life: float | None, seed: int, stream: int, most: int) -> None:
        """most : points of a row, with replacement; 0 without."""
        self._half_life, self._seed, self._stream, self._most = half_life, seed, stream, most
        self._keys: dict[int, np.uint64] = {}  # of the random words, by purpose
        self._keyed: str | None = None  # by "ids" or "positions", once rows have come
        self._position = 0  # rows of the own stream
        self._merged: dict[int, int] = {}  # rows of other streams
        self._n_seen = 0
        self._total = self._lost = 0.0  # Neumaier's sum of the weights, but those of the tail
        self._latest = -math.inf  # time of a row of positive weight
        self._tail = np.empty(0)  # weights of a block that is not whole yet
        self._kept: Smallest
        self._workspaces: list[Workspace] = []
        add_lock(self, threading.RLock)

    def _locks(self, other: object) -> tuple[threading.RLock, threading.RLock]:
        """In one order everywhere, or two threads that merge each into the other's could wait for ever."""
        both = (self, other) if isinstance(other, WeightedRows) else (self, self)
        first, second = sorted(both, key=id)
        return first._lock, second._lock

    def _columns(self, *more: str) -> tuple[str, ...]:
        return ("ranks", "ids", "weights", *(("shifts",) if self._half_life else ()), *more)

    # ---- reading rows

    def _read(
        self,
        given: NDArray[Any] | None,
        ids: NDArray[np.int64] | None,
        times: Reals | None,
        classes: NDArray[np.int64] | None,
        threads: int,
    ) -> bool:
        """Rows whose arguments are checked; no weights: all 1. False: nothing, since a class is unknown."""
        keyed = _validate.check_keying(self._keyed, "positions" if ids is None else "ids")
        weights = (
            np.broadcast_to(_ONE, classes.size if classes is not None else 0) if given is None else given
        )
        count = weights.size
        if not count:
            return True
        if ids is None:
            _validate.check_own_stream(self._stream, self._merged)
        shifts, latest = None, self._latest
        if times is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                shifts = times * (LN2 / self._half_life)  # type: ignore[operator]
            _validate.check_shifts(shifts, times)
            latest = max(latest, float(times.max(where=weights > 0, initial=-math.inf)))
        blocks = ids is None and classes is None and shifts is None
        self._kept.distinct = self._may_repeat(keyed)
        room = self._room()
        guess = (
            classes is None
            and shifts is None
            and pays(int(self._kept.quotas[0]), count, self._n_seen if self._kept.size else 0)
        )
        for guessed in (True, False) if guess else (False,):
            reading, tail = Reading(self._kept, threads, room, self._workspaces), self._tail
            if guessed and not reading.guess(weights, replacement=bool(self._most)):
                continue
            if blocks:
                tail = self._read_blocks(reading, weights)
            elif not self._read_rows(reading, weights, given is not None, ids, classes, shifts, latest):
                return False
            if guessed and reading.guessed_well():
                break
        total, lost = self._aged(latest)
        for _, one in sorted(reading.totals):  # threads come in any order
            total, lost = _added(total, lost, one)
        _validate.check_total(total + lost + _sum(tail))
        counts = self._counts
        if classes is not None:
            counts = sum((workspace.counts for workspace in reading.workspaces), start=counts)
        # All at once, so that an interrupt finds the reservoir before or after.
        vars(self).update(
            _kept=reading.found, _total=total, _lost=lost, _latest=latest, _tail=tail, _keyed=keyed,
            _n_seen=self._n_seen + count, _position=self._position + (count if ids is None else 0),
            _workspaces=reading.workspaces, _counts=counts,
        )  # fmt: skip
        return True

    def _read_blocks(self, reading: Reading, weights: NDArray[Any]) -> Reals:
        """Whole blocks; what is left of the last is the new tail."""
        waiting = self._tail.size
        head = (_BLOCK - waiting) % _BLOCK if waiting else 0
        if waiting and weights.size < head:
            _validate.check_weights(weights, 0)
            return np.concatenate((self._tail, weights))
        start = self._position - waiting
        check = lambda: _validate.check_weights(weights, 0)  # noqa: E731
        if waiting:
            block = np.concatenate((self._tail, weights[:head]))
            reading.scan(_BLOCK, self._of_blocks(block, start), self._of_positions(start), check)
            start += _BLOCK
        rest = weights[head:]
        whole = rest.size // _BLOCK * _BLOCK
        tail = rest[whole:].astype(np.float64) if whole < rest.size else _NO_REALS
        reading.scan(whole, self._of_blocks(rest, start), self._of_positions(start), check)
        if tail.size:
            _validate.check_weights(tail, head + whole)
        return tail

    def _of_blocks(self, weights: NDArray[Any], start: int) -> Scan:
        key, first = self._key(BLOCKS), start // _BLOCK
        draw, most = kernels().reservoir_blocks, self._most

        def scan(begin: int, end: int, thresholds: Reals, mine: Workspace) -> tuple[int, int, int, float]:
            return draw(  # type: ignore[no-any-return]
                key, first + begin // _BLOCK, weights[begin:end], thresholds[0], most, mine.total,
                mine.rows, mine.ranks, mine.weights,
            )  # fmt: skip

        return scan

    def _read_rows(
        self,
        reading: Reading,
        weights: NDArray[Any],
        weighted: bool,
        ids: NDArray[np.int64] | None,
        classes: NDArray[np.int64] | None,
        shifts: Reals | None,
        latest: float,
    ) -> bool:
        key = self._key(ROWS if ids is None else IDS)
        draw, most, start = kernels().reservoir_rows, max(self._most, 1), self._position
        i, c = (_NO_INTEGERS if x is None else x for x in (ids, classes))
        s, w = _NO_REALS if shifts is None else shifts, weights if weighted else _NO_WEIGHTS
        slots = (_NO_INTEGERS, _NO_INTEGERS) if self._numbers is None else self._numbers.slots

        def scan(begin: int, end: int, thresholds: Reals, mine: Workspace) -> tuple[int, int, int, float]:
            return draw(  # type: ignore[no-any-return]
                key, start + begin, i[begin:end], c[begin:end], *slots, w[begin:end], s[begin:end],
                thresholds, mine.counts, most, mine.total, mine.rows, mine.ranks, mine.weights, mine.ids,
            )  # fmt: skip

        def aged(begin: int, end: int) -> float:
            left = np.minimum(self._aging(s[begin:end], latest), 1.0)  # newer rows weigh nothing
            with np.errstate(over="ignore"):
                return float((weights[begin:end] * left).sum())

        gather = self._of_rows(self._stream if ids is None else 0, classes, shifts)
        check = lambda: _validate.check_weights(weights, 0)  # noqa: E731
        return reading.scan(weights.size, scan, gather, check, aged if s.size else None)

    def _of_positions(self, start: int) -> Gather:
        return lambda rows: {"ids": np.add(rows, start, out=rows), "streams": self._stream}

    def _of_rows(self, stream: int, classes: NDArray[np.int64] | None, shifts: Reals | None) -> Gather:
        def gather(rows: NDArray[np.int64]) -> dict[str, Any]:
            columns: dict[str, Any] = {"streams": stream}
            if shifts is not None:
                columns["shifts"] = shifts[rows]
            if classes is not None:
                some = classes[rows]
                columns["classes"] = some if self._numbers is None else self._numbers.of(some)
            return columns

        return gather

    def _room(self) -> int:
        """For candidates: as many as are kept, so that the threshold falls soon."""
        kept = max(self._kept.wanted, _LEAST_ROOM)
        return max(min(kept, _MOST_ROOM), self._most) + 16 * _BLOCK

    def _may_repeat(self, keyed: str | None) -> tuple[str, ...]:
        """What makes two rows one: a row that comes again, or points of a row that rounding makes one."""
        if keyed == "ids":
            return ("ids", "ranks", "classes")
        return ("streams", "ids", "ranks", "classes") if self._most else ()

    def _key(self, purpose: int) -> np.uint64:
        if purpose not in self._keys:
            stream = np.uint64(0 if purpose == IDS else self._stream)
            self._keys[purpose] = np.uint64(kernels().call_key(np.uint64(self._seed), 0, purpose, stream))
        return self._keys[purpose]

    def _aging(self, shifts: Reals, latest: float) -> Reals:
        """What is left at a later time of a weight of 1."""
        if latest == -math.inf:
            return np.zeros(shifts.size)
        x: Reals = shifts - latest * (LN2 / self._half_life)  # type: ignore[operator]
        kernels().exp(x, x)
        return x

    def _aged(self, latest: float) -> tuple[float, float]:
        """The total as of a later time."""
        if self._latest in (latest, -math.inf):
            return self._total, self._lost
        factor = float(self._aging(np.array([self._latest * (LN2 / self._half_life)]), latest)[0])  # type: ignore[operator]
        return self._total * factor, self._lost * factor

    # ---- what was read

    @property
    def n_seen(self) -> int:
        """Rows seen, those of weight zero and those that were merged included."""
        return self._n_seen

    @property
    def total_weight(self) -> float:
        """Sum of the weights seen; with a half-life as of the newest row of positive weight."""
        with self._lock:
            return self._total + (self._lost + _sum(self._tail))

    def _everything(self) -> Smallest:
        """All that is kept, and a look at the block that is not whole yet."""
        kept = self._selected()
        if not self._tail.size:
            return kept
        both = kept.joined([self._of_tail()], share=False)
        both.select()
        return both

    def _selected(self) -> Smallest:
        """What is kept, and nothing else. Never changed in place: others may be reading it."""
        kept = self._kept.copy()
        kept.select()
        self._kept = kept
        return kept

    def _of_tail(self) -> Smallest:
        """What the block that is not whole yet gives as it is."""
        found = self._kept.empty()
        if self._tail.size:
            block = np.concatenate((self._tail, np.zeros(_BLOCK - self._tail.size)))
            start = self._position - self._tail.size
            mine = Workspace(self._room()).restart(found)
            _, filled, why, _ = self._of_blocks(block, start)(0, _BLOCK, found.thresholds, mine)
            if why == BAD_SUM:
                _validate.refuse_sum()
            found.add(filled, mine.columns(filled, 0, self._of_positions(start)))
        return found

    def _inclusion(self, rows: Smallest, order: NDArray[np.int64], threshold: Reals) -> Reals:
        """1 - exp(-w tau) of rows whose thresholds are given one by one; inf: all rows are there."""
        x = rows["weights"][order]
        if self._half_life:
            logs = np.empty(order.size)
            kernels().log(x, logs)
            logs += rows["shifts"][order]
            logs += threshold
            x = np.empty(order.size)
            kernels().exp(logs, x)
        else:
            with np.errstate(over="ignore"):
                x = x * threshold
        np.negative(x, out=x)
        p = np.empty(order.size)
        kernels().expm1(x, p)
        return np.negative(p, out=p)

    def _weights(self, rows: Smallest, order: NDArray[np.int64]) -> Reals:
        w = rows["weights"][order]
        if self._half_life and order.size:
            w *= self._aging(rows["shifts"][order], self._latest)
        return w

    # ---- merging

    def _take(self, other: Self, numbers: NDArray[np.int64] | None = None, **more: Any) -> None:
        """All of another reservoir that has been checked; `numbers` of its classes here."""
        theirs_kept = other._selected()
        latest = max(self._latest, other._latest)
        total, lost = self._aged(latest)
        theirs, their_lost = other._aged(latest)
        total, lost = _added(total, lost + their_lost + _sum(other._tail), theirs)
        _validate.check_total(total + lost + _sum(self._tail))
        merged = dict(self._merged)
        if other._keyed == "positions":
            merged |= other._merged
            if other._position:
                merged[other._stream] = other._position
        kept = self._kept.joined([theirs_kept, other._of_tail()], numbers)
        kept.distinct = self._may_repeat(self._keyed or other._keyed)
        kept.look_through()
        vars(self).update(
            _kept=kept, _total=total, _lost=lost, _latest=latest, _keyed=self._keyed or other._keyed,
            _n_seen=self._n_seen + other._n_seen, _merged=merged, **more,
        )  # fmt: skip

    def _check_mergeable(self, other: Any) -> None:
        _validate.check_same_kind(other, type(self))
        for name, mine in self._settings.items():
            _validate.check_setting(name, mine, other._settings[name])
        if self._keyed and other._keyed:
            _validate.check_keying(self._keyed, other._keyed, "other")
        _validate.check_streams_apart(self._all_streams(), other._all_streams())

    def _all_streams(self) -> set[int]:
        own = {self._stream} if self._position else set()
        return own | set(self._merged)

    # ---- bytes

    def _header(self) -> dict[str, Any]:
        return {
            "settings": self._settings,
            "stream": self._stream,
            "keyed": self._keyed,
            "position": self._position,
            "merged": sorted(self._merged.items()),
            "n_seen": self._n_seen,
            "total": [self._total.hex(), self._lost.hex()],
            "latest": self._latest.hex(),
        }

    def _restore(self, header: dict[str, Any], columns: dict[str, NDArray[Any]]) -> None:
        """What :meth:`_to_bytes` wrote, of which nothing is believed."""
        check, count = _validate.check_written, _validate.as_count
        self._keyed, self._position = header["keyed"], count(header["position"], "position", most=2**62)
        most = 2**64 - 1
        self._merged = {
            count(s, "stream", most=most): count(n, "rows", least=1, most=most) for s, n in header["merged"]
        }
        self._n_seen = count(header["n_seen"], "n_seen")
        self._total, self._lost = (float.fromhex(x) for x in header["total"])
        self._latest = float.fromhex(header["latest"])
        self._tail, thresholds = columns.pop("tail"), columns.pop("thresholds")
        check(self._keyed in (None, "ids", "positions"), "keys")
        check(self._keyed == "positions" or not (self._position or self._merged), "streams")
        check(self._total >= 0 and math.isfinite(self._total + self._lost), "total weight")
        check(self._latest < math.inf, "time")
        blocks = self._keyed == "positions" and not self._half_life and "classes" not in self._kept.columns
        check(self._tail.size == (self._position % _BLOCK if blocks else 0), "block that is not whole")
        check(bool(((self._tail >= 0) & (self._tail < math.inf)).all()), "weights")
        check(thresholds.dtype == self._tail.dtype == np.float64, "thresholds")
        kept = {name: column.dtype for name, column in self._kept.columns.items()}
        check({name: column.dtype for name, column in columns.items()} == kept, "columns")
        size = columns["ids"].size
        check(all(column.size == size for column in columns.values()), "columns of one length")
        check(not size or self._keyed is not None, "keys")
        ranks, weights = columns["ranks"], columns["weights"]
        least = -math.inf if self._half_life else 0.0
        check(bool((ranks >= least).all() and (weights > 0).all() and (weights < math.inf).all()), "rows")
        if "classes" in columns and size:
            numbers = columns["classes"]
            check(numbers.min() >= 0 and numbers.max() < thresholds.size, "classes")
        if self._half_life and size:
            check(bool((np.abs(columns["shifts"]) < 1e300).all()) and abs(self._latest) < math.inf, "times")
        known = self._merged | ({self._stream: self._position} if self._position else {})
        check(len(known) == len(self._merged) + (self._position > 0), "streams")
        check(sum(known.values()) <= self._n_seen, "rows")
        if self._keyed == "positions" and size:
            streams, at = np.unique(columns["streams"], return_inverse=True)
            check(all(stream in known for stream in streams.tolist()), "streams")
            rows = np.array([known[stream] for stream in streams.tolist()], np.uint64)[at]
            check(bool((columns["ids"].astype(np.uint64) < rows).all()), "positions")
        self._kept.distinct = self._may_repeat(self._keyed)
        self._kept.add(size, columns)
        self._kept.select()
        check(np.array_equal(self._kept.thresholds, thresholds), "thresholds")

    def _to_bytes(self, header: dict[str, Any], more: dict[str, NDArray[Any]]) -> bytes:
        kept = self._selected()
        order = kept.order()
        columns = {name: kept[name][order] for name in kept.columns}
        columns |= {"thresholds": kept.thresholds, "tail": self._tail, **more}
        return serialize.write(self._what, {**self._header(), **header}, columns)


def _sum(tail: Reals) -> float:
    """Of a few weights, mostly none."""
    if not tail.size:
        return 0.0
    with np.errstate(over="ignore"):
        return float(tail.sum())


def _added(total: float, lost: float, x: float) -> tuple[float, float]:
    """Neumaier's sum."""
    both = total + x
    return both, lost + ((total - both) + x if abs(total) >= abs(x) else (x - both) + total)
