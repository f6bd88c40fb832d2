"""Exact nearest neighbors, compared with scikit-learn, faiss and pykdtree, and hard data with plain data.

Run ``python -m bench.run --only neighbors``. Everything runs on two threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import equipoise

from .harness import Budget, Row, optional
from .two_threads import THREADS, duel, print_rows, rows_of

K = 5
PLAIN = "plain data"
Search = Callable[[np.ndarray, int], np.ndarray]  # (points, k) -> the indices of each row's neighbors


def clustered(n: int, d: int, dtype: type = np.float32, clusters: int = 50) -> np.ndarray:
    """Return normal rows around centers that are uniform in [-10, 10]^d, like scikit-learn's make_blobs."""
    rng = np.random.default_rng([n, d])
    centers = rng.uniform(-10, 10, (clusters, d))
    return (centers[rng.integers(0, clusters, n)] + rng.standard_normal((n, d))).astype(dtype)


def ours(x: np.ndarray, k: int) -> np.ndarray:
    return equipoise.nearest_neighbors(x, k, n_threads=THREADS).indices


# ---- rivals: name -> settings; the one that is fastest on a fifth of the rows is timed --------------------


def scikit_learn(algorithm: str, **settings: Any) -> Search:
    def search(x: np.ndarray, k: int) -> np.ndarray:
        from sklearn.neighbors import NearestNeighbors

        estimator = NearestNeighbors(n_neighbors=k, algorithm=algorithm, n_jobs=-1, **settings).fit(x)
        return estimator.kneighbors(return_distance=True)[1]

    return search


def without_self(indices: np.ndarray) -> np.ndarray:
    """Drop the row itself from the k + 1 answers of a search that has no self-join."""
    own = indices == np.arange(len(indices))[:, None]
    own[~own.any(axis=1), -1] = True  # the row is hidden behind duplicates
    return indices[~own].reshape(len(indices), -1)


def faiss_flat(x: np.ndarray, k: int) -> np.ndarray:
    import faiss

    faiss.omp_set_num_threads(THREADS)
    index = faiss.IndexFlatL2(x.shape[1])
    index.add(x)
    return without_self(index.search(x, k + 1)[1])


def pykdtree(leafsize: int) -> Search:
    def search(x: np.ndarray, k: int) -> np.ndarray:
        from pykdtree.kdtree import KDTree

        return without_self(KDTree(x, leafsize=leafsize).query(x, k=k + 1)[1].astype(np.int64))

    return search


RIVALS: dict[str, tuple[str, dict[str, Search]]] = {
    "scikit-learn, brute": (
        "sklearn",
        {"NearestNeighbors(algorithm='brute', n_jobs=-1)": scikit_learn("brute")},
    ),
    "scikit-learn, kd_tree": (
        "sklearn",
        {
            f"NearestNeighbors(algorithm='kd_tree', leaf_size={leaf}, n_jobs=-1)": scikit_learn(
                "kd_tree", leaf_size=leaf
            )
            for leaf in (30, 100)
        },
    ),
    "faiss IndexFlatL2": ("faiss", {"add and search of k + 1, omp_set_num_threads(2)": faiss_flat}),
    "pykdtree": (
        "pykdtree",
        {f"KDTree(leafsize={leaf}), OMP_NUM_THREADS=2": pykdtree(leaf) for leaf in (8, 16, 32)},
    ),
}


