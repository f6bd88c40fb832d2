"""The program of tests/house/test_forks.py: forks while another thread makes the first call.

    python -m support.forked CALL COUNT

It prints the exit statuses of the children, each of which makes the same call, and how many of them were
forked before the thread's call ended.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import numpy as np

import equipoise

CALLS = {
    "table": lambda: equipoise.AliasTable([1, 2, 3]).sample(1000, rng=0),
    "negatives": lambda: equipoise.NegativeSampler(1000, seed=5).sample([0, 1], 4).ids,
    "reservoir": lambda: np.frombuffer(kept(equipoise.Reservoir(3)).to_bytes(), np.uint8),
    "neighbors": lambda: equipoise.nearest_neighbors(np.eye(9), 2).indices,
}


def kept(reservoir):
    reservoir.update([1.0, 2.0, 3.0, 4.0])
    return reservoir


def child(call):
    """Make the call in a new process, which ends with status 7, and return its number."""
    number = os.fork()
    if number:
        return number
    signal.alarm(int(os.environ.get("ALARM", "100")))  # a child that hangs is ended with a negative status
    try:
        os._exit(7 if call().size else 8)
    finally:
        os._exit(9)


if __name__ == "__main__":
    call, count = CALLS[sys.argv[1]], int(sys.argv[2])
    first = threading.Thread(target=call)
    first.start()
    children, early = [], 0
    for _ in range(count):
        children.append(child(call))
        early += first.is_alive()
        time.sleep(0.001)
    first.join()
    statuses = {os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) for number in children}
    print(*sorted(statuses), early)
