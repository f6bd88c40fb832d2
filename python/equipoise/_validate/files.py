"""Checks of paths and files."""

from __future__ import annotations

import os
from typing import Any, NoReturn


def as_path(path: Any) -> str:
    """Return `path` as an absolute path."""
    wanted = "path must be a str or path-like that names a file"
    try:
        text = os.fsdecode(path)
        named = text != "" and b"\0" not in os.fsencode(text)
        absolute = os.path.abspath(text)
    except (OSError, MemoryError):
        raise
    except ValueError as failure:
        raise ValueError(f"{wanted}, got {type(path).__name__}: {failure}") from None
    except Exception as failure:
        raise TypeError(f"{wanted}, got {type(path).__name__}: {failure}") from None
    if not named:
        raise ValueError(f"{wanted}, got {text!r}")
    return absolute


def as_file_path(path: Any) -> str:
    """Return `path` as an absolute path, which must not be a folder."""
    absolute = as_path(path)
    if os.path.isdir(absolute):  # the operating system's error depends on the call that fails
        raise IsADirectoryError(f"path must name a file, got the folder {absolute!r}")
    return absolute


def refuse_file(path: str, wanted: str, got: str) -> NoReturn:
    """Refuse a file whose content is not what it should be."""
    raise ValueError(f"path must name {wanted}, got {got} in {path!r}")


def check_file_size(path: str, wanted: int, got: int) -> None:
    """Check that a file still holds all rows that a pickle refers to."""
    if got < wanted:
        raise ValueError(f"{path!r} must hold the rows that were pickled, {wanted} bytes, got {got}")


def refuse_changed_file(path: str) -> NoReturn:
    """Refuse a file whose rows are not those that were pickled."""
    raise ValueError(f"{path!r} must hold the rows that were pickled, got others: the file has changed")


def refuse_changed_map(path: str) -> NoReturn:
    """Refuse to read a mapped file that was changed or replaced."""
    raise ValueError(
        f"{path!r} must stay as it was when it was mapped, got another size, time or inode: load it again"
    )
