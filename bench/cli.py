"""The command ``equipoise sample`` on a Parquet file of 2 GB: time, compared with pyarrow, and memory.

Run ``python -m bench.run --only cli``; the files are made in a temporary folder and removed.

Each run is a process of its own, which starts its clock after its imports. The sides take turns, so whatever
disturbs the machine or warms the page cache does so for all. A ratio compares times within a round, and the
rival is pyarrow's fastest way to read the columns that decide. Decoding uses threads, so both clocks are
shown: a user waits for the wall time, but CPU times can be compared on a busy machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from .harness import Budget, Row, optional

GROUP = 1 << 20  # rows
LABELS = np.array(["no click", "click", "cart", "purchase"])
K = 10_000

TIMED = """
import runpy, sys, time
import pyarrow.parquet as pq

def most():  # bytes; getrusage would tell the parent's from before exec
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024

side, file, out, columns, options = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4].split(), sys.argv[5:]


def equipoise(*arguments):
    sys.argv[1:] = arguments
    try:
        runpy.run_module("equipoise", run_name="__main__")
    except SystemExit as end:
        assert not end.code

if side == "command":
    equipoise("sample", "--help")  # imports are not in the times
start, cpu = time.perf_counter(), time.process_time()
if side == "read_table":
    pq.read_table(file, columns=columns)
elif side.startswith("iter_batches"):
    how = {} if side == "iter_batches" else {"pre_buffer": False, "buffer_size": 1 << 18}
    columns = None if "all columns" in side else columns
    for batch in pq.ParquetFile(file, **how).iter_batches(1 << 17, columns=columns):
        pass
else:
    equipoise("sample", file, "-o", out, *options)
print()
print(time.perf_counter() - start, time.process_time() - cpu, most())
"""
PYARROW = ("read_table", "iter_batches", "iter_batches without pre_buffer")
COMMAND = "command"
ALL_COLUMNS = "iter_batches without pre_buffer, all columns"


@dataclass
class Run:
    """The costs of one run of one side: seconds, CPU seconds, and bytes of memory at the peak."""

    wall: float
    cpu: float
    peak: float


def write_wide(path: Path, gigabytes: float) -> None:
    """Write columns id, weight and label, and five columns of random doubles, which do not compress."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    writer, rows = None, 0
    while not path.exists() or path.stat().st_size < gigabytes * 1e9:
        codes = rng.choice(4, GROUP, p=[0.95, 0.03, 0.015, 0.005]).astype(np.int32)
        table = pa.table(
            {
                "id": rng.permutation(GROUP) + rows,
                "weight": rng.pareto(1.5, GROUP),
                "label": pa.DictionaryArray.from_arrays(codes, LABELS).cast(pa.string()),
                **{f"feature_{j}": rng.random(GROUP) for j in range(5)},
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=GROUP)
        rows += GROUP
    assert writer is not None
    writer.close()


def write_narrow(path: Path, wide: Path, columns: list[str]) -> None:
    """Write a file with some columns of the wide one."""
    import pyarrow.parquet as pq

    schema = pq.read_schema(wide).empty_table().select(columns).schema
    with pq.ParquetWriter(path, schema) as file:
        for batch in pq.ParquetFile(wide).iter_batches(GROUP, columns=columns):
            file.write_batch(batch, row_group_size=GROUP)


def timed(side: str, file: Path, columns: str, options: list[str]) -> Run:
    out = str(file.with_name("sample.parquet"))
    command = [sys.executable, "-P", "-c", TIMED, side, str(file), out, columns, *options]
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return Run(*(float(x) for x in done.stdout.splitlines()[-1].split()))


def on_all_cores(side: str, file: Path, columns: str, options: list[str]) -> Run:
    """Time a side on all cores, although this process is kept to one."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if cores:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        return timed(side, file, columns, options)
    finally:
        if cores:
            os.sched_setaffinity(0, cores)


def fill(row: Row, runs: dict[str, list[Run]], rivals: tuple[str, ...]) -> Row:
    """Fill in the ratio of the command to the fastest rival by both clocks, and its peak memory."""
    rounds = range(len(runs[COMMAND]))
    wall = [min(runs[rival][i].wall for rival in rivals) for i in rounds]
    cpu = [min(runs[rival][i].cpu for rival in rivals) for i in rounds]
    ratios = [ours.wall / theirs for ours, theirs in zip(runs[COMMAND], wall, strict=True)]
    row.ours, row.theirs = median(run.wall for run in runs[COMMAND]), median(wall)
    row.value, row.low, row.high, row.rounds = median(ratios), min(ratios), max(ratios), len(rounds)
    row.cpu = median(ours.cpu / theirs for ours, theirs in zip(runs[COMMAND], cpu, strict=True))
    row.peak = median(run.peak for run in runs[COMMAND])
    row.setting = "; ".join(
        f"{rival}: peak memory {median(run.peak for run in runs[rival]) / 1e6:,.0f} MB" for rival in rivals
    )
    return row


def compare(
    work: str, file: Path, columns: str, option: str, budget: Budget, *, wide: bool = False
) -> Iterator[Row]:
    """Compare the command with pyarrow reading the two columns, and for a wide file also reading all."""
    options = ["-k", str(K), "--weight", "weight", *option.split()]
    sides = (*PYARROW, COMMAND, *((ALL_COLUMNS,) if wide else ()))
    runs: dict[str, list[Run]] = {side: [] for side in sides}
    for _ in range(2 if budget.quick else 7):
        for side in sides:
            runs[side].append(on_all_cores(side, file, columns, options))
    threads = os.cpu_count() or 1
    row = Row("cli", work, "pyarrow, reading these columns", measure="slowdown", threads=threads)
    yield fill(row, runs, PYARROW)
    if wide:
        row = Row("cli", work, "pyarrow, reading all columns", measure="slowdown", threads=threads)
        yield fill(row, runs, (ALL_COLUMNS,))


def run(budget: Budget) -> Iterator[Row]:
    if optional("pyarrow") is None:
        yield Row("cli", "equipoise sample", "pyarrow", note="not installed: pyarrow")
        return
    with tempfile.TemporaryDirectory() as folder:
        wide, by_id, by_label = (Path(folder, f"{name}.parquet") for name in ("wide", "by_id", "by_label"))
        write_wide(wide, 0.1 if budget.quick else 2.0)
        write_narrow(by_id, wide, ["weight", "id"])
        write_narrow(by_label, wide, ["weight", "label"])
        for columns, option, narrow in (
            ("weight id", "--id id", by_id),
            ("weight label", "--by label", by_label),
        ):
            what = columns.replace(" ", " and ")
            yield from compare(f"{what}, a file of these columns", narrow, columns, option, budget)
            yield from compare(f"{what}, a file of 8 columns", wide, columns, option, budget, wide=True)
