"""The clock, the rounds in which the sides take turns, the data, and the row of a table.

Machines are noisy, so a time by itself says little. All sides of a row run in the same process, on the same
core, one after the other, round after round. The figure of a row is the median of the ratios within rounds.

The clock counts the CPU time of the process, which on an idle core is the wall time. On a shared core, wall
time would include the time slices of other processes in a long call but not in a short one, which would favor
the faster side.
"""

from __future__ import annotations

import gc
import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from types import ModuleType

import numpy as np

Timer = Callable[[], float]  # runs its work once or several times, and returns the seconds of a call


@dataclass(frozen=True)
class Budget:
    """The time that a group of rows may take: quick to try a benchmark, full to publish its figures."""

    quick: bool
    seconds: float  # the seconds that rounds take in all, about
    rounds: int  # but there are at least this many rounds
    huge: bool = False  # whether to measure 100,000,000 items, too

    @classmethod
    def make(cls, *, quick: bool, huge: bool = False) -> Budget:
        return cls(True, 1.0, 3, huge) if quick else cls(False, 8.0, 9, huge)


@dataclass
class Row:
    """A row of a table. Times are seconds per call.

    ``measure`` says what ``value`` is, and whether the goal is a minimum or a maximum:

    ========  ==================================================  ========
    measure   value                                               goal
    ========  ==================================================  ========
    speedup   the rival's time / equipoise's                      at least
    slowdown  ours / theirs, e.g. hard data / plain data          at most
    memory    the rival's bytes / equipoise's                     at least
    us, ms    a time of equipoise alone                           at most
    ========  ==================================================  ========
    """

    subject: str
    work: str
    rival: str
    setting: str = ""  # what exactly the rival ran, so that readers can check it
    measure: str = "speedup"
    goal: float | None = None
    amount: int | None = None  # number of things made in a call
    ours: float | None = None
    theirs: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    rounds: int = 0
    threads: int = 1
    cpu: float | None = None  # the ratio by CPU time, where ``value`` is by the wall clock
    peak: float | None = None  # bytes of memory that equipoise used at most
    note: str = ""  # why there is no value
    headline: str = ""  # the name of this row in the README, if it is shown there


def optional(name: str) -> ModuleType | None:
    """Return the module, or None if it is not installed. Its rows then say so, and the others run."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


SHARP = time.get_clock_info("process_time").resolution < 1e-6
CLOCK = time.process_time if SHARP else time.perf_counter
SAMPLE = 0.02  # seconds; shorter calls are repeated for so long, which makes the cost of the clock negligible


def timer(run: Callable[..., object], prepare: Callable[[], object] | None = None) -> Timer:
    """Return a clock for ``run``, which is warmed up. ``prepare`` makes the argument of a call, untimed.

    The result of a long call is freed after the clock stops. If calls are repeated, freeing is in the time.
    """

    def once() -> float:
        arguments = (prepare(),) if prepare else ()
        start = CLOCK()
        result = run(*arguments)
        stop = CLOCK()
        del result
        return stop - start

    once()
    if prepare:
        return once
    number = max(1, round(SAMPLE / max(min(once() for _ in range(3)), 1e-7)))
    if number == 1:
        return once

    def several() -> float:
        start = CLOCK()
        for _ in range(number):
            run()
        return (CLOCK() - start) / number

    return several


@dataclass
class Rounds:
    """The seconds per call of every side, round by round."""

    times: dict[str, list[float]]

    def fastest(self, sides: list[str]) -> str:
        return min(sides, key=lambda side: median(self.times[side]))

    def fill(self, row: Row, ours: str, theirs: str) -> Row:
        """Fill in both medians, and the median, minimum and maximum of theirs / ours within the rounds."""
        a, b = self.times[ours], self.times[theirs]
        ratios = [y / x for x, y in zip(a, b, strict=True)]
        row.ours, row.theirs, row.rounds = median(a), median(b), len(a)
        row.value, row.low, row.high = median(ratios), min(ratios), max(ratios)
        return row

    def fill_time(self, row: Row, ours: str) -> Row:
        """Fill in only a time, in the unit that the row's measure names."""
        a, scale = self.times[ours], {"us": 1e6, "ms": 1e3}[row.measure]
        row.ours, row.rounds = median(a), len(a)
        row.value, row.low, row.high = median(a) * scale, min(a) * scale, max(a) * scale
        return row


def alternate(timers: dict[str, Timer], budget: Budget) -> Rounds:
    """Run A B C A B C ..., so that disturbances of the machine affect all sides alike."""
    rounds = Rounds({side: [] for side in timers})
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        for i in range(200):
            if i >= budget.rounds and time.perf_counter() - start > budget.seconds:
                break
            for side, clock in timers.items():
                rounds.times[side].append(clock())
    finally:
        gc.enable()
    return rounds


def contenders(forms: dict[str, Timer]) -> dict[str, Timer]:
    """Return the forms of a rival that are within 1.3 times the fastest in two trials."""
    trial = {form: min(clock(), clock()) for form, clock in forms.items()}
    return {form: clock for form, clock in forms.items() if trial[form] <= 1.3 * min(trial.values())}


def zipf(n: int) -> np.ndarray:
    """Return weights 1 / rank. Id 0 is the heaviest, which is best for rivals that search."""
    return 1.0 / np.arange(1, n + 1, dtype=np.float64)


def positives(num_users: int, num_items: int, each: int) -> np.ndarray:
    """Return int32 [num_users, each]: sorted rows without repeats, items log-uniform (popularity ~ 1 / rank).

    A repeat within a row is replaced by a uniform item.
    """
    rng = np.random.default_rng(20)
    items = np.empty((num_users, each), np.int32)
    for chunk in np.array_split(items, max(1, num_users // 50_000)):
        ranks = np.exp(rng.random(chunk.shape, dtype=np.float32) * np.float32(np.log(num_items + 1)))
        chunk[:] = np.minimum(ranks, num_items) - 1
        chunk.sort(axis=1)
    while (dirty := np.flatnonzero((items[:, 1:] == items[:, :-1]).any(axis=1))).size:
        rows = items[dirty]
        repeats = rows[:, 1:] == rows[:, :-1]
        rows[:, 1:][repeats] = rng.integers(0, num_items, int(repeats.sum()))
        rows.sort(axis=1)
        items[dirty] = rows
    return items
