"""Orders: the samplers of a training loop, from the constructor to the last index of an epoch.

Run ``python -m bench.run --only orders``. An epoch has as many draws as there are rows. The rival for weights
is torch's WeightedRandomSampler, which draws a whole epoch before it yields the first index. The rival for
classes is the loop that people write: a list of rows for each class, ``random.shuffle``, and slices.
"""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from .harness import Budget, Row, alternate, optional, timer

BATCH = 1024


def weights_of(n: int) -> np.ndarray:
    """Return float64 weights with a heavy tail."""
    return np.random.default_rng(1).pareto(1.5, n) + 0.01


def labels_of(n: int) -> np.ndarray:
    """Return int64 labels, one in 200 of which is 1."""
    return (np.random.default_rng(2).random(n) < 0.005).astype(np.int64)


def theirs(weights: Any, replacement: bool) -> Any:
    torch = optional("torch")
    assert torch is not None
    return torch.utils.data.WeightedRandomSampler(weights, len(weights), replacement)


def ours(weights: np.ndarray, replacement: bool) -> Any:
    from equipoise.torch import WeightedSampler

    return WeightedSampler(weights, len(weights), replacement)


def first_of(make: Callable[[], Any]) -> Any:
    return next(iter(make()))


def read(sampler: Any) -> None:
    for _ in optional("torch").utils.data.BatchSampler(sampler, BATCH, False):  # type: ignore[union-attr]
        pass


def read_batches(batches: Any) -> None:
    for _ in batches:
        pass


def shuffled_batches(labels: np.ndarray) -> Iterator[list[int]]:
    """Yield balanced batches from a list of rows for each class, shuffled again when it is used up."""
    rows = [np.flatnonzero(labels == c).tolist() for c in range(2)]
    for some in rows:
        random.shuffle(some)
    places, each = [0, 0], BATCH // 2
    for _ in range(-(-labels.size // BATCH)):
        batch = []
        for c, some in enumerate(rows):
            if places[c] + each > len(some):
                random.shuffle(some)
                places[c] = 0
            batch += some[places[c] : places[c] + each]
            places[c] += each
        random.shuffle(batch)
        yield batch


def duel(row: Row, mine: Callable[[], object], rival: Callable[[], object], budget: Budget) -> Row:
    return alternate({"ours": timer(mine), "rival": timer(rival)}, budget).fill(row, "ours", "rival")


def weighted(n: int, budget: Budget) -> Iterator[Row]:
    weights = weights_of(n)
    tensor = optional("torch").from_numpy(weights)  # type: ignore[union-attr]
    for replacement, how, goals in (
        (True, "with replacement", (20, 6)),
        (False, "without replacement", (2, 1)),
    ):
        make, rival = partial(ours, weights, replacement), partial(theirs, tensor, replacement)
        job = f"{n:,} draws of as many weights, {how}"
        setting = "WeightedRandomSampler on a ready float64 tensor"
        row = Row("orders", f"{job}: constructor and first index", "torch", setting, goal=goals[0])
        yield duel(row, partial(first_of, make), partial(first_of, rival), budget)
        sampler, other = make(), rival()
        row = Row(
            "orders", f"{job}: an epoch in batches of {BATCH}", "torch", setting, goal=goals[1], amount=n
        )
        row.peak = beyond("epoch", n, replacement) if sys.platform == "linux" else None
        yield duel(row, partial(read, sampler), partial(read, other), budget)
        yield from alone(n, make, replacement, budget)


def alone(n: int, make: Callable[[], Any], replacement: bool, budget: Budget) -> Iterator[Row]:
    """Yield the times that have no rival: the first index of an iterator, and of one that resumes."""
    sampler, how = make(), "with replacement" if replacement else "without replacement"
    row = Row("orders", f"the first index of an iterator over {n:,} draws, {how}", "", measure="ms")
    row.goal = 5 if replacement else None
    yield alternate({"ours": timer(lambda: next(iter(sampler)))}, budget).fill_time(row, "ours")
    resumed = make()
    state, epochs = {**sampler.state_dict(), "position": n - 10}, itertools.count()

    def resume() -> None:
        resumed.load_state_dict({**state, "epoch": next(epochs)})  # no band of this epoch is kept
        assert len(list(resumed)) == 10

    row = Row("orders", f"resume 10 draws before the end of {n:,}, {how}", "", measure="ms")
    row.goal = 20 if replacement else None
    yield alternate({"ours": timer(resume)}, budget).fill_time(row, "ours")


def classes(n: int, budget: Budget) -> Iterator[Row]:
    from equipoise.torch import ClassBalancedBatchSampler

    labels = labels_of(n)
    make, rival = partial(ClassBalancedBatchSampler, labels, BATCH), partial(shuffled_batches, labels)
    job, setting = f"balanced batches of {BATCH} from {n:,} labels, 0.5 % of them 1", "a list of rows a class"
    row = Row("orders", f"{job}: constructor and first batch", "random.shuffle", setting, goal=20)
    yield duel(row, partial(first_of, make), partial(first_of, rival), budget)
    row = Row("orders", f"{job}: an epoch", "random.shuffle", setting, goal=8, amount=n)
    yield duel(row, lambda: read_batches(make()), lambda: read_batches(rival()), budget)


# ---- memory -----------------------------------------------------------------------------------------------


def memory(what: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(what)) * 1024


def beyond(job: str, n: int, replacement: bool) -> float:
    """Return the bytes at the peak of an epoch beyond weights and sampler, in a process of its own."""
    command = [sys.executable, "-m", "bench.orders", job, str(n), str(int(replacement))]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_beyond(n: int, replacement: bool) -> None:
    read(ours(weights_of(1000), replacement))  # imports and compiling are not counted
    sampler = ours(weights_of(n), replacement)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # start a new peak
    before = memory("VmRSS")
    read(sampler)
    print(memory("VmHWM") - before)


def run(budget: Budget) -> Iterator[Row]:
    if optional("torch") is None:
        yield Row("orders", "samplers of a training loop", "torch", note="not installed: torch")
        return
    n = 1_000_000 if budget.quick else 10_000_000
    few = Budget(budget.quick, 0.0, 3)  # a round of these takes half a minute
    yield from weighted(n, few)
    yield from classes(n, few)


if __name__ == "__main__":
    print_beyond(int(sys.argv[2]), bool(int(sys.argv[3])))
