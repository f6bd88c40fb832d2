"""A call's pass over its rows. Kernels read them piece by piece, on threads, and report candidates."""

from __future__ import annotations

import math
import threading
from _thread import get_ident
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.backend import kernels
from equipoise._runtime.chunks import for_chunks
from equipoise.reservoirs.bottom_k import BottomK
from equipoise.reservoirs.labels import CallClasses
from equipoise.reservoirs.threshold import likely_threshold

__all__ = [
    "BAD_SUM",
    "BLOCK",
    "Candidates",
    "Gather",
    "Kernel",
    "Reading",
    "Stream",
    "Workspace",
    "block_kernel",
    "row_kernel",
]


BLOCK = 64  # rows in a block
BAD_WEIGHT, BAD_SUM, NEW_CLASS = 2, 3, 4  # the reasons for which a kernel returns early
_RUN_ROWS = 1 << 13  # rows whose blocks share a run of random words
_PIECE = 1 << 20  # rows between two checks for Ctrl-C, which take a few milliseconds to read
_LEAST_PART = 1 << 16  # fewer rows are not worth a thread
_Integers = NDArray[np.int64]
_Reals = NDArray[np.float64]

# kernel(begin, end, thresholds, workspace) -> (rows read or bad row, candidates, reason for return, total)
Kernel = Callable[[int, int, _Reals, "Workspace"], tuple[int, int, int, float]]
# gather(rows) -> those columns of the candidates that kernels do not report
Gather = Callable[[_Integers], dict[str, Any]]


class Candidates(NamedTuple):
    """Buffers for the candidates that a kernel reports.

    The kernel for blocks reports no ids, and class numbers are reported only of rows that have classes.
    """

    rows: _Integers
    ids: _Integers
    ranks: _Reals
    weights: _Reals
    classes: _Integers


class Stream(NamedTuple):
    """A stream of rows that are scanned one by one, beginning at position ``start``.

    Rows are keyed by position if ``ids`` is empty. ``times * rate`` are added to the logarithms of the
    weights. ``times`` are empty if weights do not decay.
    """

    key: np.uint64
    start: int
    ids: _Integers
    times: _Reals
    rate: float


class Workspace:
    """One thread's memory: buffers for a kernel's candidates, and counts of rows by class."""

    def __init__(self, capacity: int) -> None:
        rows, ids, classes = np.empty((3, capacity), np.int64)
        ranks, weights = np.empty((2, capacity))
        self.candidates = Candidates(rows, ids, ranks, weights, classes)

    def restart(self, num_classes: int) -> Workspace:
        """Reset the counts for a new call, and return the workspace."""
        self.counts = np.zeros(num_classes, np.int64)
        self.first, self.total = -1, 0.0  # first row (or -1) and total weight of the piece being read
        return self

    def columns(self, filled: int, begin: int, gather: Gather) -> dict[str, Any]:
        """Return the columns of the candidates. The kernel counted their rows from `begin`."""
        found = self.candidates
        rows = found.rows[:filled]
        rows += begin
        columns = {
            "ids": found.ids[:filled],
            "ranks": found.ranks[:filled],
            "weights": found.weights[:filled],
            "classes": found.classes[:filled],
        }
        return columns | gather(rows)


def block_kernel(key: np.uint64, first: int, weights: NDArray[Any], max_points: int) -> Kernel:
    """Return the kernel for whole blocks, beginning at block number `first`."""
    scan = kernels().reservoir_blocks

    def kernel(begin: int, end: int, thresholds: _Reals, workspace: Workspace) -> tuple[int, int, int, float]:
        return scan(  # type: ignore[no-any-return]
            key, first + begin // BLOCK, weights[begin:end], thresholds[0], max_points, workspace.total,
            workspace.candidates,
        )  # fmt: skip

    return kernel


