"""The file format of tables: a header of one page, then cells and units.

All numbers are little-endian, so the file can be mapped.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate

__all__ = ["ALIAS", "UNIFORM", "read", "write"]


ALIAS, UNIFORM = 0, 1
_KINDS = {ALIAS: "AliasTable", UNIFORM: "UniformTable"}
_WORDS = {ALIAS: 2, UNIFORM: 0}  # 64-bit words per item
_MAGIC = b"equipoise alias\n"
_HEADER = struct.Struct("<16sIIQ32s")  # magic, version, kind, n, fingerprint; zeros fill the page
_PAGE = 4096


def write(path: str, kind: int, n: int, fingerprint: bytes, words: tuple[NDArray[np.uint64], ...]) -> None:
    """Write the file under a temporary name, then rename it.

    An existing file stays unchanged until then.
    """
    header = _HEADER.pack(_MAGIC, 1, kind, n, fingerprint).ljust(_PAGE, b"\0")
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


def read(path: str, kind: int, mmap: bool) -> tuple[int, bytes, NDArray[np.uint64]]:
    """Return n, the fingerprint, and the words of all items as one row for cells and one for units."""
    with open(path, "rb") as file:
        header = file.read(_PAGE)
        size = os.fstat(file.fileno()).st_size
    if len(header) < _PAGE or header[:16] != _MAGIC:
        _validate.refuse_file(path, f"a file that {_KINDS[kind]}.save wrote", "other content")
    _, version, found, n, fingerprint = _HEADER.unpack(header[: _HEADER.size])
    if version != 1:
        _validate.refuse_file(path, "a table of version 1", f"version {version}")
    if found != kind:
        _validate.refuse_file(path, f"the file of a table of kind {kind} ({_KINDS[kind]})", f"kind {found}")
    whole = _PAGE + 8 * _WORDS[kind] * n
    if not 1 <= n < 2**32 or size != whole:
        _validate.refuse_file(path, f"a whole table, {whole} bytes for {n} items", f"{size}")
    shape = (_WORDS[kind], n)
    if not _WORDS[kind]:
        words = np.empty(shape, "<u8")
    elif mmap:  # mode "c" shares pages until they are written to, and nothing writes to them
        words = np.asarray(np.memmap(path, "<u8", "c", _PAGE, shape))
    else:
        words = np.fromfile(path, "<u8", shape[0] * n, offset=_PAGE).reshape(shape)
    return n, fingerprint, words.astype(np.uint64, copy=False)
