"""Make ``RESULTS.md`` from ``figures.json``: ``python -m bench.report [--readme README.md]``.

Every row is shown, losses and missed goals too. ``--readme`` also puts the rows that have a headline between
the two marker comments of that file.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .run import FIGURES, SUBJECTS

RESULTS = FIGURES.with_name("RESULTS.md")
BEGIN, END = "<!-- figures: made by bench/report.py -->", "<!-- end of figures -->"
AT_LEAST = ("speedup", "memory")
UNITS = {"us": " µs", "ms": " ms"}

INTRODUCTION = """\
# Benchmarks

`python -m bench.report` makes this page from the figures in `figures.json`, which `python -m bench.run
--save` measures. All rows are kept. Those in which equipoise is **slower**, and those that **missed** their
goal, are marked.

How to read the tables:

- A row is a job that equipoise and a rival both do. Every rival gets its data in the form that suits it best,
  and runs with the fastest settings that we know. They are listed below each table.
- A time is the median over calls. The throughput in brackets counts millions of items (draws, negatives or
  rows) a second.
- "times as fast" is the rival's time divided by that of equipoise; other ratios name what they divide. The
  sides of a row take turns, round after round, and a ratio is taken within each round. The figure is the
  median of these ratios, with the minimum and the maximum in brackets, so it can differ from the ratio of
  the two times.
- Times are CPU times of one thread that is kept to one core. A row with two threads has wall times on all
  cores, since users wait for these. "by CPU time" is then the ratio of CPU times, on which other work on
  the machine has less influence.
- A goal was set before the row was measured. Some rows have none.
- The sections were measured on different machines. Compare ratios between them, not times.
"""


@dataclass(frozen=True)
class Section:
    """The text around the tables of a subject.

    ``theirs`` and ``ours`` name the two sides if the rival is not another library.
    """

    title: str
    text: str
    after: str = ""
    theirs: str = "rival"
    ours: str = "equipoise"


SECTIONS = {
    "tables": Section(
        "Tables: drawing by weight",
        """Weights are 1 / rank^0.75 (Zipf), and draws are with replacement. equipoise and the libraries
        that keep a table (vose, SciPy) build it once, which is not timed. torch.multinomial and
        Generator.choice keep nothing and sum all weights in every call, so a few draws of many items cost
        them most. The bare C++ loop only draws, without argument checks or a reproducible stream, and is
        compiled for the machine that it runs on.""",
    ),
    "negatives": Section(
        "Negatives: ids that are not a row's positives",
        """1,000,000 users have 50 known positives each, out of 1,000,000 items. A call draws 16 negatives
        for each of its rows in proportion to popularity^0.75, never a positive of the row, and returns the
        log probability of each. Every call has other users, so their positives are not in the cache.
        """,
        """For a single row, the cost of a call decides. NumPy on prepared arrays is faster there, but does
        less: its log q leaves out the mass of the excluded items.""",
    ),
    "reservoirs": Section(
        "Reservoirs: weighted samples of a stream",
        """A stream of float32 weights is read in chunks of 2^20 rows, and k rows are kept by weight,
        without replacement. The NumPy rival keeps the k smallest exponential keys (Efraimidis and
        Spirakis). Its sifted form first drops the keys above the largest kept one, an idea of ours that
        makes it faster. Summing the weights is the least that a reader of the stream can do.""",
        """At k = 1,000 one thread reads weights nearly as fast as memory delivers them, so a second thread
        gains little: the list above gives the time of two threads that only sum the weights. In chunks of
        2^22 rows, starting and ending the threads of each call costs some 0.1 ms more.""",
    ),
    "neighbors": Section(
        "Nearest neighbors: exact search",
        """The 5 nearest neighbors of every row among the other rows, by Euclidean distance. All searches
        are exact, and the benchmark asserts that they find the same neighbors. Clustered rows lie around
        fifty centers, and uniform rows are noise without structure. The second table compares data that is
        hard for a search with clustered rows of the same shape and type, both in equipoise.""",
        """Cauchy noise, small whole numbers and one-hot rows take up to about five times as long as
        clustered rows.""",
        "plain data",
        "hard data",
    ),
    "smote": Section(
        "Synthetic rows: SMOTE on the fly",
        """`SmoteSampler.sample(65_536, out=)` from 100,000 rows, whose neighbors are known. Copying as many
        rows with np.take is the least that a sampler of rows can do: it reads one row for each, where SMOTE
        reads two and draws random numbers.""",
    ),
    "imblearn": Section(
        "The classes for imbalanced-learn",
        """`fit_resample` of `equipoise.imblearn` and of imbalanced-learn, which return the same rows for
        the same `random_state`. "imbalanced-learn, kd_tree" is the rival with a faster search, which the
        user must pass as `k_neighbors=`.""",
        """Whether resampling helps a classifier is another question: see [minority.md](minority.md).""",
    ),
    "collate": Section(
        "NegativeCollate: negatives in a data loader",
        """Each of 8192 rows (index, user, item) gets 16 negatives of 1,000,000 items, with log q. The 50
        known positives of its user, one of which is its own item, are excluded. In a DataLoader, two workers
        that are kept hand batches to the main process, and `__getitems__` of the data set returns three
        arrays. A time is then that of a pass by the wall clock, divided by its 32 batches.""",
        theirs="nothing drawn",
        ours="NegativeCollate",
    ),
    "orders": Section(
        "Orders: the samplers of a training loop",
        """An epoch has as many draws as there are rows, and is read in batches of 1024. torch draws a whole
        epoch before it yields the first index; equipoise draws as it is read. The peak is the resident
        memory of an epoch beyond weights and sampler.""",
    ),
    "balance": Section(
        "Weights and measures",
        """Labels are counted by class, and weights made of the counts. Calibration sorts its probabilities,
        since its bins hold equal numbers of rows.""",
    ),
    "losses": Section(
        "Losses",
        """A loss and its gradients, of float32 tensors. The rivals are torch's own cross-entropy, whose
        forward and backward are one fused loop each, and the formula that torchvision has for focal loss.
        equipoise also looks at the values of targets and weights, and has no NaN where these have one.""",
        """The softmax form of the focal loss needs the probability of all other classes with all its digits,
        which are three more passes over the matrix.""",
    ),
    "cli": Section(
        "The command `equipoise sample` on Parquet files",
        """`equipoise sample -k 10000 --weight weight` with `--id id` or `--by label`, on a file of 2 GB:
        36.7 million rows of 8 columns, in row groups of 2^20 rows. pyarrow only reads the columns, in the
        fastest of three ways. Each run is a process of its own, which starts its clock after its imports.
        From a file of 8 columns the command reads the two that decide, and then all columns of the row
        groups that have chosen rows. For a small sample from all over the file, these are most of the file.
        """,
        theirs="pyarrow",
        ours="command",
    ),
    "backends": Section(
        "The backends: C++ and Numba",
        """The cost of a call on each backend. Both return the same bytes. Times do not include compiling.
        The cost of a chunk is the mean over eight chunks, which a new reservoir reads.""",
        theirs="C++",
        ours="Numba",
    ),
    "imports": Section(
        "The import", "`import equipoise` in a new interpreter that has already imported NumPy."
    ),
}


def spell(number: float) -> str:
    """Return three digits, without an exponent."""
    return f"{number:.3g}" if abs(number) < 999.5 else f"{number:,.0f}"


def spell_time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    unit, scale = next(((u, s) for u, s in (("s", 1.0), ("ms", 1e3)) if seconds * s >= 1), ("µs", 1e6))
    return f"{spell(seconds * scale)} {unit}"


def spell_cost(row: dict[str, Any], side: str) -> str:
    """Return a side's time, or its memory where that is compared."""
    if row["measure"] == "memory" and row[side] is not None:
        return f"{spell(row[side] / 2**20)} MiB"
    return spell_time(row[side])


