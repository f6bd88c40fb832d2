"""Types of command-line arguments. Each converts a word to its value, or raises an error."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

from equipoise._cli.files.headers import DELIMITERS

__all__ = ["Parser", "count", "delimiter", "positive", "seed", "size"]


class Parser(argparse.ArgumentParser):
    """A parser that refuses an option that is given twice."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.register("action", None, _Once)
        self.register("action", "store_true", _OnceTrue)


class _Once(argparse.Action):
    """Store a value, once."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option: str | None = None,
    ) -> None:
        given = vars(namespace).setdefault("given", set())
        if option is not None and self.dest in given:
            raise argparse.ArgumentError(self, "was given twice, but may be given once")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


class _OnceTrue(_Once):
    """Store True, once."""

    def __init__(
        self, *, option_strings: Any, dest: str, default: bool = False, help: str | None = None
    ) -> None:
        super().__init__(option_strings, dest, nargs=0, default=default, help=help)

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        super().__call__(parser, namespace, True, option)


def _integer(least: int, most: int, interval: str) -> Callable[[str], int]:
    """Return a type for integers from ``least`` to ``most``. Errors write that range as ``interval``."""

    def integer(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"must be an integer in {interval}, got {text!r}")
        return number

    return integer


seed = _integer(0, 2**64 - 1, "[0, 2^64)")
count = _integer(1, 2**40, "[1, 2^40]")
size = _integer(1, 10_000, "[1, 10000]")


def positive(text: str) -> float:
    """Return a finite number above 0.

    Examples
    --------
    >>> positive("1.5")
    1.5
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number > 0, got {text!r}")
    return number


def delimiter(text: str) -> str:
    """Return a delimiter, given as a word or as the character itself.

    Examples
    --------
    >>> delimiter("semicolon"), delimiter("|")
    (';', '|')
    """
    found = DELIMITERS.get(text, "\t" if text == r"\t" else text)
    if found not in DELIMITERS.values():
        raise argparse.ArgumentTypeError(f"must be {', '.join(DELIMITERS)}, or the character, got {text!r}")
    return found
