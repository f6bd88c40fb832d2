"""The disk cache of the twins is used by the next process, fails silently, and is never beside the source."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import equipoise

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="numba is not installed (extra 'numba')"
)

PACKAGE = Path(equipoise.__file__).parent

# This calls two kernels that compile quickly, and prints the answers, the hits and the misses.
PROGRAM = """
import sys
import numpy as np
{before}
from equipoise import _numba as twin
cells = np.arange(1000, dtype=np.uint64) << np.uint64(31)
cells.flags.writeable = len(sys.argv) > 1
out = np.empty(500, np.int64)
key = twin.call_key(2**63 + 5, 1, 2, 3)
twin.alias_draw(key, cells, 128, out)
stats = [kernel.dispatcher.stats for kernel in (twin.call_key, twin.alias_draw)]
counts = [sum(sum(getattr(s, name).values()) for s in stats) for name in ("cache_hits", "cache_misses")]
print(key, out.sum(), *counts)
"""
COMPILED, LOADED = ["0", "2"], ["2", "0"]  # hits, misses
WORDS = 4


def start(before="", *, args=(), path=None, **environment):
    """Start a process that runs both kernels, with warnings as errors."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_") and k != "XDG_CACHE_HOME"}
    env |= {k: str(v) for k, v in environment.items() if v is not None}
    for name in (k for k, v in environment.items() if v is None):
        env.pop(name, None)
    source = path or PACKAGE.parent
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(source), env.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(before=before), *args],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process):
    """Return the answers of a process, and [hits, misses]. Check that it wrote nothing to stderr."""
    said, complaint = process.communicate(timeout=300)
    assert process.returncode == 0, complaint
    assert not complaint
    answer = said.split()
    assert len(answer) == WORDS
    return answer[:2], answer[2:]


def run(*args, **kwargs):
    return finish(start(*args, **kwargs))


def entries(folder):
    return sorted(p for p in Path(folder).rglob("*") if p.is_file())


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Return the answers of a first process, and the cache that it filled."""
    folder = tmp_path_factory.mktemp("first")
    answer, counts = run(NUMBA_CACHE_DIR=folder)
    assert counts == COMPILED
    return answer, folder


@pytest.fixture
def answer(first):
    return first[0]


@pytest.fixture
def filled(first, tmp_path):
    """Return a copy of that cache."""
    shutil.copytree(first[1], tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_the_second_process_loads_from_the_cache(filled, answer):
    kept = entries(filled)
    assert [p.parent.parent for p in kept] == [filled / "equipoise"] * 2
    assert [p.name.partition("-")[0] for p in kept] == ["alias_draw", "call_key"]
    assert run(NUMBA_CACHE_DIR=filled) == (answer, LOADED)
    # One compiled kernel takes both read-only and writable arrays.
    assert run(NUMBA_CACHE_DIR=filled, args=["writable"]) == (answer, LOADED)
    assert entries(filled) == kept


def test_the_cache_is_in_the_users_cache_folder(tmp_path, answer):
    """Without NUMBA_CACHE_DIR, the cache is below the home folder, whatever Numba's own settings say."""
    beside = entries(PACKAGE)
    home = {"HOME": tmp_path, "LOCALAPPDATA": tmp_path, "NUMBA_CACHE_LOCATOR_CLASSES": "InTreeCacheLocator"}
    assert run(**home) == (answer, COMPILED)
    assert run(**home) == (answer, LOADED)
    assert sum(p.suffix == ".bin" for p in entries(tmp_path)) == 2
    new = set(entries(PACKAGE)) - set(beside)
    assert all(p.suffix == ".pyc" for p in new), new


@pytest.mark.parametrize("where", ["HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"])
def test_an_unwritable_folder_is_no_error(where, tmp_path, answer):
    """The folder is a file, so that not even root can write into it."""
    (tmp_path / "file").write_text("")
    home = tmp_path / ("file" if where == "HOME" else "none") / "below"
    blocked = {"HOME": home, "LOCALAPPDATA": home} | {where: tmp_path / "file" / "below"}
    assert run(**blocked) == (answer, COMPILED)
    assert [p.name for p in entries(tmp_path) if p.suffix == ".bin"] == []


@pytest.mark.skipif(os.name == "nt", reason="HOME means nothing there")
def test_a_missing_home_is_no_error(tmp_path, answer):
    """Without HOME and an entry in the user database, no folder named "~" is made."""
    nobody = "import os, pwd\ndef unknown(uid): raise KeyError\npwd.getpwuid = unknown\n"
    process = start(f"{nobody}os.chdir({str(tmp_path)!r})", HOME=None)
    assert finish(process) == (answer, COMPILED)
    assert entries(tmp_path) == []


