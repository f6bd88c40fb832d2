"""Splits of small logs, for the tests of the recommender."""

from __future__ import annotations

import numpy as np

from equipoise._cli.demo.interactions import Interactions
from equipoise._cli.demo.splits import Positives, Split, leave_one_out


def positives(rows):
    """Return the positives of a list of sets of items, one set for each user."""
    indptr = np.cumsum([0, *map(len, rows)])
    return Positives(indptr, np.array([i for row in rows for i in sorted(row)], dtype=np.int64))


def split_of(train_rows, test_rows, num_items):
    """Return the split with these sets of items, one set for each user."""
    return Split(positives(train_rows), positives(test_rows), len(train_rows), num_items, 0, "as given")


def planted(num_users=80, num_groups=4, per_group=15, each=8):
    """Return rows (user, item, time) in which the users of a group take only items of that group."""
    rng = np.random.default_rng(1)
    return [
        (user, user % num_groups * per_group + int(item), t)
        for user in range(num_users)
        for t, item in enumerate(rng.permutation(per_group)[:each])
    ]


def planted_split():
    """Return the planted log with each user's last item as the test part."""
    users, items, times = np.array(planted()).T
    order = np.argsort(times, kind="stable")
    n = np.arange(80), np.arange(60)
    return leave_one_out(Interactions(users[order], items[order], times[order], *n, False, users.size))
