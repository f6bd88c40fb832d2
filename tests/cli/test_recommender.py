"""The comparison of recommenders: numbers, printed page, command line, and figures of real logs."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from equipoise._cli.demo import bpr, interactions, recommender
from equipoise._cli.demo import splits as log_splits
from equipoise._cli.demo.bpr import train
from equipoise._cli.demo.metrics import evaluate, most_popular
from equipoise._cli.demo.recommender import RECIPES
from equipoise._cli.main import main
from support import splits
from support.splits import planted

UNIFORM, POPULAR, WITHOUT_EXCLUSION, CORRECTED = RECIPES
METRICS = ("recall", "ndcg", "coverage")


@pytest.fixture(scope="module")
def planted_split():
    return splits.planted_split()


# ---- the comparison ------------------------------------------------------------------------------------


def timeless(result):
    rows = [
        {key: value for key, value in row.items() if key not in ("training_seconds", "sampling_share")}
        for row in result["negatives"]
    ]
    return {**result, "negatives": rows}


@pytest.fixture(scope="module")
def result(planted_split):
    return recommender.run(planted_split, epochs=4, dim=8, seed=3)


def test_the_result_has_five_rows_of_three_runs(result, planted_split):
    popular, *trained = result["negatives"]
    assert [row["name"] for row in trained] == [recipe.name for recipe in RECIPES]
    for row in result["negatives"]:
        for name in METRICS:
            runs = row[f"{name}_runs"]
            assert len(runs) == 3
            assert row[name] == pytest.approx(np.mean(runs))
            assert row[f"{name}_sd"] == pytest.approx(np.std(runs, ddof=1))
    assert popular["recall_sd"] == 0
    assert popular["sampling_share"] is None
    for row in trained:
        assert len(set(row["ndcg_runs"])) == 3
        assert 0 < row["sampling_share"] < 1
        assert row["training_seconds"] > 0
    expected = evaluate(train(planted_split, UNIFORM, epochs=4, dim=8, seed=3, run=2).scores, planted_split)
    assert trained[0]["ndcg_runs"][2] == expected.ndcg
    assert result["split"]["train_pairs"] + result["split"]["test_pairs"] == 640


def test_the_same_seed_gives_the_same_numbers(result, planted_split):
    steps = []
    again = recommender.run(planted_split, epochs=4, dim=8, seed=3, progress=lambda *told: steps.append(told))
    assert timeless(again) == timeless(result)
    assert steps[0] == ("uniform, run 1 of 3", 1, 48)
    assert [done for _, done, _ in steps] == list(range(1, 49))
    other = recommender.run(planted_split, epochs=4, dim=8, seed=4)
    assert other["negatives"][1] != result["negatives"][1]


def test_the_page_can_be_made_from_the_json_and_fits_a_terminal(result):
    parsed = json.loads(json.dumps(result, allow_nan=False))
    assert parsed == result
    page = recommender.render(parsed)
    assert page == recommender.render(result)
    assert page.isascii()
    assert max(map(len, page.splitlines())) <= 100
    for row in result["negatives"]:
        line = next(line for line in page.splitlines() if line.split("  ")[1:2] == [row["name"]])
        for name in METRICS[:2]:
            assert f"{row[name]:.4f}" in line


# ---- the command line ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def log_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("logs") / "log.csv"
    lines = [f"u{user},{item},{day}" for user, item, day in planted()]
    path.write_text("\n".join(["who,item_id,day", *lines]) + "\n")
    return str(path)


COLUMNS = ("--user", "who", "--time", "day")


def test_the_page_goes_to_stdout(log_file, capsys):
    argv = ["demo", "--interactions", log_file, *COLUMNS, "--epochs", "1", "--dim", "2", "--seed", "9"]
    assert main(argv) == 0
    page = capsys.readouterr().out
    assert "seed 9" in page
    assert "trained on time < 6, tested on the rest" in page
    assert "2 dimensions, 1 epoch," in page


@pytest.mark.parametrize(
    ("more", "rule", "train_pairs"),
    [
        ([], "trained on time < 6, tested on the rest", 480),
        (["--split", "time"], "trained on time < 6, tested on the rest", 480),
        (["--split-time", "5"], "trained on time < 5, tested on the rest", 400),
        (["--split", "time", "--split-time", "5.5"], "trained on time < 5.5, tested on the rest", 480),
        (["--split", "leave-one-out"], "trained on all but each user's last item, tested on that", 560),
    ],
)
def test_json_shows_the_split_that_was_asked_for(log_file, capsys, more, rule, train_pairs):
    argv = ["demo", "--interactions", log_file, *COLUMNS, "--epochs", "1", "--dim", "2", "--json", *more]
    assert main(argv) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["split"]["rule"] == rule
    assert printed["split"]["train_pairs"] == train_pairs
    assert (printed["epochs"], printed["dim"], printed["seed"]) == (1, 2, 0)
    assert len(printed["negatives"]) == 5


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_a_bar(log_file, capsys, monkeypatch):
    pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'progress')")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    argv = ["demo", "--interactions", log_file, *COLUMNS, "--epochs", "2", "--dim", "2", "--json"]
    assert main(argv) == 0
    assert len(json.loads(capsys.readouterr().out)["negatives"]) == 5
    last = terminal.getvalue().rpartition("\r")[2]
    assert "24/24" in last
    assert last.startswith(f"{CORRECTED.name}, run 3 of 3: 100%")


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal without tqdm", "no terminal"])
def test_without_a_bar_each_training_prints_a_line(log_file, capsys, monkeypatch, terminal):
    if terminal:
        monkeypatch.setitem(sys.modules, "tqdm", None)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    argv = ["demo", "--interactions", log_file, *COLUMNS, "--epochs", "2", "--dim", "2"]
    assert main(argv) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 12
    assert lines[0] == "equipoise demo: uniform, run 1 of 3, epoch 1 of 24"
    assert lines[-1] == f"equipoise demo: {CORRECTED.name}, run 3 of 3, epoch 23 of 24"


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--interactions", "nowhere.csv"], "nowhere.csv cannot be read: No such file"),
        (["--interactions", ""], "must be a file named *.parquet or *.csv, got ''"),
        (["--interactions", "log.xlsx"], "must be a file named *.parquet or *.csv, got 'log.xlsx'"),
        (["--interactions", "LOG"], "must have a column 'user_id', got 'who', 'item_id', 'day'"),
        (["--interactions", "LOG", "--user", "who"], "must have a column 'timestamp', got 'who'"),
        (["--interactions", "LOG", "--user", "who", "--time", "who"], "must be three columns"),
        (["--interactions", "LOG", *COLUMNS, "--split-time", "99"], "times run from 0 to 7"),
        (
            ["--interactions", "LOG", *COLUMNS, "--split-time", "soon"],
            "must be a number, or an ISO 8601 date",
        ),
        (
            ["--interactions", "LOG", *COLUMNS, "--split", "leave-one-out", "--split-time", "3"],
            "--split-time must come with --split time, got --split leave-one-out",
        ),
        (["--interactions", "LOG", "--split", "random"], "invalid choice: 'random'"),
        (["--interactions", "LOG", "--epochs", "0"], "must be an integer in [1, 10000], got '0'"),
        (["--interactions", "LOG", "--dim", "2.5"], "must be an integer in [1, 10000], got '2.5'"),
        (["--interactions", "LOG", "--seed", "-1"], "must be an integer in [0, 2^64), got '-1'"),
        (["--interactions"], "expected one argument"),
        (["--epochs", "3"], "--epochs must come with --interactions FILE, got no file"),
        (["--split-time", "3"], "--split-time must come with --interactions FILE, got no file"),
    ],
)
def test_bad_input_is_status_2(monkeypatch, capsys, log_file, argv, told):
    assert main(["demo", *(log_file if word == "LOG" else word for word in argv)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "error: " in err
    assert told in err
    assert "Traceback" not in err


def test_the_error_is_one_printable_line(tmp_path, capsys):
    path = tmp_path / "log.csv"
    path.write_text('"a\nb\x1b[31m",c\n1,2\n')
    assert main(["demo", "--interactions", str(path), "--user", "\x1b\n?"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.rstrip("\n").isprintable()
    broken = tmp_path / "dam\naged.csv"
    assert main(["demo", "--interactions", str(broken)]) == 2
    assert capsys.readouterr().err.endswith("dam aged.csv cannot be read: No such file or directory\n")


@pytest.mark.parametrize("more", [[], ["--interactions", "LOG", *COLUMNS]])
def test_a_bad_environment_variable_is_status_2(monkeypatch, capsys, log_file, more):
    monkeypatch.setenv("EQUIPOISE_NUM_THREADS", "many")
    assert main(["demo", *(log_file if word == "LOG" else word for word in more)]) == 2
    told = "equipoise demo: error: EQUIPOISE_NUM_THREADS must be a whole number >= 1, got 'many'\n"
    assert capsys.readouterr() == ("", told)


@pytest.mark.skipif(os.name == "nt", reason="signals are sent the POSIX way here")
def test_an_interrupt_during_training_is_status_130(log_file):
    """Only the progress so far is printed."""
    code = (
        "import signal, sys; from equipoise._cli.main import main; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "  # background jobs ignore SIGINT
        "sys.exit(main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "demo", "--interactions", log_file, *COLUMNS, "--epochs", "10000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    first = process.stderr.readline()
    assert first == "equipoise demo: uniform, run 1 of 3, epoch 1 of 120000\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 130


def test_the_help_names_the_defaults(capsys):
    assert main(["demo", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"passes over the training pairs (default: {bpr.EPOCHS})" in text
    assert f"dimensions of the vectors (default: {bpr.DIM})" in text


# ---- real logs -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def retail(data_dir):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra 'arrow')")
    return data_dir / "online_retail" / "interactions_5core.parquet"


@pytest.fixture(scope="module")
def beauty(data_dir):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra 'arrow')")
    return data_dir / "amazon_beauty" / "sequences.parquet"


def test_most_popular_has_the_published_figures(retail, beauty):
    """Others measured 0.0379, 0.0428 and 4 % on the same split of the shop, and 0.0136, 0.0061 on Beauty."""
    split = log_splits.split_by_time(interactions.read(retail), "2011-11-01")
    got = evaluate(most_popular(split), split)
    assert (got.recall, got.ndcg) == pytest.approx((0.0379, 0.0428), abs=5e-5)
    assert got.coverage == pytest.approx(0.04, abs=0.005)
    split = log_splits.leave_one_out(interactions.read(beauty, time="pos"))
    got = evaluate(most_popular(split), split, 10)
    assert got.recall == pytest.approx(0.0136, abs=2.5e-4)  # others break ties differently
    assert got.ndcg == pytest.approx(0.0061, abs=5e-5)


def whole_command(*argv):
    command = [sys.executable, "-W", "error", "-m", "equipoise", "demo", "--json", "--interactions", *argv]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    popular, *trained = json.loads(done.stdout)["negatives"]
    return popular, trained


def check_documented_figures(command, *rows):
    """Check rows against the page in the documentation.

    There is a tolerance, because another machine rounds differently, which changes its three runs.
    """
    root = Path(__file__).parents[2]
    pages = [p.read_text(encoding="utf-8") for p in (root / "README.md", *sorted(root.glob("docs/*.md")))]
    pattern = re.escape(command) + r"\n```\n\n```(?:text)?\n(.*?)```"
    (page,) = {found[1] for text in pages if (found := re.search(pattern, text, re.S))}
    cells = {words[0]: words[1:] for line in page.splitlines() if (words := re.split(r" {2,}", line.strip()))}
    for row in rows:
        recall, recall_sd, ndcg, ndcg_sd, coverage = map(
            float, re.findall(r"[\d.]+", " ".join(cells[row["name"]]))[:5]
        )
        assert row["recall"] == pytest.approx(recall, abs=4 * recall_sd + 0.002)
        assert row["ndcg"] == pytest.approx(ndcg, abs=4 * ndcg_sd + 0.002)
        assert row["coverage"] == pytest.approx(coverage / 100, abs=0.03)


@pytest.mark.slow
def test_the_page_has_the_figures_of_online_retail(retail):
    popular, trained = whole_command(str(retail), "--split-time", "2011-11-01")
    assert popular["recall"] == pytest.approx(0.0379, abs=5e-5)
    check_documented_figures(
        "online_retail/interactions_5core.parquet --split-time 2011-11-01", popular, *trained
    )
    for row in trained:
        assert row["recall"] > 1.4 * popular["recall"]
        assert row["ndcg"] > 1.25 * popular["ndcg"]
        assert row["coverage"] > 0.35
    by_name = {row["name"]: row for row in trained}
    # Others measured 0.0684 and 0.0747 for cosine neighbors.
    for recipe in (UNIFORM, CORRECTED):
        assert by_name[recipe.name]["recall"] > 0.0684
        assert by_name[recipe.name]["ndcg"] > 0.0747


@pytest.mark.slow
def test_the_page_has_the_figures_of_amazon_beauty(beauty):
    popular, trained = whole_command(str(beauty), "--time", "pos", "--split", "leave-one-out")
    assert popular["recall"] == pytest.approx(0.0217, abs=2.5e-4)
    check_documented_figures(
        "amazon_beauty/sequences.parquet --time pos --split leave-one-out", popular, *trained
    )
    for row in trained:
        assert row["recall"] > 2 * popular["recall"]
        assert row["ndcg"] > 2 * popular["ndcg"]
        assert row["coverage"] > 0.25
