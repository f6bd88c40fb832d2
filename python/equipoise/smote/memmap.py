"""Describe a read-only memory map by its file, so that another process can map the same bytes again."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.mapped import FileStamp

__all__ = ["MappedFile", "locate", "remap", "stamp_of"]


@dataclass(frozen=True)
class MappedFile:
    """A part of a file that holds an array."""

    path: str
    offset: int  # in bytes
    dtype: str
    shape: tuple[int, ...]


def _address(array: NDArray[Any]) -> int:
    """Return the address of an array's first byte."""
    return int(array.__array_interface__["data"][0])


def locate(given: Any, held: NDArray[Any]) -> MappedFile | None:
    """Return the file behind ``held`` if it is the memory of ``given``, a read-only np.memmap, else None.

    ``given`` may be a part of a map, for which NumPy keeps the offset of the whole map.
    """
    if type(given) is not np.memmap or given.mode != "r" or given.flags.writeable or not given.size:
        return None
    if given.filename is None or _address(given) != _address(held):
        return None
    map_offset = given.offset - given.offset % mmap.ALLOCATIONGRANULARITY
    inside = _address(held) - _address(np.frombuffer(given._mmap, np.uint8))  # type: ignore[attr-defined]
    return MappedFile(os.path.abspath(given.filename), map_offset + inside, held.dtype.str, held.shape)


def remap(file: MappedFile) -> NDArray[Any]:
    """Map the part of the file again, read-only. The caller checks that its bytes are the same."""
    dtype = np.dtype(file.dtype)
    wanted = file.offset + dtype.itemsize * int(np.prod(file.shape, dtype=np.int64))
    _validate.check_file_size(file.path, wanted, os.stat(file.path).st_size)
    mapped: Any = np.memmap(file.path, dtype, "r", file.offset, file.shape)
    return np.asarray(mapped)


def stamp_of(file: MappedFile | None) -> FileStamp | None:
    """Return the stamp of a file, or None if there is none, or none any more."""
    if file is None:
        return None
    try:
        return FileStamp.of(file.path, os.stat(file.path))
    except FileNotFoundError:
        return None
