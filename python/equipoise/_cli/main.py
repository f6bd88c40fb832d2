"""The entry point of the command line.

Results go to standard output; progress and errors go to standard error.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from equipoise._cli import arguments, info
from equipoise._cli.demo import command as demo
from equipoise._cli.errors import BAD_INPUT, BROKEN_PIPE, DONE, INTERRUPTED, BadInput
from equipoise._cli.sample import command as sample

__all__ = ["COMMANDS", "main", "parser"]


COMMANDS = (demo, sample, info)  # each adds a parser that names the function to run


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The command-line words after the program's name. By default, those of this process.

    Returns
    -------
    int
        0 if all went well, 2 for bad input or a failing output, 130 after an interrupt (Ctrl-C), 141 if
        standard output was closed early, as ``| head`` does.

    Raises
    ------
    SystemExit
        With status 143, if ``sample`` receives the signal SIGTERM.

    Examples
    --------
    >>> main(["demo", "--seed", "-1"])
    2
    """
    try:
        options = parser().parse_args(argv)
    except SystemExit as stop:  # argparse has printed the help or an error
        return BAD_INPUT if stop.code else DONE
    try:
        options.run(options)
        sys.stdout.flush()
    except BadInput as failure:
        _print_error(options.command, str(failure))
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _discard_stdout()
        return BROKEN_PIPE
    except OSError as failure:  # from standard output, since commands turn file errors into BadInput
        _print_error(options.command, f"stdout: {failure.strerror or failure}")
        _discard_stdout()
        return BAD_INPUT
    return DONE


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands. Parsed options carry the function to call as ``run``."""
    top = arguments.Parser(
        prog="equipoise",
        description="Sample from imbalanced data. 'equipoise COMMAND --help' explains a command.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return top


def _print_error(command: str, message: str) -> None:
    """Print an error as one line of printable characters. A file's text in the message may hold others."""
    line = " ".join(message.split())
    line = "".join(c if c.isprintable() else "?" for c in line)
    print(f"equipoise {command}: error: {line}", file=sys.stderr)


def _discard_stdout() -> None:
    """Redirect standard output to the null device, so that the flush at exit does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
