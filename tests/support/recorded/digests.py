"""The digest of an answer, and the registry of the answers whose digests are recorded."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np

HOUSE = Path(__file__).resolve().parents[2] / "house"
RECORDED = HOUSE / "same_bytes.json"
BEFORE = HOUSE / "before"

CASES = {}


def cases(*arguments):
    """Register the decorated function once for each argument, or once without arguments."""

    def register(function):
        for argument in arguments:
            name = f"{function.__name__}[{argument}]"
            assert name not in CASES
            CASES[name] = lambda argument=argument: function(argument)
        if not arguments:
            CASES[function.__name__] = function
        return function

    return register


def feed(digest, answer):
    """Add an answer to a digest: its type, dtype and shape, and its bytes in little-endian order."""
    if dataclasses.is_dataclass(answer):
        fields = [getattr(answer, field.name) for field in dataclasses.fields(answer)]
        feed(digest, (type(answer).__name__, *fields))
    elif isinstance(answer, np.ndarray | np.generic):
        array = np.asarray(answer)
        assert array.dtype.kind in "biuf", array.dtype
        digest.update(f"array {array.dtype.kind}{array.dtype.itemsize} {array.shape};".encode())
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    elif isinstance(answer, dict):
        feed(digest, ("dict", *answer.items()))
    elif isinstance(answer, tuple | list):
        digest.update(f"{len(answer)} entries;".encode())
        for entry in answer:
            feed(digest, entry)
    elif isinstance(answer, bytes):
        digest.update(f"{len(answer)} bytes;".encode() + answer)
    elif isinstance(answer, float):
        digest.update(f"float {answer.hex()};".encode())
    else:
        assert answer is None or isinstance(answer, str | bool | int), type(answer)
        digest.update(f"{type(answer).__name__} {answer!r};".encode())


def digest_of(answer):
    digest = hashlib.blake2b(digest_size=12)
    feed(digest, answer)
    return digest.hexdigest()


def recorded_digests():
    return json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {}
