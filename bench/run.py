"""Run the benchmarks: ``python bench/run.py [--quick] [--only NAME] [--huge] -o results.json``.

One thread on one core, or where a row says so two threads on all, every side of a row in turn.
``python bench/report.py results.json`` makes the table.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import time
import traceback
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

CASES = (
    *("draws", "bare", "build", "negatives", "reservoirs", "neighbors", "samplers", "smote", "calls"),
    *("twins", "imports"),
)
LIBRARIES = (
    "equipoise",
    "numpy",
    "torch",
    "scipy",
    "vose",
    "torch-geometric",
    "pandas",
    "datasketches",
    "numba",
    "scikit-learn",
    "imbalanced-learn",
    "faiss-cpu",
    "pykdtree",
)


def one_thread(core: int | None) -> int | None:
    """Keep this process and its children to one thread and, where the system can, to one core: returned.

    Thread pools read these variables when loaded, so nothing but the standard library is imported above.
    """
    for pool in ("OMP", "MKL", "OPENBLAS", "NUMBA", "EQUIPOISE"):
        os.environ[f"{pool}_NUM_THREADS"] = "1"
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0)) if core is None else core
    os.sched_setaffinity(0, {core})
    return core


def cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    about = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    wide = [feature for feature in ("avx2", "avx512dq") if feature in about.get("flags", "").split()]
    family = f"family {about.get('cpu family', '?')}, model {about.get('model', '?')}"
    return f"{about.get('model name', platform.machine())} ({'; '.join([family, *wide])})"


def first_line(*command: str) -> str:
    """The first line a command prints, or nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.partition("\n")[0].strip()


def version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "not installed"


def spell_command(options: argparse.Namespace) -> str:
    """What makes these results again; where they are written is nobody's business."""
    flags = [f"--{flag}" for flag in ("quick", "huge") if getattr(options, flag)]
    return " ".join(["python bench/run.py", *flags, *(f"--only {case}" for case in options.only or ())])


def environment(core: int | None, command: str) -> dict[str, object]:
    import equipoise
    from bare import compiler

    cxx = compiler()
    return {
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "core": core,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "compiler": first_line(cxx, "--version") if cxx else "no compiler",
        "commit": first_line("git", "rev-parse", "--short", "HEAD") or "unknown",
        "changed": bool(first_line("git", "status", "--porcelain", "--", "../cpp", "../python")),
        "backend": equipoise.backend(),
        "threads": 1,
        "libraries": {library: version(library) for library in LIBRARIES},
        "command": command,
        "day": datetime.now(UTC).date().isoformat(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds: two minutes, for looking")
    parser.add_argument("--only", action="append", choices=CASES, help="this case; may be repeated")
    parser.add_argument("--huge", action="store_true", help="also build and draw from 1e8 items (about 5 GB)")
    parser.add_argument("--core", type=int, help="the core to run on (default: the last)")
    parser.add_argument("-o", "--output", type=Path, default=Path("results.json"))
    options = parser.parse_args()

    core = one_thread(options.core)
    from harness import Budget, Row

    budget = Budget.of(quick=options.quick, huge=options.huge)
    rows: list[Row] = []
    broken = 0
    for case in options.only or CASES:
        start = time.perf_counter()
        try:
            for row in importlib.import_module(case).run(budget):
                rows.append(row)
                value = row.note or f"{row.value:.3g} ({row.low:.3g} .. {row.high:.3g}), wanted {row.target}"
                print(f"  {row.work} | {row.rival} | {value}", file=sys.stderr, flush=True)
        except Exception:  # one broken case must not cost the others' results
            broken += 1
            traceback.print_exc()
            rows.append(Row(case, case, "", note="failed"))
        print(f"{case}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    results = {
        "environment": environment(core, spell_command(options)),
        "rows": [asdict(row) for row in rows],
    }
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    return min(broken, 1)


if __name__ == "__main__":
    sys.exit(main())
