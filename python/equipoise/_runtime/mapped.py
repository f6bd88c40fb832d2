"""Notice that a mapped file was changed: reading it could then crash the process, or give other data."""

from __future__ import annotations

import os
from typing import NamedTuple, Self

from equipoise import _validate

__all__ = ["FileStamp"]


class FileStamp(NamedTuple):
    """The size, time and inode of a file, which tell whether it was changed or replaced."""

    path: str
    size: int
    time: int  # of the last modification, in nanoseconds
    inode: int

    @classmethod
    def of(cls, path: str, status: os.stat_result) -> Self:
        """Return the stamp of a file from its status."""
        return cls(path, status.st_size, status.st_mtime_ns, status.st_ino)

    def check(self) -> None:
        """Check that the file at the path still has this stamp.

        Without a file, the mapped pages cannot change, and they stay available.
        """
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return
        found = (status.st_size, status.st_mtime_ns, status.st_ino)
        if found != self[1:]:
            _validate.refuse_changed_map(self.path)
