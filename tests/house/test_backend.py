"""EQUIPOISE_BACKEND chooses the backend, and a missing one is reported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("wanted", "text"), [("fortran", "EQUIPOISE_BACKEND must be 'auto', 'cpp' or 'numba', got 'fortran'")]
)
def test_an_unknown_backend_is_refused(wanted, text):
    done = subprocess.run(
        [sys.executable, "-c", "import equipoise"],
        env={**os.environ, "EQUIPOISE_BACKEND": wanted},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"ImportError: {text}" in done.stderr


def test_a_missing_backend_says_how_to_get_it():
    code = (
        "import importlib.util as u, sys; real = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == sys.argv[1] else real(name, *a)\n"
        "import equipoise"
    )
    for missing, wanted, text in (
        ("numba", "numba", "python -m pip install numba"),
        ("equipoise._core", "cpp", "this installation has no compiled kernels"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, missing],
            env={**os.environ, "EQUIPOISE_BACKEND": wanted}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "ImportError" in done.stderr
        assert text in done.stderr
