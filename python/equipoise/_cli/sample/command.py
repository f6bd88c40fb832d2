"""``equipoise sample``: what it is asked, and what it tells of what it did."""

from __future__ import annotations

from typing import Any

from equipoise import _validate
from equipoise._cli.sample.request import Progress, Request

__all__ = ["render", "run"]


_SHOWN = 20  # classes on the page


def run(request: Request, progress: Progress = lambda step, done, total: None) -> dict[str, Any]:
    """Write the sample; returns the summary, which JSON can hold.

    ``progress`` is told the step, the rows that it has passed, and of how many, if that is known. Raises
    ``BadInput``, and ``ImportError`` without pyarrow.
    """
    try:
        from equipoise._cli.sample import passes
    except ModuleNotFoundError as failure:
        if failure.name is None or failure.name.partition(".")[0] != "pyarrow":
            raise
        _validate.refuse_without("pyarrow", "arrow", "equipoise sample")
    return passes.run(request, progress)


def render(summary: dict[str, Any]) -> str:
    """The summary as lines of text.

    Examples
    --------
    >>> rows = [("click", 287, 200), ("no click", 59713, 200)]
    >>> summary = {"rows_seen": 60000, "weight_seen": 60000.0, "rows_kept": 400, "by": "what"}
    >>> summary["classes"] = [{"class": name, "seen": seen, "kept": kept} for name, seen, kept in rows]
    >>> print(render({**summary, "output": "o.csv"}))
    rows seen    60,000
    weight seen  60,000
    rows kept    400
    <BLANKLINE>
    what        seen  kept
    --------  ------  ----
    click        287   200
    no click  59,713   200
    <BLANKLINE>
    o.csv is written
    """
    seen, weight, kept = summary["rows_seen"], summary["weight_seen"], summary["rows_kept"]
    lines = [f"rows seen    {seen:,}", f"weight seen  {weight:,.10g}", f"rows kept    {kept:,}"]
    classes = summary["classes"]
    if classes is not None:
        cells = [[str(summary["by"]), "seen", "kept"]]
        cells += [[str(c["class"]), f"{c['seen']:,}", f"{c['kept']:,}"] for c in classes[:_SHOWN]]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        cells.insert(1, ["-" * width for width in widths])
        lines += ["", *(f"{n:<{widths[0]}}  {a:>{widths[1]}}  {b:>{widths[2]}}" for n, a, b in cells)]
        if len(classes) > _SHOWN:
            lines.append(f".. and {len(classes) - _SHOWN:,} more: --json has them all")
    return "\n".join([*lines, "", f"{summary['output']} is written"])
