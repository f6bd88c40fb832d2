"""What the cases share: a clock, rounds in which every side runs in turn, fixtures, the shape of a result.

Machines are noisy, so a time alone says little. Every side of a row runs in the same process, on the same
core, one after the other, round after round; a row's number is the median of the ratios inside the rounds.

The clock counts the process's CPU time, which is wall time on an idle core. On a shared one, wall time would
charge a long call with other processes' time slices and spare a short one: it would flatter the faster side.
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

Timer = Callable[[], float]  # runs its work once or several times and returns seconds a call


@dataclass(frozen=True)
class Budget:
    """How long the sides of a group of rows may take: quick is for looking, full for publishing."""

    quick: bool
    seconds: float  # rounds are run for about this long
    rounds: int  # but at least so many
    huge: bool = False  # 1e8 items too

    @classmethod
    def of(cls, *, quick: bool, huge: bool = False) -> Budget:
        return cls(True, 1.0, 3, huge) if quick else cls(False, 8.0, 9, huge)


@dataclass
class Row:
    """One line of the table; times are seconds a call.

    ``measure`` says what ``value`` is and which way its target goes: "speedup" is rival / equipoise (at
    least), "slowdown" is Numba / C++, or hard / plain (at most), "us" and "ms" are times (at most),
    "memory" is rival / equipoise (at least), and ``ours`` and ``theirs`` are bytes.
    """

    case: str
    work: str
    rival: str
    setting: str = ""  # what exactly the rival ran: a reader must be able to object
    measure: str = "speedup"
    target: float | None = None
    amount: int | None = None  # things made in a call
    ours: float | None = None
    theirs: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    rounds: int = 0
    note: str = ""


def optional(name: str) -> ModuleType | None:
    """A rival that is not here costs its rows, not the run."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


SHARP = time.get_clock_info("process_time").resolution < 1e-6
CLOCK = time.process_time if SHARP else time.perf_counter
SAMPLE = 0.02  # seconds: shorter calls are repeated to fill this, so that the clock's own cost vanishes


def timer(run: Callable[..., object], prepare: Callable[[], object] | None = None) -> Timer:
    """A clock for ``run``, warmed up. With ``prepare`` each call gets a fresh argument, made while it stands.

    What a long call returns is freed after the clock stops; where calls repeat, freeing is in the time.
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
    """Seconds a call of every side, round by round."""

    times: dict[str, list[float]]

    def fastest(self, sides: list[str]) -> str:
        return min(sides, key=lambda side: median(self.times[side]))

    def fill(self, row: Row, ours: str, theirs: str) -> Row:
        """``row`` with both medians, and median, least and greatest of theirs / ours inside the rounds."""
        a, b = self.times[ours], self.times[theirs]
        ratios = [y / x for x, y in zip(a, b, strict=True)]
        row.ours, row.theirs, row.rounds = median(a), median(b), len(a)
        row.value, row.low, row.high = median(ratios), min(ratios), max(ratios)
        return row

    def fill_time(self, row: Row, ours: str) -> Row:
        """``row`` with a time alone, in the unit that its measure names."""
        a, scale = self.times[ours], {"us": 1e6, "ms": 1e3}[row.measure]
        row.ours, row.rounds = median(a), len(a)
        row.value, row.low, row.high = median(a) * scale, min(a) * scale, max(a) * scale
        return row


def alternate(timers: dict[str, Timer], budget: Budget) -> Rounds:
    """A B C A B C ...: what disturbs the machine disturbs all sides alike."""
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
    """Of the forms of one rival, those within 1.3 times the fastest in two trials: the rest cannot win."""
    trial = {form: min(clock(), clock()) for form, clock in forms.items()}
    return {form: clock for form, clock in forms.items() if trial[form] <= 1.3 * min(trial.values())}


def zipf(n: int) -> np.ndarray:
    """Weights 1 / rank, id 0 the heaviest: the order kindest to rivals, whose searches then stay in cache."""
    return 1.0 / np.arange(1, n + 1, dtype=np.float64)


def positives(num_users: int, num_items: int, each: int) -> np.ndarray:
    """int32 [num_users, each], rows sorted and without repeats; items log-uniform (popularity ~ 1 / rank).

    A repeat inside a row is replaced by a uniform item.
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


def spelled(n: int) -> str:
    """1000000 -> '1e6'."""
    exponent = len(str(n)) - 1
    return f"1e{exponent}" if n == 10**exponent else f"{n:,}"
