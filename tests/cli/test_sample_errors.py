"""Bad input to ``equipoise sample``: status 2, one line that names the cause, and no output file."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr
from io import StringIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise
from equipoise._cli.main import main
from support.sample_files import arguments, log, pa, pq, write

pa_csv = pytest.importorskip("pyarrow.csv", reason="pyarrow writes the files (extra 'arrow')")
ParquetRows = pytest.importorskip("equipoise._cli.files.rows").ParquetRows

GOOD, OUT = "{}/good.parquet", "{}/out.parquet"

BAD = {  # arguments (with -o out.parquet unless another is given), and a part of the error line
    "no such file": ("{}/absent.parquet", "absent.parquet: No such file"),
    "no such CSV file": ("{}/absent.csv", "absent.csv: No such file"),
    "not a Parquet file": ("{}/text.parquet", "text.parquet: "),
    "empty Parquet file": ("{}/empty.parquet", "empty.parquet: "),
    "empty CSV file": ("{}/empty.csv", "empty.csv: is empty, but a CSV file must begin with a header"),
    "missing cell": ("{}/ragged.csv", "ragged.csv: row 1 (from 0): must have 2 cells, got 1"),
    "not UTF-8": ("{}/latin.csv", "latin.csv: column 'b', row 0 (from 0): must be UTF-8, got b'\\xff'"),
    "text as weight in CSV": (
        "{}/some.csv --weight text",
        "some.csv: --weight text, row 1 (from 0): must be a number, got 'x'",
    ),
    "NaN weight": (
        "{}/some.csv --weight nan",
        "--weight nan, row 1 (from 0): must be finite and >= 0, got nan",
    ),
    "empty weight": ("{}/some.csv --weight none", "--weight none, row 1 (from 0): must not be null"),
    "text as time in CSV": (
        "{}/some.csv --time text --half-life 1",
        "--time text, row 1 (from 0): must be all numbers or all dates: 2024-01-02, 2024/01/02 or "
        "2024-01-02 03:04:05.678, where all or none end with Z, UTC or an offset such as +01:00; "
        "got 'x' after '1'",
    ),
    "numbers and dates as time": (
        "{}/some.csv --time mixed --half-life 1",
        "got '2020-01-01' after '1'",
    ),
    "repeated column": ("{}/twice.csv", "twice.csv: has more than one column 'a'"),
    "folder as file": ("{}/folder.parquet", "folder.parquet: is a directory: name the files in it"),
    "unknown suffix": ("{}/data.txt", "data.txt: must be named .parquet or .csv"),
    "CSV and Parquet mixed": (f"{GOOD} {{}}/good.csv", "the FILEs must be all .parquet or all .csv"),
    "unknown column": (
        f"{GOOD} --weight wieght",
        "no column 'wieght' for --weight; the columns are: id, weight, w32, label",
    ),
    "unknown column of a CSV file": ("{}/good.csv --by no", "good.csv: there is no column 'no' for --by"),
    "text as weight": (f"{GOOD} --weight label", "column 'label' must hold numbers for --weight, got string"),
    "floats as ids": (f"{GOOD} --id weight", "column 'weight' must hold integers for --id, got double"),
    "floats as classes": (f"{GOOD} --by weight", "'weight' must hold integers, booleans or strings for --by"),
    "text as time": (
        f"{GOOD} --time label --half-life 5",
        "must hold numbers, timestamps or dates for --time",
    ),
    "negative weight": (f"{GOOD} --weight grade", "must be finite and >= 0, got -"),
    "null weight": ("{}/nulls.parquet --weight w", "--weight w, row 2 (from 0): must not be null"),
    "null class": ("{}/nulls.parquet --by c", "--by c, row 1 (from 0): must not be null"),
    "null id": ("{}/nulls.parquet --id i", "--id i, row 0 (from 0): must not be null"),
    "infinite weight": ("{}/nulls.parquet --weight inf", "--weight inf, row 1 (from 0): must be finite"),
    "infinite sum of weights": ("{}/nulls.parquet --weight huge", "--weight huge: must have a finite sum"),
    "infinite sum over two files": (
        "{}/large.parquet {}/large.parquet --weight w",
        "--weight w: must have a finite sum",
    ),
    "large ids": ("{}/nulls.parquet --id u", "--id u, row 1 (from 0): must be in"),
    "large classes": ("{}/nulls.parquet --by u", "--by u, row 1 (from 0): must be in"),
    "other columns": (f"{GOOD} {{}}/nulls.parquet", "nulls.parquet: has a column 'w', which "),
    "fewer columns": (f"{GOOD} {{}}/few.parquet", "few.parquet: has no column 'weight', which "),
    "other types": (f"{GOOD} {{}}/types.parquet", "types.parquet: column 'id' is string, but in "),
    "inclusion column exists": (
        "{}/taken.parquet",
        "already has a column 'inclusion': use --inclusion-column",
    ),
    "output is an input": (f"{GOOD} -o {GOOD}", "good.parquet: is one of the FILEs"),
    "unknown suffix of the output": (f"{GOOD} -o {{}}/out.json", "out.json: must be named .parquet or .csv"),
    "missing folder of the output": (f"{GOOD} -o {{}}/none/out.csv", "out.csv: there is no folder"),
    "output is a folder": (f"{GOOD} -o {{}}/folder.parquet", "folder.parquet: is a directory"),
    "nested column in CSV": (
        "{}/nested.parquet -o {}/out.csv",
        "out.csv: a CSV file cannot hold column 'l' of list<",
    ),
    "half-life alone": (f"{GOOD} --half-life 5", "--half-life and --time must be given together"),
    "time alone": (f"{GOOD} --time time", "--half-life and --time must be given together"),
    "half-life of 0": (
        f"{GOOD} --time time --half-life 0",
        "argument --half-life: must be a number > 0, got '0'",
    ),
    "k of 0": (f"{GOOD} -k 0", "argument -k: must be an integer in [1, 2^40], got '0'"),
    "negative seed": (f"{GOOD} --seed -1", "argument --seed: must be an integer in [0, 2^64), got '-1'"),
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
    defaults = {"-k": "5", "-o": OUT.format(material)}
    argv = [
        word for option, value in defaults.items() if option not in argv for word in (option, value)
    ] + argv
    assert main(["sample", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert says in lines[-1]
    assert lines[-1].startswith("equipoise sample: error: ")
    assert len(lines) == 1 or lines[0].startswith("usage: ")  # errors of argparse
    assert {path: path.stat().st_mtime_ns for path in material.iterdir()} == before


def test_a_file_that_changes_during_the_run_is_refused(tmp_path, monkeypatch, capsys):
    file = write(tmp_path, [log(500)])[0]
    take = ParquetRows.take

    def meddle(self, rows):
        os.utime(file, ns=(0, 0))
        return take(self, rows)

    monkeypatch.setattr("equipoise._cli.files.rows.ParquetRows.take", meddle)
    assert main(arguments([file], tmp_path / "out.parquet", 5)) == 2
    assert "was changed while it was being read" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == [file]


def test_an_unclosed_quote_is_refused(tmp_path, capsys):
    """pyarrow by itself would read all following lines as one cell."""
    log = tmp_path / "log.csv"
    log.write_text(
        "id,w,text\n" + "".join(f"{i},1,{chr(34) + '5 inch' if i == 100 else 'x'}\n" for i in range(20_000))
    )
    out = tmp_path / "out.csv"
    assert main(["sample", str(log), "-k", "5", "-o", str(out)]) == 2
    assert "log.csv: row 100 (from 0): a quoted cell is not closed" in capsys.readouterr().err
    assert not out.exists()
    log.write_text('id,text\n1,5" wide\n2,"two\nlines"\n3,x\n')  # a quote inside a cell is text
    assert main(["sample", str(log), "-k", "5", "-o", str(out)]) == 0


# ---- damaged and random files --------------------------------------------------------------------------

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
def test_random_csv_is_sampled_correctly_or_refused(tmp_path_factory, rows, seed, block):
    folder = tmp_path_factory.mktemp("fuzz")
    with (folder / "in.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("w", "x"), *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("equipoise._cli.files.rows._CSV_BLOCK", block)
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
    if status == 2:  # a cell is longer than a block
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
def test_damaged_parquet_is_sampled_correctly_or_refused(tmp_path, checksums, how):
    """Change random bytes. If pyarrow can still read the file, its rows must be sampled."""
    table = log(300).select(["id", "weight", "label", "text"])
    pq.write_table(table, tmp_path / "good.parquet", row_group_size=120, write_page_checksum=checksums)
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, str(tmp_path), "0", "150", json.dumps(how)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-200:] + done.stderr[-2000:]
    statuses = json.loads(done.stdout.splitlines()[-1])
    assert statuses["2"] > 50


# ---- files that are not files, and repeated options ------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="named pipes and devices are POSIX")
@pytest.mark.parametrize("name", ["pipe.csv", "pipe.parquet", "pipe", "null.csv", "/dev/null"])
def test_a_pipe_or_device_is_refused_with_the_reason(tmp_path, capsys, name):
    file = tmp_path / name
    if name.startswith("pipe"):
        os.mkfifo(file)
    elif name == "null.csv":
        file.symlink_to("/dev/null")
    assert main(["sample", str(file), "-k", "1", "-o", str(tmp_path / "out.csv")]) == 2
    told = (
        "must be a regular file, since it is read twice: write a pipe's data to a .csv or .parquet file first"
    )
    assert capsys.readouterr().err == f"equipoise sample: error: {file}: {told}\n"
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_broken_link_or_unreadable_file_is_named(tmp_path, capsys, suffix):
    link, out = tmp_path / f"link.{suffix}", str(tmp_path / "out.csv")
    link.symlink_to(tmp_path / "gone")
    assert main(["sample", str(link), "-k", "1", "-o", out]) == 2
    assert capsys.readouterr().err == f"equipoise sample: error: {link}: No such file or directory\n"
    assert main(["sample", f"{tmp_path}/a\0.{suffix}", "-k", "1", "-o", out]) == 2
    assert "embedded null" in capsys.readouterr().err
    file = tmp_path / f"secret.{suffix}"
    file.write_bytes(b"a\n1\n")
    file.chmod(0)
    if not os.access(file, os.R_OK):  # the superuser can read everything
        assert main(["sample", str(file), "-k", "1", "-o", out]) == 2
        assert capsys.readouterr().err == f"equipoise sample: error: {file}: Permission denied\n"


@pytest.mark.skipif(os.name == "nt", reason="named pipes are POSIX")
def test_a_pipe_as_output_is_not_replaced(material, tmp_path, capsys):
    os.mkfifo(tmp_path / "out.csv")
    assert main(["sample", GOOD.format(material), "-k", "1", "-o", str(tmp_path / "out.csv")]) == 2
    assert "out.csv: is not a regular file, so it cannot be replaced" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [tmp_path / "out.csv"]


@pytest.mark.parametrize(
    "twice",
    [
        "--by label --by grade",
        "--by label --by label",
        "--weight weight --weight w32",
        "-k 6",
        "-o {}/other.csv",
        "--output {}/other.csv",
        "--seed 0 --seed 0",
        "--id id --id id",
        "--json --json",
        "--delimiter , --delimiter tab",
        "--inclusion-column p --inclusion-column q",
    ],
)
def test_an_option_given_twice_is_refused(material, tmp_path, capsys, twice):
    argv = ["sample", GOOD.format(material), "-k", "5", "-o", f"{tmp_path}/out.csv"]
    assert main([*argv, *twice.replace("{}", str(tmp_path)).split()]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    option = [word for word in twice.split() if word.startswith("-")][-1]
    assert last.startswith("equipoise sample: error: argument ")
    assert option in last.split(": ")[2]
    assert last.endswith(": was given twice, but may be given once")
    assert list(tmp_path.iterdir()) == []
    assert main(["demo", "--seed", "1", "--seed", "1"]) == 2


@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
@pytest.mark.parametrize("cell", ["x", "-1", "nan", ""])
def test_an_error_in_the_last_row_leaves_the_old_output(tmp_path, capsys, out, cell):
    (tmp_path / "in.csv").write_text("w,x\n" + "1,2\n" * 5000 + f"{cell},3\n")
    (tmp_path / out).write_text("before")
    assert (
        main(["sample", str(tmp_path / "in.csv"), "-k", "5", "--weight", "w", "-o", str(tmp_path / out)]) == 2
    )
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "--weight w, row 5000 (from 0): must " in printed.err
    assert (tmp_path / out).read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 2
