"""How answers are compared: with the reference, with each other, with exact fractions."""

from __future__ import annotations

import math
import time
from _thread import start_new_thread
from fractions import Fraction

import numpy as np


def same(answer, wanted):
    """Byte for byte: ids, log q with its sign of zero, mask."""
    ids, log_q, mask = wanted
    assert (answer.ids.dtype, answer.log_q.dtype, answer.mask.dtype) == (np.int64, np.float32, np.bool_)
    assert answer.ids.tolist() == ids.tolist()
    assert answer.mask.tolist() == mask.tolist()
    assert answer.log_q.tobytes() == log_q.tobytes()


def equal(a, b):
    return (
        np.array_equal(a.ids, b.ids)
        and np.array_equal(a.mask, b.mask)
        and a.log_q.tobytes() == b.log_q.tobytes()
    )


def within(got, exact):
    """A float32 log q against the logarithm of an exact fraction, to two units of its last place."""
    wanted = math.log(exact.numerator) - math.log(exact.denominator)
    return abs(float(got) - wanted) <= 2 * float(np.spacing(np.float32(max(abs(wanted), 1e-6)))) + 1e-12


def shares(table):
    units = [int(u) for u in np.asarray(table._units)]
    return [Fraction(u, sum(units)) for u in units]


class Threads:
    """The library's own threads, which it is patched to make here; other libraries have some, too."""

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
        """How many have not ended; one that has said so may take a moment."""
        patience = time.monotonic() + 0.05
        while self.running and time.monotonic() < patience:
            time.sleep(0.001)
        return len(self.running)
