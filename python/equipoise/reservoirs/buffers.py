"""Memory that reservoirs hand on to one another, since pages that the system must zero first cost time.

Up to eight large blocks, of 16 MB at most, are kept when nobody has them any more. One of which somebody
still has a view is not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Block", "Holder", "give", "take"]


Block = NDArray[np.float64]
_LEAST, _MOST = 1 << 14, 1 << 21  # of 8 bytes: less costs nothing, more goes back to the system
_BLOCKS = 8
_spare: list[Block] = []  # threads take and give, and a destructor may in the middle of both: single steps


def take(size: int) -> Block:
    """A block of at least so many float64, but not many more; what is in it may be anything."""
    for _ in range(len(_spare) if size >= _LEAST else 0):
        try:
            block = _spare.pop(0)
        except IndexError:  # another thread was faster
            break
        if size <= block.size <= 2 * size:
            return block
        _spare.append(block)
    return np.empty(size)


def give(block: Block) -> None:
    """Back; the caller has one reference to it, a local name."""
    if _spare is None:  # at Python's end
        return
    if _LEAST <= block.size <= _MOST and _references(block) <= _ALONE:
        while len(_spare) >= _BLOCKS:
            try:
                _spare.pop(0)
            except IndexError:
                break
        _spare.append(block)


class Holder:
    """Who has a block, in views that are attributes, and gives it back at the end."""

    _block: Block = np.empty(0)

    def __del__(self, give: Callable[[Block], None] = give) -> None:  # Python forgets names at its end
        block = self._block
        vars(self).clear()
        give(block)


def _references(block: Block) -> int:
    """Views count, since a view of a view refers to the block itself."""
    return sys.getrefcount(block)


def _references_of_an_argument(block: Block) -> int:
    return _references(block)


def _references_of_a_local() -> int:
    block: Block = np.empty(0)  # of a global or an attribute, Python 3.14 would count one more
    return _references_of_an_argument(block)


_ALONE = _references_of_a_local()  # what `give` sees of a block with one reference, a local name