def row_kernel(stream: Stream, weights: NDArray[Any], classes: CallClasses, max_points: int) -> Kernel:
    """Return the kernel that reads rows one by one. An empty array stands for a missing column."""
    scan, (key, start, ids, times, rate) = kernels().reservoir_rows, stream
    labels, slots, _, numbers = classes

    def kernel(begin: int, end: int, thresholds: _Reals, workspace: Workspace) -> tuple[int, int, int, float]:
        piece = Stream(key, start + begin, ids[begin:end], times[begin:end], rate)
        done, filled, why, total = scan(
            piece, weights[begin:end], labels[begin:end], slots,
            thresholds if numbers is None else thresholds[numbers], workspace.counts, max_points,
            workspace.total, workspace.candidates,
        )  # fmt: skip
        if numbers is not None:
            found = workspace.candidates.classes[:filled]
            found[:] = numbers[found]
        return done, filled, why, total

    return kernel


class Reading:
    """The state of a call that is reading rows.

    Threads take turns to append candidates after the retained rows, so each of them knows the common
    threshold. The candidates become visible only when the call commits, so an interrupt changes nothing.
    """

    def __init__(
        self, sketch: BottomK, num_classes: int, threads: int, capacity: int, spare: list[Workspace]
    ) -> None:
        """Begin with a sketch, which may share its rows with another that does not append any.

        `num_classes` is the number of classes that the call's kernel counts. `capacity` is the number of
        candidates that a thread's workspace holds. `spare` contains the workspaces of earlier calls, which
        are at least as large.
        """
        self.found, self.threads, self._num_classes = sketch, threads, num_classes
        self.totals: list[tuple[int, float]] = []  # (first row, total weight) of each piece
        self._capacity, self._spare = capacity, spare
        self._own: dict[int, Workspace] = {}  # by thread identifier
        self._appending = threading.Lock()

    @property
    def workspaces(self) -> list[Workspace]:
        """The workspaces of all threads."""
        return list(self._own.values())

    def guess(self, weights: NDArray[Any], *, replacement: bool) -> bool:
        """Lower the threshold to the value that it is likely to have after these rows.

        Return whether a lower threshold was found.
        """
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
        found.lower(lower)
        return True

    def guessed_well(self) -> bool:
        """Return whether enough ranks are within the guessed threshold. If not, rows were missed."""
        if self.found.distinct:  # equal rows count once
            self.found.select()
        return bool(np.count_nonzero(self.found["ranks"] <= self.found.thresholds[0]) >= self.found.quotas[0])

    def scan(
        self,
        count: int,
        kernel: Kernel,
        gather: Gather,
        check: Callable[[], None],
        weigh: Callable[[int, int], float] | None = None,
    ) -> bool:
        """Collect the candidates among `count` rows. Return False if a class is unknown.

        `check` raises the error for the first bad weight of the call, if there is one. `weigh` returns the
        total weight of a piece if it differs from the kernel's sum.
        """
        unknown, part = False, count
        if self.threads > 1:
            share = -(-count // (self.threads * _RUN_ROWS)) * _RUN_ROWS
            part = min(max(share, _LEAST_PART), _PIECE)

        def work(begin: int, end: int) -> int:
            nonlocal unknown
            if unknown:
                return end
            workspace = self._own.get(get_ident()) or self._new_workspace()
            stop = min(end, (begin // _PIECE + 1) * _PIECE)
            if workspace.first < 0:
                workspace.first, workspace.total = begin, 0.0
            at, filled, why, workspace.total = kernel(begin, stop, self.found.thresholds, workspace)
            if why == NEW_CLASS:
                unknown = True
                return end
            if why in (BAD_WEIGHT, BAD_SUM):
                check()
                _validate.refuse_sum()
            if filled:
                columns = workspace.columns(filled, begin, gather)
                with self._appending:
                    self.found.add(filled, columns)
            if begin + at == stop:
                self.totals.append(
                    (workspace.first, weigh(workspace.first, stop) if weigh else workspace.total)
                )
                workspace.first = -1
            return begin + at

        if count:
            for_chunks(count, part, self.threads, work)
        return not unknown

    def _new_workspace(self) -> Workspace:
        """Return a workspace for the calling thread."""
        try:
            workspace = self._spare.pop()
        except IndexError:  # none was left, or another thread took the last one
            workspace = Workspace(self._capacity)
        self._own[get_ident()] = workspace.restart(self._num_classes)
        return workspace
