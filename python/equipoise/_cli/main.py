"""The command line: ``equipoise`` and ``python -m equipoise``. Results go to stdout, progress to stderr."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from equipoise._cli.errors import BadInput
from equipoise._cli.progress import _bars, _progress

__all__ = ["main"]


BAD_INPUT = 2
INTERRUPTED, BROKEN_PIPE, TERMINATED = 128 + 2, 128 + 13, 128 + 15  # the shell's numbers for signals


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0 done, 2 bad input, 130 interrupted, 141 stdout closed.

    ``sample`` raises ``SystemExit(143)`` when it is terminated.

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
    except BadInput as wrong:
        line = " ".join(str(wrong).split())  # one, whatever a file or another library put into it
        line = "".join(c if c.isprintable() else "?" for c in line)
        print(f"equipoise {options.command}: error: {line}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _end_stdout()
        return BROKEN_PIPE
    except OSError as failure:  # of stdout; files are named by those who read and write them
        print(f"equipoise {options.command}: error: stdout: {failure.strerror or failure}", file=sys.stderr)
        _end_stdout()
        return BAD_INPUT
    return 0


def _end_stdout() -> None:
    """What is still buffered must not raise again when the interpreter flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="equipoise", description="Sampling from imbalanced data.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="the main job on an embedded log of real shop impressions, in under a minute",
        description="Measure an unbalanced log, draw exact negatives, weight it back, keep a sample of it. "
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
    _add_sample(commands)
    info = commands.add_parser(
        "info",
        help="versions, backend, CPU path and threads, and why: for bug reports",
        description="Print what runs here and why: versions, backend, CPU path, threads.",
    )
    info.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    info.set_defaults(run=_info)
    return parser


def _add_sample(commands: Any) -> None:
    sample = commands.add_parser(
        "sample",
        help="a weighted sample of the rows of Parquet or CSV files, in one pass, in bounded memory",
        description=(
            "Write N rows of the FILEs, drawn without replacement in proportion to weight, or N of each "
            "class, with all their columns, in the order of the FILEs and their rows, and one column more: "
            "the probability of being in the sample, given the others, whose reciprocal is an unbiased "
            "weight. The FILEs are all .parquet or all .csv (UTF-8, a header, commas), and have the same "
            "columns."
        ),
        epilog=(
            "Needs pyarrow: python -m pip install 'equipoise[arrow]'. The same arguments give the same "
            "sample, whatever the row groups and the threads (EQUIPOISE_NUM_THREADS). OUT appears when it "
            "is whole. CSV cells come out as they went in; in a .parquet OUT they have the types that fit "
            "the rows of the sample. Exit status: 0 done, 2 bad input or a full disk, 130 interrupted, 143 "
            "terminated."
        ),
    )
    add = sample.add_argument
    add(
        "files",
        nargs="+",
        metavar="FILE",
        help="without --id their order matters: a row's key is its position",
    )
    add("-k", type=_count, required=True, metavar="N", help="rows to keep; with --by, of each class")
    add("-o", "--output", required=True, metavar="OUT", help=".parquet or .csv; replaced if it exists")
    add(
        "--weight",
        metavar="COL",
        help="numbers >= 0, rows of 0 are never kept; without it every row has weight 1",
    )
    add("--by", metavar="COL", help="classes: integers, booleans or strings; memory holds N rows of each")
    add(
        "--id",
        metavar="COL",
        help="integers that name the rows: the sample then does not depend on the order of rows and FILEs, "
        "and a row that comes again (the same id, weight and class) is kept once, where it came first",
    )
    add(
        "--half-life",
        type=_positive,
        metavar="S",
        help="weights halve in this time, in seconds or the unit of --time",
    )
    add("--time", metavar="COL", help="numbers, timestamps or dates, with --half-life")
    add("--seed", type=_seed, default=0, help="in [0, 2^64); default 0")
    add(
        "--inclusion-column",
        default="inclusion",
        metavar="NAME",
        help="of the column that is added; default inclusion",
    )
    add("--json", action="store_true", help="print the summary as one JSON object")
    sample.set_defaults(run=_sample)


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number > 0, got {text!r}")
    return number


def _integer(least: int, most: int, spelled: str) -> Callable[[str], int]:
    def integer(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"must be an integer in {spelled}, got {text!r}")
        return number

    return integer


_seed = _integer(0, 2**64 - 1, "[0, 2^64)")
_count = _integer(1, 2**40, "[1, 2^40]")
_size = _integer(1, 10_000, "[1, 10000]")


def _demo(options: argparse.Namespace) -> None:
    from equipoise._cli.demo import open_bandit

    _check_environment()
    given = vars(options)
    if options.interactions is not None:
        _recommend(given)
        return
    for name in ("user", "item", "time", "split", "split_time", "epochs", "dim"):
        if name in given:
            raise BadInput(f"--{name.replace('_', '-')} must come with --interactions FILE, got no file")

    def progress(line: str) -> None:
        print(f"equipoise demo: {line}", file=sys.stderr, flush=True)

    result = open_bandit.run(options.seed, progress)
    print(json.dumps(result, indent=2, allow_nan=False) if options.json else open_bandit.render(result))


def _check_environment() -> None:
    from equipoise import _validate
    from equipoise._runtime import backend

    try:
        _validate.as_threads(None)
        backend.kernels()
    except (ImportError, ValueError) as wrong:
        raise BadInput(wrong) from None


def _recommend(given: dict[str, Any]) -> None:
    """What is not ``given`` on the command line has its default where it is used."""
    from equipoise._cli.demo import interactions, recommender

    def of(*names: str) -> dict[str, Any]:
        return {name: given[name] for name in names if name in given}

    last_items = given.get("split") == "leave-one-out"
    if last_items and "split_time" in given:
        raise BadInput("--split-time must come with --split time, got --split leave-one-out")
    try:
        log = interactions.read(given["interactions"], **of("user", "item", "time"))
        if last_items:
            split = interactions.leave_one_out(log)
        else:
            split = interactions.split_by_time(log, given.get("split_time"))
    except interactions.LogError as wrong:
        raise BadInput(wrong) from None
    with _progress() as progress:
        result = recommender.run(split, **of("epochs", "dim", "seed"), progress=progress)
    print(json.dumps(result, indent=2, allow_nan=False) if given["json"] else recommender.render(result))


def _info(options: argparse.Namespace) -> None:
    from equipoise._runtime import versions

    info = versions.collect()
    print(json.dumps(info, indent=2, allow_nan=False) if options.json else versions.render(info))


def _sample(options: argparse.Namespace) -> None:
    from equipoise._cli.sample import command
    from equipoise._cli.sample.request import Request

    if (options.half_life is None) != (options.time is None):
        raise BadInput("--half-life and --time come together")
    names = ("files", "k", "output", "weight", "by", "id", "half_life", "time", "seed", "inclusion_column")
    request = Request(**{name: getattr(options, name) for name in names})
    try:
        with _terminable(), _bars() as progress:
            summary = command.run(request, progress)
    except (BadInput, ImportError, MemoryError) as failure:
        raise BadInput(str(failure) or "not enough memory") from None
    print(json.dumps(summary, indent=2, allow_nan=False) if options.json else command.render(summary))


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM raises SystemExit, so that what is half done is cleared away."""

    def stop(number: int, frame: object) -> NoReturn:
        raise SystemExit(TERMINATED)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread, which alone gets signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
