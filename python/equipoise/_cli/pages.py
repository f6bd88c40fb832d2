"""Results on standard output: text tables and notes, or JSON."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable
from typing import Any

__all__ = ["Column", "Row", "note", "show", "table"]


Row = dict[str, Any]
Column = tuple[str, str, str]  # key in a row, heading, format


def show(result: Row, render: Callable[[Row], str], *, as_json: bool) -> None:
    """Print a result as one JSON object, or as the text that ``render`` returns for it.

    A character that standard output cannot encode is printed as an escape.
    """
    text = json.dumps(result, indent=2, allow_nan=False) if as_json else render(result)
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def table(rows: list[Row], *columns: Column) -> list[str]:
    r"""Return the lines of a table. Strings are left-aligned and numbers right-aligned. None becomes "-".

    Examples
    --------
    >>> rows = [{"name": "click", "share": 0.005}, {"name": "no click", "share": None}]
    >>> print("\n".join(table(rows, ("name", "class", "s"), ("share", "share", ".1%"))))
      class     share
      --------  -----
      click      0.5%
      no click      -
    """
    cells = [[heading for _, heading, _ in columns]]
    for row in rows:
        cells.append(["-" if row[key] is None else format(row[key], form) for key, _, form in columns])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    align = ["<" if form == "s" else ">" for _, _, form in columns]
    cells.insert(1, ["-" * width for width in widths])
    return [
        "  " + "  ".join(f"{cell:{a}{w}}" for cell, a, w in zip(line, align, widths, strict=True)).rstrip()
        for line in cells
    ]


def note(text: str) -> list[str]:
    """Return the lines of a paragraph, indented like a table and at most 98 characters wide."""
    return textwrap.wrap(text, width=98, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
