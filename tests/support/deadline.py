"""Time limits for tests that start processes, so that one that hangs fails."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def deadline(seconds: int, message: str) -> Iterator[None]:
    """Raise TimeoutError in this process, where the system has alarms."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def late(*_: Any) -> None:
        raise TimeoutError(message)

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(*args: object, seconds: int) -> str:
    """Run Python with these arguments, and return what it prints.

    No process that it started outlives the call.
    """
    process = subprocess.Popen(
        [sys.executable, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"},
    )
    try:
        said, complaint = process.communicate(timeout=seconds)
    finally:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.communicate()
    assert process.returncode == 0, complaint[-5_000:]
    return said


def answer(module: str, *args: object, seconds: int) -> Any:
    """Run ``python -m module args``, and return what it prints in its last line as JSON."""
    return json.loads(run("-m", module, *args, seconds=seconds).splitlines()[-1])
