"""Passes over an order: epochs, positions and states of samplers that data loaders iterate."""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, Self

import torch

from equipoise import _validate
from equipoise._runtime.state import Sampler

__all__ = ["Passes"]

_FIRST = 1 << 10  # items of the first reading: few, so that a pass begins at once


class _Pass:
    """A pass that has begun, and the position that it has reached."""

    def __init__(self, start: int, step: int, *, repeats: bool) -> None:
        self.start = start
        self.repeats = repeats  # another iterator begins this epoch again if it comes before the pass ends
        self._step = step
        self._reading: tuple[int, Iterator[Any]] = start, iter(())
        self._set: tuple[int, int] | None = None

    def read(self, items: list[Any], end: int) -> Iterator[Any]:
        """Return an iterator of items, which are followed by the position `end`."""
        self._reading = end, iter(items)
        return self._reading[1]

    @property
    def reached(self) -> int:
        """The position behind the last item that was taken."""
        end, items = self._reading
        return end - self._step * operator.length_hint(items)

    @property
    def position(self) -> int:
        """The position that was reached or, until the pass goes on, the one that was set."""
        read = self.reached
        return self._set[1] if self._set is not None and self._set[0] == read else read

    @position.setter
    def position(self, position: int) -> None:
        self._set = (self.reached, position)


