"""The installed package is complete, and the workflows that build it are safe. They are read, not run."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import equipoise

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"

needs_workflows = pytest.mark.skipif(
    not WORKFLOWS.is_dir(), reason="the workflows are not beside the tests, since an sdist doesn't hold them"
)


@pytest.fixture(scope="module")
def installed():
    try:
        found = metadata.distribution("equipoise")
    except metadata.PackageNotFoundError:
        pytest.skip("equipoise was not installed")
    if Path(str(found.locate_file("equipoise"))) != Path(equipoise.__file__).parent:
        pytest.skip("the tests don't import the installed package")
    return found


def names(distribution):
    return {str(path).replace("\\", "/") for path in distribution.files}


def tag(distribution):
    return re.search(r"^Tag: (.+)$", distribution.read_text("WHEEL"), re.M)[1]


# ---- the wheel -------------------------------------------------------------------------------------------


def test_the_version_and_python_are_right(installed):
    assert installed.version == equipoise.__version__
    assert installed.metadata["Requires-Python"] == ">=3.11"
    assert not [r for r in installed.requires if "extra ==" not in r and not r.startswith("numpy")]


def test_extras_are_declared(installed):
    assert {"arrow", "dask", "imblearn", "numba", "plot", "progress", "ray", "test", "torch"} == set(
        installed.metadata.get_all("Provides-Extra")
    )


def test_licenses_are_included(installed):
    assert installed.metadata["License-Expression"] == "Apache-2.0"
    licenses = installed.metadata.get_all("License-File")
    assert licenses == ["LICENSE", "python/equipoise/datasets/NOTICE"]
    folder = f"equipoise-{installed.version}.dist-info/licenses"
    assert {f"{folder}/{name}" for name in licenses} <= names(installed)


def test_type_hints_are_included(installed):
    assert {"equipoise/py.typed", "equipoise/_core.pyi"} <= names(installed)


def test_the_wheel_holds_only_the_package(installed):
    """It has no test, no C++ source, and no shared library that was added when the wheel was repaired."""
    folders = {name.partition("/")[0] for name in names(installed) if not name.startswith("..")}
    if sys.platform == "win32":
        folders -= {"equipoise.libs"}  # Microsoft's C++ runtime, which some Windows systems lack
    assert folders == {"equipoise", f"equipoise-{installed.version}.dist-info"}
    assert not {Path(name).suffix for name in names(installed)} & {".cpp", ".hpp", ".o", ".a"}


def test_there_is_at_most_one_compiled_file(installed):
    compiled = [n for n in names(installed) if n.startswith("equipoise/") and n.endswith((".so", ".pyd"))]
    if tag(installed) == "py3-none-any":
        assert not compiled
        return
    (kernels,) = compiled
    assert re.fullmatch(r"equipoise/_core\.[\w-]+\.(so|pyd)", kernels)
    needed = Path(str(installed.locate_file(kernels))).read_bytes()
    assert b"libgomp" not in needed
    if "linux_" in tag(installed) and not tag(installed).endswith(("-linux_x86_64", "-linux_aarch64")):
        assert b"libstdc++.so" not in needed  # the wheel was repaired, so it fits every Linux


def test_the_command_runs(installed):
    (command,) = installed.entry_points.select(group="console_scripts")
    assert (command.name, command.value) == ("equipoise", "equipoise._cli.main:main")
    folder = Path(sys.executable).parent
    script = next((p for p in (folder / "equipoise", folder / "equipoise.exe") if p.exists()), None)
    assert script, f"no command in {folder}"
    done = subprocess.run([script, "info"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("equipoise ")


# ---- the workflows ---------------------------------------------------------------------------------------


@needs_workflows
@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda p: p.name)
def test_actions_are_pinned_by_commit(path):
    """A tag can be moved, but the hash of a commit cannot. The comment names the version."""
    uses = re.findall(r"^.*\buses:.*$", path.read_text(), re.M)
    assert uses
    for line in uses:
        assert re.search(r"uses: [\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@needs_workflows
@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda p: p.name)
def test_jobs_have_the_least_permissions(path):
    """Jobs have no permissions by default. Only the job that publishes may write its token."""
    text = path.read_text()
    assert re.search(r"^permissions: \{\}$", text, re.M)
    granted = re.findall(r"^\s+([\w-]+): write\b", text, re.M)
    assert granted == (["id-token"] if path.stem == "wheels" else [])
    assert text.count("actions/checkout@") == text.count("persist-credentials: false")


@needs_workflows
def test_an_action_is_pinned_to_one_hash():
    pinned = {}
    for path in WORKFLOWS.glob("*.yml"):
        for action, commit in re.findall(r"uses: ([\w./-]+)@(\w+)", path.read_text()):
            assert pinned.setdefault(action, commit) == commit, action
