"""The command line: ``equipoise`` and ``python -m equipoise``. Results go to stdout, progress to stderr."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

__all__ = ["main"]

BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 2, 128 + 2, 128 + 13  # the shell's numbers for SIGINT and SIGPIPE


class _BadInput(Exception):
    """What is told on stderr, without a traceback."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0 done, 2 bad input, 130 interrupted, 141 stdout closed.

    Examples
    --------
    >>> main(["demo", "--seed", "-1"])
    2
    """
    try:
        options = _parser().parse_args(argv)
    except SystemExit as stop:  # argparse has printed the help or the error
        return BAD_INPUT if stop.code else 0
    try:
        options.run(options)
        sys.stdout.flush()
    except _BadInput as wrong:
        line = " ".join(str(wrong).split())  # one, whatever a file or another library put into it
        print(f"equipoise: error: {''.join(c if c.isprintable() else '?' for c in line)}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # What is still buffered must not raise again when the interpreter flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="equipoise", description="Sampling from imbalanced data.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="the main job on an embedded log of real shop impressions, in under a minute",
        description="Measure an unbalanced log, draw exact negatives from it, and weight it back to balance. "
        "With --interactions: train a recommender on your own log with each kind of negatives, and compare.",
    )
    demo.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    demo.add_argument("--seed", type=_seed, default=0, help="of every draw, in [0, 2^64); default 0")
    log = demo.add_argument_group("your own log")
    log.add_argument("--interactions", metavar="FILE", help="who took what and when: *.parquet or *.csv")
    for option, text in (
        ("--user", "column of users, integers or strings; default user_id"),
        ("--item", "column of items, integers or strings; default item_id"),
        ("--time", "column of times, numbers or dates; default timestamp"),
    ):
        log.add_argument(option, metavar="COLUMN", default=argparse.SUPPRESS, help=text)
    log.add_argument(
        "--split",
        choices=("time", "leave-one-out"),
        default=argparse.SUPPRESS,
        help="test on what came at a time or later (default), or on each user's last item",
    )
    log.add_argument(
        "--split-time",
        metavar="TIME",
        default=argparse.SUPPRESS,
        help="a number, or an ISO 8601 date (in Unix seconds if the log has numbers), where the test begins; "
        "default: where the last fifth of the log begins",
    )
    log.add_argument("--epochs", type=_size, default=argparse.SUPPRESS, help="over the pairs; default 30")
    log.add_argument("--dim", type=_size, default=argparse.SUPPRESS, help="of the vectors; default 64")
    demo.set_defaults(run=_demo)
    info = commands.add_parser(
        "info",
        help="versions, backend, CPU path and threads, and why: for bug reports",
        description="Print what runs here and why: versions, backend, CPU path, threads.",
    )
    info.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    info.set_defaults(run=_info)
    return parser


def _seed(text: str) -> int:
    try:
        seed = int(text)
    except ValueError:
        seed = -1
    if not 0 <= seed < 2**64:
        raise argparse.ArgumentTypeError(f"must be an integer in [0, 2^64), got {text!r}")
    return seed


def _size(text: str) -> int:
    try:
        size = int(text)
    except ValueError:
        size = 0
    if not 1 <= size <= 10_000:
        raise argparse.ArgumentTypeError(f"must be an integer in [1, 10000], got {text!r}")
    return size


def _demo(options: argparse.Namespace) -> None:
    from equipoise import demo

    _check_environment()
    given = vars(options)
    if options.interactions is not None:
        _recommend(given)
        return
    for name in ("user", "item", "time", "split", "split_time", "epochs", "dim"):
        if name in given:
            raise _BadInput(f"--{name.replace('_', '-')} must come with --interactions FILE, got no file")

    def progress(line: str) -> None:
        print(f"equipoise demo: {line}", file=sys.stderr, flush=True)

    result = demo.run(options.seed, progress)
    print(json.dumps(result, indent=2, allow_nan=False) if options.json else demo.render(result))


def _check_environment() -> None:
    from equipoise import _backend, _validate

    try:
        _validate.as_threads(None)
        _backend.kernels()
    except (ImportError, ValueError) as wrong:
        raise _BadInput(wrong) from None


def _recommend(given: dict[str, Any]) -> None:
    """What is not ``given`` on the command line has its default where it is used."""
    from equipoise import interactions, recommender

    def of(*names: str) -> dict[str, Any]:
        return {name: given[name] for name in names if name in given}

    last_items = given.get("split") == "leave-one-out"
    if last_items and "split_time" in given:
        raise _BadInput("--split-time must come with --split time, got --split leave-one-out")
    try:
        log = interactions.read(given["interactions"], **of("user", "item", "time"))
        if last_items:
            split = interactions.leave_one_out(log)
        else:
            split = interactions.split_by_time(log, given.get("split_time"))
    except interactions.LogError as wrong:
        raise _BadInput(wrong) from None
    with _progress() as progress:
        result = recommender.run(split, **of("epochs", "dim", "seed"), progress=progress)
    print(json.dumps(result, indent=2, allow_nan=False) if given["json"] else recommender.render(result))


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


def _info(options: argparse.Namespace) -> None:
    from equipoise import _versions

    info = _versions.collect()
    print(json.dumps(info, indent=2, allow_nan=False) if options.json else _versions.render(info))