class Passes(Sampler):
    """The base class of samplers that data loaders iterate, one pass for each epoch.

    The order of an epoch is a sequence of items at the positions 0 .. `_total` - 1, the same on all ranks. It
    is a function of the configuration, the epoch and the position. With R = `_replicas`, rank r reads the
    positions s + r, s + r + R, .. of a pass that starts at s, and all ranks read equally many: the last ones
    may lie behind the epoch's end, unless `_drop_uneven` is true. A subclass sets these attributes and calls
    ``_go_to({"epoch": 0, "position": 0})`` at the end of its ``__init__``, and implements `_read`.

    A pass begins when its first item is taken, since data loaders make iterators that they never use. It is
    that of the next epoch, unless `set_epoch` or `load_state_dict` came before it.
    """

    _counters = ("position",)
    _total: int
    _most_read: int  # items that are read at a time
    _replicas: int = 1
    _rank: int = 0
    _drop_uneven: bool = False
    _position: int = 0  # where the next pass starts, while none of this epoch has begun
    _pass: _Pass | None = None  # the last pass that has begun
    _told: bool = False  # whether anybody has ever called set_epoch
    _again: int | None = None  # where the last pass stood when set_epoch named its epoch
    _cell: torch.Tensor | None = None
    # After a state was loaded, and until a pass begins:
    _resumes: bool = False
    _confirmed: bool = False  # whether set_epoch named the epoch of the state
    _untouched: bool = False  # whether no iterator has been made

    @abstractmethod
    def _read(self, epoch: int, start: int, step: int, count: int) -> list[Any]:
        """Return the items at `count` positions of an epoch: start, start + step, .."""

    @property
    def epoch(self) -> int:
        """The epoch of the last pass that has begun or, after `set_epoch` or `load_state_dict`, the next."""
        return self._epoch

    @property
    def position(self) -> int:
        """The number of positions of this epoch that were read, by all ranks together.

        A DataLoader with workers reads ahead. Set it to what was trained on before you call
        :meth:`state_dict`. If no pass of this epoch has begun, the next one starts here. At the end of a
        pass, it also counts what was left out because it could not be divided evenly.
        """
        if self._pass is None:
            return self._position
        read = self._pass.position
        return read if self._share(read) > 0 else self._total

    @position.setter
    def position(self, position: int) -> None:
        """Say what has been trained on or, before a pass, where it starts."""
        # All ranks train on equally many, which together may be more than there are.
        number = _validate.as_count(position, "position", most=self._total + self._replicas - 1)
        number = min(number, self._total)
        if self._pass is None:
            self._position = number
        else:
            self._pass.position = number

    def set_epoch(self, epoch: int) -> None:
        """Make the next pass one of this epoch.

        It starts at the epoch's beginning or, if a state of this epoch was loaded and no pass has begun since
        then, where the state says. Without this call, each pass is the next epoch's. If a pass of this epoch
        is running and goes on, the call changes nothing.

        Parameters
        ----------
        epoch : int
            In [0, 2^32).

        Raises
        ------
        TypeError, ValueError
            If `epoch` is not an integer or is out of range.

        Examples
        --------
        >>> from equipoise.torch import WeightedSampler
        >>> sampler = WeightedSampler([1.0, 3.0], 4)
        >>> first, second = list(sampler), list(sampler)
        >>> sampler.set_epoch(0)
        >>> list(sampler) == first
        True
        """
        number = _validate.as_count(epoch, "epoch", most=2**32 - 1)
        if number != self._epoch:
            self._go_to({"epoch": number, "position": 0}, _told=True)
        elif self._pass is None:
            vars(self).update(_confirmed=self._resumes, _told=True)
        else:  # Lightning names the epoch of a pass whose first items its workers have already taken
            vars(self).update(_again=self._pass.reached, _told=True)

    def state_dict(self) -> dict[str, Any]:
        """Return the epoch and the position, for a checkpoint.

        Returns
        -------
        dict
            The kind of sampler, a version, a fingerprint of the configuration, the epoch, the position in
            the order that all ranks share, and whether `set_epoch` was ever called. JSON can hold it. It does
            not depend on the number of ranks, so a run can be resumed on more or fewer.

        Examples
        --------
        >>> from equipoise.torch import WeightedSampler
        >>> sampler = WeightedSampler([1.0, 3.0], 100, seed=2)
        >>> rows = iter(sampler)
        >>> for _ in range(40):
        ...     last = next(rows)
        >>> state = sampler.state_dict()
        >>> state["epoch"], state["position"]
        (0, 40)
        >>> resumed = WeightedSampler([1.0, 3.0], 100, seed=2)
        >>> resumed.load_state_dict(state)
        >>> list(resumed) == list(rows)
        True
        """
        return {
            **self._fixed(),
            "epoch": self._epoch,
            "position": self.position,
            "set_epoch_called": int(self._told),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Make the next pass go on where :meth:`state_dict` was called.

        The state of an epoch's end goes on with the next epoch. If `set_epoch` was ever called before the
        state was saved, the first pass after loading is empty, so that the trainer's loop counts the epoch
        that ended.

        Parameters
        ----------
        state : mapping
            The state of a sampler of the same kind, made from the same arguments. The ranks may differ.

        Raises
        ------
        TypeError, ValueError
            If `state` is not a mapping, lacks a key, or has a different version or configuration. The
            position is then unchanged.

        Examples
        --------
        See :meth:`state_dict`.
        """
        limits = {"epoch": 2**32, "position": self._total + 1, "set_epoch_called": 2}
        values = _validate.as_state(state, self._fixed(), limits, self._made_from)
        told = bool(values["set_epoch_called"])
        self._go_to(values, _resumes=True, _untouched=True, _told=told)

    def epoch_cell(self) -> torch.Tensor:
        """Return a tensor in shared memory that holds the epoch of the last pass that has begun (internal).

        It reaches the workers of a DataLoader, where collate functions read it.
        """
        if self._cell is None:
            self._cell = torch.tensor([self._epoch], device="cpu")
            self._cell.share_memory_()  # type: ignore[no-untyped-call]
        return self._cell

    def _go_to(self, position: Mapping[str, int], **others: Any) -> None:
        """Set the epoch, the position and other attributes in one step, which no interrupt divides."""
        place = {"_epoch": position["epoch"], "_position": position["position"], "_pass": None}
        resumes = dict.fromkeys(("_resumes", "_confirmed", "_untouched"), False)
        vars(self).update(
            {**place, **resumes, **self._derive_keys(position["epoch"]), "_again": None, **others}
        )

    def _derive_keys(self, epoch: int) -> dict[str, Any]:
        return {}

    def _share(self, start: int) -> int:
        """Return how many positions each rank reads in a pass that starts at `start`."""
        left = self._total - start
        return left // self._replicas if self._drop_uneven else -(-left // self._replicas)

    def _next(self, first: bool) -> tuple[int, int, bool]:
        """Return the epoch and the start of the next pass, and whether its epoch may begin once more.

        `first` tells whether its iterator is the first one that was made since a state was loaded. If that
        was the state of an epoch's end, the trainer decides what this iterator is for. If it calls
        `set_epoch`, it counts the epoch that ended, so the iterator is empty, and starts at the end. If it
        does not, the iterator may be the only one that it makes, or may only be asked whether the epoch has
        ended.
        """
        if (last := self._pass) is not None:
            if last.reached == self._again:  # the pass was not gone on with, so its epoch is to begin anew
                return self._epoch, 0, False
            interrupted = last.reached == last.start and self._share(last.start) > 0
            if interrupted:  # before its first item, so it has not begun
                return self._epoch, last.start, last.repeats
            again = last.repeats and self._share(self.position) > 0
            return (self._epoch + (not again)) % 2**32, 0, False
        if self._resumes and self._share(self._position) == 0:
            ends = self._told and (first or self._confirmed)
            return (self._epoch + 1) % 2**32, self._total if ends else 0, first and not self._told
        return self._epoch, self._position, False

    def __iter__(self) -> Iterator[Any]:
        first, self._untouched = self._untouched, False
        return self._items(first)

    def _items(self, first: bool) -> Iterator[Any]:
        epoch, start, repeats = self._next(first)
        left, size = self._share(start), min(_FIRST, self._most_read)
        if not left and self._resumes:
            self._go_to({"epoch": epoch, "position": 0})
            return
        begun, end, step = _Pass(start, self._replicas, repeats=repeats), start, self._replicas
        entered = False
        while True:
            count = min(left, size)
            items = self._read(epoch, end + self._rank, step, count) if count else []
            end, left, size = end + count * step, left - count, min(2 * size, self._most_read)
            reading = begun.read(items, end)
            if not entered:
                if self._cell is not None:
                    self._cell[0] = epoch
                self._go_to({"epoch": epoch, "position": start}, _pass=begun)
                entered = True
            yield from reading
            if not left:
                return

    def __copy__(self) -> Self:
        other = super().__copy__()
        for name in ("_pass", "_cell"):  # its passes are not those of this sampler
            vars(other).pop(name, None)
        vars(other).update(self._place())
        return other

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.pop("_pass", None)
        return {**state, **self._place()}

    def _place(self) -> dict[str, Any]:
        """Return the attributes of a copy, whose first pass goes on where this sampler stands."""
        if self._pass is None:
            return {}
        return {"_position": self.position, "_resumes": True, "_untouched": True}
