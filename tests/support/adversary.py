"""McIlroy's adversary, which chooses values while a selection compares them, so that its pivots are bad.

M. D. McIlroy, "A killer adversary for quicksort", Software: Practice and Experience 29, 1999.
"""

from __future__ import annotations

import functools
import types


@functools.total_ordering
class Value:
    """A value that is fixed when comparisons need it to be. Until then, it is larger than all others."""

    fixed: int | None = None

    def __init__(self, adversary):
        self.adversary = adversary

    def __lt__(self, other):
        return self.adversary.compare(self, other)

    def __eq__(self, other):
        return self is other

    __hash__ = object.__hash__


class Adversary:
    """A list of values, and the number of comparisons that they took."""

    def __init__(self, size: int) -> None:
        self.values = [Value(self) for _ in range(size)]
        self.comparisons = self.number = 0
        self.candidate: Value | None = None  # for the pivot: what was last compared with a fixed value

    def compare(self, x, y):
        self.comparisons += 1
        if x is y:
            return False
        if x.fixed is None and y.fixed is None:
            self.fix(x if x is self.candidate else y)
        if x.fixed is None:
            self.candidate = x
        elif y.fixed is None:
            self.candidate = y
        unfixed = self.number + 1
        return (unfixed if x.fixed is None else x.fixed) < (unfixed if y.fixed is None else y.fixed)

    def fix(self, value):
        value.fixed, self.number = self.number, self.number + 1

    def ranks(self, values):
        """Return the values as floats, in the given order."""
        for value in values:
            if value.fixed is None:
                self.fix(value)
        return [float(value.fixed) for value in values]


def in_python(module, name):
    """Return a twin as Python runs it, with the twins that it calls."""
    scope = dict(vars(module))
    for other, twin in vars(module).items():
        function = getattr(twin, "py_func", None)
        if function is not None:
            scope[other] = types.FunctionType(function.__code__, scope, other)
    return scope[name]
