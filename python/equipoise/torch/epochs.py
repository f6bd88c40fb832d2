"""Epochs that all workers of a DataLoader agree on, without a message from the parent process."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import get_worker_info

from equipoise import _validate

__all__ = ["SharedEpochs"]

_CELL, _GENERATION, _PROCESSES = 0, 1, 2
_MOST = 1 << 10  # processes that have a place: the parent, and the workers
_NONE = 0  # the mark of an epoch that no pass has begun


class SharedEpochs:
    """The epoch of the last pass over a data set, in memory that the parent shares with all workers.

    A DataLoader tells its workers nothing when a pass begins, and workers that are made anew remember
    nothing. So each worker reads one shared cell when it takes its first item: the epoch of the last pass and
    a mark of that pass, which comes from the seed that the workers of a pass have in common. If the mark is
    another one, or if this worker has already begun that pass, the pass is the next epoch's, and the worker
    writes so. All workers find the same, in any order: whoever comes second either reads what the first has
    written, or writes the same. A cell is 64 bits, which are read and written at once.
    """

    def __init__(self) -> None:
        self._cells = torch.zeros(_PROCESSES + _MOST, dtype=torch.int64)
        self._cells.share_memory_()  # type: ignore[no-untyped-call]

    @property
    def epoch(self) -> int:
        """The epoch of the last pass that has begun or, after `set`, of the next."""
        return int(self._cells[_CELL]) & 0xFFFFFFFF

    def set(self, epoch: int) -> None:
        """Make the next pass one of this epoch."""
        self._cells[_CELL] = _packed(_NONE, epoch)
        self._cells[_GENERATION] += 1

    def begin(self) -> int:
        """Begin a pass in this process, and return its epoch."""
        place, mark = self._here()
        cell = int(self._cells[_CELL])
        if not self._begun(cell):
            cell = _packed(mark, _after(cell))
            self._cells[_CELL] = cell
        self._cells[place] = cell
        return cell & 0xFFFFFFFF

    def next(self) -> int:
        """Return the epoch of the pass that this process would begin now."""
        cell = int(self._cells[_CELL])
        return cell & 0xFFFFFFFF if self._begun(cell) else _after(cell)

    def is_decided(self) -> bool:
        """Return whether `set` or another worker has decided which pass this process begins next."""
        cell = int(self._cells[_CELL])
        return self._begun(cell) or (cell >> 32 == _NONE and int(self._cells[_GENERATION]) > 0)

    def resume(self, epoch: int) -> None:
        """Go on with a pass of this epoch in this process."""
        place, mark = self._here()
        self._cells[_CELL] = self._cells[place] = _packed(mark, epoch)

    def _begun(self, cell: int) -> bool:
        """Return whether other workers have begun the pass in the cell, and this one has not."""
        place, mark = self._here()
        return (cell >> 32) & 0xFFFFFFFF == mark and cell != int(self._cells[place])

    def _here(self) -> tuple[int, int]:
        """Return the place of this process, and the mark of its pass."""
        info = get_worker_info()
        worker, seed = (0, 0) if info is None else (info.id + 1, info.seed - info.id)
        _validate.check_workers(worker, _MOST - 1)
        # Every call of `set` makes new marks, since an epoch may be set again.
        mixed = (seed + int(self._cells[_GENERATION]) * 0x9E3779B97F4A7C15) % 2**64
        return _PROCESSES + worker, (mixed >> 32 ^ mixed) & 0xFFFFFFFF | 1

    def __getstate__(self) -> dict[str, Any]:
        return {"_cells": self._cells}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._cells = state["_cells"]
        # A copy is private, unlike what a loader sends to its workers.
        if not self._cells.is_shared():  # type: ignore[no-untyped-call]
            self._cells.share_memory_()  # type: ignore[no-untyped-call]


def _after(cell: int) -> int:
    """Return the epoch of the pass after that in the cell."""
    return (cell & 0xFFFFFFFF) + (cell >> 32 != _NONE) & 0xFFFFFFFF


def _packed(mark: int, epoch: int) -> int:
    """Return a mark and an epoch as one signed 64-bit integer."""
    word = mark << 32 | epoch & 0xFFFFFFFF
    return word - 2**64 if word >= 2**63 else word
