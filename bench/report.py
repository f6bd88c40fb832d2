"""Turn results into the README's table: ``python bench/report.py results.json [--readme README.md]``.

Every row is shown, losses too, with its target if it has one and whether it was met. ``--readme`` replaces
the text between the two marker comments.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
AT_LEAST = ("speedup", "memory")
UNITS = {"speedup": "x", "slowdown": "x", "memory": "x less", "us": " µs", "ms": " ms"}
HEADER = ["work", "rival", "rival's time", "equipoise's time", "median (min .. max)", "wanted", ""]


def spell(number: float) -> str:
    """Three digits, and no exponent."""
    return f"{number:.3g}" if abs(number) < 999.5 else f"{number:,.0f}"


def spell_time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    unit, scale = next(((u, s) for u, s in (("s", 1.0), ("ms", 1e3)) if seconds * s >= 1), ("µs", 1e6))
    return f"{spell(seconds * scale)} {unit}"


def spell_cost(row: dict[str, Any], side: str) -> str:
    """Seconds, or bytes where memory is compared."""
    if row["measure"] == "memory" and row[side] is not None:
        return f"{spell(row[side] / 2**20)} MiB"
    return spell_time(row[side])


def verdict(row: dict[str, Any]) -> str:
    if row["value"] is None or row["target"] is None:
        return ""
    met = row["value"] >= row["target"] if row["measure"] in AT_LEAST else row["value"] <= row["target"]
    return "met" if met else "**missed**"


def spell_row(row: dict[str, Any]) -> list[str]:
    unit = UNITS[row["measure"]]
    sign = "≥" if row["measure"] in AT_LEAST else "≤"
    wanted = "" if row["target"] is None else f"{sign} {row['target']:g}{unit}"
    if row["value"] is None:
        return [row["work"], row["rival"], "", "", row["note"], wanted, ""]
    value = f"{spell(row['value'])}{unit} ({spell(row['low'])} .. {spell(row['high'])})"
    ours = spell_cost(row, "ours")
    if row["amount"] and row["amount"] >= 10_000:
        ours += f" ({spell(row['amount'] / row['ours'] / 1e6)} M/s)"
    return [row["work"], row["rival"], spell_cost(row, "theirs"), ours, value, wanted, verdict(row)]


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def report(results: dict[str, Any]) -> str:
    about = results["environment"]
    libraries = ", ".join(f"{name} {version}" for name, version in about["libraries"].items())
    pinned = "not pinned" if about["core"] is None else f"pinned to core {about['core']} of {about['cores']}"
    commit = about["commit"] + (" with uncommitted changes" if about["changed"] else "")
    rows = results["rows"]
    settings: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["setting"]:
            settings.setdefault((row["rival"], row["setting"]), []).append(row["work"])
    made_on = [
        f"{about['cpu']}; {about['system']}; {about['threads']} thread, {pinned}; {about['compiler']}",
        f"commit {commit}; backend {about['backend']}; Python {about['python']}; {libraries}; {about['day']}",
    ]
    return "\n".join(
        [
            f"{'; '.join(made_on)}.",
            f"Made by `{about['command']}` and `python bench/report.py results.json`. All sides of a row run",
            "in turn; times are CPU time, or wall time with two threads on all cores (see below), medians; a",
            "ratio is taken inside each round, so it need not equal that of the times.",
            "",
            line(HEADER),
            line(["---"] * len(HEADER)),
            *(line(spell_row(row)) for row in rows),
            "",
            "<details><summary>What exactly the rivals ran</summary>",
            "",
            *(f"- {rival}: {setting} ({'; '.join(works)})" for (rival, setting), works in settings.items()),
            "",
            "</details>",
        ]
    )


def place(text: str, table: str) -> str:
    """``text`` with what stands between the markers replaced by ``table``."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"the two lines {BEGIN} and {END} are not there")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--readme", type=Path, help="write it there, between the markers")
    options = parser.parse_args()
    table = report(json.loads(options.results.read_text()))
    if options.readme:
        options.readme.write_text(place(options.readme.read_text(), table))
    else:
        print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
