"""What a call costs when it asks for little: one user's 16 negatives, as a Dataset's __getitem__ does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

import numpy as np

import equipoise
from harness import Budget, Row, alternate, positives, timer, zipf

ITEMS, USERS, EACH, NEGATIVES = 1_000_000, 100_000, 50, 16


def run(budget: Budget) -> Iterator[Row]:
    known = positives(USERS, ITEMS, EACH)
    weights = zipf(ITEMS)
    table = equipoise.AliasTable(weights, power=0.75)
    sampler = equipoise.NegativeSampler(table, exclude=(np.arange(0, known.size + 1, EACH), known.ravel()))
    p = weights**0.75
    cdf = p.cumsum()
    cdf /= cdf[-1]
    log_p = np.log(p / p.sum())
    rng = np.random.default_rng(1)
    users = cycle(rng.integers(0, USERS, 10_000).tolist())

    def numpy_row(user: int) -> tuple[np.ndarray, np.ndarray]:
        """The least NumPy can do for a row, everything kept that can be; log q without the excluded mass."""
        mine = known[user]
        ids = cdf.searchsorted(rng.random(NEGATIVES), "right")
        while (bad := mine[mine.searchsorted(ids).clip(max=EACH - 1)] == ids).any():
            ids[bad] = cdf.searchsorted(rng.random(int(bad.sum())), "right")
        return ids, log_p[ids]

    rounds = alternate(
        {
            "ours": timer(lambda: sampler.sample(np.array([next(users)]), NEGATIVES)),
            "numpy": timer(lambda: numpy_row(next(users))),
        },
        budget,
    )
    work = f"one row x {NEGATIVES} negatives, {EACH} positives excluded, log q"
    yield rounds.fill_time(Row("calls", work, "", measure="us", target=25, amount=NEGATIVES), "ours")
    setting = "CDF kept, searchsorted; the row's positives too; redraws; log q without the excluded mass"
    yield rounds.fill(Row("calls", work, "NumPy, one row", setting, amount=NEGATIVES), "ours", "numpy")
