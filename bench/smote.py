"""Synthetic rows against copying as many, the least that any sampler of rows does, and NumPy's SMOTE."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import equipoise
from harness import Budget, Row, Timer, alternate, contenders, timer

ROWS, COLUMNS, NEIGHBORS, BATCH = 100_000, 16, 5, 65_536


class AnyNeighbors:
    """As neighbours, any rows: what is timed is drawing, which goes all over memory either way."""

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
    """The rows' numbers are drawn beforehand."""
    rows = np.random.default_rng(3).integers(0, ROWS, BATCH)
    return {
        'mode="clip", out=': timer(partial(np.take, X, rows, axis=0, out=out, mode="clip")),
        "out=": timer(partial(np.take, X, rows, axis=0, out=out)),
        "a new array": timer(partial(np.take, X, rows, axis=0)),
    }


def numpy_smote(X: np.ndarray, table: np.ndarray) -> np.ndarray:
    """As imbalanced-learn makes them, in X's dtype."""
    rng = np.random.default_rng(4)
    pair, gap = rng.integers(0, table.size, BATCH), rng.random(BATCH, X.dtype.type)
    base = X[pair // NEIGHBORS]
    return base + gap[:, np.newaxis] * (X[table.ravel()[pair]] - base)


def run(budget: Budget) -> Iterator[Row]:
    weights = np.random.default_rng(5).random(ROWS)
    cases: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
        "16 float32": (minority(), {}),
        "16 float32, parent_weights": (minority(), {"parent_weights": weights}),
        "16 float64": (minority(np.float64), {}),
        "128 float32": (minority(columns=128), {}),
    }
    for case, (X, how) in cases.items():
        drawing = sampler(X, **how)
        out = np.empty((BATCH, X.shape[1]), X.dtype)
        forms = contenders(take_forms(X, out))
        timers = {
            "ours": timer(partial(drawing.sample, BATCH, out=out)),
            "NumPy": timer(partial(numpy_smote, X, drawing._table)),
            **forms,
        }
        rounds = alternate(timers, budget)
        work = f"{BATCH:,} synthetic rows x {case} of {ROWS:,}, out="
        best = rounds.fastest(list(forms))
        wanted = 0.2 if case == "16 float32" else None
        take = Row("smote", work, "np.take of as many rows", best, target=wanted, amount=BATCH)
        yield rounds.fill(take, "ours", best)
        setting = "neighbours known; integers, random, take, the formula"
        yield rounds.fill(Row("smote", work, "NumPy SMOTE", setting, amount=BATCH), "ours", "NumPy")
        if case == "16 float32":
            at_30_million = BATCH / 30e6 * 1e3
            row = Row("smote", work, "", measure="ms", target=round(at_30_million, 2), amount=BATCH)
            yield rounds.fill_time(row, "ours")
