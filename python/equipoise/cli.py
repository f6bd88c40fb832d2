"""The command line: ``equipoise`` and ``python -m equipoise``. Results go to stdout, progress to stderr."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

__all__ = ["main"]

BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 2, 128 + 2, 128 + 13  # the shell's numbers for SIGINT and SIGPIPE


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
        description="Measure an unbalanced log, draw exact negatives from it, and weight it back to balance.",
    )
    demo.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    demo.add_argument("--seed", type=_seed, default=0, help="of every draw, in [0, 2^64); default 0")
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


def _demo(options: argparse.Namespace) -> None:
    from equipoise import demo

    def progress(line: str) -> None:
        print(f"equipoise demo: {line}", file=sys.stderr, flush=True)

    result = demo.run(options.seed, progress)
    print(json.dumps(result, indent=2, allow_nan=False) if options.json else demo.render(result))


def _info(options: argparse.Namespace) -> None:
    from equipoise import _versions

    info = _versions.collect()
    print(json.dumps(info, indent=2, allow_nan=False) if options.json else _versions.render(info))
