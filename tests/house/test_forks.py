"""A child that is forked while another thread makes the first call can make calls, too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest

import equipoise
from equipoise._runtime import locks

TESTS = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def status_of_child(function):
    """Fork, and return 7 if the function returns a true value in the child."""
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # ends a child that hangs
        try:
            os._exit(7 if function() else 8)
        finally:
            os._exit(9)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def during(work, begun, function):
    """Return the status of a child that is forked while a thread works, once the work has begun."""
    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(60)
    try:
        return status_of_child(function)
    finally:
        thread.join()


def test_a_fork_waits_for_an_import(monkeypatch):
    """Otherwise, Python's lock of the module would be held in the child, and the module half made."""
    begun, made = threading.Event(), types.ModuleType("made")

    def import_slowly(name):
        begun.set()
        time.sleep(0.3)
        made.whole = True
        return made

    monkeypatch.setattr(locks, "importlib", types.SimpleNamespace(import_module=import_slowly))
    assert during(lambda: locks.load("made"), begun, lambda: locks.load("made").whole) == 7
    assert locks._taken == {}


def test_a_fork_waits_for_a_compilation():
    pytest.importorskip("numba", reason="numba is not installed (extra 'numba')")
    from equipoise._numba import compiling

    locks.hold_at_fork(compiling)
    begun, ended = threading.Event(), []

    def compile_slowly():
        with compiling:
            begun.set()
            time.sleep(0.3)
            ended.append(True)

    assert during(compile_slowly, begun, lambda: ended and compiling.acquire(timeout=10)) == 7


def test_a_thread_that_imports_or_compiles_may_fork_itself():
    with locks._importing:
        assert status_of_child(lambda: locks.load("json") and equipoise.UniformTable(3).sample(2).size) == 7


def test_a_fork_does_not_wait_forever(monkeypatch):
    """What it waits for may wait for the thread that forks."""
    monkeypatch.setattr(locks, "_PATIENCE", 0.1)
    begun, end = threading.Event(), threading.Event()

    def import_forever():
        with locks._importing:
            begun.set()
            end.wait(60)

    thread = threading.Thread(target=import_forever)
    thread.start()
    assert begun.wait(60)
    try:
        assert status_of_child(lambda: True) == 7
    finally:
        end.set()
        thread.join()
    assert locks._taken == {}


@pytest.mark.parametrize("call", ["negatives", "reservoir", "table"])
def test_forks_during_the_first_call(call, tmp_path):
    """The call imports and compiles everything anew."""
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "support.forked", call, "40"],
        env={**os.environ, "PYTHONPATH": path, "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["7"], done.stdout + done.stderr
