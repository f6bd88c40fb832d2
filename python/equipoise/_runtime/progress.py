"""Progress of a long call: passed to the caller's function, or drawn as a tqdm bar."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from equipoise import _validate

__all__ = ["Bar", "reporter"]


class Bar:
    """A tqdm bar on standard error. It stays silent unless standard error is a terminal.

    Parameters
    ----------
    tqdm : type
        The class that draws it: ``_validate.as_progress(True)`` returns tqdm's, or says how to install it.
    total : int, optional
        The amount of work, if it is known.
    unit : str
        The unit of work.
    scaled : bool
        Whether large numbers are shortened, as in 1.2M.
    """

    def __init__(
        self, tqdm: Any, *, total: int | None = None, unit: str = " rows", scaled: bool = True
    ) -> None:
        self._bar = tqdm(total=total, unit=unit, unit_scale=scaled, disable=None)

    def show(self, done: int, total: int | None, label: str | None = None) -> None:
        """Move the bar to ``done`` of ``total``; ``label`` is written before it."""
        self._bar.total = total
        if label is not None:
            self._bar.set_description(label, refresh=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Draw the bar for the last time and end its line."""
        self._bar.close()


@contextlib.contextmanager
def reporter(progress: Any, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function ``report(more)`` that adds to the work done and reports it.

    Any thread may call it, but only the thread that entered the context reports. The caller's function
    therefore never runs in two threads at once, and an exception from it ends the call like any other.
    """
    tell = _validate.as_progress(progress)
    if tell is None:
        yield lambda more: None
        return
    lock, caller = threading.Lock(), threading.get_ident()
    done = told = 0

    def catch_up() -> None:
        nonlocal told
        if done != told:
            tell(done, total)
            told = done

    def report(more: int) -> None:
        nonlocal done
        with lock:
            done += more
        if threading.get_ident() == caller:
            catch_up()

    with contextlib.ExitStack() as stack:
        if progress is True:
            tell = stack.enter_context(contextlib.closing(Bar(tell, total=total))).show
        yield report
        catch_up()