def spell_ours(row: dict[str, Any]) -> str:
    """Return the cost of equipoise, with the throughput of calls that make many things."""
    cost = spell_cost(row, "ours")
    if cost and row["amount"] and row["amount"] >= 10_000 and row["measure"] != "memory":
        cost += f" ({spell(row['amount'] / row['ours'] / 1e6)} M/s)"
    return cost


def spell_value(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return row["note"]
    value = f"{spell(row['value'])}{UNITS.get(row['measure'], '')}"
    if row["low"] < row["high"]:
        value += f" ({spell(row['low'])} .. {spell(row['high'])})"
    return value + (" **slower**" if row["measure"] == "speedup" and row["value"] < 1 else "")


def spell_goal(row: dict[str, Any]) -> str:
    if row["goal"] is None:
        return ""
    at_least = row["measure"] in AT_LEAST
    goal = f"{'≥' if at_least else '≤'} {row['goal']:g}{UNITS.get(row['measure'], '')}"
    if row["value"] is None:
        return goal
    met = row["value"] >= row["goal"] if at_least else row["value"] <= row["goal"]
    return goal if met else f"{goal}, **missed**"


def spell_cpu(row: dict[str, Any]) -> str:
    return "" if row["cpu"] is None else spell(row["cpu"])


def spell_peak(row: dict[str, Any]) -> str:
    return "" if row["peak"] is None else f"{row['peak'] / 1e6:,.0f} MB"


def columns_of(measure: str, section: Section) -> dict[str, Any]:
    """Return the columns of a table: heading -> a function that spells a row's cell."""
    job = {"job": lambda row: row["work"]}
    extra = {"goal": spell_goal, "threads": lambda row: "" if row["threads"] == 1 else str(row["threads"])}
    if measure in UNITS:
        return job | {"time (least .. greatest)": spell_value} | extra
    theirs = section.theirs if measure == "slowdown" else "rival"
    ours = section.ours if measure == "slowdown" else "equipoise"
    ratio = {"speedup": "times as fast", "slowdown": f"{ours} / {theirs}", "memory": "times less"}[measure]
    return {
        **job,
        "rival": lambda row: "" if row["rival"] == section.theirs else row["rival"],
        f"{theirs}'s {'memory' if measure == 'memory' else 'time'}": lambda row: spell_cost(row, "theirs"),
        f"{ours}'s {'memory' if measure == 'memory' else 'time'}": spell_ours,
        ratio: spell_value,
        **extra,
        "by CPU time": spell_cpu,
        "peak memory": spell_peak,
    }


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def table(rows: list[dict[str, Any]], columns: dict[str, Any]) -> list[str]:
    """Return the lines of a table, without the columns that are empty in all rows."""
    cells = {name: [cell(row) for row in rows] for name, cell in columns.items()}
    kept = {name: column for name, column in cells.items() if any(column)}
    lines = [list(row) for row in zip(*kept.values(), strict=True)]
    return [line(list(kept)), line(["---"] * len(kept)), *map(line, lines), ""]


def settings(rows: list[dict[str, Any]]) -> list[str]:
    """Return a list of what exactly the rivals ran, with the rows where a rival has several settings."""
    works: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        if row["setting"]:
            works.setdefault(row["rival"], {}).setdefault(row["setting"], []).append(row["work"])
    lines = []
    for rival, by_setting in works.items():
        for setting, jobs in by_setting.items():
            which = f" (in: {'; '.join(jobs)})" if len(by_setting) > 1 else ""
            lines.append(f"- {rival}: {setting}{which}")
    return ["What the rivals ran:", "", *lines, ""] if lines else []


def machine(about: dict[str, Any]) -> str:
    """Return a paragraph on where a section was measured. A remark is added to the figures by hand."""
    commit = about["commit"] + (" with uncommitted changes" if about["changed"] else "")
    core = "not kept to a core" if about["core"] is None else f"core {about['core']} of {about['cores']}"
    remark = about.get("remark", "")
    libraries = ", ".join(f"{n} {v}" for n, v in about["libraries"].items() if v != "not installed")
    return (
        f"Measured on {about['day']} at commit {commit} by `{about['command']}`: {about['cpu']}, {core}; "
        f"{about['system']}; {about['compiler']}; Python {about['python']}; {libraries}. {remark}"
    )


def paragraph(text: str) -> list[str]:
    words = " ".join(text.split())
    return [textwrap.fill(words, 118, break_long_words=False, break_on_hyphens=False), ""]


def spell_section(subject: str, found: dict[str, Any]) -> list[str]:
    section = SECTIONS[subject]
    lines = [f"## {section.title}", "", *paragraph(section.text), *paragraph(machine(found["environment"]))]
    by_measure: dict[str, list[dict[str, Any]]] = {}
    for row in found["rows"]:
        by_measure.setdefault("ms" if row["measure"] in UNITS else row["measure"], []).append(row)
    for measure, rows in by_measure.items():
        lines += table(rows, columns_of(measure, section))
    lines += settings(found["rows"])
    return lines + (paragraph(section.after) if section.after else [])


def results(figures: dict[str, Any]) -> str:
    lines = [INTRODUCTION]
    for subject in SUBJECTS:
        if subject in figures:
            lines += spell_section(subject, figures[subject])
    return "\n".join(lines)


def headlines(figures: dict[str, Any]) -> str:
    """Return the README's table, of the rows with a headline. Losses are bold."""
    lines = [line(["job", "rival", "rival's time", "equipoise's time", "times as fast"]), line(["---"] * 5)]
    for subject in SUBJECTS:
        for row in figures.get(subject, {"rows": []})["rows"]:
            if row["headline"] and row["value"] is not None:
                times = [spell_time(row[side]) or "not kept" for side in ("theirs", "ours")]
                value = f"{row['value']:.2g}" if row["value"] < 100 else spell(row["value"])
                value = f"**{value}**" if row["value"] < 1 else value
                lines.append(line([row["headline"], row["rival"], *times, value]))
    return "\n".join(lines)


def place(text: str, inside: str) -> str:
    """Return ``text`` with the lines between the markers replaced."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"the two lines {BEGIN} and {END} are missing")
    return f"{before}{BEGIN}\n{inside}\n{END}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--readme", type=Path, help="fill in the table of this page, too")
    options = parser.parse_args()
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    RESULTS.write_text(results(figures), encoding="utf-8")
    if options.readme:
        text = options.readme.read_text(encoding="utf-8")
        options.readme.write_text(place(text, headlines(figures)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
