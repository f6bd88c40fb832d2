"""The base class of all reservoirs: locking, samples, merging and the byte format."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.locks import add_lock
from equipoise.reservoirs import serialize
from equipoise.reservoirs.bottom_k import BottomK
from equipoise.reservoirs.ranks import is_rank, times_rank
from equipoise.reservoirs.reading import StreamReader, compensated_sum, sum_of
from equipoise.reservoirs.sample import CandidateRows
from equipoise.reservoirs.scan import BAD_SUM, BLOCK, Workspace

__all__ = ["BaseReservoir"]


Int64s = NDArray[np.int64]
Reals = NDArray[np.float64]


class BaseReservoir(StreamReader):
    """A stream of weighted rows that can be sampled, merged and written to bytes.

    Public methods hold ``_lock``, so threads take turns.
    """

    _name: str  # the class's name, as written to bytes and errors
    _lock: threading.RLock
    _settings: dict[str, Any]  # must be equal for two reservoirs to merge

    def _start(self, half_life: float | None, seed: int, stream: int, max_points: int) -> None:
        super()._start(half_life, seed, stream, max_points)
        add_lock(self, threading.RLock)

    def _check_free(self, method: str) -> None:
        """Refuse to change the reservoir while this thread runs a method of it, as a signal handler could.

        Methods that only read it see its state before the running call.
        """
        if self._lock._is_owned():  # type: ignore[attr-defined]
            _validate.refuse_reentry(method, self._name)

    def _locks(self, other: object) -> tuple[threading.RLock, threading.RLock]:
        """Return both locks in a fixed order, so that merges in opposite directions cannot deadlock."""
        both = (self, other) if isinstance(other, BaseReservoir) else (self, self)
        first, second = sorted(both, key=id)
        return first._lock, second._lock

    # ---- totals

    @property
    def n_seen(self) -> int:
        """Number of rows seen, including rows of weight 0 and rows of merged reservoirs."""
        return self._n_seen

    @property
    def total_weight(self) -> float:
        """Sum of the weights seen, decayed to the time of the newest row of positive weight."""
        with self._lock:
            return self._total + (self._lost + sum_of(self._tail))

    def _complete_sketch(self) -> BottomK:
        """Return the selected sketch, merged with the candidates of the incomplete block."""
        sketch = self._selected()
        if not self._tail.size:
            return sketch
        both = sketch.joined([self._tail_sketch()], share=False)
        both.select()
        return both

    def _selected(self) -> BottomK:
        """Drop the candidates that cannot be retained from the sketch, and return it."""
        sketch = self._sketch.copy()
        sketch.select()
        self._sketch = sketch
        return sketch

    def _tail_sketch(self) -> BottomK:
        """Return the candidates of the incomplete block."""
        found = self._sketch.empty()
        if self._tail.size:
            block = np.concatenate((self._tail, np.zeros(BLOCK - self._tail.size)))
            start = self._position - self._tail.size
            workspace = Workspace(self._capacity()).restart(1)
            _, filled, why, _ = self._block_kernel(block, start)(0, BLOCK, found.thresholds, workspace)
            if why == BAD_SUM:
                _validate.refuse_sum()
            found.add(filled, workspace.columns(filled, 0, self._position_columns(start)))
        return found

    def _inclusion(self, rows: BottomK, order: Int64s, thresholds: Reals) -> Reals:
        """Return the inclusion probabilities 1 - exp(-w tau) of rows.

        `thresholds` holds each row's tau, infinity if all rows are in the sample.
        """
        x = rows["weights"][order]
        if self._half_life:
            logs = np.empty(order.size)
            kernels().log(x, logs)
            with np.errstate(all="ignore"):
                logs += rows["times"][order] * self._rate
                logs += thresholds
            x = np.empty(order.size)
            kernels().exp(logs, x)
        else:
            x = times_rank(x, thresholds)
        np.negative(x, out=x)
        p = np.empty(order.size)
        kernels().expm1(x, p)
        return np.negative(p, out=p)

    def _weights(self, rows: BottomK, order: Int64s) -> Reals:
        """Return the weights of rows, decayed to the latest time if there is a half-life."""
        w = rows["weights"][order]
        if self._half_life and order.size:
            with np.errstate(all="ignore"):
                w *= self._decay_factors(rows["times"][order], self._latest)
        return w

    def candidates(self) -> CandidateRows:
        """Return all rows seen so far that are in the sample or can still come into it.

        Keep the payloads of these rows to have those of every later sample. Without ids, these are more rows
        than those of :meth:`sample`: all rows of the last block of 64, while it is not complete, and the rows
        that would take their places. With ids, with classes or with a half-life, a row that has left the
        sample does not come back.

        Returns
        -------
        CandidateRows
            At most 64 rows more than the sample has, or with classes, one row more of each class.

        Examples
        --------
        Follow a stream, and keep the texts of the sampled rows:

        >>> import numpy as np, equipoise
        >>> reservoir, texts, start = equipoise.Reservoir(10, seed=1), {}, 0
        >>> for chunk in np.array_split(np.random.default_rng(0).pareto(1.5, 10_000), 300):
        ...     reservoir.update(chunk)
        ...     texts |= {start + i: f"row {start + i}" for i in range(chunk.size)}
        ...     texts = {i: texts[i] for i in reservoir.candidates().ids.tolist()}
        ...     start += chunk.size
        >>> sample = [texts[i] for i in reservoir.sample().ids.tolist()]
        """
        with self._lock:
            rows = self._selected()
            waiting = np.flatnonzero(self._tail > 0.0) + (self._position - self._tail.size)
            ids = np.concatenate((rows["ids"], waiting))
            if self._keyed != "positions":
                return CandidateRows(np.unique(ids))
            streams = np.concatenate((rows["streams"], np.full(waiting.size, self._stream, np.uint64)))
        order = np.lexsort((ids, streams))
        ids, streams = ids[order], streams[order]
        first = np.ones(ids.size, np.bool_)
        first[1:] = (ids[1:] != ids[:-1]) | (streams[1:] != streams[:-1])
        return CandidateRows(ids[first], streams[first])

    # ---- merging

    def _absorb(self, other: Self, numbers: Int64s | None = None, **more: Any) -> None:
        """Merge another reservoir, already checked. `numbers` maps its class numbers to this reservoir's."""
        their_sketch = other._selected()
        latest = max(self._latest, other._latest)
        total, lost = self._total_at(latest)
        theirs, their_lost = other._total_at(latest)
        total, lost = compensated_sum(total, lost + their_lost + sum_of(other._tail), theirs)
        _validate.check_total(total + lost + sum_of(self._tail))
        merged = dict(self._merged)
        if other._keyed == "positions":
            merged |= other._merged
            if other._position:
                merged[other._stream] = other._position
        sketch = self._wide_sketch().joined([their_sketch, other._tail_sketch()], numbers)
        sketch.distinct = self._distinct(self._keyed or other._keyed)
        sketch.select_if_many()
        vars(self).update(
            _sketch=sketch, _total=total, _lost=lost, _latest=latest, _keyed=self._keyed or other._keyed,
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

    def _to_bytes(self, header: dict[str, Any], more: dict[str, NDArray[Any]], written: Int64s) -> bytes:
        """Return the reservoir as bytes. `written` lists the classes to be written, by number, in order."""
        sketch = self._selected()
        place = np.zeros(sketch.num_classes, np.int64)
        place[written] = np.arange(written.size)
        order = sketch.order(place)
        header |= {
            "settings": self._settings,
            "stream": self._stream,
            "keyed": self._keyed,
            "position": self._position,
            "merged": sorted(self._merged.items()),
            "n_seen": self._n_seen,
            "total": [self._total.hex(), self._lost.hex()],
            "latest": self._latest.hex(),
        }
        columns = {name: sketch[name][order] for name in sketch.columns}
        if "classes" in columns:
            columns["classes"] = place[columns["classes"]]
        columns |= {"thresholds": sketch.thresholds[written], "tail": self._tail, **more}
        return serialize.write(self._name, header, columns)

    def _restore(self, header: dict[str, Any], columns: dict[str, NDArray[Any]]) -> None:
        """Restore the state that :meth:`_to_bytes` wrote. Bytes may be forged, so every value is checked."""
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
        blocks = self._keyed == "positions" and not self._half_life and "classes" not in self._sketch.columns
        check(self._tail.size == (self._position % BLOCK if blocks else 0), "incomplete block")
        check(bool(((self._tail >= 0) & (self._tail < math.inf)).all()), "weights")
        check(thresholds.dtype == self._tail.dtype == np.float64, "thresholds")
        self._check_columns(columns, thresholds.size, check)
        self._sketch.distinct = self._distinct(self._keyed)
        self._sketch.add(columns["ids"].size, columns)
        self._sketch.select()
        check(np.array_equal(self._sketch.thresholds, thresholds), "thresholds")

    def _check_columns(
        self, columns: dict[str, NDArray[Any]], num_classes: int, check: Callable[[bool, str], None]
    ) -> None:
        dtypes = {name: column.dtype for name, column in self._sketch.columns.items()}
        check({name: column.dtype for name, column in columns.items()} == dtypes, "columns")
        size = columns["ids"].size
        check(all(column.size == size for column in columns.values()), "lengths of columns")
        check(not size or self._keyed is not None, "keys")
        ranks, weights = columns["ranks"], columns["weights"]
        in_range = ranks < math.inf if self._half_life else is_rank(ranks)
        check(bool(in_range.all() and (weights > 0).all() and (weights < math.inf).all()), "rows")
        if "classes" in columns and size:
            numbers = columns["classes"]
            check(numbers.min() >= 0 and numbers.max() < num_classes, "classes")
        if self._half_life and size:
            good = _validate.are_exponents(columns["times"], self._rate)
            check(good and abs(self._latest) < math.inf, "times")
        known = self._merged | ({self._stream: self._position} if self._position else {})
        check(len(known) == len(self._merged) + (self._position > 0), "streams")
        check(sum(known.values()) <= self._n_seen, "rows")
        if self._keyed == "positions" and size:
            streams, at = np.unique(columns["streams"], return_inverse=True)
            check(all(stream in known for stream in streams.tolist()), "streams")
            rows = np.array([known[stream] for stream in streams.tolist()], np.uint64)[at]
            check(bool((columns["ids"].astype(np.uint64) < rows).all()), "positions")
