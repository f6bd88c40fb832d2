"""The file format of tables: a header of one page, then cells and units.

All numbers are little-endian, so the file can be mapped.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.mapped import FileStamp
from equipoise._runtime.versions import STREAM_VERSION

__all__ = ["ALIAS", "UNIFORM", "Stored", "read", "write"]


ALIAS, UNIFORM = 0, 1
_KINDS = {ALIAS: "AliasTable", UNIFORM: "UniformTable"}
_WORDS = {ALIAS: 2, UNIFORM: 0}  # 64-bit words per item
_MAGIC = b"equipoise alias\n"
_HEADER = struct.Struct("<16sIIQ32sQ")  # magic, version, kind, n, fingerprint, digest; zeros fill the page
_PAGE = 4096


class Stored(NamedTuple):
    """A table in a file."""

    n: int
    fingerprint: bytes
    digest: int
    words: NDArray[np.uint64]  # one row for the cells of all items and one for their units
    stamp: FileStamp  # of the file that the words were read from


def write(
    path: str, kind: int, n: int, fingerprint: bytes, digest: int, words: tuple[NDArray[np.uint64], ...]
) -> None:
    """Write the file under a temporary name, then rename it.

    An existing file stays unchanged until then.
    """
    header = _HEADER.pack(_MAGIC, STREAM_VERSION, kind, n, fingerprint, digest).ljust(_PAGE, b"\0")
    temporary = f"{path}.{os.getpid()}-{threading.get_ident()}.tmp"
    try:
        with open(temporary, "xb") as file:  # a file from tempfile could be read only by its owner
            file.write(header)
            for part in words:
                part.astype("<u8", copy=False).tofile(file)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def read(path: str, kind: int, mmap: bool) -> Stored:
    """Read a table, or map it, after checking its header."""
    with open(path, "rb") as file:
        stamp = FileStamp.of(path, os.fstat(file.fileno()))
        header = file.read(_PAGE)
        if len(header) < _PAGE or header[:16] != _MAGIC:
            _validate.refuse_file(path, f"a file that {_KINDS[kind]}.save wrote", "other content")
        _, version, found, n, fingerprint, digest = _HEADER.unpack(header[: _HEADER.size])
        if version != STREAM_VERSION:
            _validate.refuse_file(path, f"a table of version {STREAM_VERSION}", f"version {version}")
        if found != kind:
            _validate.refuse_file(
                path, f"the file of a table of kind {kind} ({_KINDS[kind]})", f"kind {found}"
            )
        whole = _PAGE + 8 * _WORDS[kind] * n
        if not 1 <= n < 2**32 or stamp.size != whole:
            _validate.refuse_file(path, f"a whole table, {whole} bytes for {n} items", f"{stamp.size}")
        shape = (_WORDS[kind], n)
        if not _WORDS[kind]:
            words = np.empty(shape, "<u8")
        elif mmap:  # mode "c" shares pages until they are written to, and nothing writes to them
            words = np.asarray(np.memmap(file, "<u8", "c", _PAGE, shape))
        else:
            words = np.fromfile(file, "<u8", shape[0] * n)
            if words.size < shape[0] * n:  # truncated since its size was read
                _validate.refuse_file(path, f"a whole table, {whole} bytes for {n} items", "fewer")
            words = words.reshape(shape)
    return Stored(n, fingerprint, digest, words.astype(np.uint64, copy=False), stamp)
