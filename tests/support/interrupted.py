"""The program of tests/house/test_interrupt.py: Ctrl-C in the middle of a long call.

    python -m support.interrupted CASE THREADS

It prints how many seconds KeyboardInterrupt took, how many threads were left, and whether the sampler's
counters were what they had been before the call.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import numpy as np

import equipoise
from equipoise._runtime import backend, chunks
from support.answers import Threads

ALIAS = (1.0 / np.arange(1, 10**6 + 1),)  # arguments of the samplers below
UNIFORM = (10**6,)
ROWS = np.zeros(400_000, np.int64)


class Watched:
    """The kernels, with a Ctrl-C soon after the main thread has called a given kernel so many times."""

    def __init__(self, kernel: str, number: int) -> None:
        self.kernels, self.kernel, self.left = backend.kernels(), kernel, number

    def __getattr__(self, name):
        kernel = getattr(self.kernels, name)

        def call(*args):
            if threading.current_thread() is not threading.main_thread():
                if slow_threads:  # the threads must be at work when Ctrl-C comes, however late they start
                    sent.wait(60)
                    time.sleep(slow_threads)
            elif name == self.kernel:
                self.left -= 1
                if self.left == 0:
                    presser.start()
            return kernel(*args)

        return call


def watch(watched):
    """Give `watched` to every module that asks for the kernels."""
    kernels = backend.kernels
    for module in list(sys.modules.values()):
        if getattr(module, "kernels", None) is kernels:
            module.kernels = lambda: watched


def table(threads, of):
    out = np.empty(400_000_000, np.int64)
    return None, lambda: of.sample(out.size, rng=0, out=out, n_threads=threads)


def sample(threads, *args, items=UNIFORM, exclude=None, **settings):
    sampler = equipoise.NegativeSampler(*items, exclude=exclude)
    return sampler, lambda: sampler.sample(*args, n_threads=threads, **settings)


def shared(count, items=UNIFORM, **settings):
    sampler = equipoise.NegativeSampler(*items)
    return sampler, lambda: sampler.sample_shared(count, **settings)


def hits():
    million = 10**6
    exclude = (np.arange(4) * million, np.tile(np.arange(0, 2 * million, 2), 3))
    sampler = equipoise.NegativeSampler(2 * million, exclude=exclude)
    candidates = np.random.default_rng(0).integers(0, 2 * million, million)
    return sampler, lambda: sampler.accidental_hits(np.arange(400) % 3, candidates)


def many_exclude_ids(threads):
    ids = np.random.default_rng(0).integers(0, 10**6, (6000, 5000))
    tenth = ([0, 10**5], np.arange(0, 10**6, 10))  # in which every id is looked up
    return sample(threads, ROWS[:6000], 2, items=ALIAS, exclude=tenth, exclude_ids=ids)


def exact(threads):
    """Exclude all but the lightest of a million ids."""
    falling = (np.arange(1, 10**6 + 1)[::-1].copy(),)
    most = ([0, 10**6 - 1], np.arange(10**6 - 1))
    return sample(threads, ROWS[:200_000], 2, items=falling, exclude=most)


def reservoir(threads):
    rng, rows = np.random.default_rng(0), 60_000_000
    weights, times = rng.random(rows, np.float32), rng.random(rows)
    decaying = equipoise.Reservoir(1000, half_life=1.0)
    decaying.update([1.0, 2.0], times=[0.0, 1.0])
    decaying.state_dict = decaying.to_bytes
    return decaying, lambda: decaying.update(weights, times=times, n_threads=threads)


def synthetic_rows():
    sampler = equipoise.SmoteSampler(np.random.default_rng(0).random((100, 4), np.float32))
    out = np.empty((60_000_000, 4), np.float32)
    return sampler, lambda: sampler.sample(len(out), out=out)


def neighbors(threads, dtype, n, d, noise=1.0, asked=0):
    rng = np.random.default_rng(0)
    x = (noise * rng.standard_normal((n, d))).astype(dtype)
    queries = np.tile(x, (asked // n, 1)) if asked else None
    return None, lambda: equipoise.nearest_neighbors(x, 20, queries=queries, n_threads=threads)


# name -> (function that makes the sampler and the call, kernel, number). Ctrl-C follows the kernel's call of
# this number or, without a kernel, the start of the call. What is made before the call, such as a table, and
# what cannot be interrupted, such as an allocation, may take longer.
CASES = {
    "table": (lambda t: table(t, equipoise.AliasTable(np.ones(1000))), None),
    "uniform": (lambda t: table(t, equipoise.UniformTable(1000)), None),
    "rows": (lambda t: sample(t, np.zeros(2_000_000, np.int64), 150), None),
    "unique": (lambda t: sample(t, ROWS, 500, unique=True), None),
    "exact": (exact, None),
    "one long row": (lambda t: sample(t, [0], 100_000_000, items=ALIAS), None),
    "one long uniform row": (lambda t: sample(t, [0], 100_000_000), None),
    "one unique row": (
        lambda t: sample(t, [0], 300_000, items=ALIAS, unique=True),
        ("negatives_draw", 1000),  # exact draws have begun by then
    ),
    "one unique uniform row": (lambda t: sample(t, [0], 300_000, unique=True), None),
    "exclude_ids": (many_exclude_ids, ("negatives_draw", 1)),
    "hits": (lambda _: hits(), ("exclusion_hits", 1)),
    "shared": (lambda _: shared(300_000_000, unique=False), None),
    "shared log q": (lambda _: shared(150_000_000, unique=False), ("log", 1)),
    "shared by rejection": (lambda _: shared(10**7 - 5, items=(10**7,)), ("shared_unique", 1)),
    "shared tree": (lambda _: shared(10**7 - 5, items=(10**7,)), ("shared_exact", 1)),
    "shared exactly": (lambda _: shared(10**7 - 5, items=(10**7,)), ("shared_exact", 560)),
    "synthetic rows": (lambda _: synthetic_rows(), None),
    "reservoir": (reservoir, ("reservoir_rows", 1)),
    "neighbors": (lambda t: neighbors(t, np.float32, 100_000, 128), None),
    "wide neighbors": (lambda t: neighbors(t, np.float64, 2_000, 30_000), None),
    "neighbors of queries": (lambda t: neighbors(t, np.float64, 2_000, 64, asked=1_000_000), None),
    "equal neighbors": (lambda t: neighbors(t, np.float32, 30_000, 16, 0.0, 3_000_000), None),
    "waited for": (lambda t: sample(t, ROWS[:150], 500, unique=True), ("negatives_draw", 1)),
    "twice": (lambda t: sample(t, ROWS, 500, unique=True), ("negatives_draw", 1)),
}


def warm():
    """Compile or load all kernels before anything is timed."""
    few = equipoise.NegativeSampler([1, 2, 1e-9], exclude=([0, 1, 3], [0, 0, 1]))
    few.sample([0, 1], 2)
    few.sample([0], 2, unique=True, exclude_ids=[1], on_exhausted="mask")
    few.sample_shared(3)
    few.sample_shared(3, unique=False)
    few.accidental_hits([0], [0])
    few._table.sample(5)
    equipoise.UniformTable(9).sample(2)
    equipoise.SmoteSampler(np.eye(9, dtype=np.float32)).sample(2)
    few = equipoise.Reservoir(1, half_life=1.0)
    few.update([1.0, 2.0], times=[0.0, 1.0])
    few.sample()
    for dtype in (np.float32, np.float64):
        rows = np.zeros((300, 128), dtype)
        equipoise.nearest_neighbors(rows, 20)
        equipoise.nearest_neighbors(rows, 20, queries=rows)


def press():
    time.sleep(0.05 if armed else 0.15)
    pressed.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)
    sent.set()
    if what == "twice":  # the call now waits for its threads, which are in their next chunk
        time.sleep(0.07)
        pressed[0] = time.perf_counter()
        os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore SIGINT
    what, threads = sys.argv[1], int(sys.argv[2])
    make, armed = CASES[what]
    warm()
    sampler, work = make(threads)
    pressed: list[float] = []
    sent = threading.Event()
    slow_threads = 0.2 if what in ("waited for", "twice") else 0
    presser = threading.Thread(target=press)
    if armed:
        watch(Watched(*armed))
    else:
        presser.start()
    state = sampler and sampler.state_dict()
    own_threads = Threads()
    chunks.start_new_thread = own_threads.start
    try:
        work()
    except KeyboardInterrupt:
        took = time.perf_counter() - pressed[0]
        left = own_threads.left()
        presser.join()
        print("interrupted", round(took, 3), left, (sampler and sampler.state_dict()) == state)
    else:
        print("finished")
