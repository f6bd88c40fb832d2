"""Synthetic rows, compared with copying as many rows, which any sampler must do, and with SMOTE in NumPy.

Run ``python -m bench.run --only smote``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import equipoise

from .harness import Budget, Row, Timer, alternate, contenders, timer

PLAIN = "16 columns, float32"
ROWS, COLUMNS, NEIGHBORS, BATCH = 100_000, 16, 5, 65_536


class AnyNeighbors:
    """An estimator whose neighbors are random rows, since only drawing is timed."""

    n_neighbors = NEIGHBORS + 1

    def fit(self, X: np.ndarray) -> AnyNeighbors:
        return self

    def kneighbors(self, X: np.ndarray, return_distance: bool = True) -> np.ndarray:
        return np.random.default_rng(2).integers(0, len(X), (len(X), self.n_neighbors))


def minority(dtype: type = np.float32, columns: int = COLUMNS) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(ROWS, columns)).astype(dtype)


def sampler(X: np.ndarray, **how: Any) -> equipoise.SmoteSampler:
    return equipoise.SmoteSampler(X, k_neighbors=AnyNeighbors(), **how)


def take_forms(X: np.ndarray, out: np.ndarray) -> dict[str, Timer]:
    """Return the ways to copy rows. The numbers of the rows are drawn beforehand."""
    rows = np.random.default_rng(3).integers(0, ROWS, BATCH)
    return {
        'mode="clip", out=': timer(partial(np.take, X, rows, axis=0, out=out, mode="clip")),
        "out=": timer(partial(np.take, X, rows, axis=0, out=out)),
        "a new array": timer(partial(np.take, X, rows, axis=0)),
    }


def numpy_smote(X: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Make rows as imbalanced-learn does, in X's dtype. ``table`` has the neighbors of each row."""
    rng = np.random.default_rng(4)
    pair, gap = rng.integers(0, table.size, BATCH), rng.random(BATCH, X.dtype.type)
    base = X[pair // NEIGHBORS]
    return base + gap[:, np.newaxis] * (X[table.ravel()[pair]] - base)


def run(budget: Budget) -> Iterator[Row]:
    weights = np.random.default_rng(5).random(ROWS)
    cases: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
        PLAIN: (minority(), {}),
        f"{PLAIN}, parent_weights": (minority(), {"parent_weights": weights}),
        "16 columns, float64": (minority(np.float64), {}),
        "128 columns, float32": (minority(columns=128), {}),
    }
    for case, (X, how) in cases.items():
        drawing = sampler(X, **how)
        out = np.empty((BATCH, X.shape[1]), X.dtype)
        forms = contenders(take_forms(X, out))
        table = AnyNeighbors().kneighbors(X)[:, 1:]
        timers = {
            "ours": timer(partial(drawing.sample, BATCH, out=out)),
            "NumPy": timer(partial(numpy_smote, X, table)),
            **forms,
        }
        rounds = alternate(timers, budget)
        work = f"{BATCH:,} synthetic rows, {case}"
        best = rounds.fastest(list(forms))
        goal = 0.2 if case == PLAIN else None
        take = Row("smote", work, "np.take of as many rows", best, goal=goal, amount=BATCH)
        yield rounds.fill(take, "ours", best)
        setting = "the neighbors are known; integers, random, two gathers, the formula"
        yield rounds.fill(Row("smote", work, "SMOTE in NumPy", setting, amount=BATCH), "ours", "NumPy")
        if case == PLAIN:
            at_30_million = BATCH / 30e6 * 1e3  # rows a second
            row = Row("smote", work, "", measure="ms", goal=round(at_30_million, 2), amount=BATCH)
            yield rounds.fill_time(row, "ours")
