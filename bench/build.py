"""Building a table from 1e7 float64 weights, power 1, against the two compiled alias tables on PyPI."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial

import numpy as np

import equipoise
from harness import Budget, Row, Timer, alternate, contenders, optional, spelled, timer, zipf


def rivals(weights: np.ndarray) -> dict[str, Timer]:
    """vose works in place on a copy made outside the clock, its fastest mode; SciPy gets probabilities."""
    timers: dict[str, Timer] = {}
    if (vose := optional("vose")) is not None:
        timers["vose.Sampler(copy=False)"] = timer(partial(vose.Sampler, copy=False), prepare=weights.copy)
    if (unuran := optional("scipy.stats.sampling")) is not None:
        p = weights / weights.sum()
        timers["SciPy DiscreteAliasUrn"] = timer(lambda: unuran.DiscreteAliasUrn(p, random_state=1))
    return timers


def run(budget: Budget) -> Iterator[Row]:
    n = 10**7
    ranked = zipf(n) ** 0.75
    shuffled = np.random.default_rng(1).permutation(ranked)
    for order, weights in {"ids by rank": ranked, "ids shuffled": shuffled}.items():
        work = f"table build, n = {spelled(n)}, {order}"
        row = Row("build", work, "faster of vose and SciPy", target=1.5, amount=n)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # SciPy warns of round-off at this n
            timers = {"ours": timer(partial(equipoise.AliasTable, weights))}
            candidates = rivals(weights)
            timers |= contenders(candidates)
            rounds = alternate(timers, budget)
        if candidates:
            best = rounds.fastest([side for side in timers if side != "ours"])
            row.setting = f"{best} (ran: {', '.join(candidates)})"
            yield rounds.fill(row, "ours", best)
        else:
            row.note = "not installed"
            yield row
    if budget.huge:
        yield from huge()


def huge() -> Iterator[Row]:
    """Nobody to compare with: torch.multinomial stops at 2^24 categories."""
    n, size = 10**8, 1_000_000
    weights = zipf(n)
    once = Budget(quick=True, seconds=0.0, rounds=1)
    row = Row("build", f"table build, n = {spelled(n)}", "", measure="ms", amount=n)
    yield alternate({"ours": timer(partial(equipoise.AliasTable, weights))}, once).fill_time(row, "ours")
    draw = timer(partial(equipoise.AliasTable(weights).sample, size, rng=np.random.default_rng(1)))
    row = Row("build", f"1M draws, n = {spelled(n)}", "", measure="ms", amount=size)
    yield alternate({"ours": draw}, Budget.of(quick=True)).fill_time(row, "ours")