def fastest(forms: dict[str, Search], x: np.ndarray, k: int) -> str:
    def trial(form: str) -> float:
        start = time.perf_counter()
        forms[form](few, k)
        return time.perf_counter() - start

    few = np.ascontiguousarray(x[: max(len(x) // 5, k + 2)])
    if len(forms) > 1:
        trial(next(iter(forms)))  # load the library
    return min(forms, key=trial) if len(forms) > 1 else next(iter(forms))


def against(work: str, rival: str, goal: float | None, x: np.ndarray, budget: Budget, k: int = K) -> Row:
    library, forms = RIVALS[rival]
    row = Row("neighbors", work, rival, goal=goal, amount=len(x))
    if (rival, *x.shape) == ("faiss IndexFlatL2", 100_000, 32):
        row.headline = "the 5 nearest neighbors of each of 100,000 rows x 32, two threads"
    if optional(library) is None:
        row.note = "not installed"
        return row
    row.setting = fastest(forms, x, k)
    search = forms[row.setting]
    few = np.ascontiguousarray(x[:5000])
    few_k = min(k, 50)  # distant neighbors are often equally far in float32, so their order may differ
    if (share := float((search(few, few_k) == ours(few, few_k)).mean())) < 0.99:
        raise AssertionError(f"{work}: {rival} finds the same neighbors in only {share:.1%} of the places")
    return duel(row, partial(ours, x, k), partial(search, x, k), budget)


def figures(budget: Budget) -> Iterator[Row]:
    shrink = 4 if budget.quick else 1

    def name(what: str, x: np.ndarray) -> str:
        return f"{what} {x.dtype}, {len(x):,} x {x.shape[1]}"

    for n, d, rivals in (
        (100_000, 32, {"scikit-learn, brute": 13, "faiss IndexFlatL2": 5}),
        (100_000, 16, {"scikit-learn, kd_tree": 12, "pykdtree": 3, "faiss IndexFlatL2": 6}),
        (20_000, 128, {"scikit-learn, brute": 5, "faiss IndexFlatL2": 2}),
        (20_000, 8, {"pykdtree": 2}),
    ):
        x = clustered(n // shrink, d)
        for rival, goal in rivals.items():
            yield against(name("clustered", x), rival, goal, x, budget)
    noise = np.random.default_rng(0).random((50_000 // shrink, 32), dtype=np.float32)
    yield against(name("uniform", noise), "faiss IndexFlatL2", 3, noise, budget)


# ---- hard data against plain data -------------------------------------------------------------------------


def hard_points(plain: np.ndarray) -> dict[str, np.ndarray]:
    n, d = plain.shape
    rng = np.random.default_rng(1)
    constant = plain.copy()
    constant[:, d // 2 :] = 12345.678
    return {
        "X + 10,000": plain + plain.dtype.type(1e4),
        "every row ten times": np.repeat(plain[: n // 10], 10, axis=0)[rng.permutation(n // 10 * 10)],
        "Cauchy noise": rng.standard_cauchy((n, d)).astype(plain.dtype),
        "identical rows": np.repeat(plain[:1], n, axis=0),
        "half of the columns constant": constant,
        "all columns but one constant": np.hstack([plain[:, :1], constant[:, -1:].repeat(d - 1, axis=1)]),
        "whole numbers 0 to 3": rng.integers(0, 4, (n, d)).astype(plain.dtype),
        "one-hot": np.eye(d, dtype=plain.dtype)[rng.integers(0, d, n)],
    }


def robustness(budget: Budget) -> Iterator[Row]:
    n, d = 20_000, 16
    for dtype in (np.float32, np.float64):
        plain = clustered(n, d, dtype)
        for name, x in hard_points(plain).items():
            work = f"{name}, {x.dtype}, {len(x):,} x {d}"
            row = Row("neighbors", work, PLAIN, measure="slowdown", goal=3, amount=len(x))
            yield duel(row, partial(ours, x, K), partial(ours, plain, K), budget)
    plain = clustered(3_000, d)
    k = len(plain) - 1
    for name in ("X + 10,000", "every row ten times", "identical rows", "half of the columns constant"):
        row = Row("neighbors", f"{name}, float32, {len(plain):,} x {d}, k = n - 1", PLAIN)
        row.measure, row.goal, row.setting = "slowdown", 3, "k = n - 1 as well"
        yield duel(row, partial(ours, hard_points(plain)[name], k), partial(ours, plain, k), budget)
    work = f"clustered float32, {len(plain):,} x {d}, k = n - 1"
    yield against(work, "scikit-learn, brute", None, plain, budget, k=k)


def run(budget: Budget) -> Iterator[Row]:
    yield from rows_of("neighbors", budget)


if __name__ == "__main__":

    def both(budget: Budget) -> Iterator[Row]:
        yield from figures(budget)
        yield from robustness(budget)

    print_rows(both)
