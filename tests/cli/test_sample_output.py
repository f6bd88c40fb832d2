"""``equipoise sample`` writes a file, a summary and a progress bar."""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import pytest

from equipoise._cli.main import main
from support.sample_files import LABELS, arguments, log, pa, pq, run_python, sample, write


def reject(constant):
    raise ValueError(f"{constant} is not JSON")


def test_the_summary_counts_rows_weight_and_classes(tmp_path, capsys):
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


def test_the_page_shows_20_classes_and_json_shows_all(tmp_path, capsys):
    file = write(tmp_path, [pa.table({"c": np.arange(1000)})])[0]
    assert main(arguments([file], tmp_path / "out.parquet", 1, by="c")) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) < 40
    assert "and 980 more" in out
    assert main([*arguments([file], tmp_path / "out.parquet", 1, by="c"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["classes"]) == 1000


def test_the_added_column_can_be_renamed(tmp_path):
    files = write(tmp_path, [pa.table({"inclusion": [1.0, 2.0]})])
    out = tmp_path / "out.parquet"
    assert main([*arguments(files, out, 1, weight="inclusion"), "--inclusion-column", "p"]) == 0
    assert pq.read_table(out).schema.names == ["inclusion", "p"]


def test_an_existing_output_is_replaced_through_a_link(tmp_path):
    files = write(tmp_path, [log(100)])
    real, link = tmp_path / "real.parquet", tmp_path / "link.parquet"
    real.write_text("before")
    link.symlink_to(real)
    assert sample(files, link, 5, weight="weight").num_rows == 5
    assert link.is_symlink()
    assert pq.read_table(real).num_rows == 5


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_labels_that_standard_output_cannot_encode_are_escaped(tmp_path, encoding):
    (tmp_path / "in.csv").write_text("c\n\u2603\n", encoding="utf-8")
    argv = ["sample", str(tmp_path / "in.csv"), "-k", "1", "--by", "c", "-o", str(tmp_path / "out.csv")]
    code = f"import sys\nfrom equipoise._cli.main import main\nsys.exit(main({argv!r}))"
    done = run_python(
        code, env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}, encoding="utf-8"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ("\u2603" if encoding == "utf-8" else "\\u2603") in done.stdout


# ---- progress ------------------------------------------------------------------------------------------


def test_a_terminal_shows_a_bar_for_each_step(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tqdm", reason="tqdm draws the bar (extra 'progress')")
    file = write(tmp_path, [log(500)])[0]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main([*arguments([file], tmp_path / "out.parquet", 5), "--json"]) == 0
    out, err = capsys.readouterr()
    json.loads(out)
    assert "reading" in err
    assert "fetching" in err


WITHOUT = """
import sys
sys.modules[{module!r}] = None
sys.stderr.isatty = lambda: {terminal}
from equipoise._cli.main import main
sys.exit(main({argv!r}))
"""


def test_without_tqdm_one_line_names_the_extra(tmp_path):
    file = write(tmp_path, [log(500)])[0]
    argv = arguments([file], tmp_path / "out.parquet", 5)
    done = run_python(WITHOUT.format(module="tqdm", terminal=True, argv=argv))
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert "equipoise[progress]" in done.stderr
