"""The twins' disk cache: used by the next process, quietly off where it must be, never beside the source."""

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

# Two kernels that are quick to compile: one call of each, what they answer, and the cache's hits and misses.
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
    """A process that runs both kernels, warnings being errors."""
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
    """Its answer, and (hits, misses). Nothing on stderr."""
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
def answer(tmp_path_factory):
    return run(NUMBA_CACHE_DIR=tmp_path_factory.mktemp("first"))[0]


def test_the_second_process_loads(tmp_path, answer):
    assert run(NUMBA_CACHE_DIR=tmp_path) == (answer, COMPILED)
    kept = entries(tmp_path)
    assert [p.parent.parent for p in kept] == [tmp_path / "equipoise"] * 2
    assert [p.name.partition("-")[0] for p in kept] == ["alias_draw", "call_key"]
    assert run(NUMBA_CACHE_DIR=tmp_path) == (answer, LOADED)
    # One compiled kernel serves arrays that are writable and arrays that are not.
    assert run(NUMBA_CACHE_DIR=tmp_path, args=["writable"]) == (answer, LOADED)
    assert entries(tmp_path) == kept


def test_the_users_cache_folder(tmp_path, answer):
    """Without NUMBA_CACHE_DIR: below the home folder, even where Numba is told to write beside the source."""
    beside = entries(PACKAGE)
    home = {"HOME": tmp_path, "LOCALAPPDATA": tmp_path, "NUMBA_CACHE_LOCATOR_CLASSES": "InTreeCacheLocator"}
    assert run(**home) == (answer, COMPILED)
    assert run(**home) == (answer, LOADED)
    assert sum(p.suffix == ".bin" for p in entries(tmp_path)) == 2
    new = set(entries(PACKAGE)) - set(beside)
    assert all(p.suffix == ".pyc" for p in new), new


@pytest.mark.parametrize("where", ["HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"])
def test_nothing_can_be_written(where, tmp_path, answer):
    """A folder that is a file: nobody can write there, not even root."""
    (tmp_path / "file").write_text("")
    home = tmp_path / ("file" if where == "HOME" else "none") / "below"
    blocked = {"HOME": home, "LOCALAPPDATA": home} | {where: tmp_path / "file" / "below"}
    assert run(**blocked) == (answer, COMPILED)
    assert [p.name for p in entries(tmp_path) if p.suffix == ".bin"] == []


@pytest.mark.skipif(os.name == "nt", reason="HOME means nothing there")
def test_no_home(tmp_path, answer):
    """Neither HOME nor an entry in the user database: no folder named "~" appears."""
    nobody = "import os, pwd\ndef unknown(uid): raise KeyError\npwd.getpwuid = unknown\n"
    process = start(f"{nobody}os.chdir({str(tmp_path)!r})", HOME=None)
    assert finish(process) == (answer, COMPILED)
    assert entries(tmp_path) == []


def test_a_read_only_cache_is_read(tmp_path, answer):
    """Saving fails, loading goes on: shown without file modes, which mean nothing to root."""
    run(NUMBA_CACHE_DIR=tmp_path)
    (gone,) = (p for p in entries(tmp_path) if p.name.startswith("call_key"))
    gone.unlink()
    refuse = "import os\ndef refuse(*_): raise PermissionError(13, 'read-only')\nos.replace = refuse\n"
    assert run(refuse, NUMBA_CACHE_DIR=tmp_path) == (answer, ["1", "1"])
    assert [p.name.partition("-")[0] for p in entries(tmp_path)] == ["alias_draw"]


def test_a_full_disk(tmp_path, answer):
    """Writing breaks off in the middle: no exception, no half a file under any name."""
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
def test_a_damaged_entry_is_replaced(damage, tmp_path, answer):
    run(NUMBA_CACHE_DIR=tmp_path)
    for path in entries(tmp_path):
        path.write_bytes(damage(path.read_bytes()))
    assert run(NUMBA_CACHE_DIR=tmp_path) == (answer, COMPILED)
    assert run(NUMBA_CACHE_DIR=tmp_path) == (answer, LOADED)


def test_processes_that_compile_at_once(tmp_path, answer):
    together = [start(NUMBA_CACHE_DIR=tmp_path) for _ in range(4)]
    assert [finish(process)[0] for process in together] == [answer] * 4
    assert len(entries(tmp_path)) == 2
    assert run(NUMBA_CACHE_DIR=tmp_path) == (answer, LOADED)


def test_a_changed_callee_is_never_stale(tmp_path, answer):
    """alias.py stays as it is, rng.py changes: Numba's own cache would answer with the old words."""
    copy = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__", "datasets")
    shutil.copytree(PACKAGE, copy / "equipoise", ignore=ignore)
    cache = tmp_path / "cache"
    assert run(NUMBA_CACHE_DIR=cache, path=copy) == (answer, COMPILED)
    source = copy / "equipoise" / "_numba" / "stream" / "rng.py"
    text = source.read_text()
    assert text.count("0xBF58476D1CE4E5B9") == 1
    source.write_text(text.replace("0xBF58476D1CE4E5B9", "0xBF58476D1CE4E5B7"))
    changed, counts = run(NUMBA_CACHE_DIR=cache, path=copy)
    assert counts == COMPILED
    assert changed[0] == answer[0]  # Philox alone
    assert changed[1] != answer[1]
    assert len({p.parent for p in entries(cache)}) == 2


def test_a_numba_without_the_private_names(tmp_path, answer):
    """What a later Numba may drop costs speed or the cache, and nothing else."""
    gone = "\n".join((
        "import numba.core.options, numba.core.compiler, numba.core.serialize",
        "for name in ('_nrt', 'no_cfunc_wrapper', 'no_cpython_wrapper'):",
        "    delattr(numba.core.options.DefaultOptions, name)",
        "del numba.core.compiler.CompileResult._reduce, numba.core.compiler.CompileResult._rebuild",
    ))  # fmt: skip
    assert run(gone, NUMBA_CACHE_DIR=tmp_path) == (answer, COMPILED)
    assert entries(tmp_path) == []


def test_the_users_own_settings_for_debugging(tmp_path, answer):
    """NUMBA_DISABLE_JIT is for the user's functions; these would warn when a uint64 wraps."""
    assert run(NUMBA_CACHE_DIR=tmp_path, NUMBA_DISABLE_JIT=1)[0] == answer
