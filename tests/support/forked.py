"""The program of tests/house/test_forks.py: forks while another thread makes the first call.

    python -m support.forked CALL COUNT

Each child makes the same call. The program prints the children's exit statuses, which are 7 if they are well.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import equipoise


def reservoir():
    made = equipoise.Reservoir(3)
    made.update([1.0, 2.0, 3.0, 4.0])
    return made.to_bytes()


def negatives():
    return equipoise.NegativeSampler(9, seed=5).sample_shared(4).ids.tobytes()


def table():
    return equipoise.UniformTable(9).sample(1000, rng=0).tobytes()


CALLS = {"negatives": negatives, "reservoir": reservoir, "table": table}


def fork(call):
    """Make the call in a new process, and return its number."""
    number = os.fork()
    if number:
        return number
    signal.alarm(120)  # ends a child that hangs
    try:
        os._exit(7 if call() else 8)
    finally:
        os._exit(9)


if __name__ == "__main__":
    call, count = CALLS[sys.argv[1]], int(sys.argv[2])
    first = threading.Thread(target=call)
    first.start()
    children = []
    for _ in range(count):
        children.append(fork(call))
        time.sleep(0.001)
    first.join()
    statuses = {os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) for number in children}
    print(*sorted(statuses))
