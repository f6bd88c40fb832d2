"""``equipoise info`` prints versions, and backend, CPU path and threads with their reasons."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest

import equipoise
from equipoise._cli.main import main
from equipoise._runtime import backend, versions

HAS_CORE = importlib.util.find_spec("equipoise._core") is not None
HAS_NUMBA = importlib.util.find_spec("numba") is not None
VARIABLES = ("EQUIPOISE_BACKEND", "EQUIPOISE_NUM_THREADS", "EQUIPOISE_DISABLE_CPU_FEATURES")

needs_core = pytest.mark.skipif(not HAS_CORE, reason="this installation has no compiled kernels")
needs_numba = pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed (extra 'numba')")


def reject(constant):
    raise ValueError(f"{constant} is not JSON")


def run(*args, **variables):
    """Return the output of `python -m equipoise info` with only these variables of equipoise."""
    env = {k: v for k, v in os.environ.items() if k not in VARIABLES} | variables
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "equipoise", "info", *args],
        env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not done.stderr
    return done.stdout


def info(**variables):
    """Return the report as a dict."""
    return json.loads(run("--json", **variables), parse_constant=reject)


# ---- contents -------------------------------------------------------------------------------------------


def test_json_has_the_versions_and_the_backend():
    said = info()
    assert said["equipoise"] == equipoise.__version__
    assert said["python"] == f"{platform.python_version()} ({platform.python_implementation()})"
    assert said["platform"] == platform.platform()
    assert said["backend"]["name"] == ("cpp" if HAS_CORE else "numba")
    assert said["packages"]["numpy"] == np.__version__
    for name, version in said["packages"].items():
        try:
            assert version == metadata.version(name)
        except metadata.PackageNotFoundError:
            assert version is None


def test_text_and_json_agree():
    said = versions.collect()
    lines = dict(
        line.split(maxsplit=1) for line in versions.render(said).replace("CPU path", "CPU").splitlines()
    )
    assert lines["equipoise"].startswith(equipoise.__version__)
    assert lines["backend"] == f"{said['backend']['name']}: {said['backend']['reason']}"
    assert lines["CPU"] == f"{said['cpu']['path']}: {said['cpu']['reason']}"
    assert lines["threads"] == f"{said['threads']['default']}: {said['threads']['reason']}"
    assert lines["numpy"] == np.__version__
    assert lines.keys() - {"equipoise", "backend", "CPU", "threads", "Python", "platform"} == set(
        versions.PACKAGES
    )


def test_show_versions_prints_the_text(capsys):
    assert equipoise.show_versions() is None
    assert capsys.readouterr().out == versions.render(versions.collect()) + "\n"


def test_the_command_prints_text_or_json(capsys):
    assert main(["info"]) == 0
    assert capsys.readouterr().out == versions.render(versions.collect()) + "\n"
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == versions.collect()


def test_a_missing_package_is_reported(monkeypatch):
    monkeypatch.setattr(versions, "PACKAGES", ("numpy", "no-such-package"))
    said = versions.collect()
    assert said["packages"]["no-such-package"] is None
    assert "no-such-package not installed" in versions.render(said)


# ---- reasons --------------------------------------------------------------------------------------------


@needs_core
def test_compiled_kernels_have_a_reason():
    assert info()["backend"] == {"name": "cpp", "reason": "compiled kernels are installed"}
    assert info(EQUIPOISE_BACKEND="cpp")["backend"] == {"name": "cpp", "reason": "EQUIPOISE_BACKEND=cpp"}
    assert info(EQUIPOISE_BACKEND="auto")["backend"]["reason"] == "compiled kernels are installed"


@needs_numba
def test_numba_has_a_reason():
    said = info(EQUIPOISE_BACKEND="numba")
    assert said["backend"] == {"name": "numba", "reason": "EQUIPOISE_BACKEND=numba"}
    assert said["cpu"]["path"] == "numba"
    if not HAS_CORE:
        assert info()["backend"]["reason"] == "this installation has no compiled kernels"


@needs_core
def test_disabled_cpu_features_change_the_path():
    found = info(EQUIPOISE_BACKEND="cpp")["cpu"]
    assert found["path"] in ("baseline", "avx2", "avx512")
    assert found["disabled"] is None
    off = {
        "avx512": {"avx512": ("avx2", "avx512"), "avx2": ("avx2", None), "baseline": ("baseline", None)},
        "avx2": {
            "avx512": ("baseline", "avx2, avx512"),
            "avx2": ("baseline", "avx2"),
            "baseline": ("baseline", None),
        },
    }
    for value in ("avx512", "AVX512F", "avx2", "AVX2,AVX512"):
        said = info(EQUIPOISE_BACKEND="cpp", EQUIPOISE_DISABLE_CPU_FEATURES=value)["cpu"]
        feature = "avx2" if "avx2" in value.lower() else "avx512"
        assert (said["path"], said["disabled"]) == off[feature][found["path"]]
        if said["disabled"]:
            assert f"EQUIPOISE_DISABLE_CPU_FEATURES={value}" in said["reason"]


def test_the_report_works_if_the_kernels_do_not_load(monkeypatch):
    """This happens on systems that are too old for the wheel."""

    def fail():
        raise ImportError("GLIBC_2.99 not found")

    monkeypatch.setattr(backend, "backend", lambda: "cpp")
    monkeypatch.setattr(backend, "kernels", fail)
    said = versions.collect()
    assert said["cpu"]["path"] is None
    assert "GLIBC_2.99 not found" in versions.render(said)


@pytest.mark.parametrize(("value", "default"), [("", 1), ("7", 7), ("0", None), ("two", None)])
def test_the_number_of_threads_and_its_reason(value, default, monkeypatch):
    monkeypatch.setenv("EQUIPOISE_NUM_THREADS", value)
    threads = versions.collect()["threads"]
    assert threads["default"] == default
    assert "EQUIPOISE_NUM_THREADS" in threads["reason"]
    assert value in threads["reason"]


def test_the_report_imports_none_of_the_packages_it_names():
    """It does not even import Numba if Numba is the backend."""
    program = "import sys, equipoise; equipoise.show_versions(); print(*sys.modules)"
    for chosen in ["cpp"] * HAS_CORE + ["numba"] * HAS_NUMBA:
        env = os.environ | {"EQUIPOISE_BACKEND": chosen}
        done = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
        )
        loaded = set(done.stdout.splitlines()[-1].split())
        assert not (set(versions.PACKAGES) - {"numpy"}) & loaded


def test_importing_equipoise_does_not_load_the_report():
    program = (
        "import sys, numpy\nbefore = set(sys.modules)\nimport equipoise\nprint(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"platform", "importlib.metadata", "json"} & (set(done.stdout.split()))
