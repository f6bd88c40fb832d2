"""Progress of a long call, passed to the caller's function or drawn as a tqdm bar."""

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
        The class that draws the bar. ``_validate.as_progress(True)`` returns it, or raises an error that says
        how to install tqdm.
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
        """Move the bar to ``done`` of ``total``, with ``label`` in front of it."""
        self._bar.total = total
        if label is not None:
            self._bar.set_description(label, refresh=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Draw the bar for the last time and end its line."""
        self._bar.close()


@contextlib.contextmanager
def reporter(progress: Any, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function ``report(more)`` that adds ``more`` to the work done and reports the sum.

    Any thread may call ``report``, but only the thread that entered the context passes the sum on. The
    caller's function therefore never runs in two threads at once, and an exception that it raises ends the
    call like any other.
    """
    callback = _validate.as_progress(progress)
    if callback is None:
        yield lambda more: None
        return
    lock, caller = threading.Lock(), threading.get_ident()
    done = reported = 0

    def catch_up() -> None:
        nonlocal reported
        if done != reported:
            callback(done, total)
            reported = done

    def report(more: int) -> None:
        nonlocal done
        with lock:
            done += more
        if threading.get_ident() == caller:
            catch_up()

    with contextlib.ExitStack() as stack:
        if progress is True:
            callback = stack.enter_context(contextlib.closing(Bar(callback, total=total))).show
        yield report
        catch_up()
