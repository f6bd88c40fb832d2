"""Comparisons of negatives with the reference, with each other and with exact fractions."""

from __future__ import annotations

import math
import time
from _thread import start_new_thread
from fractions import Fraction

import numpy as np
import pytest


def same(answer, wanted):
    """Check that ids, log q (with the sign of zero) and mask have the wanted bytes."""
    ids, log_q, mask = wanted
    assert (answer.ids.dtype, answer.log_q.dtype, answer.mask.dtype) == (np.int64, np.float32, np.bool_)
    assert answer.ids.tolist() == ids.tolist()
    assert answer.mask.tolist() == mask.tolist()
    assert answer.log_q.tobytes() == log_q.tobytes()


def equal(a, b):
    """Return whether two answers have the same bytes."""
    return (
        np.array_equal(a.ids, b.ids)
        and np.array_equal(a.mask, b.mask)
        and a.log_q.tobytes() == b.log_q.tobytes()
    )


def within(got, exact):
    """Return whether a float32 log q is within two units in the last place of the log of a fraction."""
    wanted = math.log(exact.numerator) - math.log(exact.denominator)
    return abs(float(got) - wanted) <= 2 * float(np.spacing(np.float32(max(abs(wanted), 1e-6)))) + 1e-12


def shares(table):
    """Return the exact probability of each id."""
    units = [int(u) for u in np.asarray(table._units)]
    return [Fraction(u, sum(units)) for u in units]


class Threads:
    """A counter of the threads of the library, which must be patched to start them here.

    The process may have threads of other libraries, too.
    """

    def __init__(self):
        self.made, self.running = 0, set()

    def start(self, function, arguments):
        def run():
            try:
                function(*arguments)
            finally:
                self.running.discard(me)

        self.made += 1
        me = self.made
        self.running.add(me)
        return start_new_thread(run, ())

    def left(self):
        """Return the number of threads that have not ended. One that is about to end gets a moment."""
        patience = time.monotonic() + 0.05
        while self.running and time.monotonic() < patience:
            time.sleep(0.001)
        return len(self.running)


def assert_the_argument_is_named(call, name, kind):
    """An exception raised by an argument's own code becomes a TypeError that names the argument."""
    for error in (RuntimeError("no"), AttributeError("no"), NotImplementedError(), BufferError("no")):
        with pytest.raises(TypeError, match=rf"^{name}\b.* be .* got (a )?{kind.__name__}"):
            call(kind(error))


def assert_other_errors_pass_through(call, kind):
    """MemoryError and KeyboardInterrupt are not caused by a bad argument."""
    for error in (MemoryError("all gone"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            call(kind(error))