def test_a_read_only_cache_is_read(filled, answer):
    """Loading works if saving fails. File modes cannot test this, since root ignores them."""
    (gone,) = (p for p in entries(filled) if p.name.startswith("call_key"))
    gone.unlink()
    refuse = "import os\ndef refuse(*_): raise PermissionError(13, 'read-only')\nos.replace = refuse\n"
    assert run(refuse, NUMBA_CACHE_DIR=filled) == (answer, ["1", "1"])
    assert [p.name.partition("-")[0] for p in entries(filled)] == ["alias_draw"]


def test_a_full_disk_is_no_error(tmp_path, answer):
    """If writing fails in the middle, there is no exception, and no partial file is left."""
    resource = pytest.importorskip("resource", reason="no limits on file sizes here")
    limit = f"import resource\nresource.setrlimit({resource.RLIMIT_FSIZE}, (1000, 1000))\n"
    quiet = "import sys\nsys.dont_write_bytecode = True\n"
    assert run(quiet + limit, NUMBA_CACHE_DIR=tmp_path) == (answer, COMPILED)
    assert entries(tmp_path) == []


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-1], lambda b: b"", lambda b: b[:100] + b"\0" * (len(b) - 100)],
    ids=["cut", "empty", "zeros"],
)
def test_a_damaged_entry_is_replaced(damage, filled, answer):
    for path in entries(filled):
        path.write_bytes(damage(path.read_bytes()))
    assert run(NUMBA_CACHE_DIR=filled) == (answer, COMPILED)
    assert run(NUMBA_CACHE_DIR=filled) == (answer, LOADED)


@pytest.mark.parametrize("processes", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_processes_may_compile_at_once(processes, tmp_path, answer):
    together = [start(NUMBA_CACHE_DIR=tmp_path) for _ in range(processes)]
    assert [finish(process)[0] for process in together] == [answer] * processes
    assert len(entries(tmp_path)) == 2
    assert run(NUMBA_CACHE_DIR=tmp_path) == (answer, LOADED)


@pytest.fixture
def copy(tmp_path):
    """Return a copy of the package that may be changed."""
    ignore = shutil.ignore_patterns("__pycache__", "datasets")
    shutil.copytree(PACKAGE, tmp_path / "source" / "equipoise", ignore=ignore)
    return tmp_path / "source"


def test_a_changed_callee_is_never_stale(tmp_path, copy, first):
    """If stream/rng.py changes, its caller tables/alias.py does not. Numba's own cache would not notice."""
    answer, cache = first[0], tmp_path / "cache"
    shutil.copytree(first[1], cache)
    assert run(NUMBA_CACHE_DIR=cache, path=copy) == (answer, LOADED)
    source = copy / "equipoise" / "_numba" / "stream" / "rng.py"
    text = source.read_text()
    assert text.count("0xBF58476D1CE4E5B9") == 1
    source.write_text(text.replace("0xBF58476D1CE4E5B9", "0xBF58476D1CE4E5B7"))
    changed, counts = run(NUMBA_CACHE_DIR=cache, path=copy)
    assert counts == COMPILED
    assert changed[0] == answer[0]  # which only Philox makes
    assert changed[1] != answer[1]
    assert len({p.parent for p in entries(cache)}) == 2


CHANGES = """
from pathlib import Path
from equipoise._numba import _jit
folder = Path(_jit.__file__).parent
twins = sorted(folder.rglob("*.py"))
keys = set()
def add():
    _jit._cache_folder.cache_clear()
    keys.add(_jit._cache_folder().name)
add()
for twin in twins:
    twin.write_text(twin.read_text() + "# changed")
    add()
twins[-1].rename(folder / twins[-1].name)
add()
print(len(keys) - len(twins), len({twin.parent for twin in twins}))
"""


def test_every_twin_is_part_of_the_key(tmp_path, copy):
    """If the text or the place of any twin changes, the cache has a new folder."""
    done = subprocess.run(
        [sys.executable, "-c", CHANGES],
        env={**os.environ, "PYTHONPATH": str(copy), "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    folders = len(list((PACKAGE / "_numba").rglob("__init__.py")))
    assert done.stdout.split() == ["2", str(folders)]


def test_a_numba_without_the_private_names_works(tmp_path, answer):
    """If a later Numba drops these names, only speed or the cache is lost."""
    gone = "\n".join((
        "import numba.core.options, numba.core.compiler, numba.core.serialize",
        "for name in ('_nrt', 'no_cfunc_wrapper', 'no_cpython_wrapper'):",
        "    delattr(numba.core.options.DefaultOptions, name)",
        "del numba.core.compiler.CompileResult._reduce, numba.core.compiler.CompileResult._rebuild",
    ))  # fmt: skip
    assert run(gone, NUMBA_CACHE_DIR=tmp_path) == (answer, COMPILED)
    assert entries(tmp_path) == []


def test_the_users_debugging_settings_do_not_matter(tmp_path, answer):
    """NUMBA_DISABLE_JIT is meant for the user's functions. Twins in Python would warn when a uint64 wraps."""
    assert run(NUMBA_CACHE_DIR=tmp_path, NUMBA_DISABLE_JIT=1)[0] == answer
