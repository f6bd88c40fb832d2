"""``equipoise sample`` on a Parquet file of 2 GB: time beside pyarrow's for the same columns, peak memory.

``python bench/parquet.py [--gigabytes 2] [--folder DIR]`` makes a file in a temporary folder, removed after.

Each run is a process of its own, which times itself after its imports, and the sides take turns: what
disturbs the machine, or warms the page cache, does so for all. A ratio is taken inside a round, to the
fastest of pyarrow's three ways. Decoding has threads, so both clocks are shown: wall time is what a user
waits on an idle machine, CPU time is what can be compared on a busy one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness import spelled

GROUP = 1 << 20  # rows
LABELS = np.array(["no click", "click", "cart", "purchase"])
K = 10_000

TIMED = """
import sys, time
import pyarrow.parquet as pq
from equipoise import _file_sample, cli, sample_command

def most():  # MB; getrusage would tell the parent's from before exec
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

side, file, out, columns, options = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4].split(), sys.argv[5:]
before, start, cpu = most(), time.perf_counter(), time.process_time()
if side == "read_table":
    pq.read_table(file, columns=columns)
elif side.startswith("iter_batches"):
    how = {} if side == "iter_batches" else {"pre_buffer": False, "buffer_size": 1 << 18}
    columns = None if "all columns" in side else columns
    for batch in pq.ParquetFile(file, **how).iter_batches(1 << 17, columns=columns):
        pass
elif side == "first pass":
    asked = cli._parser().parse_args(["sample", file, "-o", out, *options])
    names = sample_command.Request.__dataclass_fields__
    request = sample_command.Request(**{name: getattr(asked, name) for name in names})
    inputs = [_file_sample.open_rows(file)]
    sampler = _file_sample._Sampler(request)
    wanted = _file_sample._Columns(request, inputs[0].schema, file)
    _file_sample._read(inputs, wanted, sampler, None, lambda *step: None)
    sampler.sample()
else:
    assert cli.main(["sample", file, "-o", out, *options]) == 0
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
print()
print(seconds, cpu, most() - before, most())
"""
PYARROW = ("read_table", "iter_batches", "iter_batches, no pre_buffer")
SIDES = (*PYARROW, "first pass", "command", "iter_batches, no pre_buffer, all columns")


def make(path: Path, gigabytes: float) -> int:
    """Columns id, weight, label and a payload of doubles: nothing that compression could make small."""
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
    return rows


def timed(side: str, file: Path, columns: str, options: list[str]) -> list[float]:
    """Seconds, CPU seconds, MB more than after the imports, MB at most."""
    out = str(file.with_name("sample.parquet"))
    command = [sys.executable, "-c", TIMED, side, str(file), out, columns, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(x) for x in done.stdout.splitlines()[-1].split()]


def compare(
    name: str, file: Path, columns: str, options: list[str], sides: tuple[str, ...], rounds: int
) -> None:
    """One line for each side: medians, and its ratios to pyarrow's in the same round."""
    times: dict[str, list[list[float]]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            times[side].append(timed(side, file, columns, options))
    for side in sides:
        wall, cpu, more, most = (median(t[i] for t in times[side]) for i in range(4))
        cells = [name, side, f"{wall:.2f} s", f"{cpu:.2f} s", f"{most:,.0f} MB, {more:,.0f} after imports"]
        for clock in (0, 1):
            fastest = [min(times[way][i][clock] for way in PYARROW) for i in range(rounds)]
            ratios = [t[clock] / x for t, x in zip(times[side], fastest, strict=True)]
            cells.append(f"{median(ratios):.2f}x ({min(ratios):.2f} .. {max(ratios):.2f})")
        print("| " + " | ".join(cells) + " |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="where the files are made (default: the system's)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        wide, narrow = Path(folder, "wide.parquet"), Path(folder, "narrow.parquet")
        rows = make(wide, options.gigabytes)
        with pq.ParquetWriter(
            narrow, pq.read_schema(wide).empty_table().select(["id", "weight"]).schema
        ) as file:
            for batch in pq.ParquetFile(wide).iter_batches(GROUP, columns=["id", "weight"]):
                file.write_batch(batch, row_group_size=GROUP)
        size = wide.stat().st_size / 1e9
        print(
            f"{size:.2f} GB, {rows:,} rows in row groups of {spelled(GROUP)}, 8 columns; narrow: 2 of them;"
        )
        print(f"k = {K:,}; {os.cpu_count()} cores; pyarrow {pa.__version__}\n")
        print(
            "| columns that decide | side | wall | CPU | peak memory | wall to pyarrow's | CPU to pyarrow's |"
        )
        print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
        some = ["-k", str(K), "--weight", "weight"]
        rounds = options.rounds
        compare("weight, id", wide, "weight id", [*some, "--id", "id"], SIDES, rounds)
        compare("weight, label", wide, "weight label", [*some, "--by", "label"], SIDES, rounds)
        sides = (*PYARROW, "command")
        compare("weight, id; narrow", narrow, "weight id", [*some, "--id", "id"], sides, rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
