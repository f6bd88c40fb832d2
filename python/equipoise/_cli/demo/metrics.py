"""Metrics of recommendations, from a ranking of all items for each user of the test part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise._cli.demo.splits import Positives, Split

__all__ = ["CUTOFF", "Metrics", "Scorer", "evaluate", "most_popular"]


CUTOFF = 20  # items recommended to each user
SCORES = 1 << 23  # scores held in memory at a time
Ints = NDArray[np.int64]
Scorer = Callable[[Ints], NDArray[np.floating[Any]]]


@dataclass(frozen=True)
class Metrics:
    """Metrics of the k best items for each user, among all items except the user's training positives.

    The means are over the users with test positives T.

    Attributes
    ----------
    recall : float
        The mean of |hits| / |T|.
    ndcg : float
        The mean of DCG / ideal DCG, where a hit at rank r = 1 .. k counts 1 / log2(r + 1), and the ideal has
        hits at ranks 1 .. min(|T|, k).
    coverage : float
        The share of all items that are recommended to at least one user.
    """

    recall: float
    ndcg: float
    coverage: float


def evaluate(score: Scorer, split: Split, k: int = CUTOFF) -> Metrics:
    """Rank all items, not just a sample, for every user of the test part, and return metrics.

    Parameters
    ----------
    score : callable
        Takes users of shape (b,) and returns a new array of shape (b, num_items) with their scores. Higher
        is better.
    split : Split
    k : int
        The number of items recommended to each user.

    Returns
    -------
    Metrics

    Examples
    --------
    >>> from equipoise._cli.demo.splits import Positives, Split
    >>> train = Positives(indptr=np.array([0, 1]), indices=np.array([0]))
    >>> test = Positives(indptr=np.array([0, 2]), indices=np.array([2, 3]))
    >>> split = Split(train, test, num_users=1, num_items=4, unknown=0, rule="")
    >>> evaluate(lambda users: np.array([[9.0, 3.0, 2.0, 1.0]]), split, k=2)  # recommends 1 and 2
    Metrics(recall=0.5, ndcg=0.38685280723454163, coverage=0.5)
    """
    k = min(k, split.num_items)
    gain = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate(([0.0], gain.cumsum()))
    tested = np.flatnonzero(np.diff(split.test.indptr))
    recall, ndcg = np.empty(tested.size), np.empty(tested.size)
    recommended = np.zeros(split.num_items, dtype=np.bool_)
    step = max(1, SCORES // split.num_items)
    for begin in range(0, tested.size, step):
        users, part = tested[begin : begin + step], slice(begin, begin + step)
        scores = score(users)
        scores[_cells(split.train, users)] = -np.inf
        positive = np.zeros(scores.shape, dtype=np.bool_)
        positive[_cells(split.test, users)] = True
        best = np.argpartition(scores, split.num_items - k, axis=1)[:, split.num_items - k :]
        descending = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        best = np.take_along_axis(best, descending, axis=1)
        hits = np.take_along_axis(positive, best, axis=1)
        num_positive = positive.sum(axis=1)
        recall[part] = hits.sum(axis=1) / num_positive
        ndcg[part] = hits @ gain / ideal[np.minimum(num_positive, k)]
        recommended[best[np.take_along_axis(scores, best, axis=1) > -np.inf]] = True
    return Metrics(float(recall.mean()), float(ndcg.mean()), float(recommended.mean()))


def _cells(positives: Positives, users: Ints) -> tuple[Ints, Ints]:
    """Return the rows and columns of the users' positives in a matrix with one row per user."""
    begins, lengths = positives.indptr[users], np.diff(positives.indptr)[users]
    rows = np.repeat(np.arange(users.size), lengths)
    within = np.arange(rows.size) - np.repeat(lengths.cumsum() - lengths, lengths)
    return rows, positives.indices[np.repeat(begins, lengths) + within]


def most_popular(split: Split) -> Scorer:
    """Return a scorer that ranks items by popularity, the same for everybody.

    Among equally popular items, the first ranks highest.

    Examples
    --------
    >>> from equipoise._cli.demo.splits import Positives, Split
    >>> train = Positives(np.array([0, 2, 4]), np.array([1, 2, 0, 2]))
    >>> split = Split(train, train, num_users=2, num_items=4, unknown=0, rule="")
    >>> most_popular(split)(np.array([0])).argsort()[0, ::-1]
    array([2, 0, 1, 3])
    """
    rank = np.empty(split.num_items)
    rank[np.argsort(-split.popularity(), kind="stable")] = np.arange(split.num_items)
    return lambda users: np.tile(-rank, (users.size, 1))
