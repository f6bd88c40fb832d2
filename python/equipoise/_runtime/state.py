"""The state of samplers: counters, epochs, checkpoints, fingerprints, pickles and copies."""

from __future__ import annotations

import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.locks import add_lock
from equipoise._runtime.versions import STREAM_VERSION

__all__ = ["Sampler"]


class Sampler(ABC):
    """The base class of samplers that draw from a counted stream.

    A sampler has a configuration, which never changes, a seed, an epoch, and counters of its draws in this
    epoch. A subclass sets the class variables below, sets ``_seed`` and its configuration in ``__init__``,
    calls ``set_epoch(0)`` at the end, and implements `_configuration` and `_derive_keys`.
    """

    _kind: ClassVar[str]  # the sampler's name in state dicts
    _counters: ClassVar[tuple[str, ...]]  # keys in state dicts; attributes have a leading underscore
    _derived: ClassVar[tuple[str, ...]] = ()  # attributes made by `_derive_keys` and left out of pickles
    _made_from: ClassVar[str]  # names the arguments that samplers with a common state share, for errors

    _lock: ClassVar[threading.Lock]  # one lock for the counters of all samplers
    _seed: int
    _epoch: int
    _digest: str | None = None

    @abstractmethod
    def _configuration(self) -> Iterable[bytes | NDArray[Any]]:
        """Yield the bytes and arrays that the fingerprint covers. Arrays are hashed as little-endian."""

    @abstractmethod
    def _derive_keys(self, epoch: int) -> dict[str, Any]:
        """Return the attributes named in ``_derived``, which depend on the seed and the epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch.

        Each epoch has its own random words, for both keyed and counted rows. Only this sampler changes its
        epoch; copies in other processes, such as persistent DataLoader workers, do not. If those copies draw,
        include the epoch in the row keys instead.

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
        >>> import equipoise
        >>> sampler = equipoise.NegativeSampler(1000)
        >>> first = sampler.sample([0], 5).ids
        >>> sampler.set_epoch(0)
        >>> bool((sampler.sample([0], 5).ids == first).all())
        True
        """
        number = _validate.as_count(epoch, "epoch", most=2**32 - 1)
        self._go_to({"epoch": number} | dict.fromkeys(self._counters, 0))

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the stream, for a checkpoint.

        It does not include draws by DataLoader workers, which advance their own copies of the sampler.

        Returns
        -------
        dict
            The kind of sampler, a version, a fingerprint of the configuration, the epoch and the counters.
            JSON can hold it.

        Examples
        --------
        >>> import equipoise
        >>> sampler = equipoise.NegativeSampler(1000, seed=5)
        >>> _ = sampler.sample([0, 1], 3)
        >>> state = sampler.state_dict()
        >>> after = sampler.sample([2], 3).ids
        >>> resumed = equipoise.NegativeSampler(1000, seed=5)
        >>> resumed.load_state_dict(state)
        >>> bool((resumed.sample([2], 3).ids == after).all())
        True
        """
        counters = {name: getattr(self, f"_{name}") for name in self._counters}
        return {**self._fixed(), "epoch": self._epoch, **counters}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to the position that :meth:`state_dict` returned.

        Parameters
        ----------
        state : mapping
            The state of a sampler of the same class, made from the same arguments.

        Raises
        ------
        TypeError, ValueError
            If `state` is not a mapping, lacks a key, or has a different version or configuration. The
            sampler's position is then unchanged.

        Examples
        --------
        See :meth:`state_dict`.
        """
        limits = {"epoch": 2**32} | dict.fromkeys(self._counters, 2**64)
        position = _validate.as_state(state, self._fixed(), limits, self._made_from)
        self._go_to(position)

    def _go_to(self, position: Mapping[str, int]) -> None:
        """Set the epoch, the counters and what follows from them in one step.

        An interrupt comes before this step or after it, so that no epoch has the keys of another.
        """
        derived = self._derive_keys(position["epoch"])
        counters = {f"_{name}": position[name] for name in self._counters}
        vars(self).update({"_epoch": position["epoch"], **counters, **derived})

    def _take(self, counter: str, count: int, taken: list[int]) -> int:
        """Advance the attribute `counter` by `count`, modulo 2^64, and return its previous value.

        The value is also stored in `taken`, an empty list that tells :meth:`_give_back` what was taken, since
        an interrupt may come before the caller has the return value.
        """
        with self._lock:
            state, first = vars(self), getattr(self, counter)
            # Two plain stores on one line: no interrupt comes between them.
            taken[:], state[counter] = [first], (first + count) % 2**64
        return int(first)

    def _give_back(self, counter: str, taken: list[int], count: int) -> None:
        """Undo a call of `_take`, unless another thread has advanced the counter since then."""
        with self._lock:
            if taken and getattr(self, counter) == (taken[0] + count) % 2**64:
                setattr(self, counter, taken[0])

    def _fixed(self) -> dict[str, str | int]:
        return {"sampler": self._kind, "version": STREAM_VERSION, "fingerprint": self._fingerprint()}

    def _fingerprint(self) -> str:
        if self._digest is None:
            digest = hashlib.blake2b(digest_size=16)
            for part in self._configuration():
                if isinstance(part, np.ndarray):
                    little = part.astype(part.dtype.newbyteorder("<"), copy=False)
                    digest.update(little.reshape(-1).data)
                else:
                    digest.update(part)
            self._digest = digest.hexdigest()
        return self._digest

    # The configuration never changes, so copies share it.
    def __copy__(self) -> Self:
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()

    def __getstate__(self) -> dict[str, Any]:
        # Derived attributes are left out, so that equal samplers have equal pickles.
        kept = {name: value for name, value in vars(self).items() if name not in {*self._derived, "_digest"}}
        return {"version": STREAM_VERSION, **kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        _validate.check_pickled_version(state, self._kind, STREAM_VERSION)
        for name, value in state.items():
            if name == "version":
                continue
            # Unpickled arrays have their own dtype objects, which would change the bytes of the next pickle.
            native = np.asarray(value, value.dtype.type) if isinstance(value, np.ndarray) else value
            setattr(self, name, native)
        self._digest = None
        vars(self).update(self._derive_keys(self._epoch))


add_lock(Sampler, threading.Lock)
