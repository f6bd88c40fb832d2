"""A file that is read by pyarrow's threads, followed by more bytes."""

from __future__ import annotations

import time
import weakref
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Followed"]


T = TypeVar("T")
_PATIENCE = 5.0  # seconds


class Followed:
    """The bytes of a file, followed by other bytes.

    pyarrow reads :meth:`handle` in its own threads. They may drop their last reference to an object of Python
    after the last batch has come, and if Python ends at that moment, the process aborts. So each such object
    is lent, and :meth:`close` waits until all are released.
    """

    def __init__(self, path: str, end: bytes) -> None:
        self._file, self._end = open(path, "rb"), end  # noqa: SIM115 - close() closes it
        self._held = b""
        self._lent: list[weakref.ref[Any]] = []

    def handle(self) -> Handle:
        """Return an object for pyarrow alone."""
        return self.lend(Handle(self))

    def lend(self, thing: T) -> T:
        """Return the object, to which the caller keeps no reference."""
        self._lent = [ref for ref in self._lent if ref() is not None]
        self._lent.append(weakref.ref(thing))
        return thing

    def read(self, size: int) -> bytes:
        r"""Return the next bytes, at most ``size``, or none at the end.

        No block ends with a carriage return: if the next one began with a line feed, pyarrow would drop that,
        even inside quotes.
        """
        if self._file.closed:
            return b""
        part = self._held + self._file.read(size - len(self._held))
        missing = size - len(part)
        if missing:
            part, self._end = part + self._end[:missing], self._end[missing:]
        kept = len(part.rstrip(b"\r")) or len(part)
        part, self._held = part[:kept], part[kept:]
        return part

    def close(self) -> None:
        """Close the file, after which nothing more is read, and wait for pyarrow's threads."""
        self._file.close()
        deadline = time.monotonic() + _PATIENCE
        while any(ref() is not None for ref in self._lent) and time.monotonic() < deadline:
            time.sleep(0.0005)


class Handle:
    """A file object for pyarrow."""

    closed = False

    def __init__(self, file: Followed) -> None:
        self._file = file

    def read(self, size: int) -> NDArray[np.uint8]:
        """Return the next bytes as an array, since there are no weak references to bytes."""
        return self._file.lend(np.frombuffer(self._file.read(size), np.uint8))

    def close(self) -> None:
        """Do nothing, since the file is closed by its owner."""
