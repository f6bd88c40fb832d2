"""Weighted reservoirs of 50,000,000 rows in chunks of 2^20, and NumPy, DataSketches, torch and pandas.

Run ``python -m bench.run --only reservoirs``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

import equipoise

from .harness import Budget, Row, Timer, alternate, contenders, optional, timer

ROWS, QUICK_ROWS, CHUNK = 50_000_000, 5_000_000, 1 << 20
CLASSES, EACH = 1_000, 100
SIFTED = "NumPy keys, sifted by the largest kept"


def chunks(n: int) -> Iterator[slice]:
    return (slice(at, at + CHUNK) for at in range(0, n, CHUNK))


def ours(weights: np.ndarray, k: int, ids: np.ndarray | None = None, n_threads: int = 1) -> object:
    reservoir = equipoise.Reservoir(k, seed=1)
    for part in chunks(weights.size):
        reservoir.update(weights[part], None if ids is None else ids[part], n_threads=n_threads)
    return reservoir.sample()


def numpy_keys(weights: np.ndarray, k: int, ids: np.ndarray | None, dtype: type, sift: bool) -> object:
    """Sample as Efraimidis and Spirakis do, in NumPy: keep the rows and keys of the k smallest keys.

    With ``sift``, keys above the largest kept one are dropped before the partition.
    """
    rng = np.random.default_rng(1)
    best, rows = np.empty(0, dtype), np.empty(0, np.int64)
    for part in chunks(weights.size):
        w = weights[part]
        keys = rng.standard_exponential(w.size, dtype=dtype)
        keys /= w
        if sift and best.size == k:
            at = np.flatnonzero(keys < best.max())
            keys = keys[at]
            found = at + part.start if ids is None else ids[part][at]
        else:
            found = np.arange(part.start, part.start + w.size) if ids is None else ids[part]
        best, rows = np.concatenate((best, keys)), np.concatenate((rows, found))
        if best.size > k:
            keep = np.argpartition(best, k - 1)[:k]
            best, rows = best[keep], rows[keep]
    return rows


def numpy_forms(weights: np.ndarray, k: int, ids: np.ndarray | None, sift: bool) -> dict[str, Timer]:
    return {
        f"{np.dtype(dtype).name} keys{', sifted' if sift else ''}": timer(
            partial(numpy_keys, weights, k, ids, dtype, sift)
        )
        for dtype in (np.float32, np.float64)
    }


def datasketches(weights: np.ndarray, k: int) -> Callable[[], object] | None:
    library = optional("datasketches")
    if library is None:
        return None
    pairs = list(enumerate(weights.tolist()))

    def run() -> object:
        sketch = library.var_opt_sketch(k)
        update = sketch.update
        for row, w in pairs:
            update(row, w)
        return sketch

    return run


def streams(budget: Budget, n: int) -> Iterator[Row]:
    rng = np.random.default_rng(0)
    weights = rng.random(n, dtype=np.float32) + np.float32(0.001)
    ids = rng.permutation(n)
    for k, keys, goal in ((1_000, None, 25), (100_000, None, 5), (100_000, ids, 3)):
        what = f"Reservoir({k:,}), {n:,} rows{'' if keys is None else ', with ids'}"
        timers = {"ours": timer(partial(ours, weights, k, keys))}
        rivals = {
            "NumPy keys": contenders(numpy_forms(weights, k, keys, False)),
            SIFTED: contenders(numpy_forms(weights, k, keys, True)),
        }
        for forms in rivals.values():
            timers |= forms
        if k == 1_000:
            timers["sum"] = timer(lambda: [weights[part].sum() for part in chunks(n)])
        rounds = alternate(timers, budget)
        for rival, forms in rivals.items():
            best = rounds.fastest(list(forms))
            row = Row("reservoirs", what, rival, setting=best, goal=goal, amount=n)
            if k == 100_000 and keys is None and rival == SIFTED:
                row.headline = f"a reservoir of {k:,} from a stream of {n:,} weights"
            yield rounds.fill(row, "ours", best)
        if "sum" in timers:
            row = Row("reservoirs", what, "NumPy, only summing the weights", goal=0.7, amount=n)
            row.setting = "weights[chunk].sum(), chunks of 2^20"
            row.headline = f"a reservoir of {k:,} from a stream of {n:,} weights"
            yield rounds.fill(row, "ours", "sum")
    few = weights[:10_000_000]
    what = f"Reservoir(1,000), {few.size:,} rows"
    row = Row("reservoirs", what, "Apache DataSketches var_opt_sketch", goal=100, amount=few.size)
    row.setting = "update(row, weight) for each row, from a list of Python numbers"
    run = datasketches(few, 1_000)
    if run is None:
        row.note = "not installed"
        yield row
    else:
        timers = {"ours": timer(partial(ours, few, 1_000)), "theirs": timer(run)}
        yield alternate(timers, budget).fill(row, "ours", "theirs")
    for k in (1_000, 100_000):
        yield threads(weights, k, weights.size, "one call")
        yield threads(weights, k, 1 << 22, "chunks of 2^22")


def threads(weights: np.ndarray, k: int, chunk: int, cut: str) -> Row:
    """Compare two threads with one on all cores, by the best of fifteen wall times.

    The time of two threads that only sum the weights shows how close this is to the speed of the memory.
    """
    work = f"Reservoir({k:,}), {weights.size:,} rows, two threads, {cut}"
    row = Row("reservoirs", work, "equipoise, one thread", goal=1.6, amount=weights.size, threads=2)
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if (os.cpu_count() or 1) < 2:
        row.note = "one core"
        return row
    if cores:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        times: dict[int, list[float]] = {1: [], 2: []}
        sums: list[float] = []
        for _ in range(15):
            start = time.perf_counter()
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(np.sum, np.array_split(weights, 2)))
            sums.append(time.perf_counter() - start)
            for n_threads, seconds in times.items():
                start = time.perf_counter()
                reservoir = equipoise.Reservoir(k, seed=1)
                for at in range(0, weights.size, chunk):
                    reservoir.update(weights[at : at + chunk], n_threads=n_threads)
                seconds.append(time.perf_counter() - start)
    finally:
        if cores:
            os.sched_setaffinity(0, cores)
    row.ours, row.theirs, row.rounds = min(times[2]), min(times[1]), 15
    row.setting = (
        "wall clock, least of 15 rounds, with the least and greatest ratio of a round in brackets; "
        f"two threads that only sum the weights take {1e3 * min(sums):.1f} ms"
    )
    ratios = [one / two for one, two in zip(times[1], times[2], strict=True)]
    row.value, row.low, row.high = row.theirs / row.ours, min(ratios), max(ratios)
    return row


def arrays(budget: Budget, n: int) -> Iterator[Row]:
    k = n // 100
    weights = np.random.default_rng(0).random(n, dtype=np.float32) + np.float32(0.001)
    p = weights.astype(np.float64)
    p /= p.sum()
    torch = optional("torch")
    forms: dict[str, dict[str, Timer]] = {"torch.multinomial": {}, "NumPy Generator.choice": {}}
    if torch is not None and n < 1 << 24:
        torch.set_num_threads(1)
        tensor = torch.from_numpy(weights)
        forms["torch.multinomial"]["replacement=False, float32"] = timer(
            lambda: torch.multinomial(tensor, k, replacement=False)
        )
    for shuffle in (True, False):
        choice = partial(np.random.default_rng(1).choice, n, k, replace=False, p=p, shuffle=shuffle)
        forms["NumPy Generator.choice"][f"replace=False, float64 p, shuffle={shuffle}"] = timer(choice)
    timers = {"ours": timer(partial(equipoise.weighted_sample, weights, k, rng=1))}
    for rival in forms.values():
        timers |= contenders(rival) if rival else {}
    rounds = alternate(timers, budget)
    for rival, goal in (("torch.multinomial", 8), ("NumPy Generator.choice", 10)):
        row = Row("reservoirs", f"weighted_sample, {k:,} of {n:,} rows", rival, goal=goal)
        sides = [side for side in forms[rival] if side in timers]
        if not sides:
            row.note = "not installed"
            yield row
            continue
        row.setting = rounds.fastest(sides)
        if rival == "torch.multinomial":
            row.headline = f"{k:,} of {n:,} rows by weight, without replacement"
        yield rounds.fill(row, "ours", row.setting)


def by_class(classes: np.ndarray) -> object:
    reservoir = equipoise.ClassReservoir(EACH, seed=1)
    for part in chunks(classes.size):
        reservoir.update(classes[part])
    return reservoir.sample()


def lexsort(classes: np.ndarray) -> object:
    """Return the first EACH rows of each class in a random order."""
    keys = np.random.default_rng(1).random(classes.size, dtype=np.float32)
    order = np.lexsort((keys, classes))
    ordered = classes[order]
    begins = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return order[(begins[:, None] + np.arange(EACH)).ravel()]


def class_rows(budget: Budget, n: int) -> Iterator[Row]:
    classes = np.random.default_rng(0).integers(0, CLASSES, n)
    what = f"ClassReservoir({EACH}), {CLASSES:,} classes, {n:,} rows"
    row = Row("reservoirs", what, "the faster of pandas and NumPy", goal=20, amount=n)
    forms = {"NumPy lexsort": timer(partial(lexsort, classes))}
    pandas = optional("pandas")
    if pandas is not None:
        frame = pandas.DataFrame({"c": classes})
        forms["pandas groupby(c).sample(100)"] = timer(
            lambda: frame.groupby("c").sample(EACH, random_state=1)
        )
    timers = {"ours": timer(partial(by_class, classes)), **contenders(forms)}
    rounds = alternate(timers, budget)
    best = rounds.fastest([side for side in timers if side != "ours"])
    row.setting = f"{best} (ran: {', '.join(forms)})"
    yield rounds.fill(row, "ours", best)


def merges(budget: Budget) -> Iterator[Row]:
    weights = np.random.default_rng(0).random(400_000, dtype=np.float32)
    parts = []
    for stream in range(64):
        part = equipoise.Reservoir(100_000, stream=stream)
        part.update(weights)
        parts.append(part.to_bytes())

    def prepare() -> list[equipoise.Reservoir]:
        return [equipoise.Reservoir.from_bytes(part) for part in parts]

    def merge(fresh: list[equipoise.Reservoir]) -> object:
        first, *others = fresh
        for other in others:
            first.merge(other)
        return first.sample()

    row = Row("reservoirs", "merge 64 reservoirs of k = 100,000", "", measure="ms", goal=50)
    yield alternate({"ours": timer(merge, prepare)}, budget).fill_time(row, "ours")


def run(budget: Budget) -> Iterator[Row]:
    n = QUICK_ROWS if budget.quick else ROWS
    yield from streams(budget, n)
    yield from arrays(budget, n // 5)
    yield from class_rows(budget, n)
    yield from merges(budget)
