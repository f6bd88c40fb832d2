"""Metrics of recommendations follow their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from equipoise._cli.demo import metrics
from equipoise._cli.demo.metrics import evaluate, most_popular
from support.splits import split_of


def metrics_by_definition(scores, train_rows, test_rows, k):
    recall, ndcg, recommended = [], [], set()
    for user, wanted in enumerate(test_rows):
        if not wanted:
            continue
        candidates = [i for i in range(scores.shape[1]) if i not in train_rows[user]]
        best = sorted(candidates, key=lambda i: -scores[user, i])[:k]
        recommended |= set(best)
        gains = [1 / math.log2(r + 1) if i in wanted else 0 for r, i in enumerate(best, start=1)]
        ideal = [1 / math.log2(r + 1) for r in range(1, min(k, len(wanted)) + 1)]
        recall.append(sum(g > 0 for g in gains) / len(wanted))
        ndcg.append(sum(gains) / sum(ideal))
    return np.mean(recall), np.mean(ndcg), len(recommended) / scores.shape[1]


@pytest.mark.parametrize("k", [1, 3, 20, 30, 50])
@pytest.mark.parametrize("chunk", [1, 100, metrics.SCORES])
def test_metrics_follow_their_definitions(monkeypatch, any_seed, k, chunk):
    monkeypatch.setattr(metrics, "SCORES", chunk)
    rng = np.random.default_rng([any_seed, k])
    num_users, num_items = 17, 30
    train_rows, test_rows = [], []
    for _ in range(num_users):
        items = rng.permutation(num_items)
        trained, tested = rng.integers(0, 25), rng.integers(0, 6)
        train_rows.append(set(items[:trained].tolist()))
        test_rows.append(set(items[trained : trained + tested].tolist()))
    test_rows[3] = set()
    test_rows[5] = test_rows[5] or set(range(num_items)) - train_rows[5]
    scores = rng.permutation(num_users * num_items).reshape(num_users, num_items) / 7
    got = evaluate(lambda users: scores[users], split_of(train_rows, test_rows, num_items), k)
    expected = metrics_by_definition(scores, train_rows, test_rows, k)
    assert (got.recall, got.ndcg, got.coverage) == pytest.approx(expected, abs=1e-12)


def test_perfect_and_worthless_scores():
    split = split_of([{0}, {1}], [{1, 2}, {4}], 6)
    table = np.array([[9.0, 5, 4, 0, 0, 0], [0, 9, 0, 0, 5, 0]])
    assert evaluate(lambda users: table[users], split, 2).ndcg == 1
    assert evaluate(lambda users: table[users], split, 2).recall == 1
    assert evaluate(lambda users: -table[users], split, 2).recall == 0


def test_most_popular_breaks_ties_by_the_smaller_item():
    split = split_of([{2, 3}, {2}, {0, 3}], [{1}, {1}, {1}], 5)
    assert most_popular(split)(np.arange(3)).argsort(axis=1)[:, ::-1].tolist() == [[2, 3, 0, 1, 4]] * 3
