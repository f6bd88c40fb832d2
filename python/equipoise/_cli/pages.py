"""Text tables and notes of the command line's pages."""

from __future__ import annotations

import textwrap
from typing import Any

Row = dict[str, Any]


def _table(rows: list[Row], *columns: tuple[str, str, str]) -> list[str]:
    """Lines of a table, its columns (key, heading, format): text to the left, numbers to the right."""
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


def _note(text: str) -> list[str]:
    return textwrap.wrap(text, width=98, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
