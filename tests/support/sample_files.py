"""Logs as Parquet and CSV files, and the rows that ``equipoise sample`` must choose from them."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from itertools import pairwise

import numpy as np
import pytest

import equipoise
from equipoise._cli.main import main

pa = pytest.importorskip("pyarrow", reason="pyarrow reads and writes the files (extra 'arrow')")
pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow reads and writes the files (extra 'arrow')")

LABELS = np.array(["no click", "click", "cart, later", 'a "buy"'])

# Keyword arguments of `reference` and `sample`.
CASES = {
    "float weights": {"weight": "weight"},
    "integer weights": {"weight": "w32"},
    "no option": {},
    "weights and ids": {"weight": "weight", "ids": "id"},
    "ids": {"ids": "id"},
    "string classes": {"weight": "weight", "by": "label"},
    "string classes and ids": {"weight": "weight", "by": "label", "ids": "id"},
    "weighted integer classes": {"weight": "weight", "by": "grade"},
    "integer classes": {"by": "grade"},
    "boolean classes and ids": {"by": "good", "ids": "id"},
    "decay": {"weight": "weight", "half_life": 1e5, "time": "time"},
    "decay and ids": {"weight": "weight", "half_life": 1e5, "time": "time", "ids": "id"},
    "decay and classes": {"by": "label", "half_life": 1e5, "time": "time"},
    "one column as weight and class": {"weight": "w32", "by": "w32", "ids": "id"},
}


def log(n, seed=0):
    """Return a log with columns for every option, and a payload that CSV can hold."""
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "id": pa.array(rng.permutation(n) * 7 - 1000, pa.int64()),
            "weight": rng.pareto(1.2, n) * (rng.random(n) < 0.9),
            "w32": pa.array(rng.integers(0, 9, n), pa.int32()),
            "label": LABELS[rng.choice(4, n, p=[0.9, 0.07, 0.02, 0.01])],
            "grade": pa.array(rng.integers(-2, 3, n), pa.int8()),
            "good": rng.random(n) < 0.3,
            "time": rng.uniform(0, 1e6, n),
            "text": pa.array([f"line {i}\nand, {i % 7}" if i % 3 else "" for i in range(n)], pa.string()),
        }
    )


def reference(
    parts, k, *, weight=None, by=None, ids=None, half_life=None, time=None, seed=0, classes_as_text=False
):
    """Return the numbers of the chosen rows and their inclusion probabilities.

    Each part is read at once, as a stream of its own, into a reservoir in memory. In a CSV file, all classes
    are text.
    """
    whole, starts = None, np.cumsum([0, *(part.num_rows for part in parts)])
    for stream, part in enumerate(parts):
        more = {"half_life": half_life, "seed": seed, "stream": 0 if ids else stream}
        reservoir = equipoise.ClassReservoir(k, **more) if by else equipoise.Reservoir(k, **more)
        w = np.ones(part.num_rows) if weight is None else part[weight].to_numpy().astype(np.float64)
        keys = {"ids": part[ids].to_numpy()} if ids else {}
        if half_life:
            keys["times"] = part[time].to_numpy()
        if by:
            labels = part[by].cast(pa.string()) if classes_as_text else part[by]
            reservoir.update(labels.to_pylist(), w, **keys)
        else:
            reservoir.update(w, **keys)
        if whole is None:
            whole = reservoir
        elif ids:
            fresh, reservoir = reservoir, whole
            reservoir.merge(fresh)
        else:
            whole.merge(reservoir)
    sample = whole.sample()
    if ids:
        every = np.concatenate([part[ids].to_numpy() for part in parts])
        first = {int(key): at for at, key in reversed(list(enumerate(every)))}
        rows = np.array([first[int(key)] for key in sample.ids], np.int64)
    elif sample.streams is None:
        rows = sample.ids
    else:
        rows = starts[sample.streams.astype(np.int64)] + sample.ids
    order = np.argsort(rows)
    return rows[order], sample.inclusion[order]


def arguments(files, out, k, *, weight=None, by=None, ids=None, half_life=None, time=None, seed=0):
    """Return the command line for a sample of these files."""
    options = {"--weight": weight, "--by": by, "--id": ids, "--half-life": half_life, "--time": time}
    flags = [str(x) for name, value in options.items() if value is not None for x in (name, value)]
    return ["sample", *map(str, files), "-k", str(k), "-o", str(out), "--seed", str(seed), *flags]


def sample(files, out, k, **more):
    """Run the command and return what it wrote: a table, or the text of a CSV file."""
    assert main(arguments(files, out, k, **more)) == 0
    return pq.read_table(out) if str(out).endswith(".parquet") else out.read_text()


def cut(table, parts):
    """Cut a table into parts of about equal size."""
    ends = np.linspace(0, table.num_rows, parts + 1).astype(int)
    return [table.slice(a, b - a) for a, b in pairwise(ends)]


def write(folder, parts, name="part", **more):
    """Write each part to a Parquet file of its own and return the paths."""
    files = []
    for i, part in enumerate(parts):
        files.append(folder / f"{name}{i}.parquet")
        pq.write_table(part, files[-1], **more)
    return files


def run_python(code, **more):
    """Run a program in its own process and return what it printed."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, **more)


def invoke(*argv):
    """Run ``equipoise sample``. Return its status and what it printed to standard error."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(["sample", *map(str, argv)])
    assert (status == 0) == (err.getvalue() == "")
    assert status == 0 or out.getvalue() == ""
    return status, err.getvalue()


def cells_of(path, delimiter=","):
    """Return the cells of a CSV file without those of the added column."""
    with path.open(newline="", encoding="utf-8") as file:
        return [line[:-1] for line in csv.reader(file, delimiter=delimiter)]
