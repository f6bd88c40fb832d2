"""The command ``equipoise demo``: its options and its two runs."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from equipoise import _validate
from equipoise._cli import arguments, progress
from equipoise._cli.errors import BadInput
from equipoise._cli.pages import show

__all__ = ["add_parser"]


_DESCRIPTION = """\
Without options, run the library's main tasks on an embedded log of 60,000 real shop impressions, in less than
a minute: measure how imbalanced the log is, draw negatives that are never known positives, reweight the log
by inverse propensity, and keep a class-balanced sample. With --interactions, train recommenders on your own
log with different kinds of negatives, and compare them."""

_EPILOG = """\
Results go to standard output, progress to standard error. Exit status: 0 for success, 2 for bad input, 130
after an interrupt (Ctrl-C)."""


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers ``commands``."""
    demo = commands.add_parser(
        "demo",
        help="run the main tasks on an embedded log, or compare recommenders on your own",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    demo.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    demo.add_argument("--seed", type=arguments.seed, default=0, help="seed in [0, 2^64) (default: 0)")
    # Options that are not given are left out, so that defaults are defined by the functions that use them.
    group = demo.add_argument_group("your own log", argument_default=argparse.SUPPRESS)
    group.add_argument(
        "--interactions",
        metavar="FILE",
        default=None,
        help="*.csv or *.parquet with a row for each time a user took an item; .parquet needs pyarrow",
    )
    for option, text in (
        ("--user", "column of users: integers or strings (default: user_id)"),
        ("--item", "column of items: integers or strings (default: item_id)"),
        ("--time", "column of times: numbers or dates (default: timestamp)"),
    ):
        group.add_argument(option, metavar="COLUMN", help=text)
    group.add_argument(
        "--delimiter",
        type=arguments.delimiter,
        metavar="D",
        help="delimiter of a .csv FILE: comma, semicolon, tab or pipe (default: comma)",
    )
    group.add_argument(
        "--split",
        choices=("time", "leave-one-out"),
        help="what to test on: everything from a given time on, or each user's last item (default: time)",
    )
    group.add_argument(
        "--split-time",
        metavar="TIME",
        help="where the test part begins: a number, or an ISO 8601 date, which is converted to Unix seconds "
        "if the log has numbers (default: where the last fifth of the log begins)",
    )
    group.add_argument("--epochs", type=arguments.size, help="passes over the training pairs (default: 30)")
    group.add_argument("--dim", type=arguments.size, help="dimensions of the vectors (default: 64)")
    demo.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run the demo on the embedded log, or the comparison on the user's."""
    _check_environment()
    given = vars(options)
    if options.interactions is not None:
        _compare(given)
        return
    for name in ("user", "item", "time", "delimiter", "split", "split_time", "epochs", "dim"):
        if name in given:
            raise BadInput(f"--{name.replace('_', '-')} must come with --interactions FILE, got no file")

    from equipoise._cli.demo import open_bandit, open_bandit_page

    def tell(line: str) -> None:
        print(f"equipoise demo: {line}", file=sys.stderr, flush=True)

    show(open_bandit.run(options.seed, tell), open_bandit_page.render, as_json=options.json)


def _check_environment() -> None:
    """Refuse environment variables with which every draw would fail, before computing anything."""
    from equipoise._runtime import backend

    try:
        _validate.as_threads(None)
        backend.kernels()
    except (ImportError, ValueError) as failure:
        raise BadInput(failure) from None


def _compare(given: dict[str, Any]) -> None:
    """Compare recommenders on the user's log. ``given`` holds the options that were given."""
    from equipoise._cli.demo import interactions, recommender, splits

    def chosen(*names: str) -> dict[str, Any]:
        return {name: given[name] for name in names if name in given}

    last_items = given.get("split") == "leave-one-out"
    if last_items and "split_time" in given:
        raise BadInput("--split-time must come with --split time, got --split leave-one-out")
    log = interactions.read(given["interactions"], **chosen("user", "item", "time", "delimiter"))
    split = splits.leave_one_out(log) if last_items else splits.split_by_time(log, given.get("split_time"))
    with progress.trainings() as report:
        result = recommender.run(split, **chosen("epochs", "dim", "seed"), progress=report)
    show(result, recommender.render, as_json=given["json"])
