"""The command ``equipoise info``: versions, backend, CPU path and threads, each with its reason."""

from __future__ import annotations

import argparse
from typing import Any

from equipoise._cli.pages import show

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers ``commands``."""
    info = commands.add_parser(
        "info",
        help="print versions, backend, CPU path and threads, for bug reports",
        description="Print the versions of equipoise and of the packages it works with, and the backend, CPU "
        "path and number of threads it uses here, each with the reason. Paste the output into bug "
        "reports.",
    )
    info.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    info.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print the report."""
    from equipoise._runtime import versions

    show(versions.collect(), versions.render, as_json=options.json)
