"""Exceptions that are raised before a chosen line of the package, as Ctrl-C and a full memory may do."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path

import equipoise

PACKAGE = str(Path(equipoise.__file__).parent)


def inject(line, call, error, skipped=()):
    """Call, and raise `error` before the line of the package that is the `line`-th to run.

    Return "raised" if the call raised it, "swallowed" if the call went on, and "ended" if it had fewer lines.
    Functions whose code is in `skipped` have no lines. Nor has a ``with`` statement when its block ends, or a
    ``try``: a tracer, unlike a signal, could interrupt there without the release of a lock.
    """
    seen, entered = 0, set()

    def trace(frame, event, _):
        nonlocal seen
        if not frame.f_code.co_filename.startswith(PACKAGE) or frame.f_code in skipped:
            return None
        if event == "line":
            place = frame, frame.f_lineno
            text = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
            if text == "try:" or place in entered:
                return trace
            if text.startswith("with "):
                entered.add(place)
            seen += 1
            if seen == line:
                raise error
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except type(error) as raised:
        if raised is not error:
            raise
        return "raised"
    finally:
        sys.settrace(before)
    return "swallowed" if seen >= line else "ended"
