"""Logs in CSV and Parquet files read the same, and errors name what is wrong."""

from __future__ import annotations

import datetime as dt
import sys

import numpy as np
import pytest

from equipoise._cli.demo.interactions import read
from equipoise._cli.errors import BadInput
from equipoise._cli.files.columns import from_arrow
from support.logs import arrow, write_csv, write_parquet

DAY = 86_400


def same(a, b):
    assert (a.users.tolist(), a.items.tolist(), a.times.tolist()) == (
        b.users.tolist(),
        b.items.tolist(),
        b.times.tolist(),
    )
    assert a.user_ids.tolist() == b.user_ids.tolist()
    assert a.item_ids.tolist() == b.item_ids.tolist()
    assert (a.dates, a.rows) == (b.dates, b.rows)


# ---- reading -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ids", ["numbers", "words"])
@pytest.mark.parametrize("times", ["int", "float", "date", "datetime"])
def test_csv_and_parquet_files_of_one_log_read_the_same(tmp_path, ids, times):
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
def test_parquet_types_are_converted(tmp_path, kind):
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


def test_string_views_are_read():
    """The oldest supported pyarrow has string views but cannot write them, so no file is used."""
    pa = arrow()
    column = from_arrow(pa.chunked_array([pa.array(["x", "yy"], pa.string_view())]), "user_id")
    assert column.tolist() == ["x", "yy"]


def test_columns_can_have_other_names(tmp_path):
    path = write_csv(tmp_path / "log.csv", extra=["a,b", "c"], t=[2, 1], who=[1, 2], what=[3, 4])
    path.write_text(path.read_text().replace("a,b", '"a,b"'))
    log = read(path, user="who", item="what", time="t")
    assert (log.users.tolist(), log.item_ids.tolist()) == ([1, 0], [3, 4])


def test_ids_become_numbers_only_if_all_are_written_as_numbers(tmp_path):
    columns = {"item_id": [1, 2, 3, 4], "timestamp": [1, 2, 3, 4]}
    log = read(write_csv(tmp_path / "a.csv", user_id=["7", "07", " 7", "7"], **columns))
    assert log.user_ids.tolist() == [" 7", "07", "7"]
    log = read(write_csv(tmp_path / "b.csv", user_id=["10", "9", "-2", "9"], **columns))
    assert log.user_ids.tolist() == [-2, 9, 10]
    log = read(write_csv(tmp_path / "c.csv", user_id=["1", "9" * 30, "2", "1"], **columns))
    assert log.user_ids.tolist() == ["1", "2", "9" * 30]


def test_dates_are_utc_unless_they_have_an_offset(tmp_path):
    times = ["1970-01-01", "1970-01-01T00:00:01Z", "1970-01-01 00:00:03+00:00", "1970-01-01T01:00:02+01:00"]
    log = read(write_csv(tmp_path / "log.csv", user_id=[0, 1, 2, 3], item_id=[0, 1, 2, 3], timestamp=times))
    assert log.users.tolist() == [0, 1, 3, 2]
    assert log.times.tolist() == [0, 10**6, 2 * 10**6, 3 * 10**6]


def test_a_pair_counts_once_at_its_first_time(tmp_path):
    path = write_csv(tmp_path / "log.csv", user_id=[1, 1, 2, 1], item_id=[5, 6, 5, 5], timestamp=[9, 5, 7, 3])
    log = read(path)
    assert (log.times.tolist(), log.rows) == ([3, 5, 7], 4)


