"""``equipoise sample`` reads and writes files of all formats, column types and sizes in little memory."""

from __future__ import annotations

import csv
import datetime
import json
import os
from decimal import Decimal

import numpy as np
import pytest

import equipoise
from equipoise._cli.main import main
from support.sample_files import (
    CASES,
    LABELS,
    arguments,
    cut,
    log,
    pa,
    pq,
    reference,
    run_python,
    sample,
    write,
)

pa_csv = pytest.importorskip("pyarrow.csv", reason="pyarrow writes the files (extra 'arrow')")


@pytest.mark.parametrize("name", CASES)
def test_row_groups_and_csv_do_not_change_the_sample(tmp_path, monkeypatch, name):
    table, case = log(3000, 1), CASES[name]
    pieces = cut(table, 2)
    rows, _ = reference(pieces, 40, **case)
    wanted = None
    for size in (1, 64, 1000, 10**6) if name == "string classes" else (64, 10**6):
        files = write(tmp_path, pieces, row_group_size=size)
        got = sample(files, tmp_path / "out.parquet", 40, **case)
        assert wanted is None or got.equals(wanted)
        wanted = got
    assert wanted.drop_columns("inclusion").equals(table.take(pa.array(rows)))
    files = [tmp_path / f"{i}.csv" for i in range(2)]
    for file, piece in zip(files, pieces, strict=True):
        pa_csv.write_csv(piece, file)
    for block in (1 << 9, 1 << 22):  # bytes parsed at a time
        monkeypatch.setattr("equipoise._cli.files.rows._CSV_BLOCK", block)
        got = sample(files, tmp_path / "from_csv.parquet", 40, **case)
        rows, inclusion = reference(pieces, 40, **case, classes_as_text=True)
        assert got["inclusion"].to_pylist() == inclusion.tolist()
    wanted = table.take(pa.array(rows)).append_column("inclusion", pa.array(inclusion))
    # Numbers become int64 and double, and booleans stay text, so values are compared instead of columns.
    got = pq.read_table(tmp_path / "from_csv.parquet")
    words = {True: "true", False: "false"}
    for column in table.schema.names:
        values = wanted[column].to_pylist()
        assert got[column].to_pylist() == ([words[v] for v in values] if column == "good" else values), column
    text = sample(files, tmp_path / "out.csv", 40, **case)
    lines = list(csv.reader(text.splitlines(keepends=True)))
    assert lines[0] == got.schema.names
    assert [line[0] for line in lines[1:]] == [str(i) for i in wanted["id"].to_pylist()]
    assert [float(line[-1]) for line in lines[1:]] == wanted["inclusion"].to_pylist()
    assert [line[-2] for line in lines[1:]] == wanted["text"].to_pylist()
    text = sample(write(tmp_path, pieces), tmp_path / "mixed.csv", 40, **case)
    ids = [int(line[0]) for line in list(csv.reader(text.splitlines(keepends=True)))[1:]]
    assert ids == table["id"].take(pa.array(reference(pieces, 40, **case)[0])).to_pylist()


def everything(n):
    """Return a table with columns of every type that Parquet has, with nulls."""
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
def test_columns_of_every_type_are_copied(tmp_path, size):
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
def test_classes_of_every_type_are_counted(tmp_path, capsys, by):
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
def test_files_may_have_no_row_or_one_row(tmp_path, capsys, kind, out, n):
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


def test_a_parquet_file_without_row_groups_is_read(tmp_path):
    pq.ParquetWriter(tmp_path / "in.parquet", log(1).schema).close()
    assert sample([tmp_path / "in.parquet"], tmp_path / "out.parquet", 2, weight="weight").num_rows == 0


def test_csv_labels_that_look_like_numbers_stay_distinct(tmp_path):
    log, out = tmp_path / "log.csv", tmp_path / "out.parquet"
    log.write_text("c,n\n" + "01,1\n1,2\n001,3\n" * 5)
    assert main(["sample", str(log), "-k", "2", "--by", "c", "-o", str(out)]) == 0
    table = pq.read_table(out)
    assert sorted(set(table["c"].to_pylist())) == ["001", "01", "1"]
    assert table["n"].type == pa.int64()


# ---- real data -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lines(data_dir):
    path = data_dir / "online_retail" / "lines.parquet"
    if not path.exists():
        pytest.skip("EQUIPOISE_DATA holds no online_retail/lines.parquet")
    return path


def test_real_invoice_lines_are_sampled_by_country(lines, tmp_path, capsys):
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


def test_a_real_return_is_refused_with_its_row(lines, tmp_path, capsys):
    argv = arguments([lines], tmp_path / "out.parquet", 50, by="stock_code", weight="quantity")
    assert main(argv) == 2
    err = capsys.readouterr().err
    quantity = pq.read_table(lines, columns=["quantity"])["quantity"].to_numpy()
    first = int((quantity < 0).argmax())
    assert f"--weight quantity, row {first} (from 0): must be finite and >= 0, got {quantity[first]}.0" in err


def test_real_sales_are_weighted_by_quantity(lines, tmp_path):
    table = pq.read_table(lines)
    table = table.filter(pa.compute.greater(table["quantity"], 0))
    pieces = cut(table, 3)
    files = write(tmp_path, pieces, row_group_size=50_000)
    rows, inclusion = reference(pieces, 500, weight="quantity")
    got = sample(files, tmp_path / "out.parquet", 500, weight="quantity")
    assert got.drop_columns("inclusion").to_pylist() == table.take(pa.array(rows)).to_pylist()
    assert np.array_equal(got["inclusion"].to_numpy(), inclusion)


# ---- memory --------------------------------------------------------------------------------------------

PEAK = """
import sys
from equipoise._cli.main import main
import equipoise._cli.sample.passes

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024

for warm in (["--id", "id"], ["--by", "label"]):  # loads the kernels, which take memory with Numba
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
def test_peak_memory_is_a_fraction_of_the_file(tmp_path, group, how):
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
    """Conversions of pyarrow to and from NumPy would import it, which takes a fifth of a second."""
    file = write(tmp_path, [log(500)])[0]
    argv = arguments(
        [file], tmp_path / "out.parquet", 5, weight="weight", by="label", half_life=1.0, time="time"
    )
    code = (
        f"import sys\nfrom equipoise._cli.main import main\nmain({argv!r})\nsys.exit('pandas' in sys.modules)"
    )
    assert run_python(code).returncode == 0
