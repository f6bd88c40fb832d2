"""``equipoise sample`` copies the cells of CSV files, and converts them only where nothing is lost."""

from __future__ import annotations

import csv
import io
import itertools
import re
import weakref
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise._cli.errors import BadInput
from equipoise._cli.files.columns import read_columns
from equipoise._cli.files.followed import Followed
from equipoise._cli.main import main
from support.sample_files import pa, pq

pa_csv = pytest.importorskip("pyarrow.csv", reason="pyarrow reads the files (extra 'arrow')")
CsvRows = pytest.importorskip("equipoise._cli.files.rows").CsvRows

MODES = {  # names of columns and options, for which one or two passes are made
    "two passes": ("wix", ["--weight", "w"]),
    "no option": ("wix", []),
    "classes": ("wcx", ["--weight", "w", "--by", "c"]),
    "ids": ("wix", ["--weight", "w", "--id", "i"]),
    "one pass": ("wi", ["--weight", "w", "--id", "i"]),
    "one pass with classes": ("wic", ["--weight", "w", "--id", "i", "--by", "c"]),
    "one pass over classes": ("c", ["--by", "c"]),
    "times": ("wxt", ["--time", "t", "--half-life", "1e300"]),
}
WEIGHTS = ["1.50", "007", "12345678901234567890", "1e5", "+14", " 2 ", "0.1", "5e-324", "1E+2", "3."]
IDS = ["007", "11", "0", "-3", "012", " 4", "9223372036854775807"]
TIMES = ["1e3", "007", "1.50", "-0", "+5", " 7 "]
WORDS = [
    *["", "NA", "null", "NaN", "nan", "None", "#N/A", "true", "False", "2024-01-02", "01/02/2024", "00:01"],
    *["007", "1.50", "12345678901234567890", "1e5", "+14155550100", " x ", "\t", ",", ";", '"', '""', "'"],
    *[
        "a\rb",
        "a\nb",
        "a\r\nb",
        "\r",
        "\n",
        "\0",
        "\ufeff",
        "é",
        "x" * 300,
        "-",
        "=1+1",
        "#",
        "\\",
        '5" wide',
    ],
]
WORD = st.one_of(
    st.sampled_from(WORDS),
    st.text(st.sampled_from(list(",;\t|\"\r\n\0 \ufeffaé\\'0")), max_size=6),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
CELLS = {"w": WEIGHTS, "i": IDS, "t": TIMES}


def run(*argv):
    """Run the command. Return its status and what it printed to standard error."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(["sample", *map(str, argv)])
    assert (status == 0) == (err.getvalue() == "")
    assert status == 0 or out.getvalue() == ""
    return status, err.getvalue()


def read(path, delimiter=","):
    """Return the cells of a CSV file without those of the added column."""
    with path.open(newline="", encoding="utf-8") as file:
        return [line[:-1] for line in csv.reader(file, delimiter=delimiter)]


def converted(cells, folder):
    """Return the column of a Parquet OUT that has all these cells."""
    with (folder / "in.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("x", "y"), *((cell, "y") for cell in cells)])
    assert run(folder / "in.csv", "-k", len(cells) + 1, "-o", folder / "out.parquet")[0] == 0
    return pq.read_table(folder / "out.parquet")["x"]


# ---- cells come out as they went in --------------------------------------------------------------------


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("mode", MODES)
def test_every_cell_is_copied(tmp_path_factory, mode, data):
    folder = tmp_path_factory.mktemp("cells")
    names, options = MODES[mode]
    cells = [st.sampled_from(CELLS[name]) if name in CELLS else WORD for name in names]
    rows = [list(row) for row in data.draw(st.lists(st.tuples(*cells), max_size=20))]
    if "--id" in options:  # a repeated id is kept once
        rows = [[*row[:1], str(at), *row[2:]] for at, row in enumerate(rows)]
    delimiter = data.draw(st.sampled_from(",;\t|"))
    with (folder / "in.csv").open(
        "w", newline="", encoding=data.draw(st.sampled_from(["utf-8", "utf-8-sig"]))
    ) as file:
        style = {"quoting": data.draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))}
        style["lineterminator"] = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
        csv.writer(file, delimiter=delimiter, **style).writerows([list(names), *rows])
    block = data.draw(st.sampled_from([2000, 1 << 22]))
    k = len(rows) + 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("equipoise._cli.files.rows._CSV_BLOCK", block)
        for out in ("out.csv", "out.parquet"):
            argv = (folder / "in.csv", "-k", k, "-o", folder / out, "--delimiter", delimiter, *options)
            assert run(*argv) == (0, "")
    assert read(folder / "out.csv", delimiter) == [list(names), *rows]
    table = pq.read_table(folder / "out.parquet").drop_columns("inclusion")
    for column, wanted in zip(table.columns, zip(*rows, strict=True), strict=False):
        if column.type == pa.string():
            assert column.to_pylist() == list(wanted)
        else:
            assert spelled(column, wanted)
    parsed = pa_csv.read_csv(
        folder / "out.csv",
        parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )
    assert [list(row) for row in zip(*(parsed[n].to_pylist() for n in names), strict=True)] == rows


def spelled(column, cells):
    """Return whether numbers, written by Python or by pyarrow, are these cells, where empty ones are null."""
    cells = [cell or None for cell in cells]
    by_python = [None if x is None else str(x) for x in column.to_pylist()]
    return cells in (by_python, column.cast(pa.string()).to_pylist())


def test_pandas_reads_a_carriage_return_back(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas reads the output")
    (tmp_path / "in.csv").write_bytes(b'id,text\n1,"a\rb"\n2,c\n')
    for out in ("out.csv", "out.parquet"):
        assert run(tmp_path / "in.csv", "-k", 5, "-o", tmp_path / out)[0] == 0
    assert (tmp_path / "out.csv").read_bytes() == b'id,text,inclusion\n1,"a\rb",1.0\n2,c,1.0\n'
    assert pandas.read_csv(tmp_path / "out.csv")["text"].tolist() == ["a\rb", "c"]
    assert pq.read_table(tmp_path / "out.parquet")["text"].to_pylist() == ["a\rb", "c"]


def test_one_pass_and_two_passes_write_the_same_cells(tmp_path):
    (tmp_path / "in.csv").write_text('id,w\n007,1.50\n11,12345678901234567890\n012,""\n'[:-7])
    assert (
        run(tmp_path / "in.csv", "-k", 5, "--id", "id", "--weight", "w", "-o", tmp_path / "out.csv")[0] == 0
    )
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines == ["id,w,inclusion", "007,1.50,1.0", "11,12345678901234567890,1.0"]


def test_an_empty_cell_and_a_quoted_one_stay_apart(tmp_path):
    (tmp_path / "in.csv").write_text('a,b\n,""\n"",\n"x",y\n')
    for options in ([], ["--by", "a"]):
        assert run(tmp_path / "in.csv", "-k", 5, "-o", tmp_path / "out.csv", *options)[0] == 0
        assert (tmp_path / "out.csv").read_text() == 'a,b,inclusion\n,"",1.0\n"",,1.0\nx,y,1.0\n'


def test_a_name_may_hold_anything(tmp_path):
    names = ["\ufeffa", "b,\r\n", '"', "c\0", "é"]
    with (tmp_path / "in.csv").open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([names, list("12345")])
    assert run(tmp_path / "in.csv", "-k", 5, "-o", tmp_path / "out.csv", "--weight", "b,\r\n")[0] == 0
    assert read(tmp_path / "out.csv") == [names, list("12345")]
    assert run(tmp_path / "out.csv", "-k", 5, "-o", tmp_path / "2.csv", "--inclusion-column", "p")[0] == 0
    assert [line[:-1] for line in read(tmp_path / "2.csv")] == [names, list("12345")]


# ---- numbers in Parquet --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-2", "0"], "int64"),
        (["18446744073709551615", "1"], "uint64"),
        (["1.5", "2.0", "-0.25", "1e-05", "1e+16"], "double"),  # as Python writes them
        (["1.5", "2", "1e-7"], "double"),  # as pyarrow writes them
        (["1", "", "3"], "int64"),
        (["0.5", ""], "double"),
        *(([cell, "5"], "string") for cell in ["012", "1.10", "12e5", "+141", " 1", "1 ", "0x1F"]),
        (["-0", "5"], "double"),
        *(([cell, "1.5"], "string") for cell in ["nan", "NA", "inf", "2.50", ".5", "1e400", "1_0"]),
        (["0.1000000000000000055", "1.5"], "string"),
        (["18446744073709551616", "1"], "string"),
        (["18446744073709551615", "-1"], "string"),
        (["1", "1.0", "2.5"], "string"),  # one number written in two ways
        (["2024-01-02", "2024-01-03"], "string"),
        (["2024-01-02 03:04:05"], "string"),
        (["true", "false"], "string"),
        (["", ""], "string"),
        (["null", "1"], "string"),
        ([], "string"),
    ],
)  # fmt: skip
def test_a_column_becomes_numbers_if_all_cells_round_trip(tmp_path, cells, kind):
    column = converted(cells, tmp_path)
    assert str(column.type) == kind
    if kind == "string":
        assert column.to_pylist() == cells
    else:
        assert spelled(column, cells)


def test_only_the_sampled_cells_count(tmp_path):
    (tmp_path / "in.csv").write_text("w,x\n0,01\n1,1\n0,NA\n2,5\n")
    assert run(tmp_path / "in.csv", "-k", 4, "--weight", "w", "-o", tmp_path / "out.parquet")[0] == 0
    assert pq.read_table(tmp_path / "out.parquet")["x"].to_pylist() == [1, 5]


@given(numbers=st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=9))
def test_integers_stay_exact(tmp_path_factory, numbers):
    column = converted(list(map(str, numbers)), tmp_path_factory.mktemp("integers"))
    assert (column.type, column.to_pylist()) == (pa.int64(), numbers)


@given(
    numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9),
    write=st.sampled_from(["Python", "pyarrow"]),
)
def test_floats_stay_exact(tmp_path_factory, numbers, write):
    texts = list(map(repr, numbers)) if write == "Python" else pa.array(numbers).cast(pa.string()).to_pylist()
    column = converted(texts, tmp_path_factory.mktemp("floats"))
    if column.type == pa.string():  # -0 beside integers that no float64 writes in this way
        assert column.to_pylist() == texts
        assert write == "pyarrow"
        return
    assert [str(x) for x in map(float, column.to_pylist())] == [str(x) for x in map(float, texts)]


@pytest.mark.parametrize("labels", [["NA", "1", "2"], ["", "1", "2"], ["nan", "1.5"], ["01", "1", "001"]])
def test_classes_are_never_null(tmp_path, labels):
    (tmp_path / "in.csv").write_text(
        "c,n\n" + "".join(f"{label},{at}\n" for at, label in enumerate(labels * 3))
    )
    assert run(tmp_path / "in.csv", "-k", 2, "--by", "c", "-o", tmp_path / "out.parquet")[0] == 0
    table = pq.read_table(tmp_path / "out.parquet")
    assert sorted(table["c"].to_pylist()) == sorted(labels * 2)
    assert table["n"].type == pa.int64()


def test_blocks_do_not_change_types(tmp_path, monkeypatch):
    (tmp_path / "in.csv").write_text(
        "a,b,c\n" + "".join(f"{i},{i / 2},{i}\n" for i in range(500)) + "07,1.5,\n"
    )
    wanted = None
    for block in (7, 100, 1 << 22):
        monkeypatch.setattr("equipoise._cli.files.rows._CSV_BLOCK", max(block, 30))
        assert run(tmp_path / "in.csv", "-k", 600, "-o", tmp_path / "out.parquet")[0] == 0
        got = pq.read_table(tmp_path / "out.parquet")
        assert wanted is None or got.equals(wanted)
        wanted = got
    assert [str(kind) for kind in wanted.schema.types] == ["string", "double", "int64", "double"]


# ---- what is read --------------------------------------------------------------------------------------

AWKWARD = b'id,text\n1,5" wide\n2,x\n\n3,"two\nlines"\n4,"q"" ""q"\r\n5,"a"b\n6,"\r\n""\n,"\n7,"\ry"\r8,""\n'
AWKWARD_ROWS = [
    ["1", '5" wide'], ["2", "x"], ["3", "two\nlines"], ["4", 'q" "q'], ["5", "ab"],
    ["6", '\r\n"\n,'], ["7", "\ry"], ["8", ""],
]  # fmt: skip


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n"])
def test_quotes_and_line_breaks_at_every_block_boundary(tmp_path, monkeypatch, end):
    """A block smaller than a row is refused; all others give the same rows."""
    (tmp_path / "in.csv").write_bytes(AWKWARD.rstrip(b"\n") + end)
    refused = 0
    for block in [*range(8, len(AWKWARD) + 30), 1 << 22]:
        monkeypatch.setattr("equipoise._cli.files.rows._CSV_BLOCK", block)
        status, err = run(tmp_path / "in.csv", "-k", 20, "-o", tmp_path / "out.csv")
        if status:
            assert re.search(rf"is longer than {block} bytes, or a quoted cell is not closed", err), err
            refused += 1
            continue
        assert read(tmp_path / "out.csv") == [["id", "text"], *AWKWARD_ROWS], block
    assert refused < 30  # the longest row has fewer bytes


@settings(max_examples=300)
@given(
    header=st.sampled_from([["a"], ["a", "b"]]),
    body=st.text(st.sampled_from(list(',,,""\n\n\n\rab \0;"')), max_size=24),
    block=st.sampled_from([40, 64, 1 << 22]),
)
def test_python_and_the_demo_read_the_same_cells(tmp_path_factory, header, body, block):
    """Whatever is not refused is what csv.reader reads, and the demo's reader refuses the same files."""
    file = tmp_path_factory.mktemp("any") / "in.csv"
    text = ",".join(header) + "\n" + body
    file.write_text(text, newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("equipoise._cli.files.rows._CSV_BLOCK", block)
        status, _ = run(file, "-k", 99, "-o", file.parent / "out.csv")
    try:
        columns = read_columns(file, header)[0]
        rows = [list(row) for row in zip(*columns, strict=True)]
    except BadInput as refusal:
        rows = [] if "must have rows" in str(refusal) else None
    assert (status == 0) == (rows is not None)
    if rows is not None:
        assert read(file.parent / "out.csv")[1:] == rows
        assert [row for row in csv.reader(io.StringIO(text, newline="")) if row][1:] == rows


@pytest.mark.parametrize(
    "content", ["id,text", "id,text\n", "id,text\r\n", "\ufeffid,text", "\n\nid,text\n\n", '"id","text"']
)
@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
def test_a_header_alone_has_no_rows(tmp_path, content, out):
    (tmp_path / "in.csv").write_text(content, newline="")
    for options in ([], ["--weight", "id"], ["--by", "text", "--id", "id"]):
        assert run(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / out, *options) == (0, "")
        if out == "out.csv":
            assert (tmp_path / out).read_text() == "id,text,inclusion\n"
        else:
            assert pq.read_table(tmp_path / out).num_rows == 0


@pytest.mark.parametrize(
    ("content", "row"),
    [
        ('a,b\n1,"x', 0),
        ('a,b\n1,"x\n', 0),
        ('a,b\n1,x\n2,""""x"\n3,"\n', 2),
        ('a,b\n1,2\n"3,4\n5,6\n', 1),
        ('a,b\n1,"2""\n', 0),
        ('a\n"', 0),
        ('a\nx\n"y', 1),
    ],
)
def test_a_quote_that_is_not_closed_is_found_exactly(tmp_path, content, row):
    (tmp_path / "in.csv").write_text(content)
    for options in ([], ["--by", "a"]):
        status, err = run(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / "out.csv", *options)
        assert status == 2
        assert f"in.csv: row {row} (from 0): a quoted cell is not closed" in err
    (tmp_path / "in.csv").write_text(content.rstrip() + '"\n' + "," * 20)
    assert "is not closed" not in run(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / "out.csv")[1]


def test_a_row_with_too_many_cells_is_named(tmp_path):
    (tmp_path / "in.csv").write_text('a,b\n1,"x\ny"\n\n2,3\n4,5,6\n')
    _, err = run(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / "out.csv")
    assert "in.csv: row 2 (from 0): must have 2 cells, got 3" in err


def test_text_that_is_not_utf_8_is_named(tmp_path):
    for content, where in (
        (b"a,b\n1,2\n3,\xff\n", "column 'b', row 1 (from 0): must be UTF-8, got b'\\xff'"),
        (b"a,\xff\n", "the header must be UTF-8"),
    ):
        (tmp_path / "in.csv").write_bytes(content)
        _, err = run(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / "out.csv")
        assert where in err


# ---- delimiters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("word", "delimiter"), [("semicolon", ";"), ("tab", "\t"), ("pipe", "|")])
def test_another_delimiter_is_named_and_can_be_given(tmp_path, word, delimiter):
    (tmp_path / "in.csv").write_text(f"id{delimiter}text\n1{delimiter}a,b\n2{delimiter}c,d\n")
    status, err = run(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / "out.csv")
    assert status == 2
    assert f"if a {word} separates its names, add --delimiter {word}; otherwise, add --delimiter comma" in err
    for spelled_so in (word, delimiter, *([r"\t"] if word == "tab" else [])):
        argv = ("-k", 2, "-o", tmp_path / "out.csv", "--delimiter", spelled_so, "--id", "id")
        assert run(tmp_path / "in.csv", *argv) == (0, "")
        assert read(tmp_path / "out.csv", delimiter) == [["id", "text"], ["1", "a,b"], ["2", "c,d"]]


def test_one_column_whose_name_holds_a_delimiter_is_read(tmp_path):
    (tmp_path / "in.csv").write_text("a;b\n1;2\n")
    assert run(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / "out.csv", "--delimiter", "comma") == (0, "")
    assert read(tmp_path / "out.csv") == [["a;b"], ["1;2"]]


def test_the_delimiter_of_a_csv_output_from_parquet(tmp_path):
    for table in (pa.table({"a": ["x;y", "", None]}), pa.table({"a": ["x;y", "", None], "n": [1, 2, 3]})):
        pq.write_table(table, tmp_path / "in.parquet")
        assert run(tmp_path / "in.parquet", "-k", 9, "-o", tmp_path / "out.csv", "--delimiter", ";") == (
            0,
            "",
        )
        assert [line[0] for line in read(tmp_path / "out.csv", ";")] == ["a", "x;y", "", ""]


@pytest.mark.parametrize("given", ["", "x", ",,", '"', "\n", "space"])
def test_other_delimiters_are_refused(tmp_path, given):
    status, err = run(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / "out.csv", "--delimiter", given)
    assert status == 2
    assert "argument --delimiter: must be comma, semicolon, tab, pipe, or the character, got" in err


# ---- columns that decide -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "cells", "says"),
    [
        (["--weight", "c"], ["1", "x"], "--weight c, row 1 (from 0): must be a number, got 'x'; rows"),
        (["--weight", "c"], ["1", "1,5"], "row 1 (from 0): must be a number, got '1,5'"),
        (["--weight", "c"], ["1", "", "2"], "--weight c, row 1 (from 0): must not be null"),
        (["--weight", "c"], ["1", "-2"], "--weight c, row 1 (from 0): must be finite and >= 0, got -2.0"),
        (["--id", "c"], ["1", "2", "1.5"], "--id c, row 2 (from 0): must be an integer in [-2^63, 2^63)"),
        (["--id", "c"], [str(2**63)], "row 0 (from 0): must be an integer in [-2^63, 2^63), got '92"),
        (["--id", "c"], ["1", ""], "--id c, row 1 (from 0): must not be null"),
        (["--time", "c", "--half-life", "1"], ["1", "x" * 99], "; got '" + "x" * 60 + "...' after '1'"),
        (["--time", "c", "--half-life", "1"], ["1", ""], "--time c, row 1 (from 0): must not be null"),
        (["--time", "c", "--half-life", "1"], ["soon"], "--time c, row 0 (from 0): must be all numbers"),
        (["--time", "c", "--half-life", "1"], ["2024-01-02", "5"], "row 1 (from 0): must be all numbers or"),
        (["--time", "c", "--half-life", "1"], ["2024-01-02", "2024-01-02T00:00Z"], "Z' after '2024-01-02'"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("block", [64, 1 << 22])
@pytest.mark.parametrize("before", [0, 300])
def test_a_cell_of_another_kind_is_named(tmp_path, monkeypatch, options, cells, says, block, before):
    monkeypatch.setattr("equipoise._cli.files.rows._CSV_BLOCK", max(block, 150 if "xx" in says else 0))
    rows = [*cells[:1] * before, *cells]
    says = re.sub(r"row (\d+)", lambda found: f"row {int(found[1]) + before * (len(cells) > 1)}", says)
    if len(cells) == 1:
        before = 0
        rows = cells
    with (tmp_path / "in.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["c", "x"], *([cell, "y"] for cell in rows)])
    status, err = run(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / "out.csv", *options)
    assert status == 2
    assert says in err


TIME = {
    "seconds": repr,
    "ISO 8601": lambda t: iso(t, "T"),
    "nanoseconds": lambda t: iso(t, " ") + "999",
    "slashes": lambda t: iso(t, " ").replace("-", "/"),
    "Z": lambda t: iso(t, "T") + "Z",
    "UTC": lambda t: iso(t, " ") + " UTC",
    "UTC and slashes": lambda t: iso(t, " ").replace("-", "/") + "UTC",
    "nanoseconds and UTC": lambda t: iso(t, " ") + "123 UTC",
    "offset": lambda t: iso(t + 3600, "T") + "+01:00",
    "offset without colon": lambda t: iso(t - 3600, " ") + "-0100",
    "spaces": lambda t: " " + iso(t, " ") + " UTC ",
}  # fmt: skip


def iso(seconds, separator):
    """Return a time as ISO 8601 with microseconds."""
    return str(np.datetime64(round(seconds * 1e6), "us")).replace("T", separator)


@pytest.mark.parametrize("name", TIME)
def test_times_may_be_written_in_several_ways(tmp_path, name):
    rng = np.random.default_rng(0)
    times = np.round(rng.uniform(1.5e9, 1.7e9, 300), 6).tolist()
    outs = []
    for at, write in enumerate((TIME["seconds"], TIME[name])):
        lines = "".join(f"{row},{write(t)}\n" for row, t in enumerate(times))
        (tmp_path / f"{at}.csv").write_text("id,t\n" + lines)
        argv = ("-k", 20, "--time", "t", "--half-life", 1e6, "-o", tmp_path / "out.csv")
        assert run(tmp_path / f"{at}.csv", *argv) == (0, "")
        with (tmp_path / "out.csv").open(newline="") as file:
            outs.append([(line[0], line[-1]) for line in csv.reader(file)])
    assert [row for row, _ in outs[0]] == [row for row, _ in outs[1]]
    for (_, p), (_, q) in zip(outs[0][1:], outs[1][1:], strict=True):
        assert float(p) == pytest.approx(float(q), rel=1e-9)


def test_days_may_have_slashes_and_a_zone(tmp_path):
    days = [f"2024-{month:02}-{day:02}" for month, day in itertools.product(range(1, 13), range(1, 29))]
    wanted = None
    for write in (str, lambda day: day.replace("-", "/"), lambda day: day + " UTC", lambda day: day + "Z"):
        (tmp_path / "in.csv").write_text(
            "id,t\n" + "".join(f"{at},{write(day)}\n" for at, day in enumerate(days))
        )
        argv = ("-k", 20, "--time", "t", "--half-life", 1e6, "-o", tmp_path / "out.csv")
        assert run(tmp_path / "in.csv", *argv) == (0, "")
        with (tmp_path / "out.csv").open(newline="") as file:
            got = [(line[0], line[-1]) for line in csv.reader(file)]
        assert wanted is None or got == wanted
        wanted = got


# ---- pyarrow's threads ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["all", "some", "refused"])
def test_no_thread_of_pyarrow_holds_an_object_of_python(tmp_path, monkeypatch, how):
    """Otherwise, the process would abort now and then, if it ended at that moment."""
    monkeypatch.setattr("equipoise._cli.files.rows._CSV_BLOCK", 64)
    lent, lend = [], Followed.lend

    def spy(self, thing):
        lent.append(weakref.ref(thing))
        return lend(self, thing)

    monkeypatch.setattr(Followed, "lend", spy)
    file = tmp_path / "in.csv"
    file.write_text("a,b\n" + "1,2\n" * 300 + ("3\n" if how == "refused" else ""))
    for _ in range(20):
        batches = CsvRows(str(file)).batches({})
        if how == "some":
            next(batches)
            batches.close()
        elif how == "all":
            list(batches)
        else:
            with pytest.raises(BadInput, match=r"row 300 \(from 0\): must have 2 cells, got 1"):
                list(batches)
        assert lent
        assert not any(ref() is not None for ref in lent)


def test_a_batch_of_lines_may_have_more_than_2_gb(monkeypatch):
    """Lines are joined as Arrow's large_string, since pa.string() ends at 2 GB. Such lines take 10 GB."""
    texts = pytest.importorskip("equipoise._cli.files.texts")
    joined, join = [], texts.pc.binary_join_element_wise
    monkeypatch.setattr(texts.pc, "binary_join_element_wise", lambda *x: joined.append(x) or join(*x))
    file = io.BytesIO()
    texts.write_texts(file, pa.table([["x", "y"], ['"', ""], [1.0, 0.5]], ["a", "b", "p"]))
    assert file.getvalue() == b'a,b,p\nx,"""",1.0\ny,"",0.5\n'
    assert {cells.type for cells in joined[-1]} == {pa.large_string()}
