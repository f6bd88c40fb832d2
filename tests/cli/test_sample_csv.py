"""The CSV files that ``equipoise sample`` accepts, and how it reads the columns that decide."""

from __future__ import annotations

import csv
import io
import itertools
import re
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise._cli.errors import BadInput
from equipoise._cli.files.columns import read_columns
from equipoise._cli.files.followed import Followed
from support.sample_files import cells_of, invoke, pa, pq

pa_csv = pytest.importorskip("pyarrow.csv", reason="pyarrow reads the files (extra 'arrow')")
CsvRows = pytest.importorskip("equipoise._cli.files.rows").CsvRows


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
        status, err = invoke(tmp_path / "in.csv", "-k", 20, "-o", tmp_path / "out.csv")
        if status:
            assert re.search(rf"is longer than {block} bytes, or a quoted cell is not closed", err), err
            refused += 1
            continue
        assert cells_of(tmp_path / "out.csv") == [["id", "text"], *AWKWARD_ROWS], block
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
        status, _ = invoke(file, "-k", 99, "-o", file.parent / "out.csv")
    try:
        columns = read_columns(file, header)[0]
        rows = [list(row) for row in zip(*columns, strict=True)]
    except BadInput as refusal:
        rows = [] if "must have rows" in str(refusal) else None
    assert (status == 0) == (rows is not None)
    if rows is not None:
        assert cells_of(file.parent / "out.csv")[1:] == rows
        assert [row for row in csv.reader(io.StringIO(text, newline="")) if row][1:] == rows


@pytest.mark.parametrize(
    "content", ["id,text", "id,text\n", "id,text\r\n", "\ufeffid,text", "\n\nid,text\n\n", '"id","text"']
)
@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
def test_a_header_alone_has_no_rows(tmp_path, content, out):
    (tmp_path / "in.csv").write_text(content, newline="")
    for options in ([], ["--weight", "id"], ["--by", "text", "--id", "id"]):
        assert invoke(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / out, *options) == (0, "")
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
        status, err = invoke(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / "out.csv", *options)
        assert status == 2
        assert f"in.csv: row {row} (from 0): a quoted cell is not closed" in err
    (tmp_path / "in.csv").write_text(content.rstrip() + '"\n' + "," * 20)
    assert "is not closed" not in invoke(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / "out.csv")[1]


def test_a_row_with_too_many_cells_is_named(tmp_path):
    (tmp_path / "in.csv").write_text('a,b\n1,"x\ny"\n\n2,3\n4,5,6\n')
    _, err = invoke(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / "out.csv")
    assert "in.csv: row 2 (from 0): must have 2 cells, got 3" in err


def test_text_that_is_not_utf_8_is_named(tmp_path):
    for content, where in (
        (b"a,b\n1,2\n3,\xff\n", "column 'b', row 1 (from 0): must be UTF-8, got b'\\xff'"),
        (b"a,\xff\n", "the header must be UTF-8"),
    ):
        (tmp_path / "in.csv").write_bytes(content)
        _, err = invoke(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / "out.csv")
        assert where in err


# ---- delimiters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("word", "delimiter"), [("semicolon", ";"), ("tab", "\t"), ("pipe", "|")])
def test_another_delimiter_is_named_and_can_be_given(tmp_path, word, delimiter):
    (tmp_path / "in.csv").write_text(f"id{delimiter}text\n1{delimiter}a,b\n2{delimiter}c,d\n")
    status, err = invoke(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / "out.csv")
    assert status == 2
    assert f"if a {word} separates its names, add --delimiter {word}; otherwise, add --delimiter comma" in err
    for spelled_so in (word, delimiter, *([r"\t"] if word == "tab" else [])):
        argv = ("-k", 2, "-o", tmp_path / "out.csv", "--delimiter", spelled_so, "--id", "id")
        assert invoke(tmp_path / "in.csv", *argv) == (0, "")
        assert cells_of(tmp_path / "out.csv", delimiter) == [["id", "text"], ["1", "a,b"], ["2", "c,d"]]


def test_one_column_whose_name_holds_a_delimiter_is_read(tmp_path):
    (tmp_path / "in.csv").write_text("a;b\n1;2\n")
    assert invoke(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / "out.csv", "--delimiter", "comma") == (
        0,
        "",
    )
    assert cells_of(tmp_path / "out.csv") == [["a;b"], ["1;2"]]


def test_the_delimiter_of_a_csv_output_from_parquet(tmp_path):
    for table in (pa.table({"a": ["x;y", "", None]}), pa.table({"a": ["x;y", "", None], "n": [1, 2, 3]})):
        pq.write_table(table, tmp_path / "in.parquet")
        assert invoke(tmp_path / "in.parquet", "-k", 9, "-o", tmp_path / "out.csv", "--delimiter", ";") == (
            0,
            "",
        )
        assert [line[0] for line in cells_of(tmp_path / "out.csv", ";")] == ["a", "x;y", "", ""]


@pytest.mark.parametrize("given", ["", "x", ",,", '"', "\n", "space"])
def test_other_delimiters_are_refused(tmp_path, given):
    status, err = invoke(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / "out.csv", "--delimiter", given)
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
    status, err = invoke(tmp_path / "in.csv", "-k", 2, "-o", tmp_path / "out.csv", *options)
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
        assert invoke(tmp_path / f"{at}.csv", *argv) == (0, "")
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
        assert invoke(tmp_path / "in.csv", *argv) == (0, "")
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