def test_csv_files_that_python_reads_are_read(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(
        b'\xef\xbb\xbf\nuser_id,item_id,timestamp\n5" wide,"a"b,1\n\n"two\nlines",\'c\',2\r"x\ry",d,3'
    )
    log = read(path)
    assert log.user_ids[log.users].tolist() == ['5" wide', "two\nlines", "x\ry"]
    assert log.item_ids[log.items].tolist() == ["ab", "'c'", "d"]
    path.write_text("user_id;item_id;timestamp\n1,5;2;3\n")
    assert read(path, delimiter=";").user_ids.tolist() == ["1,5"]


@pytest.mark.parametrize(
    "time",
    [
        "2024/01/02 03:04:05.678",
        "2024-01-02 03:04:05.678 UTC",
        "2024-01-02T03:04:05.678000999",
        "2024/01/02 03:04:05.678UTC",
    ],
)
def test_other_ways_to_write_dates(tmp_path, time):
    log = read(write_csv(tmp_path / "log.csv", user_id=[1], item_id=[1], timestamp=[time]))
    assert log.times.tolist() == [1_704_164_645_678_000]
    assert log.dates


# ---- errors --------------------------------------------------------------------------------------------

GOOD = {"user_id": [1, 2], "item_id": [3, 4], "timestamp": [5, 6]}

HEADER = "user_id,item_id,timestamp\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "must have a column 'user_id', got none"),
        (
            "user_id;item_id;timestamp\n",
            "is one column, 'user_id;item_id;.*': if a semicolon separates .*, add --delimiter semicolon",
        ),
        ("user_id\titem_id\ttimestamp\n1\t2\t3\n", "if a tab separates .*, add --delimiter tab"),
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
        (HEADER + '1,2,"3\n', "must be a CSV file: the quoted cell in line 2 is not closed"),
        (HEADER + '1,2,3\n1,"2,3\n1,2,3\n', "the quoted cell in line 3 is not closed"),
        ('"user_id,item_id\n1,2\n', "the quoted cell in line 1 is not closed"),
        (HEADER.encode() + b"\xff,2,3\n", "must be a CSV file in UTF-8"),
        (b"PAR1\x00\x01", "must "),
    ],
)
def test_bad_csv_is_refused(tmp_path, content, told):
    path = tmp_path / "log.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(BadInput, match=told):
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
def test_bad_parquet_columns_are_refused(tmp_path, column, told):
    columns = {name: values for name, values in {**GOOD, **column}.items() if values is not None}
    path = write_parquet(tmp_path / "log.parquet", **columns)
    with pytest.raises(BadInput, match=told):
        read(path)


@pytest.mark.parametrize(
    "content", [b"", b"user_id,item_id,timestamp\n1,2,3\n", b"PAR1" + bytes(40) + b"PAR1"]
)
def test_a_file_that_is_not_parquet_is_refused(tmp_path, content):
    arrow()
    path = tmp_path / "log.parquet"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"log\.parquet must be a Parquet file: "):
        read(path)


def test_text_that_is_not_utf_8_is_refused(tmp_path):
    pa = arrow()
    text = pa.array([b"a", b"\xff"]).view(pa.string())
    path = write_parquet(tmp_path / "log.parquet", **{**GOOD, "user_id": text})
    with pytest.raises(BadInput, match=r"must be a Parquet file: .*can't decode byte 0xff"):
        read(path)
    whole = write_parquet(path, **GOOD).read_bytes()
    path.write_bytes(whole.replace(b"item_id", b"item_\xffd"))
    with pytest.raises(BadInput, match="must be a Parquet file: "):
        read(path)


def test_truncated_parquet_is_refused(tmp_path):
    path = write_parquet(tmp_path / "log.parquet", **GOOD)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadInput, match="must be a Parquet file"):
        read(path)


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_missing_files_and_folders_are_refused(tmp_path, name):
    if name.endswith("parquet"):
        arrow()
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        read(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(BadInput, match="cannot be read: "):
        read(tmp_path / name)


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BadInput, match=r"needs pyarrow: pip install 'equipoise\[arrow\]'"):
        read(tmp_path / "log.parquet")


def test_dates_out_of_range_are_refused(tmp_path):
    pa = arrow()
    far = pa.array([2, 2**61], pa.timestamp("ms"))
    path = write_parquet(tmp_path / "log.parquet", **{**GOOD, "timestamp": far})
    with pytest.raises(BadInput, match=r"dates within 290,000 years of 1970, got \S+ in row 1"):
        read(path)


@pytest.mark.parametrize(
    ("path", "told"), [(5, "got int"), (None, "got NoneType"), (["log.csv"], "got list")]
)
def test_a_path_of_another_type_is_refused(path, told):
    with pytest.raises(TypeError, match=f"path must be a str or path-like that names a file, {told}"):
        read(path)


def test_one_column_cannot_serve_twice(tmp_path):
    with pytest.raises(BadInput, match="must be three columns, got 'a', 'a' and 'timestamp'"):
        read(tmp_path / "log.csv", user="a", item="a")
