"""The byte format of reservoirs: a JSON header, then little-endian columns, then a checksum of both."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from equipoise import _validate
from equipoise._runtime.locks import load
from equipoise._runtime.versions import STREAM_VERSION

__all__ = ["read", "write"]


_MAGIC = b"equipoise sketch"
_START = struct.Struct("<16sII")  # magic, version, length of the header
_CHECKSUM = 16
_FAILURES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_Built = TypeVar("_Built")
_DTYPES = {"f8": "<f8", "i8": "<i8", "u8": "<u8"}


def _checksum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_CHECKSUM).digest()


def write(what: str, header: dict[str, Any], columns: dict[str, NDArray[Any]]) -> bytes:
    """Return a header and columns as bytes. `what` names the kind of object."""
    described = {name: [f"{c.dtype.kind}{c.dtype.itemsize}", c.size] for name, c in columns.items()}
    text = load("json").dumps({"what": what, **header, "columns": described}, separators=(",", ":")).encode()
    parts = [_START.pack(_MAGIC, STREAM_VERSION, len(text)), text]
    parts += [c.astype(c.dtype.newbyteorder("<"), copy=False).tobytes() for c in columns.values()]
    data = b"".join(parts)
    return data + _checksum(data)


def read(data: Any, what: str, build: Callable[[Any, dict[str, NDArray[Any]]], _Built]) -> _Built:
    """Read bytes, and return the object that `build` makes of their header and columns.

    The columns are writable. Bytes that :func:`write` did not write for a `what` raise an error.
    """
    data = _validate.as_bytes(data, "data")
    if len(data) < _START.size + _CHECKSUM or data[:16] != _MAGIC:
        _validate.refuse_bytes(f"the output of {what}.to_bytes", f"{len(data)} other bytes")
    _, version, length = _START.unpack_from(data)
    if version != STREAM_VERSION:
        _validate.refuse_bytes(f"of version {STREAM_VERSION} of the stream", f"version {version}")
    body = data[:-_CHECKSUM]
    if _checksum(body) != data[-_CHECKSUM:]:
        _validate.refuse_bytes(f"the complete output of {what}.to_bytes", "bytes with a wrong checksum")
    try:
        header = load("json").loads(body[_START.size : _START.size + length])
        theirs, columns, at = header["what"], {}, _START.size + length
        if theirs == what:
            for name, (dtype, size) in header["columns"].items():
                count = _validate.as_count(size, name)
                columns[name] = np.frombuffer(body, _DTYPES[dtype], count, at).astype(_DTYPES[dtype][1:])
                at += 8 * count
            _validate.check_written(at == len(body), "lengths of columns")
            built = build(header, columns)
    except _FAILURES as failure:  # the checksum was forged, or is right by chance
        _validate.refuse_bytes(f"the output of {what}.to_bytes", str(failure) or type(failure).__name__)
    if theirs != what:
        _validate.refuse_bytes(f"a {what}", f"a {theirs}")
    return built
