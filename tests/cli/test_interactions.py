"""Logs: read alike from CSV and Parquet, refused by name, split without a leak."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise._cli.demo.interactions import (
    Interactions,
    LogError,
    _arrow_columns,
    leave_one_out,
    read,
    split_by_time,
)

DAY = 86_400


def arrow():
    return pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra 'arrow')")


def write_parquet(path, **columns):
    arrow()
    from pyarrow import parquet, table

    parquet.write_table(table(columns), path)
    return path


def write_csv(path, **columns):
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def log_of(users, items, times):
    """A log with the given codes; as reading does it, in the order of time, each pair once."""
    users, items, times = (np.asarray(x, dtype=np.int64) for x in (users, items, times))
    order = np.argsort(times, kind="stable")
    _, first = np.unique(np.stack((users[order], items[order])), axis=1, return_index=True)
    keep = order[np.sort(first)]
    n = max(users.max(initial=0), items.max(initial=0)) + 1
    return Interactions(users[keep], items[keep], times[keep], np.arange(n), np.arange(n), False, users.size)


def same(a, b):
    assert (a.users.tolist(), a.items.tolist(), a.times.tolist()) == (
        b.users.tolist(),
        b.items.tolist(),
        b.times.tolist(),
    )
    assert a.user_ids.tolist() == b.user_ids.tolist()
    assert a.item_ids.tolist() == b.item_ids.tolist()
    assert (a.dates, a.rows) == (b.dates, b.rows)


# ---- reading ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ids", ["numbers", "words"])
@pytest.mark.parametrize("times", ["int", "float", "date", "datetime"])
def test_a_csv_and_a_parquet_of_one_log_are_one_log(tmp_path, ids, times):
    rng = np.random.default_rng(5)
    users, items, t = rng.integers(-3, 30, 200), rng.integers(0, 40, 200), rng.integers(0, 90, 200)
    columns = {"user_id": users.tolist(), "item_id": items.tolist()}
    if ids == "words":
        columns = {name: [f"é{x:03}" for x in column] for name, column in columns.items()}
    start = dt.datetime(2011, 11, 1, 8, 26)
    columns["timestamp"] = {
        "int": t.tolist(),
        "float": (t / 7).tolist(),
        "date": [start.date() + dt.timedelta(days=int(x)) for x in t],
        "datetime": [start + dt.timedelta(microseconds=int(x)) for x in t],
    }[times]
    from_csv = read(write_csv(tmp_path / "log.CSV", **columns))
    same(from_csv, read(write_parquet(tmp_path / "log.parquet", **columns)))
    assert from_csv.dates is (times in ("date", "datetime"))
    assert from_csv.users.dtype == from_csv.items.dtype == np.int64

    first = {}
    for user, item, time in zip(*columns.values(), strict=True):
        first[user, item] = min(time, first.get((user, item), time))
    pairs = zip(from_csv.user_ids[from_csv.users], from_csv.item_ids[from_csv.items], strict=True)
    assert sorted(pairs) == sorted(first)
    assert np.all(np.diff(from_csv.times) >= 0)


@pytest.mark.parametrize(
    "kind",
    [
        "int8",
        "uint64",
        "dictionary",
        "large_string",
        "timestamp[ns, tz=Europe/Paris]",
        "date64",
    ],
)
def test_types_of_a_parquet(tmp_path, kind):
    pa = arrow()
    time, user = pa.array([3, 1, 2]), pa.array([5, 9, 5])
    if kind == "dictionary":
        user = pa.chunked_array([pa.array(["x", "y"]), pa.array(["x"])]).dictionary_encode()
    elif kind == "large_string":
        user = pa.array(["x", "y", "x"], pa.large_string())
    elif kind.startswith("timestamp"):
        time = pa.array([3 * 10**9, 10**9, 2 * 10**9], pa.timestamp("ns", tz="Europe/Paris"))
    elif kind == "date64":
        time = pa.array([dt.date(1970, 1, 4), dt.date(1970, 1, 2), dt.date(1970, 1, 3)], pa.date64())
    else:
        user = user.cast(kind)
    log = read(write_parquet(tmp_path / "log.parquet", user_id=user, item_id=[0, 1, 2], timestamp=time))
    assert log.users.tolist() == [1, 0, 0]
    assert log.items.tolist() == [1, 2, 0]
    unit = {"timestamp[ns, tz=Europe/Paris]": 10**6, "date64": DAY * 10**6}.get(kind, 1)
    assert log.times.tolist() == [unit, 2 * unit, 3 * unit]


def test_views_of_strings():
    """Not through a file: the oldest pyarrow has them, and cannot write them."""
    pa = arrow()
    (column,) = _arrow_columns(pa.table({"user_id": pa.array(["x", "yy"], pa.string_view())}), ["user_id"])
    assert column.tolist() == ["x", "yy"]


def test_columns_are_named(tmp_path):
    path = write_csv(tmp_path / "log.csv", extra=["a,b", "c"], t=[2, 1], who=[1, 2], what=[3, 4])
    path.write_text(path.read_text().replace("a,b", '"a,b"'))
    log = read(path, user="who", item="what", time="t")
    assert (log.users.tolist(), log.item_ids.tolist()) == ([1, 0], [3, 4])


def test_ids_that_are_not_written_as_numbers_stay_apart(tmp_path):
    columns = {"item_id": [1, 2, 3, 4], "timestamp": [1, 2, 3, 4]}
    log = read(write_csv(tmp_path / "a.csv", user_id=["7", "07", " 7", "7"], **columns))
    assert log.user_ids.tolist() == [" 7", "07", "7"]
    log = read(write_csv(tmp_path / "b.csv", user_id=["10", "9", "-2", "9"], **columns))
    assert log.user_ids.tolist() == [-2, 9, 10]
    log = read(write_csv(tmp_path / "c.csv", user_id=["1", "9" * 30, "2", "1"], **columns))
    assert log.user_ids.tolist() == ["1", "2", "9" * 30]


def test_dates_are_utc_unless_they_say_more(tmp_path):
    times = ["1970-01-01", "1970-01-01T00:00:01Z", "1970-01-01 00:00:03+00:00", "1970-01-01T01:00:02+01:00"]
    log = read(write_csv(tmp_path / "log.csv", user_id=[0, 1, 2, 3], item_id=[0, 1, 2, 3], timestamp=times))
    assert log.users.tolist() == [0, 1, 3, 2]
    assert log.times.tolist() == [0, 10**6, 2 * 10**6, 3 * 10**6]


def test_a_pair_counts_once_at_its_first_time(tmp_path):
    path = write_csv(tmp_path / "log.csv", user_id=[1, 1, 2, 1], item_id=[5, 6, 5, 5], timestamp=[9, 5, 7, 3])
    log = read(path)
    assert (log.times.tolist(), log.rows) == ([3, 5, 7], 4)


# ---- what is refused -------------------------------------------------------------------------------------

GOOD = {"user_id": [1, 2], "item_id": [3, 4], "timestamp": [5, 6]}


HEADER = "user_id,item_id,timestamp\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "must have a column 'user_id', got none"),
        ("user_id;item_id;timestamp\n", "must have a column 'user_id', got 'user_id;item_id;timestamp'"),
        (
            "user_id,item,timestamp\n1,2,3\n",
            "must have a column 'item_id', got 'user_id', 'item', 'timestamp'",
        ),
        ("user_id,item_id,timestamp,user_id\n", "must have a column 'user_id', got 2 of that name"),
        (HEADER, "must have rows, got none"),
        (HEADER + "1,2,3\n1,2\n", "line 3, must have 3 cells, got 2"),
        (HEADER + "1,2,3\n\n1,,3\n", "'item_id' must have no empty cells, got one in line 4$"),
        (HEADER + "1,2,soon\n", "must hold numbers or ISO 8601 dates, all of them, got 'soon' in line 2$"),
        (HEADER + "1,2,3\n1,3,\n", "must hold numbers or ISO 8601 dates, all of them, got '' in line 3$"),
        (HEADER + "1,2,3\n1,3,2011-11-01\n", "all of them, got '2011-11-01' in line 3"),
        (HEADER + "1,2,2011-11-01\n1,3,3\n", "all of them, got '3' in line 3"),
        (HEADER + "1,2,3\n1,3,nan\n", "'timestamp' must be finite, got nan in line 3"),
        (HEADER + "1,2,3\n1,3,-inf\n", "'timestamp' must be finite, got -inf in line 3"),
        (HEADER + '1,"a\nb",3\n1,3,\n', "got '' in line 4$"),
        (HEADER + "1,2," + "x" * 5000 + "\n", r"got 'x{27}\.\.\.x{28}' in line 2$"),
        (",".join(f"c{i}" for i in range(500)) + "\n", r"'user_id', got 'c0', .* 'c19' and 480 more$"),
        (HEADER + '1,2,"3\n', "must be a CSV file: .* in line 2"),
        (HEADER.encode() + b"\xff,2,3\n", "must be a CSV file in UTF-8"),
        (b"PAR1\x00\x01", "must "),
    ],
)
def test_a_csv_is_refused(tmp_path, content, told):
    path = tmp_path / "log.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(LogError, match=told):
        read(path)


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ({"timestamp": [None, 5.0]}, r"'timestamp' must have no nulls, got one in row 0"),
        ({"user_id": [1, None]}, r"'user_id' must have no nulls, got one in row 1"),
        ({"timestamp": [1.0, float("nan")]}, r"'timestamp' must be finite, got nan in row 1"),
        ({"timestamp": ["today", "later"]}, r"ISO 8601 dates, all of them, got 'today' in row 0"),
        ({"timestamp": [True, False]}, r"'timestamp' must hold integers, strings or times, got bool"),
        ({"timestamp": [dt.time(1), dt.time(2)]}, r"must hold integers, strings or times, got time64"),
        ({"user_id": [1.0, 2.0]}, r"'user_id' must hold integers or strings, got float64"),
        ({"user_id": [[1], [2]]}, r"'user_id' must hold integers, strings or times, got list"),
        ({"user_id": [dt.date(2020, 1, 1)] * 2}, r"'user_id' must hold integers or strings, got datetime64"),
        ({"user_id": np.array([1, 2**63], dtype=np.uint64)}, r"integers below 2\^63, got 92233\d+ in row 1"),
        ({"user_id": ["", "a"]}, r"'user_id' must have no empty cells, got one in row 0"),
        ({"item_id": None}, r"must have a column 'item_id', got 'user_id', 'timestamp'"),
        ({name: np.empty(0, np.int64) for name in GOOD}, r"must have rows, got none"),
    ],
)
def test_a_parquet_is_refused(tmp_path, column, told):
    columns = {name: values for name, values in {**GOOD, **column}.items() if values is not None}
    path = write_parquet(tmp_path / "log.parquet", **columns)
    with pytest.raises(LogError, match=told):
        read(path)


@pytest.mark.parametrize(
    "content", [b"", b"user_id,item_id,timestamp\n1,2,3\n", b"PAR1" + bytes(40) + b"PAR1"]
)
def test_what_is_no_parquet(tmp_path, content):
    arrow()
    path = tmp_path / "log.parquet"
    path.write_bytes(content)
    with pytest.raises(LogError, match=r"log\.parquet must be a Parquet file: "):
        read(path)


def test_text_that_is_not_utf_8(tmp_path):
    pa = arrow()
    text = pa.array([b"a", b"\xff"]).view(pa.string())
    path = write_parquet(tmp_path / "log.parquet", **{**GOOD, "user_id": text})
    with pytest.raises(LogError, match=r"must be a Parquet file: .*can't decode byte 0xff"):
        read(path)
    whole = write_parquet(path, **GOOD).read_bytes()
    path.write_bytes(whole.replace(b"item_id", b"item_\xffd"))
    with pytest.raises(LogError, match="must be a Parquet file: "):
        read(path)


def test_a_truncated_parquet(tmp_path):
    path = write_parquet(tmp_path / "log.parquet", **GOOD)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(LogError, match="must be a Parquet file"):
        read(path)


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_no_such_file(tmp_path, name):
    if name.endswith("parquet"):
        arrow()
    with pytest.raises(LogError, match="cannot be read: No such file"):
        read(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(LogError, match="cannot be read: "):
        read(tmp_path / name)


def test_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(LogError, match=r"needs pyarrow: pip install 'equipoise\[arrow\]'"):
        read(tmp_path / "log.parquet")


def test_dates_that_microseconds_cannot_tell(tmp_path):
    pa = arrow()
    far = pa.array([2, 2**61], pa.timestamp("ms"))
    path = write_parquet(tmp_path / "log.parquet", **{**GOOD, "timestamp": far})
    with pytest.raises(LogError, match=r"dates within 290,000 years of 1970, got \S+ in row 1"):
        read(path)


@pytest.mark.parametrize(
    ("path", "told"), [(5, "got int"), (None, "got NoneType"), (["log.csv"], "got list")]
)
def test_no_path(path, told):
    with pytest.raises(TypeError, match=f"path must be a str or path-like that names a file, {told}"):
        read(path)


def test_one_column_for_two(tmp_path):
    with pytest.raises(LogError, match="must be three columns, got 'a', 'a' and 'timestamp'"):
        read(tmp_path / "log.csv", user="a", item="a")


# ---- splitting -------------------------------------------------------------------------------------------


def pairs_of(positives):
    rows = np.repeat(np.arange(positives.indptr.size - 1), np.diff(positives.indptr))
    return list(zip(rows.tolist(), positives.indices.tolist(), strict=True))


def check(split, log, training):
    """The split is that of these training rows: renumbered, known users and items, sorted rows."""
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
def test_split_by_time(log, time):
    split = split_by_time(log, time)
    check(split, log, log.times < time)


@given(logs)
def test_leave_one_out(log):
    last = {user: row for row, user in enumerate(log.users.tolist())}
    training = ~np.isin(np.arange(log.users.size), list(last.values()))
    split = leave_one_out(log)
    check(split, log, training)
    assert np.diff(split.test.indptr).max() == 1


def test_of_equal_times_the_later_row_is_the_last():
    users = np.repeat(np.arange(12), 4)
    items = np.tile([3, 1, 0, 2], 12)
    split = leave_one_out(log_of(users, (items + users) % 12, np.zeros(48)))
    assert split.test.indices.tolist() == [(2 + u) % 12 for u in range(12)]


def dated(tmp_path, form):
    """Days 0 .. 9 of November 2011; each of 15 users takes an item a day."""
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
def test_split_times(tmp_path, form, time, days):
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
def test_split_times_that_are_refused(tmp_path, form, time, told):
    with pytest.raises(LogError, match=told):
        split_by_time(dated(tmp_path, form), time)


def test_too_few_users():
    users, items = np.divmod(np.arange(27), 3)
    log = log_of(users, items, items)
    with pytest.raises(LogError, match=r"at least 10 users .* got 0 and 2: trained on time < 2"):
        split_by_time(log, 2)
    with pytest.raises(LogError, match=r"at least 10 users .* got 9 and 4: trained on all but"):
        leave_one_out(log_of(users, (items + users) % 4, items))
    with pytest.raises(LogError, match="times run from 0 to 0"):
        split_by_time(log_of(users, items, np.zeros(27)))


def test_beauty_has_the_split_that_leave_one_out_makes(data_dir):
    arrow()
    from pyarrow import parquet

    path = data_dir / "amazon_beauty" / "sequences.parquet"
    log = read(path, time="pos")
    table = parquet.read_table(path)
    user, item, part = (table[name].to_numpy() for name in ("user_id", "item_id", "split"))
    trained = set(zip(user[part != "test"].tolist(), item[part != "test"].tolist(), strict=True))
    pairs = zip(log.user_ids[log.users].tolist(), log.item_ids[log.items].tolist(), strict=True)
    check(leave_one_out(log), log, np.array([pair in trained for pair in pairs]))
