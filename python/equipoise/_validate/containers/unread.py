"""Reasons why an object cannot be read as an array, which become errors once the argument's name is known."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

from equipoise._validate.wording import place


class Unread(NamedTuple):
    """The reason why an object cannot be read: what it is and what to do about it, or where it has a null."""

    got: str
    remedy: str = ""
    wanted: str = ""  # in place of what the argument takes
    text: bool = False  # whether it holds text
    narrow: bool = False  # whether it holds numbers of a dtype that NumPy does not have, such as bfloat16
    null: tuple[int, ...] = ()  # the position of a null
    missing: str = ""  # a library that is needed

    @classmethod
    def null_at(cls, *position: int) -> Unread:
        """Return the reason for a null at a position."""
        return cls("null", null=position)

    @classmethod
    def on_another_device(cls, x: Any, remedy: str = "copy it to CPU memory first") -> Unread:
        """Return the reason for an array that is not in CPU memory."""
        return cls(f"a {type(x).__name__} on another device", remedy, wanted="in CPU memory")


def refuse_without(module: str, extra: str, what: str) -> NoReturn:
    """Raise ImportError with the command that installs a missing extra."""
    raise ImportError(f"{what} needs {module}: python -m pip install 'equipoise[{extra}]'") from None


def refuse_null(name: str, *at: Any) -> NoReturn:
    """Refuse a null at a position of a column or a matrix."""
    raise ValueError(f"{place(name, at)} must not be null")


def refuse_unread(why: Unread, name: str, wanted: str) -> NoReturn:
    """Refuse an object that cannot be read. `wanted` says what the argument takes."""
    if why.missing:
        refuse_without(why.missing, "arrow", f"{name} from Arrow")
    if why.null:
        refuse_null(name, *why.null)
    remedy = why.remedy
    if why.text:
        remedy = remedy_for_text(wanted)
    elif why.narrow:
        remedy = remedy_for_dtype(wanted)
    raise TypeError(f"{name} must be {why.wanted or wanted}, got {why.got}{remedy and f': {remedy}'}")


def remedy_for_text(wanted: str) -> str:
    """Return what to do about text where an argument takes numbers, integers among them."""
    if wanted.startswith("integers"):
        return "map each text to an integer first, the same in every call"
    return "convert it to numbers first"


def remedy_for_dtype(wanted: str) -> str:
    """Return what to do about numbers of a dtype that an argument does not take."""
    if "bool" in wanted:
        return "convert it to bool first"
    return f"convert it to {'int64' if wanted.startswith('integers') else 'float32 or float64'} first"
