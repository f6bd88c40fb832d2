"""Progress of the commands on standard error: bars on a terminal, drawn by tqdm if it is installed."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from equipoise import _validate
from equipoise._runtime.progress import Bar

__all__ = ["Progress", "steps", "trainings"]


Progress = Callable[[str, int, "int | None"], object]  # name of the step, amount done, total if known


@contextlib.contextmanager
def trainings() -> Iterator[Progress]:
    """Yield a progress function for the demo's training runs, which share one bar.

    Without a terminal or tqdm, it prints a line at the start of each run instead.
    """
    if not sys.stderr.isatty() or not _has_tqdm():
        announced = ""

        def announce(name: str, done: int, total: int | None) -> None:
            nonlocal announced
            if name != announced:
                print(f"equipoise demo: {name}, epoch {done} of {total}", file=sys.stderr, flush=True)
                announced = name

        yield announce
        return
    with contextlib.closing(Bar(_validate.as_progress(True), unit="epoch", scaled=False)) as bar:
        yield lambda name, done, total: bar.show(done, total, name)


@contextlib.contextmanager
def steps() -> Iterator[Progress]:
    """Yield a progress function for ``equipoise sample``, which draws a bar for each step.

    Without a terminal, the function prints nothing. On a terminal without tqdm, one line names the extra to
    install.
    """
    if not sys.stderr.isatty():
        yield lambda step, done, total: None
        return
    if not _has_tqdm():
        hint = "equipoise sample: no progress bar: python -m pip install 'equipoise[progress]'"
        print(hint, file=sys.stderr)
        yield lambda step, done, total: None
        return
    bars: dict[str, Bar] = {}
    with contextlib.ExitStack() as stack:

        def move(step: str, done: int, total: int | None) -> None:
            if step not in bars:
                stack.close()  # closes the previous step's bar
                bars[step] = Bar(_validate.as_progress(True), total=total)
                stack.callback(bars[step].close)
            bars[step].show(done, total, step)

        yield move


def _has_tqdm() -> bool:
    try:
        _validate.as_progress(True)
    except ImportError:
        return False
    return True
