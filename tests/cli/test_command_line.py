"""The command line as a whole: help, exit statuses, closed pipes and missing extras."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

import pytest

from equipoise._cli import arguments
from equipoise._cli.main import COMMANDS, main, parser


def reject(constant):
    raise ValueError(f"{constant} is not JSON")


def test_the_module_prints_help_without_a_warning():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "equipoise", "sample", "--help"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "usage: equipoise sample" in done.stdout


@pytest.mark.parametrize("argv", [["--help"], ["demo", "--help"], ["sample", "--help"], ["info", "--help"]])
def test_help_is_status_0(capsys, argv):
    assert main(argv) == 0
    assert "usage: equipoise" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["dmo"],
        ["demo", "more"],
        ["demo", "--seed"],
        ["demo", "--seed", "-1"],
        ["demo", "--seed", "1.5"],
        ["demo", "--seed", str(2**64)],
        ["demo", "--yaml"],
    ],
)
def test_bad_arguments_are_status_2(capsys, argv):
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "error:" in err


def test_the_demo_takes_less_than_a_minute_as_a_module():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "equipoise", "demo", "--json", "--seed", str(2**64 - 1)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    printed = json.loads(done.stdout, parse_constant=reject)
    assert printed["seed"] == 2**64 - 1
    assert all(check["excluded_drawn"] == 0 for check in printed["negatives"]["checks"])
    assert len(done.stderr.splitlines()) == 5


@pytest.mark.skipif(sys.platform == "win32", reason="Windows reports a closed pipe as another error")
def test_a_closed_pipe_is_status_141_and_silent():
    process = subprocess.Popen(
        [sys.executable, "-m", "equipoise", "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 141
    assert len(err.splitlines()) == 5
    assert "Error" not in err


WITHOUT = """
import sys
sys.modules["pyarrow"] = None
from equipoise._cli.main import main
sys.exit(main({argv!r}))
"""


def test_sample_without_pyarrow_names_the_extra(tmp_path):
    argv = ["sample", str(tmp_path / "x.parquet"), "-k", "1", "-o", str(tmp_path / "o.parquet")]
    code = WITHOUT.format(argv=argv)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "equipoise sample: error: equipoise sample needs pyarrow: python -m pip install 'equipoise[arrow]'\n"
    )


def test_importing_equipoise_does_not_import_the_command_line():
    code = "import sys, equipoise; print([m for m in sys.modules if m.startswith('equipoise._cli')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_imports_numpy_and_nothing_else():
    """Help must not wait for pyarrow or for the modules of the demo."""
    code = (
        "import sys; from equipoise._cli.main import main; main(['sample', '--help']); "
        "print([m for m in ('pyarrow', 'pandas', 'tqdm', 'equipoise.datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_each_command_is_in_the_help(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert len(COMMANDS) == 3
    for name in ("demo", "sample", "info"):
        assert f"\n    {name} " in out


def test_parsed_options_carry_the_function_to_run():
    options = parser().parse_args(["sample", "a.csv", "-k", "3", "-o", "b.csv"])
    assert callable(options.run)
    assert (options.files, options.k, options.output, options.seed) == (["a.csv"], 3, "b.csv", 0)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "x", ""])
def test_positive_refuses_anything_but_finite_numbers_above_0(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be a number > 0, got "):
        arguments.positive(text)
