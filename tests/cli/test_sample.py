"""``equipoise sample`` against reservoirs in memory: every row, column and probability; and bad input."""

from __future__ import annotations

import csv
import datetime
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr
from decimal import Decimal
from io import StringIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from equipoise._cli.main import main

WITHOUT = """
import sys
sys.modules[{module!r}] = None
sys.stderr.isatty = lambda: {terminal}
from equipoise._cli.main import main
sys.exit(main({argv!r}))
"""


def run_python(code, **more):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, **more)


def test_without_pyarrow_the_extra_is_named(tmp_path):
    argv = ["sample", str(tmp_path / "x.parquet"), "-k", "1", "-o", str(tmp_path / "o.parquet")]
    done = run_python(WITHOUT.format(module="pyarrow", terminal=False, argv=argv))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "equipoise sample: error: equipoise sample needs pyarrow: python -m pip install 'equipoise[arrow]'\n"
    )


pa = pytest.importorskip("pyarrow", reason="pyarrow reads and writes the files (extra 'arrow')")
pq = importlib.import_module("pyarrow.parquet")
pa_csv = importlib.import_module("pyarrow.csv")


# ---- what is sampled -------------------------------------------------------------------------------------

LABELS = np.array(["no click", "click", "cart, later", 'a "buy"'])


def log(n, seed=0):
    """A log whose columns decide in every way, with a payload that CSV can hold."""
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "id": pa.array(rng.permutation(n) * 7 - 1000, pa.int64()),
            "weight": rng.pareto(1.2, n) * (rng.random(n) < 0.9),
            "w32": pa.array(rng.integers(0, 9, n), pa.int32()),
            "label": LABELS[rng.choice(4, n, p=[0.9, 0.07, 0.02, 0.01])],
            "grade": pa.array(rng.integers(-2, 3, n), pa.int8()),
            "good": rng.random(n) < 0.3,
            "time": rng.uniform(0, 1e6, n),
            "text": pa.array([f"line {i}\nand, {i % 7}" if i % 3 else "" for i in range(n)], pa.string()),
        }
    )


def reference(parts, k, *, weight=None, by=None, ids=None, half_life=None, time=None, seed=0):
    """(numbers of rows, inclusion) from reservoirs in memory, each part a stream of its own, read at once."""
    whole, starts = None, np.cumsum([0, *(part.num_rows for part in parts)])
    for stream, part in enumerate(parts):
        more = {"half_life": half_life, "seed": seed, "stream": 0 if ids else stream}
        reservoir = equipoise.ClassReservoir(k, **more) if by else equipoise.Reservoir(k, **more)
        w = np.ones(part.num_rows) if weight is None else part[weight].to_numpy().astype(np.float64)
        keys = {"ids": part[ids].to_numpy()} if ids else {}
        if half_life:
            keys["times"] = part[time].to_numpy()
        if by:
            labels = part[by].to_numpy(zero_copy_only=False)
            numbers = np.unique(np.concatenate([p[by].to_numpy(zero_copy_only=False) for p in parts]))
            reservoir.update(np.searchsorted(numbers, labels), w, **keys)
        else:
            reservoir.update(w, **keys)
        if whole is None:
            whole = reservoir
        elif ids:
            fresh, reservoir = reservoir, whole
            reservoir.merge(fresh)
        else:
            whole.merge(reservoir)
    sample = whole.sample()
    if ids:
        every = np.concatenate([part[ids].to_numpy() for part in parts])
        first = {int(key): at for at, key in reversed(list(enumerate(every)))}
        rows = np.array([first[int(key)] for key in sample.ids], np.int64)
    elif sample.streams is None:
        rows = sample.ids
    else:
        rows = starts[sample.streams.astype(np.int64)] + sample.ids
    order = np.argsort(rows)
    return rows[order], sample.inclusion[order]


def arguments(files, out, k, *, weight=None, by=None, ids=None, half_life=None, time=None, seed=0):
    options = {"--weight": weight, "--by": by, "--id": ids, "--half-life": half_life, "--time": time}
    flags = [str(x) for name, value in options.items() if value is not None for x in (name, value)]
    return ["sample", *map(str, files), "-k", str(k), "-o", str(out), "--seed", str(seed), *flags]


def sample(files, out, k, **more):
    assert main(arguments(files, out, k, **more)) == 0
    return pq.read_table(out) if str(out).endswith(".parquet") else out.read_text()


def cut(table, parts):
    ends = np.linspace(0, table.num_rows, parts + 1).astype(int)
    return [table.slice(a, b - a) for a, b in pairwise(ends)]


def write(folder, parts, name="part", **more):
    files = []
    for i, part in enumerate(parts):
        files.append(folder / f"{name}{i}.parquet")
        pq.write_table(part, files[-1], **more)
    return files


