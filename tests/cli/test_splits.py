"""A log is split into a training and a test part that share no pair."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise._cli.demo.interactions import Interactions, read
from equipoise._cli.demo.splits import leave_one_out, split_by_time
from equipoise._cli.errors import BadInput
from support.logs import arrow, write_csv

DAY = 86_400


def log_of(users, items, times):
    """Return a log with these codes in the order of time, with each pair once, as ``read`` does."""
    users, items, times = (np.asarray(x, dtype=np.int64) for x in (users, items, times))
    order = np.argsort(times, kind="stable")
    _, first = np.unique(np.stack((users[order], items[order])), axis=1, return_index=True)
    keep = order[np.sort(first)]
    n = max(users.max(initial=0), items.max(initial=0)) + 1
    return Interactions(users[keep], items[keep], times[keep], np.arange(n), np.arange(n), False, users.size)


def pairs_of(positives):
    rows = np.repeat(np.arange(positives.indptr.size - 1), np.diff(positives.indptr))
    return list(zip(rows.tolist(), positives.indices.tolist(), strict=True))


def check(split, log, training):
    """Check that a split has these training rows, renumbered and sorted, and only known users and items."""
    users, items = np.unique(log.users[training]), np.unique(log.items[training])
    assert (split.num_users, split.num_items) == (users.size, items.size)
    known = set(users.tolist()), set(items.tolist())
    train, test, unknown = set(), set(), 0
    for user, item, trains in zip(log.users.tolist(), log.items.tolist(), training.tolist(), strict=True):
        if trains:
            train.add((user, item))
        elif user in known[0] and item in known[1]:
            test.add((user, item))
        else:
            unknown += 1
    for positives, pairs in ((split.train, train), (split.test, test)):
        found = [(int(users[u]), int(items[i])) for u, i in pairs_of(positives)]
        assert found == sorted(pairs)
        assert positives.indptr.dtype == positives.indices.dtype == np.int64
    assert split.unknown == unknown
    assert not train & test


logs = st.integers(0, 2**32 - 1).map(
    lambda seed: log_of(*np.random.default_rng(seed).integers(0, (60, 40, 9), (400, 3)).T)
)


@given(logs, st.integers(2, 7))
def test_split_by_time_trains_on_what_came_before(log, time):
    split = split_by_time(log, time)
    check(split, log, log.times < time)


@given(logs)
def test_leave_one_out_tests_on_the_last_item(log):
    last = {user: row for row, user in enumerate(log.users.tolist())}
    training = ~np.isin(np.arange(log.users.size), list(last.values()))
    split = leave_one_out(log)
    check(split, log, training)
    assert np.diff(split.test.indptr).max() == 1


def test_the_later_of_two_rows_with_equal_times_is_the_last():
    users = np.repeat(np.arange(12), 4)
    items = np.tile([3, 1, 0, 2], 12)
    split = leave_one_out(log_of(users, (items + users) % 12, np.zeros(48)))
    assert split.test.indices.tolist() == [(2 + u) % 12 for u in range(12)]


def dated(tmp_path, form):
    """Return a log of the first ten days of November 2011, in which 15 users take one item a day."""
    day, user = np.divmod(np.arange(150), 15)
    seconds = 1_320_105_600 + day * DAY
    times = [form(int(s)) for s in seconds]
    return read(write_csv(tmp_path / "log.csv", user_id=user, item_id=(user + day) % 15, timestamp=times))


def as_date(seconds):
    return dt.datetime.fromtimestamp(seconds, dt.UTC).date().isoformat()


@pytest.mark.parametrize(
    ("form", "time", "days"),
    [
        (as_date, "2011-11-04", 3),
        (as_date, "2011-11-04T00:00:01", 4),
        (as_date, "2011-11-04T00:00+01:00", 3),
        (int, "2011-11-04", 3),
        (int, "1320364800", 3),
        (int, 1_320_364_801, 4),
        (float, "1320364800.5", 4),
        (as_date, None, 8),
        (int, None, 8),
    ],
)
def test_split_times_are_numbers_or_dates(tmp_path, form, time, days):
    log = dated(tmp_path, form)
    split = split_by_time(log, time)
    assert split.train.indices.size == 15 * days
    assert split.test.indices.size == 15 * (10 - days)
    assert split.rule.startswith("trained on time < 2011-" if form is as_date else "trained on time < ")


@pytest.mark.parametrize(
    ("form", "time", "told"),
    [
        (as_date, "soon", "must be an ISO 8601 date, such as 2011-11-01, got 'soon'"),
        (as_date, "1320364800", "must be an ISO 8601 date, such as 2011-11-01, got '1320364800'"),
        (int, "soon", "must be a number, or an ISO 8601 date, got 'soon'"),
        (int, "nan", "must be a number, or an ISO 8601 date, got 'nan'"),
        (int, "inf", "must be a number, or an ISO 8601 date, got 'inf'"),
        (as_date, "2011-11-04é00:00", "must be an ISO 8601 date, such as 2011-11-01, got '2011-11-04é00:00'"),
        (
            int,
            "2010-01-01",
            r"got 2010-01-01 \(1262304000 in Unix seconds\); times run from 1320105600 to 13",
        ),
        (int, "5", "before it and after it, got 5; times run from 1320105600 to 1320883200"),
        (as_date, "2012-01-01", "got 2012-01-01; times run from 2011-11-01T00:00:00"),
        (as_date, "2011-11-01", "before it and after it, got 2011-11-01; "),
    ],
)
def test_bad_split_times_are_refused(tmp_path, form, time, told):
    with pytest.raises(BadInput, match=told):
        split_by_time(dated(tmp_path, form), time)


def test_too_few_users_are_refused():
    users, items = np.divmod(np.arange(27), 3)
    log = log_of(users, items, items)
    with pytest.raises(BadInput, match=r"at least 10 users .* got 0 and 2: trained on time < 2"):
        split_by_time(log, 2)
    with pytest.raises(BadInput, match=r"at least 10 users .* got 9 and 4: trained on all but"):
        leave_one_out(log_of(users, (items + users) % 4, items))
    with pytest.raises(BadInput, match="times run from 0 to 0"):
        split_by_time(log_of(users, items, np.zeros(27)))


def test_the_published_split_of_amazon_beauty(data_dir):
    arrow()
    from pyarrow import parquet

    path = data_dir / "amazon_beauty" / "sequences.parquet"
    log = read(path, time="pos")
    table = parquet.read_table(path)
    user, item, part = (table[name].to_numpy() for name in ("user_id", "item_id", "split"))
    trained = set(zip(user[part != "test"].tolist(), item[part != "test"].tolist(), strict=True))
    pairs = zip(log.user_ids[log.users].tolist(), log.item_ids[log.items].tolist(), strict=True)
    check(leave_one_out(log), log, np.array([pair in trained for pair in pairs]))
