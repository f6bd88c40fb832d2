"""Run the benchmarks: ``python -m bench.run [--quick] [--only SUBJECT] [--save]``, from the checkout's root.

Everything runs on one thread of one core, unless a row says two threads, and the sides of a row take turns.
``--save`` puts the figures of the subjects into ``figures.json``, from which ``python -m bench.report`` makes
the tables.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .versions import cpu

if TYPE_CHECKING:
    from .harness import Budget, Row

HERE = Path(__file__).parent
FIGURES = HERE / "figures.json"
SUBJECTS = (
    *("tables", "negatives", "reservoirs", "neighbors", "smote", "imblearn", "orders"),
    *("balance", "collate", "losses", "cli", "backends", "imports"),
)
LIBRARIES = (
    "equipoise",
    "numpy",
    "torch",
    "scipy",
    "vose",
    "torch-geometric",
    "pandas",
    "pyarrow",
    "datasketches",
    "numba",
    "scikit-learn",
    "imbalanced-learn",
    "faiss-cpu",
    "pykdtree",
)


def one_thread(core: int | None) -> int | None:
    """Keep this process and its children to one thread and, if the system can, one core. Return the core.

    Thread pools read these variables when they are loaded, so nothing above imports NumPy.
    """
    for pool in ("OMP", "MKL", "OPENBLAS", "NUMBA", "EQUIPOISE"):
        os.environ[f"{pool}_NUM_THREADS"] = "1"
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0)) if core is None else core
    os.sched_setaffinity(0, {core})
    return core


def first_line(*command: str) -> str:
    """Return the first line that a command prints, or nothing if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=HERE)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.partition("\n")[0].strip()


def version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "not installed"


def environment(core: int | None, subject: str) -> dict[str, Any]:
    """Return what a reader must know to judge a figure, and to make it again."""
    import equipoise

    names = (os.environ.get("CXX", ""), "c++", "g++", "clang++")
    cxx = next((path for name in names if (path := shutil.which(name))), None)
    return {
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "core": core,
        "system": f"{platform.system()} {platform.machine()}",
        "compiler": first_line(cxx, "--version") if cxx else "no compiler",
        "commit": first_line("git", "rev-parse", "--short", "HEAD") or "unknown",
        "changed": bool(first_line("git", "status", "--porcelain", "--", "../cpp", "../python")),
        "backend": equipoise.backend(),
        "python": platform.python_version(),
        "libraries": {library: version(library) for library in LIBRARIES},
        "command": f"python -m bench.run --only {subject}",
        "day": datetime.now(UTC).date().isoformat(),
    }


def rows_of(subject: str, budget: Budget) -> Iterator[Row]:
    """Yield the rows of a subject, and print each as it comes."""
    start = time.perf_counter()
    for row in importlib.import_module(f".{subject}", __package__).run(budget):
        value = row.note or f"{row.value:.3g} ({row.low:.3g} .. {row.high:.3g}), goal {row.goal}"
        print(f"  {row.work} | {row.rival} | {value}", file=sys.stderr, flush=True)
        yield row
    print(f"{subject}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)


def save(subject: str, found: dict[str, Any]) -> None:
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    FIGURES.write_text(json.dumps(figures | {subject: found}, indent=1, ensure_ascii=False) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller data and fewer rounds, to try it out")
    parser.add_argument("--only", action="append", choices=SUBJECTS, help="this subject; may be repeated")
    parser.add_argument("--huge", action="store_true", help="also tables of 100,000,000 items (about 5 GB)")
    parser.add_argument("--core", type=int, help="the core to run on (default: the last)")
    parser.add_argument("--save", action="store_true", help=f"put the figures into {FIGURES.name}")
    options = parser.parse_args()
    if options.save and options.quick:
        parser.error("--quick is no measurement: its figures are not saved")

    core = one_thread(options.core)
    from .harness import Budget

    budget = Budget.make(quick=options.quick, huge=options.huge)
    broken = 0
    for subject in options.only or SUBJECTS:
        try:
            rows = [asdict(row) for row in rows_of(subject, budget)]
        except Exception:  # if a subject fails, the others keep their figures
            broken += 1
            traceback.print_exc()
            continue
        if options.save:
            save(subject, {"environment": environment(core, subject), "rows": rows})
    return min(broken, 1)


if __name__ == "__main__":
    sys.exit(main())
