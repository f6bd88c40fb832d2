"""Types of command-line arguments. Each converts a word to its value, or raises an error."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

__all__ = ["count", "positive", "seed", "size"]


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
