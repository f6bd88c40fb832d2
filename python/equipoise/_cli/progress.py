"""Progress of the command line, as bars on a terminal."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on a terminal (extra ``progress``: tqdm); else, or without tqdm, a line a training."""
    try:
        from tqdm import tqdm
    except ImportError:
        tqdm = None
    if tqdm is None or not sys.stderr.isatty():
        told = ""

        def tell(name: str, done: int, total: int) -> None:
            nonlocal told
            if name != told:
                print(f"equipoise demo: {name}, epoch {done} of {total}", file=sys.stderr, flush=True)
                told = name

        yield tell
        return
    with tqdm(unit="epoch") as bar:

        def move(name: str, done: int, total: int) -> None:
            bar.total = total
            bar.set_description(name, refresh=False)
            bar.update(done - bar.n)

        yield move


@contextlib.contextmanager
def _bars() -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar for each step on stderr, if that is a terminal and tqdm is there."""
    bar: Any = None
    shown = ""
    tqdm: Any = None
    if sys.stderr.isatty():
        try:
            tqdm = importlib.import_module("tqdm")
        except ImportError:
            print(
                "equipoise sample: no progress bar: python -m pip install 'equipoise[progress]'",
                file=sys.stderr,
            )

    def progress(step: str, done: int, total: int | None) -> None:
        nonlocal bar, shown
        if tqdm is None:
            return
        if step != shown:
            if bar is not None:
                bar.close()
            bar, shown = (
                tqdm.tqdm(desc=step, total=total, unit=" rows", unit_scale=True, file=sys.stderr),
                step,
            )
        bar.update(done - bar.n)

    try:
        yield progress
    finally:
        if bar is not None:
            bar.close()
