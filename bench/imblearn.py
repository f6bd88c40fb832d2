"""equipoise.imblearn and imbalanced-learn: the time and memory for the same rows.

Run ``python -m bench.run --only imblearn``. Everything runs on two threads.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from .harness import Budget, Row, optional
from .two_threads import duel, print_rows, rows_of, spread

NEIGHBORS = "NearestNeighbors(6, algorithm='kd_tree', n_jobs=-1)"


def blobs(counts: tuple[int, ...], d: int, dtype: type = np.float64) -> tuple[np.ndarray, np.ndarray]:
    """Return overlapping classes of these sizes: the same fifty clusters, shifted for each class."""
    rng = np.random.default_rng([*counts, d])
    centers = rng.uniform(-10, 10, (50, d))
    y = np.repeat(np.arange(len(counts)), counts)
    x = centers[rng.integers(0, 50, y.size)] + rng.standard_normal((y.size, d)) + 0.5 * y[:, None]
    order = rng.permutation(y.size)
    return x[order].astype(dtype), y[order]


def sampler(library: str, name: str, **arguments: Any) -> Any:
    """Return a sampler of one of the libraries. ``kd_tree`` makes imbalanced-learn search with a k-d tree."""
    if library == "equipoise":
        from equipoise import imblearn as found
    else:
        from imblearn import over_sampling, under_sampling

        found = over_sampling if hasattr(over_sampling, name) else under_sampling
    if arguments.pop("kd_tree", False):
        from sklearn.neighbors import NearestNeighbors

        arguments["k_neighbors"] = NearestNeighbors(n_neighbors=6, algorithm="kd_tree", n_jobs=-1)
    return getattr(found, name)(**arguments)


def resample(library: str, name: str, x: np.ndarray, y: np.ndarray, **arguments: Any) -> object:
    return sampler(library, name, **arguments).fit_resample(x, y)


def same_rows(name: str, **arguments: Any) -> None:
    """Assert that both libraries return the same for a few rows."""
    x, y = blobs((1500, 500), 16)
    if name == "SMOTENC":
        x = with_categories(x)
    (a, b), (c, d) = (
        resample(library, name, x, y, **arguments)  # type: ignore[misc]
        for library in ("equipoise", "imblearn")
    )
    assert a.shape == c.shape, (name, a.shape, c.shape)
    assert (b == d).all(), name
    # Distances of categories are often equal, and the libraries order such neighbors differently.
    assert name == "SMOTENC" or np.allclose(a, c), name


def with_categories(x: np.ndarray) -> np.ndarray:
    """Return a copy whose last four columns are codes of five categories."""
    x = x.copy()
    x[:, -4:] = np.digitize(x[:, -4:], np.quantile(x[:, -4:], (0.2, 0.4, 0.6, 0.8)))
    return x


def smote(budget: Budget) -> Iterator[Row]:
    shrink = 8 if budget.quick else 1
    minority, rest = 100_000 // shrink, 200_000 // shrink
    same_rows("SMOTE", random_state=0)
    for dtype in (np.float64, np.float32):
        x, y = blobs((rest, minority), 16, dtype)
        work = f"SMOTE, {minority:,} minority rows of {y.size:,}, 16 columns, {x.dtype}"
        mine = partial(resample, "equipoise", "SMOTE", x, y, random_state=0)
        for kd_tree, goal in ((False, 15), (True, 8)):
            rival = "imbalanced-learn, kd_tree" if kd_tree else "imbalanced-learn"
            row = Row("imblearn", work, rival, goal=goal, amount=rest - minority)
            row.setting = f"k_neighbors={NEIGHBORS}" if kd_tree else "default arguments"
            if kd_tree and dtype is np.float64:
                row.headline = (
                    f"`SMOTE().fit_resample`, {minority:,} minority rows of {y.size:,}, two threads"
                )
            theirs = partial(resample, "imblearn", "SMOTE", x, y, random_state=0, kd_tree=kd_tree)
            yield duel(row, mine, theirs, budget)


def others(budget: Budget) -> Iterator[Row]:
    n = 30_000 // (4 if budget.quick else 1)
    for name, arguments in {
        "TomekLinks": {},
        "EditedNearestNeighbours": {},
        "BorderlineSMOTE": {"random_state": 0},
        "ADASYN": {"random_state": 0},
        "SMOTENC": {"random_state": 0, "categorical_features": [12, 13, 14, 15]},
    }.items():
        same_rows(name, **arguments)
        x, y = blobs((n * 4 // 5, n // 5), 16)
        what = f"{name}, {n:,} rows, 16 columns"
        if name == "SMOTENC":
            x, what = with_categories(x), f"{what}, 4 of them categorical"
        row = Row("imblearn", what, "imbalanced-learn", setting="default arguments", goal=8, amount=n)
        mine, theirs = (
            partial(resample, side, name, x, y, **arguments) for side in ("equipoise", "imblearn")
        )
        yield duel(row, mine, theirs, budget)


# ---- memory -----------------------------------------------------------------------------------------------


def peak(library: str, minority: int, rest: int) -> int:
    """Return the bytes at the peak of fit_resample beyond those before it, in a process of its own."""
    process = spread("imblearn", "peak", library, str(minority), str(rest))
    said, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return int(said)


def print_peak(library: str, minority: int, rest: int) -> None:
    def memory(what: str) -> int:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(what)) * 1024

    few = blobs((900, 600), 16)
    resample(library, "SMOTE", *few, random_state=0)  # imports and compiling are not counted
    x, y = blobs((rest, minority), 16)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # start a new peak
    before = memory("VmRSS")
    result = resample(library, "SMOTE", x, y, random_state=0)
    print(memory("VmHWM") - before)
    del result


def peaks(budget: Budget) -> Iterator[Row]:
    shrink = 8 if budget.quick else 1
    minority, rest = 100_000 // shrink, 200_000 // shrink
    work = f"SMOTE, {minority:,} minority rows of {minority + rest:,}, 16 columns, float64"
    row = Row("imblearn", work, "imbalanced-learn", measure="memory", goal=2)
    row.setting = "a process for each side; resident memory at its peak beyond that before the call"
    row.ours, row.theirs = (float(peak(side, minority, rest)) for side in ("equipoise", "imblearn"))
    row.value = row.low = row.high = row.theirs / row.ours
    row.rounds = 1
    yield row


def run(budget: Budget) -> Iterator[Row]:
    missing = [name for name in ("sklearn", "imblearn", "equipoise.imblearn") if optional(name) is None]
    if missing:
        yield Row("imblearn", "SMOTE and others", "imbalanced-learn", note=f"not installed: {missing[0]}")
        return
    yield from rows_of("imblearn", budget)


if __name__ == "__main__":
    if sys.argv[1] == "peak":
        print_peak(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:

        def all_rows(budget: Budget) -> Iterator[Row]:
            yield from smote(budget)
            yield from others(budget)
            yield from peaks(budget)

        print_rows(all_rows)
