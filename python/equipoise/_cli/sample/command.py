"""The command ``equipoise sample``: its options, its run and its summary."""

from __future__ import annotations

import argparse
import contextlib
import signal
from collections.abc import Iterator
from typing import Any, NoReturn

from equipoise import _validate
from equipoise._cli import arguments, progress
from equipoise._cli.errors import TERMINATED, BadInput
from equipoise._cli.pages import show
from equipoise._cli.sample.request import Request

__all__ = ["add_parser", "render"]


_SHOWN = 20  # classes in the printed summary

_DESCRIPTION = """\
Draw N rows from the FILEs without replacement, in proportion to their weights, or N rows of each class, and
write them to OUT with all their columns. The files are streamed, so they may be larger than memory. Rows keep
the order of the FILEs. One column is added: the probability that the row is in the sample, given the other
rows; its reciprocal is an unbiased weight for estimates about all rows. The FILEs must be all .parquet or
all .csv (UTF-8, a header) and have the same columns."""

_EPILOG = """\
Needs pyarrow: python -m pip install 'equipoise[arrow]'. The same arguments give the same sample, regardless
of the files' row groups and the number of threads (EQUIPOISE_NUM_THREADS). OUT is written under a temporary
name and renamed once it is complete. Cells of CSV files are copied unchanged. In a .parquet OUT, a column of
a CSV file holds numbers if every sampled cell is written the way its number is, and otherwise text, such as
007, 1.50 and dates. Exit status: 0 for success, 2 for bad input or a full
disk, 130 after an interrupt (Ctrl-C), 143 after SIGTERM."""


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers ``commands``."""
    sample = commands.add_parser(
        "sample",
        help="draw a weighted sample of the rows of Parquet or CSV files of any size",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    add = sample.add_argument
    add(
        "files",
        nargs="+",
        metavar="FILE",
        help="a .parquet or .csv file; without --id, the order of the FILEs matters, since a row's position "
        "determines its random numbers",
    )
    add("-k", type=arguments.count, required=True, metavar="N", help="rows to keep; with --by, of each class")
    add("-o", "--output", required=True, metavar="OUT", help=".parquet or .csv; replaced if it exists")
    add(
        "--weight",
        metavar="COL",
        help="column of numbers >= 0; a row of weight 0 is never kept (default: every row has weight 1)",
    )
    add(
        "--by",
        metavar="COL",
        help="column of classes: integers, booleans or strings; memory holds N rows of each class",
    )
    add(
        "--id",
        metavar="COL",
        help="column of integers that identify the rows: the sample then does not depend on the order of "
        "rows and FILEs. Equal rows (same id, class, weight and time) count once, at their first position, "
        "so ids must tell rows apart",
    )
    add(
        "--half-life",
        type=arguments.positive,
        metavar="S",
        help="age at which a weight is halved, in seconds or in the unit of --time; needs --time",
    )
    add("--time", metavar="COL", help="column of numbers, timestamps or dates; needs --half-life")
    add(
        "--delimiter",
        type=arguments.delimiter,
        metavar="D",
        help="delimiter of .csv FILEs and of a .csv OUT: comma, semicolon, tab or pipe (default: comma)",
    )
    add("--seed", type=arguments.seed, default=0, help="seed in [0, 2^64) (default: 0)")
    add(
        "--inclusion-column",
        default="inclusion",
        metavar="NAME",
        help="name of the added column (default: inclusion)",
    )
    add("--json", action="store_true", help="print the summary as one JSON object")
    sample.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write the sample and print the summary."""
    if (options.half_life is None) != (options.time is None):
        raise BadInput("--half-life and --time must be given together")
    request = Request(**{name: getattr(options, name) for name in Request.__dataclass_fields__})
    try:
        with _terminable(), progress.steps() as steps:
            summary = _write(request, steps)
    except (ImportError, MemoryError) as failure:
        raise BadInput(str(failure) or "not enough memory") from None
    show(summary, render, as_json=options.json)


def _write(request: Request, steps: progress.Progress) -> dict[str, Any]:
    """Write the sample and return the summary as values that JSON can hold."""
    try:
        from equipoise._cli.sample import passes
    except ModuleNotFoundError as failure:
        if failure.name is None or failure.name.partition(".")[0] != "pyarrow":
            raise
        _validate.refuse_without("pyarrow", "arrow", "equipoise sample")
    return passes.run(request, steps)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Make SIGTERM raise SystemExit, so that the unfinished output is removed."""

    def stop(number: int, frame: object) -> NoReturn:
        raise SystemExit(TERMINATED)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # only the main thread can handle signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def render(summary: dict[str, Any]) -> str:
    """Return the summary as lines of text.

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
    wrote o.csv
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
            lines.append(f"... and {len(classes) - _SHOWN:,} more: --json shows all")
    return "\n".join([*lines, "", f"wrote {summary['output']}"])
