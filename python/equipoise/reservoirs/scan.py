"""The rows of one call: a kernel looks at them piece by piece, on threads, and all candidates meet here."""

from __future__ import annotations

import math
import threading
from _thread import get_ident
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.chunks import for_chunks
from equipoise.reservoirs.bottom_k import Smallest
from equipoise.reservoirs.buffers import Block, Holder, take
from equipoise.reservoirs.threshold import likely_threshold

__all__ = ["BAD_SUM", "Gather", "Reading", "Scan", "Workspace"]


BAD_WEIGHT, BAD_SUM, NEW_CLASS = 2, 3, 4  # why a kernel came back
_LINE = 1 << 13  # rows whose blocks share a run
_PIECE = 1 << 20  # rows between two looks at Ctrl-C, some milliseconds
_LEAST = 1 << 16  # rows for which a thread is worth while
_Integers = NDArray[np.int64]
Scan = Callable[[int, int, NDArray[np.float64], "Workspace"], tuple[int, int, int, float]]
Gather = Callable[[NDArray[np.int64]], dict[str, Any]]


class Workspace(Holder):
    """One thread's: room for a kernel's candidates, rows by class."""

    def __init__(self, room: int) -> None:
        self._block = take(4 * room)
        self.rows, self.ids, self.ranks, self.weights = self._columns(room)

    def _columns(self, room: int) -> tuple[_Integers, _Integers, Block, Block]:
        rows, ids, ranks, weights = self._block[: 4 * room].reshape(4, room)
        return rows.view(np.int64), ids.view(np.int64), ranks, weights

    def restart(self, found: Smallest) -> Workspace:
        self.counts = np.zeros(found.quotas.size, np.int64)
        self.first, self.total = -1, 0.0  # of a piece that is not done yet
        return self

    def columns(self, filled: int, begin: int, gather: Gather) -> dict[str, Any]:
        """What is known of candidates, whose rows are counted from `begin`."""
        rows = self.rows[:filled]
        rows += begin
        columns = {"ids": self.ids[:filled], "ranks": self.ranks[:filled], "weights": self.weights[:filled]}
        return columns | gather(rows)


class Reading:
    """What a call has read so far. All threads put what they find behind what is kept, one after another.

    So each of them knows the threshold of all, and an interrupt leaves what was found unseen.
    """

    def __init__(self, kept: Smallest, threads: int, room: int, spare: list[Workspace]) -> None:
        """room : for a thread's candidates; spare : workspaces of calls before, at least as large."""
        self.found, self.threads = kept.copy(), threads
        self.totals: list[tuple[int, float]] = []  # of pieces: they depend on nothing that was found
        self._room, self._spare = room, spare
        self._own: dict[int, Workspace] = {}  # by thread
        self._adding = threading.Lock()

    @property
    def workspaces(self) -> list[Workspace]:
        return list(self._own.values())

    def guess(self, weights: NDArray[Any], *, replacement: bool) -> bool:
        """The threshold after these rows, before they are read."""
        found, known, present = self.found, 0, float(self.found.thresholds[0])
        if found.size:
            if present == math.inf:
                return False
            known = int(np.count_nonzero(found["ranks"] <= present))
        lower = likely_threshold(
            weights, int(found.quotas[0]), replacement=replacement, known=known, threshold=present
        )
        if lower == math.inf:
            return False
        found.thresholds[0] = lower
        return True

    def guessed_well(self) -> bool:
        """Else rows were missed."""
        if self.found.distinct:  # of equal rows one counts
            self.found.select()
        return bool(np.count_nonzero(self.found["ranks"] <= self.found.thresholds[0]) >= self.found.quotas[0])

    def scan(
        self,
        count: int,
        scan: Scan,
        gather: Gather,
        check: Callable[[], None],
        weigh: Callable[[int, int], float] | None = None,
    ) -> bool:
        """Candidates among `count` rows; `check` refuses the first bad weight of all, if there is one.

        False: a class is unknown.
        """
        unknown, part = False, count
        if self.threads > 1:
            share = -(-count // (self.threads * _LINE)) * _LINE
            part = min(max(share, _LEAST), _PIECE)

        def work(begin: int, end: int) -> int:
            nonlocal unknown
            if unknown:
                return end
            mine = self._own.get(get_ident()) or self._new_workspace()
            stop = min(end, (begin // _PIECE + 1) * _PIECE)
            if mine.first < 0:
                mine.first, mine.total = begin, 0.0
            at, filled, why, mine.total = scan(begin, stop, self.found.thresholds, mine)
            if why == NEW_CLASS:
                unknown = True
                return end
            if why in (BAD_WEIGHT, BAD_SUM):
                check()
                _validate.refuse_sum()
            if filled:
                columns = mine.columns(filled, begin, gather)
                with self._adding:
                    self.found.add(filled, columns)
            if begin + at == stop:
                self.totals.append((mine.first, weigh(mine.first, stop) if weigh else mine.total))
                mine.first = -1
            return begin + at

        if count:
            for_chunks(count, part, self.threads, work)
        return not unknown

    def _new_workspace(self) -> Workspace:
        """The calling thread's."""
        try:
            mine = self._spare.pop()
        except IndexError:  # or another thread was faster
            mine = Workspace(self._room)
        self._own[get_ident()] = mine.restart(self.found)
        return mine
