"""``equipoise sample`` copies the cells of CSV files, and converts them only where nothing is lost."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.sample_files import cells_of, invoke, pa, pq

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


def converted(cells, folder):
    """Return the column of a Parquet OUT that has all these cells."""
    with (folder / "in.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("x", "y"), *((cell, "y") for cell in cells)])
    assert invoke(folder / "in.csv", "-k", len(cells) + 1, "-o", folder / "out.parquet")[0] == 0
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
            assert invoke(*argv) == (0, "")
    assert cells_of(folder / "out.csv", delimiter) == [list(names), *rows]
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
        assert invoke(tmp_path / "in.csv", "-k", 5, "-o", tmp_path / out)[0] == 0
    assert (tmp_path / "out.csv").read_bytes() == b'id,text,inclusion\n1,"a\rb",1.0\n2,c,1.0\n'
    assert pandas.read_csv(tmp_path / "out.csv")["text"].tolist() == ["a\rb", "c"]
    assert pq.read_table(tmp_path / "out.parquet")["text"].to_pylist() == ["a\rb", "c"]


def test_one_pass_and_two_passes_write_the_same_cells(tmp_path):
    (tmp_path / "in.csv").write_text('id,w\n007,1.50\n11,12345678901234567890\n012,""\n'[:-7])
    assert (
        invoke(tmp_path / "in.csv", "-k", 5, "--id", "id", "--weight", "w", "-o", tmp_path / "out.csv")[0]
        == 0
    )
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines == ["id,w,inclusion", "007,1.50,1.0", "11,12345678901234567890,1.0"]


def test_an_empty_cell_and_a_quoted_one_stay_apart(tmp_path):
    (tmp_path / "in.csv").write_text('a,b\n,""\n"",\n"x",y\n')
    for options in ([], ["--by", "a"]):
        assert invoke(tmp_path / "in.csv", "-k", 5, "-o", tmp_path / "out.csv", *options)[0] == 0
        assert (tmp_path / "out.csv").read_text() == 'a,b,inclusion\n,"",1.0\n"",,1.0\nx,y,1.0\n'


def test_a_name_may_hold_anything(tmp_path):
    names = ["\ufeffa", "b,\r\n", '"', "c\0", "é"]
    with (tmp_path / "in.csv").open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([names, list("12345")])
    assert invoke(tmp_path / "in.csv", "-k", 5, "-o", tmp_path / "out.csv", "--weight", "b,\r\n")[0] == 0
    assert cells_of(tmp_path / "out.csv") == [names, list("12345")]
    assert invoke(tmp_path / "out.csv", "-k", 5, "-o", tmp_path / "2.csv", "--inclusion-column", "p")[0] == 0
    assert [line[:-1] for line in cells_of(tmp_path / "2.csv")] == [names, list("12345")]


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
    assert invoke(tmp_path / "in.csv", "-k", 4, "--weight", "w", "-o", tmp_path / "out.parquet")[0] == 0
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
    assert invoke(tmp_path / "in.csv", "-k", 2, "--by", "c", "-o", tmp_path / "out.parquet")[0] == 0
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
        assert invoke(tmp_path / "in.csv", "-k", 600, "-o", tmp_path / "out.parquet")[0] == 0
        got = pq.read_table(tmp_path / "out.parquet")
        assert wanted is None or got.equals(wanted)
        wanted = got
    assert [str(kind) for kind in wanted.schema.types] == ["string", "double", "int64", "double"]


def test_a_batch_of_lines_may_have_more_than_2_gb(monkeypatch):
    """Lines are joined as Arrow's large_string, since pa.string() ends at 2 GB. Such lines take 10 GB."""
    texts = pytest.importorskip("equipoise._cli.files.texts")
    joined, join = [], texts.pc.binary_join_element_wise
    monkeypatch.setattr(texts.pc, "binary_join_element_wise", lambda *x: joined.append(x) or join(*x))
    file = io.BytesIO()
    texts.write_texts(file, pa.table([["x", "y"], ['"', ""], [1.0, 0.5]], ["a", "b", "p"]))
    assert file.getvalue() == b'a,b,p\nx,"""",1.0\ny,"",0.5\n'
    assert {cells.type for cells in joined[-1]} == {pa.large_string()}