CASES = {
    "weight": {"weight": "weight"},
    "integers as weight": {"weight": "w32"},
    "nothing": {},
    "ids": {"weight": "weight", "ids": "id"},
    "ids alone": {"ids": "id"},
    "strings": {"weight": "weight", "by": "label"},
    "strings, ids": {"weight": "weight", "by": "label", "ids": "id"},
    "integers": {"weight": "weight", "by": "grade"},
    "integers alone": {"by": "grade"},
    "booleans": {"by": "good", "ids": "id"},
    "decay": {"weight": "weight", "half_life": 1e5, "time": "time"},
    "decay, ids": {"weight": "weight", "half_life": 1e5, "time": "time", "ids": "id"},
    "decay, classes": {"by": "label", "half_life": 1e5, "time": "time"},
    "one column twice": {"weight": "w32", "by": "w32", "ids": "id"},
}


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("name", CASES)
def test_the_rows_are_those_of_a_reservoir_in_memory(tmp_path, capsys, name, parts):
    table, case = log(5000), CASES[name]
    pieces = cut(table, parts)
    rows, inclusion = reference(pieces, 50, seed=9, **case)
    files = write(tmp_path, pieces, row_group_size=333)
    got = sample(files, tmp_path / "out.parquet", 50, seed=9, **case)
    assert got.drop_columns("inclusion").equals(table.take(pa.array(rows)))
    assert np.array_equal(got["inclusion"].to_numpy(), inclusion)
    assert got.schema.names == [*table.schema.names, "inclusion"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", CASES)
def test_the_same_from_any_row_groups_and_from_csv(tmp_path, monkeypatch, name):
    table, case = log(3000, 1), CASES[name]
    pieces = cut(table, 2)
    rows, _ = reference(pieces, 40, **case)
    wanted = None
    for size in (1, 64, 1000, 10**6) if name == "strings" else (64, 10**6):
        files = write(tmp_path, pieces, row_group_size=size)
        got = sample(files, tmp_path / "out.parquet", 40, **case)
        assert wanted is None or got.equals(wanted)
        wanted = got
    assert wanted.drop_columns("inclusion").equals(table.take(pa.array(rows)))
    files = [tmp_path / f"{i}.csv" for i in range(2)]
    for file, piece in zip(files, pieces, strict=True):
        pa_csv.write_csv(piece, file)
    for block in (1 << 9, 1 << 22):  # bytes that are parsed at once
        monkeypatch.setattr("equipoise._cli.sample.files._CSV_BLOCK", block)
        assert sample(files, tmp_path / "from_csv.parquet", 40, **case)["inclusion"].equals(
            wanted["inclusion"]
        )
    # Types are guessed from the texts, so they are compared as numbers and strings.
    got = pq.read_table(tmp_path / "from_csv.parquet")
    for column in table.schema.names:
        assert got[column].to_pylist() == wanted[column].to_pylist(), column
    text = sample(files, tmp_path / "out.csv", 40, **case)
    lines = list(csv.reader(text.splitlines(keepends=True)))
    assert lines[0] == got.schema.names
    assert [line[0] for line in lines[1:]] == [str(i) for i in wanted["id"].to_pylist()]
    assert [float(line[-1]) for line in lines[1:]] == wanted["inclusion"].to_pylist()
    assert [line[-2] for line in lines[1:]] == wanted["text"].to_pylist()
    text = sample(write(tmp_path, pieces), tmp_path / "mixed.csv", 40, **case)
    assert [line[0] for line in csv.reader(text.splitlines(keepends=True))][1:] == [
        line[0] for line in lines[1:]
    ]


@pytest.mark.parametrize("by", [None, "label"])
def test_with_ids_the_order_of_the_files_does_not_matter(tmp_path, by):
    pieces = cut(log(4000), 4)
    files = write(tmp_path, pieces)
    one = sample(files, tmp_path / "one.parquet", 30, weight="weight", ids="id", by=by)
    other = sample(files[::-1], tmp_path / "other.parquet", 30, weight="weight", ids="id", by=by)
    assert one.sort_by("id").equals(other.sort_by("id"))


def test_an_id_that_comes_again(tmp_path):
    """The same row again is kept once, where it came first; with another weight it is another row."""
    table = log(500)
    again = table.take(pa.array(np.arange(0, 500, 5)))
    again = again.set_column(again.schema.get_field_index("text"), "text", pa.array(["again"] * 100))
    heavy = again.set_column(1, "weight", pa.array(np.full(100, 1e3)))
    files = write(tmp_path, [table, again], row_group_size=77)
    once = sample(files[:1], tmp_path / "once.parquet", 60, weight="weight", ids="id")
    twice = sample(files, tmp_path / "twice.parquet", 60, weight="weight", ids="id")
    assert twice.equals(once)
    assert "again" not in twice["text"].to_pylist()
    files = write(tmp_path, [table, heavy], row_group_size=77)
    got = sample(files, tmp_path / "heavy.parquet", 60, weight="weight", ids="id")
    whole = pa.concat_tables([table, heavy])
    reservoir = equipoise.Reservoir(60)
    reservoir.update(whole["weight"].to_numpy(), whole["id"].to_numpy())
    wanted = sorted(zip(reservoir.sample().ids.tolist(), reservoir.sample().weights.tolist(), strict=True))
    assert sorted(zip(got["id"].to_pylist(), got["weight"].to_pylist(), strict=True)) == wanted
    assert {row["text"] for row in got.to_pylist() if row["weight"] == 1e3} == {"again"}


@pytest.mark.parametrize("by", [None, "label"])
@pytest.mark.parametrize("ids", [None, "id"])
def test_one_pass_where_all_columns_decide(tmp_path, monkeypatch, by, ids):
    monkeypatch.setattr("equipoise._cli.sample.passes._HELD_ROWS", 500)
    monkeypatch.setattr("equipoise._cli.sample.files._BATCH_ROWS", 100)
    monkeypatch.setattr("equipoise._cli.sample.files.ParquetRows.take", None)  # is not called
    columns = [name for name in ("weight", by, ids) if name]
    pieces = cut(log(9000).select(columns), 3)
    rows, inclusion = reference(pieces, 20, weight="weight", by=by, ids=ids)
    got = sample(write(tmp_path, pieces), tmp_path / "out.parquet", 20, weight="weight", by=by, ids=ids)
    assert got.drop_columns("inclusion").equals(pa.concat_tables(pieces).take(pa.array(rows)))
    assert np.array_equal(got["inclusion"].to_numpy(), inclusion)


def everything(n):
    """Columns of every kind that Parquet has, with nulls."""
    rng = np.random.default_rng(3)

    def column(kind, make):
        return pa.array([None if rng.random() < 0.2 else make(i) for i in range(n)], kind)

    words = [f"word {i % 5}" for i in range(n)]
    return pa.table(
        {
            "w": rng.random(n),
            "i8": column(pa.int8(), lambda i: i % 100),
            "u64": column(pa.uint64(), lambda i: 2**64 - 1 - i),
            "f32": column(pa.float32(), lambda i: i / 4),
            "flag": column(pa.bool_(), lambda i: i % 2 == 0),
            "text": column(pa.string(), lambda i: f"é{i}"),
            "large": column(pa.large_string(), str),
            "bytes": column(pa.binary(), lambda i: bytes([i % 256, 0])),
            "fixed": column(pa.binary(3), lambda i: b"abc"),
            "money": column(pa.decimal128(9, 2), lambda i: Decimal(i) / 4),
            "day": column(pa.date32(), lambda i: datetime.date(2020, 1, 1) + datetime.timedelta(i)),
            "at": column(pa.timestamp("us", "UTC"), lambda i: i * 10**6),
            "clock": column(pa.time64("us"), lambda i: i),
            "words": pa.array(words).dictionary_encode(),
            "small": pa.DictionaryArray.from_arrays(column(pa.int8(), lambda i: i % 2), ["a", "b"]),
            "list": column(pa.list_(pa.int32()), lambda i: list(range(i % 4))),
            "struct": column(pa.struct({"a": pa.int8(), "b": pa.list_(pa.string())}), lambda i: {"b": ["x"]}),
            "map": column(pa.map_(pa.string(), pa.int32()), lambda i: [("k", i)]),
            "nothing": pa.nulls(n),
        }
    )  # fmt: skip


@pytest.mark.parametrize("size", [1, 50, 10_000])
def test_columns_of_every_kind_come_back(tmp_path, size):
    table = everything(700)
    pieces = cut(table, 3)
    files = write(tmp_path, pieces, row_group_size=size)
    rows, _ = reference(pieces, 90, weight="w")
    got = sample(files, tmp_path / "out.parquet", 90, weight="w")
    wanted = pa.concat_tables([pq.read_table(file) for file in files]).take(pa.array(rows))
    assert got.schema.remove(len(table.schema)).equals(wanted.schema)
    assert got.drop_columns("inclusion").to_pylist() == wanted.to_pylist()
    flat = [n for n in table.schema.names if n not in ("bytes", "list", "struct", "map")]
    files = write(tmp_path, [piece.select(flat) for piece in pieces], row_group_size=size)
    assert len(list(csv.reader(sample(files, tmp_path / "out.csv", 90, weight="w").splitlines()))) == 91


@pytest.mark.parametrize("by", ["text", "words", "large", "small", "flag"])
def test_classes_of_every_kind(tmp_path, capsys, by):
    table = everything(700)
    table = table.filter(pa.compute.is_valid(table[by].cast(pa.string()))).select(["w", "i8", by])
    files = write(tmp_path, cut(table, 2), row_group_size=60)
    capsys.readouterr()
    assert main([*arguments(files, tmp_path / "out.parquet", 4, by=by), "--json"]) == 0
    classes = json.loads(capsys.readouterr().out)["classes"]
    values, counts = np.unique(np.array(table[by].to_pylist()), return_counts=True)
    assert [c["class"] for c in classes] == values.tolist()
    assert [c["seen"] for c in classes] == counts.tolist()
    assert [c["kept"] for c in classes] == np.minimum(counts, 4).tolist()
    kept = pq.read_table(tmp_path / "out.parquet")[by].to_pylist()
    assert [kept.count(c["class"]) for c in classes] == [c["kept"] for c in classes]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("out", ["out.parquet", "out.csv"])
@pytest.mark.parametrize("n", [0, 1])
def test_no_row_and_one_row(tmp_path, capsys, kind, out, n):
    table = log(3).slice(2, n)
    file = tmp_path / f"in.{kind}"
    pq.write_table(table, file) if kind == "parquet" else pa_csv.write_csv(table, file)
    for case in CASES.values():
        assert main(arguments([file, file], tmp_path / out, 2, **case)) == 0
        if out == "out.csv":
            lines = list(csv.reader((tmp_path / out).read_text().splitlines(keepends=True)))
            names, rows = lines[0], len(lines) - 1
        else:
            got = pq.read_table(tmp_path / out)
            names, rows = got.schema.names, got.num_rows
        assert names == [*table.schema.names, "inclusion"]
        assert rows == (n if "ids" in case else 2 * n)
    assert capsys.readouterr().err == ""


def test_no_row_group_at_all(tmp_path):
    pq.ParquetWriter(tmp_path / "in.parquet", log(1).schema).close()
    assert sample([tmp_path / "in.parquet"], tmp_path / "out.parquet", 2, weight="weight").num_rows == 0


def test_all_weights_zero(tmp_path):
    table = pa.table({"w": np.zeros(100), "x": np.arange(100)})
    assert sample(write(tmp_path, [table]), tmp_path / "out.parquet", 5, weight="w").num_rows == 0


def test_columns_in_another_order(tmp_path):
    pieces = cut(log(600), 2)
    rows, _ = reference(pieces, 20, weight="weight")
    files = write(tmp_path, [pieces[0], pieces[1].select(pieces[1].schema.names[::-1])])
    got = sample(files, tmp_path / "out.parquet", 20, weight="weight").drop_columns("inclusion")
    assert got.equals(log(600).take(pa.array(rows)))


def test_threads_change_nothing(tmp_path, monkeypatch):
    files = write(tmp_path, [log(20_000)])
    one = sample(files, tmp_path / "out.parquet", 50, weight="weight")
    monkeypatch.setenv("EQUIPOISE_NUM_THREADS", "3")
    assert sample(files, tmp_path / "out.parquet", 50, weight="weight").equals(one)


@pytest.mark.parametrize("zone", ["", "Z"])
def test_times(tmp_path, zone):
    """Timestamps, dates, and ISO 8601 in CSV, against seconds."""
    n, start = 400, datetime.datetime(2024, 5, 1)
    days = [start + datetime.timedelta(days=i % 50) for i in range(n)]
    seconds = np.array([(d - datetime.datetime(1970, 1, 1)).total_seconds() for d in days])
    x = np.arange(n)
    kinds = {
        "s": seconds,
        "us": pa.array(days, pa.timestamp("us", "UTC")),
        "day": pa.array(days, pa.date32()),
    }
    got = []
    for name, times in kinds.items():
        files = write(tmp_path, [pa.table({"x": x, "t": times})], name)
        got.append(sample(files, tmp_path / "out.parquet", 30, half_life=86400.0, time="t")["x"])
    texts = [d.isoformat() + zone for d in days]
    pa_csv.write_csv(pa.table({"x": x, "t": texts}), tmp_path / "t.csv")
    got.append(sample([tmp_path / "t.csv"], tmp_path / "out.parquet", 30, half_life=86400.0, time="t")["x"])
    assert all(one.equals(got[0]) for one in got)
    assert np.mean(got[0].to_numpy() % 50) > 45


def test_weights_that_are_money(tmp_path):
    money = pa.array([Decimal(i) / 4 for i in range(300)], pa.decimal128(9, 2))
    table = pa.table({"m": money, "f": np.arange(300) / 4})
    files = write(tmp_path, [table])
    one = sample(files, tmp_path / "one.parquet", 20, weight="m")
    assert one.equals(sample(files, tmp_path / "two.parquet", 20, weight="f"))


def test_parts_of_a_long_stream_have_the_same_law(tmp_path, any_seed):
    """Inclusion adds up: sum(1 / p) estimates the rows, sum(w / p) the weight, over many seeds."""
    table = log(2000, 5)
    files, weight = write(tmp_path, cut(table, 2)), table["weight"].to_numpy()
    estimates = []
    for seed in range(40):
        got = sample(files, tmp_path / "out.parquet", 200, weight="weight", seed=1000 * any_seed + seed)
        estimates.append((got["weight"].to_numpy() / got["inclusion"].to_numpy()).sum())
    # By weight each w / p is nearly the total over k, so estimates vary little; by chance 1 in 10^6 fails.
    assert np.mean(estimates) == pytest.approx(weight.sum(), rel=0.03)


# ---- the command line ------------------------------------------------------------------------------------


def reject(constant):
    raise ValueError(f"{constant} is not JSON")


def test_the_summary(tmp_path, capsys):
    table = log(5000)
    file = write(tmp_path, [table])[0]
    assert (
        main([*arguments([file], tmp_path / "out.parquet", 60, weight="weight", by="label"), "--json"]) == 0
    )
    out, err = capsys.readouterr()
    summary = json.loads(out, parse_constant=reject)
    assert err == ""
    assert summary["rows_seen"] == 5000
    assert summary["weight_seen"] == pytest.approx(table["weight"].to_numpy().sum(), rel=1e-12)
    seen = {c["class"]: c["seen"] for c in summary["classes"]}
    assert seen == {label: table["label"].to_pylist().count(label) for label in sorted(LABELS)}
    kept = pq.read_table(tmp_path / "out.parquet")["label"].to_pylist()
    assert {c["class"]: c["kept"] for c in summary["classes"]} == {label: kept.count(label) for label in seen}
    assert (summary["rows_kept"], summary["k"], summary["files"]) == (len(kept), 60, [str(file)])
    assert main(arguments([file], tmp_path / "out.parquet", 60, weight="weight", by="label")) == 0
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["rows", "seen", "5,000"] in words
    for c in summary["classes"]:
        assert [*c["class"].split(), f"{c['seen']:,}", str(c["kept"])] in words


def test_many_classes_are_cut_on_the_page_alone(tmp_path, capsys):
    file = write(tmp_path, [pa.table({"c": np.arange(1000)})])[0]
    assert main(arguments([file], tmp_path / "out.parquet", 1, by="c")) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) < 40
    assert "and 980 more" in out
    assert main([*arguments([file], tmp_path / "out.parquet", 1, by="c"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["classes"]) == 1000


def test_the_added_column_can_have_another_name(tmp_path):
    files = write(tmp_path, [pa.table({"inclusion": [1.0, 2.0]})])
    out = tmp_path / "out.parquet"
    assert main([*arguments(files, out, 1, weight="inclusion"), "--inclusion-column", "p"]) == 0
    assert pq.read_table(out).schema.names == ["inclusion", "p"]


def test_an_output_that_exists_is_replaced_and_a_link_stays_one(tmp_path):
    files = write(tmp_path, [log(100)])
    real, link = tmp_path / "real.parquet", tmp_path / "link.parquet"
    real.write_text("before")
    link.symlink_to(real)
    assert sample(files, link, 5, weight="weight").num_rows == 5
    assert link.is_symlink()
    assert pq.read_table(real).num_rows == 5


GOOD, OUT = "{}/good.parquet", "{}/out.parquet"
BAD = {  # what is asked of good.parquet and others (-o out.parquet unless said), and what the one line says
    "no such file": ("{}/absent.parquet", "absent.parquet: No such file"),
    "no such csv": ("{}/absent.csv", "absent.csv: No such file"),
    "no parquet": ("{}/text.parquet", "text.parquet: "),
    "nothing": ("{}/empty.parquet", "empty.parquet: "),
    "no csv": ("{}/empty.csv", "empty.csv: Empty CSV file"),
    "ragged": ("{}/ragged.csv", "ragged.csv: CSV parse error: Row #3: Expected 2 columns, got 1"),
    "no utf-8": ("{}/latin.csv", "latin.csv: "),
    "text in csv": (
        "{}/some.csv --weight text",
        "some.csv: In CSV column #1: Row #3: CSV conversion error to double",
    ),
    "nan": ("{}/some.csv --weight nan", "--weight nan, row 1 (from 0): must be finite and >= 0, got nan"),
    "empty": ("{}/some.csv --weight none", "--weight none, row 1 (from 0): must not be null"),
    "no times": ("{}/some.csv --time text --half-life 1", "--time text: must be all numbers or all ISO 8601"),
    "mixed times": ("{}/some.csv --time mixed --half-life 1", "--time mixed: must be all numbers or all ISO"),
    "twice": ("{}/twice.csv", "twice.csv: has more than one column 'a'"),
    "folder": ("{}/folder.parquet", "folder.parquet: is a directory: name the files in it"),
    "suffix": ("{}/data.txt", "data.txt: must be named .parquet or .csv"),
    "mixed": (f"{GOOD} {{}}/good.csv", "the FILEs must be all .parquet or all .csv"),
    "column": (
        f"{GOOD} --weight wieght",
        "no column 'wieght' for --weight, there are: id, weight, w32, label",
    ),
    "csv column": ("{}/good.csv --by no", "good.csv: there is no column 'no' for --by"),
    "text": (f"{GOOD} --weight label", "column 'label' must hold numbers for --weight, got string"),
    "real ids": (f"{GOOD} --id weight", "column 'weight' must hold integers for --id, got double"),
    "real classes": (f"{GOOD} --by weight", "'weight' must hold integers, booleans or strings for --by"),
    "text times": (f"{GOOD} --time label --half-life 5", "must hold numbers, timestamps or dates for --time"),
    "negative": (f"{GOOD} --weight grade", "must be finite and >= 0, got -"),
    "nulls": ("{}/nulls.parquet --weight w", "--weight w, row 2 (from 0): must not be null"),
    "null labels": ("{}/nulls.parquet --by c", "--by c, row 1 (from 0): must not be null"),
    "null ids": ("{}/nulls.parquet --id i", "--id i, row 0 (from 0): must not be null"),
    "infinite": ("{}/nulls.parquet --weight inf", "--weight inf, row 1 (from 0): must be finite"),
    "sum": ("{}/nulls.parquet --weight huge", "--weight huge: must have a finite sum"),
    "sum of two": ("{}/large.parquet {}/large.parquet --weight w", "--weight w: must have a finite sum"),
    "large ids": ("{}/nulls.parquet --id u", "--id u, row 1 (from 0): must be in"),
    "large classes": ("{}/nulls.parquet --by u", "--by u, row 1 (from 0): must be in"),
    "other columns": (f"{GOOD} {{}}/nulls.parquet", "nulls.parquet: has a column 'w', which "),
    "fewer columns": (f"{GOOD} {{}}/few.parquet", "few.parquet: has no column 'weight', which "),
    "other types": (f"{GOOD} {{}}/types.parquet", "types.parquet: column 'id' is string, in "),
    "inclusion": ("{}/taken.parquet", "has a column 'inclusion' already: --inclusion-column"),
    "out is in": (f"{GOOD} -o {GOOD}", "good.parquet: is one of the FILEs"),
    "out's suffix": (f"{GOOD} -o {{}}/out.json", "out.json: must be named .parquet or .csv"),
    "out's folder": (f"{GOOD} -o {{}}/none/out.csv", "out.csv: there is no folder"),
    "out is a folder": (f"{GOOD} -o {{}}/folder.parquet", "folder.parquet: is a directory"),
    "nested csv": ("{}/nested.parquet -o {}/out.csv", "out.csv: a CSV file cannot hold column 'l' of list<"),
    "half-life alone": (f"{GOOD} --half-life 5", "--half-life and --time come together"),
    "time alone": (f"{GOOD} --time time", "--half-life and --time come together"),
    "half-life": (f"{GOOD} --time time --half-life 0", "argument --half-life: must be a number > 0, got '0'"),
    "k": (f"{GOOD} -k 0", "argument -k: must be an integer in [1, 2^40], got '0'"),
    "seed": (f"{GOOD} --seed -1", "argument --seed: must be an integer in [0, 2^64), got '-1'"),
    "no file": ("", "the following arguments are required: FILE"),
}


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    folder = tmp_path_factory.mktemp("material")
    pq.write_table(log(50), folder / "good.parquet")
    pa_csv.write_csv(log(50), folder / "good.csv")
    columns = {"w": [1.0, 2.0, None], "c": ["a", None, "b"], "i": pa.array([None, 1, 2], pa.int64())}
    more = {"inf": [1.0, float("inf"), 1.0], "huge": [1e308] * 3, "u": pa.array([1, 2**63, 2], pa.uint64())}
    pq.write_table(pa.table(columns | more), folder / "nulls.parquet")
    pq.write_table(log(5).select(["id"]), folder / "few.parquet")
    types = log(5).set_column(0, "id", pa.array(list("abcde")))
    pq.write_table(types, folder / "types.parquet")
    pq.write_table(pa.table({"inclusion": [1.0]}), folder / "taken.parquet")
    pq.write_table(pa.table({"l": [[1], [2]]}), folder / "nested.parquet")
    pq.write_table(pa.table({"w": [1e308]}), folder / "large.parquet")
    (folder / "folder.parquet").mkdir()
    files = {
        "text.parquet": b"PAR1 not at all PAR1",
        "empty.parquet": b"",
        "empty.csv": b"",
        "ragged.csv": b"a,b\n1,2\n3\n",
        "latin.csv": b"a,b\n1,\xff\n",
        "some.csv": b"nan,text,none,mixed\n1,1,1,1\nnan,x,,2020-01-01\n",
        "twice.csv": b"a,a\n1,2\n",
        "data.txt": b"a\n1\n",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_status_2_and_one_line(material, capsys, name):
    asked, says = BAD[name]
    argv = asked.replace("{}", str(material)).split()
    before = {path: path.stat().st_mtime_ns for path in material.iterdir()}
    assert main(["sample", "-k", "5", "-o", OUT.format(material), *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert says in lines[-1]
    assert lines[-1].startswith("equipoise sample: error: ")
    assert len(lines) == 1 or lines[0].startswith("usage: ")  # argparse's own
    assert {path: path.stat().st_mtime_ns for path in material.iterdir()} == before


def test_a_file_that_is_written_to_meanwhile(tmp_path, monkeypatch, capsys):
    file = write(tmp_path, [log(500)])[0]
    take = importlib.import_module("equipoise._cli.sample.files").ParquetRows.take

    def meddle(self, rows):
        os.utime(file, ns=(0, 0))
        return take(self, rows)

    monkeypatch.setattr("equipoise._cli.sample.files.ParquetRows.take", meddle)
    assert main(arguments([file], tmp_path / "out.parquet", 5)) == 2
    assert "was changed while it was read" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == [file]


# ---- a full disk, a signal -------------------------------------------------------------------------------

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from equipoise._cli.main import main
sys.exit(main({argv!r}))
"""


@pytest.mark.skipif(os.name == "nt", reason="limits are set the POSIX way here")
@pytest.mark.parametrize("out", ["out.parquet", "out.csv"])
@pytest.mark.parametrize("exists", [False, True])
def test_a_full_disk(tmp_path, out, exists):
    file = write(tmp_path, [log(30_000)])[0]
    if exists:
        (tmp_path / out).write_text("before")
    done = run_python(LIMITED.format(argv=arguments([file], tmp_path / out, 20_000)))
    assert done.returncode == 2
    assert done.stderr == f"equipoise sample: error: {tmp_path / out}: File too large\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([file.name, *([out] if exists else [])])
    assert not exists or (tmp_path / out).read_text() == "before"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("out", ["out.parquet", "out.csv"])
def test_a_disk_without_room(tmp_path, monkeypatch, capsys, out):
    file = write(tmp_path, [log(30_000)])[0]
    full = open("/dev/full", "wb")  # noqa: SIM115
    monkeypatch.setattr("equipoise._cli.sample.files.Path.open", lambda self, mode: full)
    assert main(arguments([file], tmp_path / out, 20_000)) == 2
    assert capsys.readouterr().err == f"equipoise sample: error: {tmp_path / out}: No space left on device\n"
    assert list(tmp_path.iterdir()) == [file]


SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in jobs in the background
from equipoise._cli.sample import files, output
from equipoise._cli.main import main
where = {where!r}
if where == "reading":
    batches = files.ParquetRows.batches
    def slow(self, kinds):
        for batch in batches(self, kinds):
            print("now", flush=True)
            time.sleep(0.2)
            yield batch
    files.ParquetRows.batches = slow
else:
    write = output.Output.write
    def slow(self, table):
        write(self, table)
        self._flush()
        print("now", flush=True)
        time.sleep(0.2)
    output.Output.write = slow
files._BATCH_ROWS = 100
sys.exit(main({argv!r}))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are sent the POSIX way here")
@pytest.mark.parametrize("where", ["reading", "writing"])
@pytest.mark.parametrize(("number", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.parametrize("out", ["out.parquet", "out.csv"])
def test_interrupted_leaves_nothing(tmp_path, where, number, status, out):
    file = write(tmp_path, [log(20_000)], row_group_size=100)[0]
    (tmp_path / out).write_text("before")
    program = SLOW.format(where=where, argv=arguments([file], tmp_path / out, 5000, weight="weight"))
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "now\n"
        assert where == "reading" or len(list(tmp_path.iterdir())) == 3  # the temporary file
        time.sleep(0.1)
        process.send_signal(getattr(signal, number))
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, err) == (status, "")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([file.name, out])
    assert (tmp_path / out).read_text() == "before"


# ---- progress --------------------------------------------------------------------------------------------


def test_a_bar_on_a_terminal(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tqdm", reason="tqdm draws the bar (extra 'progress')")
    file = write(tmp_path, [log(500)])[0]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main([*arguments([file], tmp_path / "out.parquet", 5), "--json"]) == 0
    out, err = capsys.readouterr()
    json.loads(out)
    assert "reading" in err
    assert "fetching" in err


def test_no_bar_without_tqdm(tmp_path):
    file = write(tmp_path, [log(500)])[0]
    argv = arguments([file], tmp_path / "out.parquet", 5)
    done = run_python(WITHOUT.format(module="tqdm", terminal=True, argv=argv))
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert "equipoise[progress]" in done.stderr


# ---- fuzz ------------------------------------------------------------------------------------------------

cells = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.sampled_from(["", "1.5", "nan", "-0", "1e3", "x,y", 'q"', "l\nm", "é", " 2 "]),
)  # fmt: skip


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(cells, cells), max_size=30),
    seed=st.integers(0, 99),
    block=st.sampled_from([64, 1 << 22]),
)
def test_any_csv_is_sampled_right_or_refused(tmp_path_factory, rows, seed, block):
    folder = tmp_path_factory.mktemp("fuzz")
    with (folder / "in.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("w", "x"), *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("equipoise._cli.sample.files._CSV_BLOCK", block)
        with redirect_stderr(StringIO()):
            status = main(arguments([folder / "in.csv"], folder / "out.csv", 4, weight="w", seed=seed))
    reservoir = equipoise.Reservoir(4, seed=seed)
    try:
        weights = [float(w) if w else None for w, _ in rows]
        if None in weights:
            raise ValueError
        reservoir.update(np.array(weights, np.float64))
    except ValueError:
        assert status == 2
        assert not (folder / "out.csv").exists()
        return
    if status == 2:  # a cell longer than what is parsed at once
        assert block == 64
        return
    with (folder / "out.csv").open(newline="", encoding="utf-8") as file:
        got = list(csv.reader(file))[1:]
    assert [tuple(line[:2]) for line in got] == [rows[i] for i in sorted(reservoir.sample().ids)]


FUZZ = """
import io, json, os, sys, contextlib
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
import equipoise
from equipoise._cli.main import main
folder, seeds, how = sys.argv[1], range(int(sys.argv[2]), int(sys.argv[3])), json.loads(sys.argv[4])
good = open(os.path.join(folder, "good.parquet"), "rb").read()
file, out = os.path.join(folder, f"bad{seeds[0]}.parquet"), os.path.join(folder, f"out{seeds[0]}.parquet")
statuses = {0: 0, 2: 0}
for seed in seeds:
    print("seed", seed, file=sys.stdout, flush=True)
    rng = np.random.default_rng(seed)
    bad = bytearray(good)
    for _ in range(rng.integers(1, 4)):
        what = rng.integers(3)
        at = int(rng.integers(len(bad)))
        if rng.random() < 0.5:  # the footer decides most
            at = len(bad) - 1 - int(rng.integers(min(len(bad), 1500)))
        if what == 0:
            bad[at] ^= 1 << int(rng.integers(8))
        elif what == 1:
            bad[at : at + 8] = rng.bytes(8)
        else:
            del bad[at : at + int(rng.integers(1, 40))]
    open(file, "wb").write(bad)
    err = io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        status = main(["sample", file, "-k", "20", "-o", out, "--weight", "weight", *how])
    statuses[status] += 1
    if status == 2:
        assert len(err.getvalue().splitlines()) == 1, err.getvalue()
        assert not os.path.exists(out)
        continue
    table = pq.read_table(file)
    got = pq.read_table(out)
    os.remove(out)
    if how:
        continue
    reservoir = equipoise.Reservoir(20)
    reservoir.update(table["weight"].to_numpy())
    assert got.drop_columns("inclusion").equals(table.take(pa.array(np.sort(reservoir.sample().ids))))
print(json.dumps(statuses))
"""


@pytest.mark.parametrize("checksums", [False, True])
@pytest.mark.parametrize("how", [[], ["--by", "label", "--id", "id"]], ids=["rows", "classes"])
def test_any_parquet_is_sampled_right_or_refused(tmp_path, checksums, how):
    """Bytes are changed at random; where pyarrow reads the file all the same, that is sampled."""
    table = log(300).select(["id", "weight", "label", "text"])
    pq.write_table(table, tmp_path / "good.parquet", row_group_size=120, write_page_checksum=checksums)
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, str(tmp_path), "0", "150", json.dumps(how)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-200:] + done.stderr[-2000:]
    statuses = json.loads(done.stdout.splitlines()[-1])
    assert statuses["2"] > 50


# ---- real data -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lines(data_dir):
    path = data_dir / "online_retail" / "lines.parquet"
    if not path.exists():
        pytest.skip("EQUIPOISE_DATA holds no online_retail/lines.parquet")
    return path


def test_real_lines(lines, tmp_path, capsys):
    assert main([*arguments([lines], tmp_path / "out.parquet", 50, by="country"), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    table = pq.read_table(lines)
    countries = np.array(table["country"].to_pylist())
    values, counts = np.unique(countries, return_counts=True)
    assert {c["class"]: c["seen"] for c in summary["classes"]} == dict(
        zip(values, counts.tolist(), strict=True)
    )
    reservoir = equipoise.ClassReservoir(50)
    reservoir.update(np.searchsorted(values, countries))
    rows = pa.array(np.sort(reservoir.sample().ids))
    got = pq.read_table(tmp_path / "out.parquet").drop_columns("inclusion")
    assert got.to_pylist() == table.take(rows).to_pylist()


def test_real_returns_are_refused_with_their_row(lines, tmp_path, capsys):
    argv = arguments([lines], tmp_path / "out.parquet", 50, by="stock_code", weight="quantity")
    assert main(argv) == 2
    err = capsys.readouterr().err
    quantity = pq.read_table(lines, columns=["quantity"])["quantity"].to_numpy()
    first = int((quantity < 0).argmax())
    assert f"--weight quantity, row {first} (from 0): must be finite and >= 0, got {quantity[first]}.0" in err


def test_real_sales_by_quantity(lines, tmp_path):
    table = pq.read_table(lines)
    table = table.filter(pa.compute.greater(table["quantity"], 0))
    pieces = cut(table, 3)
    files = write(tmp_path, pieces, row_group_size=50_000)
    rows, inclusion = reference(pieces, 500, weight="quantity")
    got = sample(files, tmp_path / "out.parquet", 500, weight="quantity")
    assert got.drop_columns("inclusion").to_pylist() == table.take(pa.array(rows)).to_pylist()
    assert np.array_equal(got["inclusion"].to_numpy(), inclusion)


def test_the_scripts_folder_has_the_command():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "equipoise", "sample", "--help"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "usage: equipoise sample" in done.stdout


# ---- memory ----------------------------------------------------------------------------------------------

PEAK = """
import sys
from equipoise._cli.main import main
import equipoise._cli.sample.passes

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024

for warm in (["--id", "id"], ["--by", "label"]):  # Numba's own memory
    main(["sample", "small.parquet", "-k", "5", "-o", "out.parquet", "--weight", "weight", *warm])
before = peak()
status = main(sys.argv[1:])
print(peak() - before)
sys.exit(status)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="peak memory is read from /proc")
@pytest.mark.parametrize("group", [1 << 20, 1 << 30], ids=["row groups", "one row group"])
@pytest.mark.parametrize("how", [["--id", "id"], ["--by", "label"]], ids=["id", "by"])
def test_memory_is_a_fraction_of_the_file(tmp_path, group, how):
    rng, n = np.random.default_rng(0), 12 << 20
    numbers = {f"x{i}": rng.random(n) for i in range(3)}
    table = pa.table(
        {"id": np.arange(n), "label": LABELS[np.arange(n) % 4], "weight": rng.random(n)} | numbers
    )
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=group)
    pq.write_table(table.slice(0, 100), tmp_path / "small.parquet")
    del table, numbers
    argv = ["sample", "in.parquet", "-k", "10000", "-o", "out.parquet", "--weight", "weight", *how]
    done = run_python(PEAK.replace("sys.argv[1:]", repr(argv)), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "in.parquet").stat().st_size > 450e6
    assert float(done.stdout.splitlines()[-1]) < 250  # MB


def test_pandas_is_not_imported(tmp_path):
    """Arrow's own ways from and to NumPy would do so where it is installed: a fifth of a second."""
    file = write(tmp_path, [log(500)])[0]
    argv = arguments(
        [file], tmp_path / "out.parquet", 5, weight="weight", by="label", half_life=1.0, time="time"
    )
    code = (
        f"import sys\nfrom equipoise._cli.main import main\nmain({argv!r})\nsys.exit('pandas' in sys.modules)"
    )
    assert run_python(code).returncode == 0


def test_a_quote_that_is_never_closed(tmp_path, capsys):
    """It would make one cell of all the lines that follow."""
    log = tmp_path / "log.csv"
    log.write_text(
        "id,w,text\n" + "".join(f"{i},1,{chr(34) + '5 inch' if i == 100 else 'x'}\n" for i in range(20_000))
    )
    out = tmp_path / "out.csv"
    assert main(["sample", str(log), "-k", "5", "-o", str(out)]) == 2
    assert "20001 lines where 101 rows were read: a quoted cell is not closed" in capsys.readouterr().err
    assert not out.exists()
    log.write_text('id,text\n1,5" wide\n2,"two\nlines"\n3,x\n')  # a quote within a cell is one
    assert main(["sample", str(log), "-k", "5", "-o", str(out)]) == 0


def test_classes_of_a_csv_file_stay_apart_in_parquet(tmp_path):
    log, out = tmp_path / "log.csv", tmp_path / "out.parquet"
    log.write_text("c,n\n" + "01,1\n1,2\n001,3\n" * 5)
    assert main(["sample", str(log), "-k", "2", "--by", "c", "-o", str(out)]) == 0
    table = pq.read_table(out)
    assert sorted(set(table["c"].to_pylist())) == ["001", "01", "1"]
    assert table["n"].type == pa.int64()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_no_room_for_the_summary(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("w\n1\n2\n")
    command = [sys.executable, "-m", "equipoise", "sample", log, "-k", "1", "-o", tmp_path / "out.csv"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "equipoise sample: error: stdout: No space left on device\n"


@pytest.mark.parametrize("seed", range(5))
def test_a_column_of_weights_alone(tmp_path, monkeypatch, seed):
    """Rows of a block that is not whole may come into the sample later than they were looked at."""
    monkeypatch.setattr("equipoise._cli.sample.passes._HELD_ROWS", 1000)
    monkeypatch.setattr("equipoise._cli.sample.files._BATCH_ROWS", 999)
    weights = np.random.default_rng(seed).integers(0, 100, 10_000)
    log, out = tmp_path / "log.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"w": weights}), log)
    assert main(["sample", str(log), "-k", "500", "--weight", "w", "--seed", str(seed), "-o", str(out)]) == 0
    reservoir = equipoise.Reservoir(500, seed=seed)
    reservoir.update(weights)
    sample = reservoir.sample()
    order = np.argsort(sample.ids)
    got = pq.read_table(out)
    assert got["w"].to_pylist() == weights[sample.ids[order]].tolist()
    assert got["inclusion"].to_pylist() == sample.inclusion[order].tolist()
