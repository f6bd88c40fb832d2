"""Compare two installed versions of equipoise in one run.

Run ``python bench/versions.py OLD_PYTHON [NEW_PYTHON] [--old-path DIR] [--new-path DIR]``. A side is a
Python interpreter, with a folder for its ``PYTHONPATH`` if equipoise is not installed in it. With one side,
its costs alone are printed. The file stands alone: a copy of it works anywhere.

Every side measures in a process of its own. The rounds alternate, so that whatever disturbs the machine
disturbs both sides, and the processes are started anew several times, since where memory lands can make one
process faster than another. Times are CPU times of one thread. A ratio is new / old within one round;
"best / best" compares the fastest rounds, which suffer least from other work on the machine.
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

SAMPLE = 0.03  # seconds: shorter calls are repeated to fill this
CHUNK = 1 << 20
ITEMS, USERS, EACH = 1_000_000, 100_000, 50
NOISE = 1.05  # a side counts as slower when both ratios are above this

Run = Callable[[], object]


# ---- the measured calls, which run in a side's own process -------------------------------------------------


class Case:
    """A measured call.

    ``prepare`` makes the state that a measurement starts from, outside the clock, and returns the call.
    ``calls`` is how many calls of equipoise are in one run of it. ``number`` fixes how often it is run in one
    measurement, where its cost depends on how often it has been run.
    """

    def __init__(self, prepare: Callable[[], Run], calls: int = 1, number: int | None = None) -> None:
        self.prepare, self.calls, self.number = prepare, calls, number
        self.warm = False

    def seconds(self, number: int) -> float:
        """Return the CPU seconds of a call of equipoise."""
        if not self.warm:
            self.prepare()()
            self.warm = True
        run = self.prepare()
        gc.collect()
        gc.disable()
        start = time.process_time()
        for _ in range(number):
            run()
        passed = time.process_time() - start
        gc.enable()
        return passed / number / self.calls


def cases() -> dict[str, Callable[[], Case]]:
    """Return what makes each case, by the name of its row; nothing is made before it is asked for."""
    import numpy as np

    import equipoise

    @functools.cache
    def table() -> Any:
        return equipoise.AliasTable(1.0 / np.arange(1, ITEMS + 1), power=0.75)

    @functools.cache
    def sampler() -> Any:
        rng = np.random.default_rng(20)
        ranks = np.exp(rng.random((USERS, EACH)) * np.log(ITEMS)).astype(np.int64) - 1
        return equipoise.NegativeSampler(
            table(), exclude=(np.arange(0, USERS * EACH + 1, EACH), np.maximum(ranks, 0).ravel())
        )

    @functools.cache
    def weights() -> Any:
        return np.random.default_rng(0).random(CHUNK, dtype=np.float32)

    @functools.cache
    def points() -> Any:
        rng = np.random.default_rng(0)
        centers = rng.uniform(-10, 10, (50, 16))
        return (centers[rng.integers(0, 50, 20_000)] + rng.standard_normal((20_000, 16))).astype(np.float32)

    def negatives(rows: int, **options: Any) -> Case:
        users = np.random.default_rng(1).integers(0, USERS, (64, rows))
        turn = iter(range(1 << 62))
        return Case(lambda: lambda: sampler().sample(users[next(turn) % 64], 16, **options))

    def draws(size: int) -> Case:
        rng, out = np.random.default_rng(1), np.empty(size, np.int64)
        return Case(lambda: lambda: table().sample(size, rng=rng, out=out))

    def read(reservoir: Any, chunks: int, *columns: Any) -> None:
        for _ in range(chunks):
            reservoir.update(*columns)

    def stream(make: Callable[[], Any], *columns: Any) -> Case:
        return Case(lambda: lambda: read(make(), 8, *columns), calls=8)

    def one_row() -> Case:
        def prepare() -> Run:
            reservoir = equipoise.Reservoir(1_000)
            reservoir.update(weights())
            one = weights()[:1]
            return lambda: reservoir.update(one)

        return Case(prepare, number=2_000)

    def classes() -> Any:
        return np.random.default_rng(2).integers(0, 100, CHUNK)

    def smote() -> Case:
        synthetic = equipoise.SmoteSampler(points())
        out = np.empty((65_536, 16), np.float32)
        return Case(lambda: lambda: synthetic.sample(65_536, out=out))

    return {
        "one row x 16 negatives, 50 of 1M items excluded": lambda: negatives(1),
        "8192 rows x 16 negatives, 50 of 1M items excluded": lambda: negatives(8192),
        "8192 rows x 16 negatives, unique": lambda: negatives(8192, unique=True),
        "sample_shared, 8192 of 1M items": lambda: Case(lambda: lambda: sampler().sample_shared(8192)),
        "AliasTable.sample, 16 of 1M items": lambda: draws(16),
        "AliasTable.sample, 1M of 1M items, out=": lambda: draws(1_000_000),
        "AliasTable of 1M items": lambda: Case(lambda: lambda: equipoise.AliasTable(shuffled())),
        "Reservoir.update, k = 1,000, 8 chunks of 2^20": lambda: stream(
            lambda: equipoise.Reservoir(1_000), weights()
        ),
        "Reservoir.update, k = 100,000, 8 chunks of 2^20": lambda: stream(
            lambda: equipoise.Reservoir(100_000), weights()
        ),
        "Reservoir.update, k = 1,000, one row": one_row,
        "ClassReservoir.update, k = 1,000 of each of 100, 8 chunks of 2^20": lambda: stream(
            lambda: equipoise.ClassReservoir(1_000), classes(), weights()
        ),
        "nearest_neighbors, 5 of 20,000 x 16 float32": lambda: Case(
            lambda: lambda: equipoise.nearest_neighbors(points(), 5)
        ),
        "SmoteSampler.sample, 65,536 of 20,000 x 16 float32, out=": smote,
    }


def shuffled() -> Any:
    import numpy as np

    return np.random.default_rng(3).permutation(1.0 / np.arange(1, ITEMS + 1))


def about() -> dict[str, str]:
    import numpy

    import equipoise

    return {
        "equipoise": f"{equipoise.__version__} in {Path(equipoise.__file__).parent}",
        "backend": equipoise.backend(),
        "Python": platform.python_version(),
        "NumPy": numpy.__version__,
    }


def serve() -> None:
    """Answer each line of standard input with a line.

    ``[]`` asks what runs here, ``["rows"]`` for the names of the rows, ``[row]`` how often a round should run
    the row, ``[row, number]`` for the seconds of a call when it is run so often.
    """
    makers, made = cases(), {}
    for line in sys.stdin:
        match json.loads(line):
            case []:
                answer: object = about()
            case ["rows"]:
                answer = list(makers)
            case [row]:
                made = {row: makers[row]()}
                answer = made[row].number
                if answer is None:
                    once = min(made[row].seconds(1) * made[row].calls for _ in range(3))
                    answer = max(1, round(SAMPLE / max(once, 1e-7)))
            case [row, number]:
                if row not in made:
                    made = {row: makers[row]()}
                answer = made[row].seconds(number)
        print(json.dumps(answer), flush=True)


# ---- the side that asks ------------------------------------------------------------------------------------

IMPORT = "import equipoise, after import numpy"
TIME_IMPORT = (
    "import numpy; from time import process_time as t; s = t(); import equipoise; print(t() - s, flush=True)"
)


class Side:
    """An interpreter and a backend, with a process that measures when asked."""

    def __init__(self, python: str, path: str | None, backend: str, byte_code: str) -> None:
        self.python = python
        dropped = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
        self.environment = {k: v for k, v in os.environ.items() if k not in dropped}
        self.environment["PYTHONPYCACHEPREFIX"] = byte_code
        self.environment |= {f"{pool}_NUM_THREADS": "1" for pool in ("OMP", "MKL", "OPENBLAS", "EQUIPOISE")}
        self.environment["EQUIPOISE_BACKEND"] = backend
        if path:
            self.environment["PYTHONPATH"] = str(Path(path).resolve())
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [self.python, "-P", str(Path(__file__).resolve()), "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=tempfile.gettempdir(),
        )

    def stop(self) -> None:
        if self.process is not None:
            self.process.communicate()
            self.process = None

    def ask(self, *question: Any) -> Any:
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(question), file=self.process.stdin, flush=True)
        if not (line := self.process.stdout.readline()):
            raise SystemExit(f"{self.python} ended with status {self.process.wait()}")
        return json.loads(line)

    def once(self, *question: Any) -> Any:
        self.start()
        answer = self.ask(*question)
        self.stop()
        return answer

    def about(self) -> str:
        return ", ".join(f"{key} {value}" for key, value in self.once().items())

    def rows(self) -> list[str]:
        """Return the names of the rows. The import is the same on either backend, so it is in one table."""
        return self.once("rows") + ([IMPORT] if self.environment["EQUIPOISE_BACKEND"] == "cpp" else [])

    def seconds(self, row: str, number: int) -> float:
        """Return the seconds of a call of ``row``; for the import, of a fresh interpreter."""
        if row != IMPORT:
            return self.ask(row, number)
        done = subprocess.run(
            [self.python, "-P", "-c", TIME_IMPORT],
            env=self.environment,
            cwd=tempfile.gettempdir(),
            capture_output=True,
            text=True,
            check=True,
        )
        return float(done.stdout)


def measure(
    sides: list[Side], rows: list[str], starts: int, rounds: int
) -> dict[str, list[list[list[float]]]]:
    """Return ``[start][round][side]``: seconds a call, for each row."""
    times: dict[str, list[list[list[float]]]] = {row: [] for row in rows}
    for start in range(starts):
        for side in sides:
            side.start()
        for row in rows:
            if sys.stderr.isatty():
                print(f"\r{start + 1} of {starts}: {row:<70}", end="", file=sys.stderr, flush=True)
            number = 1 if row == IMPORT else sides[0].ask(row)
            for side in sides:  # warmed up: compiled, memory mapped, byte code written
                side.seconds(row, number)
            found = []
            for turn in range(3 * rounds if row == IMPORT else rounds):
                answers = [0.0] * len(sides)
                for i in sorted(range(len(sides)), reverse=turn % 2 == 1):
                    answers[i] = sides[i].seconds(row, number)
                found.append(answers)
            times[row].append(found)
        for side in sides:
            side.stop()
    if sys.stderr.isatty():
        print(f"\r{'':<90}\r", end="", file=sys.stderr, flush=True)
    return times


def spell(seconds: float) -> str:
    unit, scale = next(((u, s) for u, s in (("s", 1.0), ("ms", 1e3)) if seconds * s >= 1), ("µs", 1e6))
    return f"{seconds * scale:.3g} {unit}"


def spell_row(row: str, backend: str, starts: list[list[list[float]]]) -> list[str]:
    """Return the cells of a row: medians, and with two sides the ratios and whether the new one is slower."""
    rounds = [answers for start in starts for answers in start]
    sides = list(zip(*rounds, strict=True))
    cells = [row, backend, *(spell(median(side)) for side in sides)]
    if len(sides) == 1:
        return cells
    by_start = [median(new / old for old, new in start) for start in starts]
    ratio, best = median(new / old for old, new in rounds), min(sides[1]) / min(sides[0])
    verdict = "**slower**" if min(ratio, best) > NOISE else ""
    return [*cells, f"{ratio:.3f} ({min(by_start):.3f} .. {max(by_start):.3f})", f"{best:.3f}", verdict]


def cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("old", help="the Python interpreter of the old version")
    parser.add_argument("new", nargs="?", help="of the new one (default: the old one's, given --new-path)")
    parser.add_argument("--old-path", metavar="DIR", help="PYTHONPATH of the old version")
    parser.add_argument("--new-path", metavar="DIR", help="PYTHONPATH of the new version")
    parser.add_argument("--backend", choices=("cpp", "numba", "both"), default="both")
    parser.add_argument("--only", metavar="WORD", action="append", help="rows that contain WORD; repeatable")
    parser.add_argument("--starts", type=int, default=3, help="how often processes are started anew")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each start")
    parser.add_argument("--quick", action="store_true", help="one start of three rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all times there")
    options = parser.parse_args()
    starts, rounds = (1, 3) if options.quick else (options.starts, options.rounds)
    pairs = [(options.old, options.old_path)]
    if options.new or options.new_path:
        pairs.append((options.new or options.old, options.new_path))

    tables, notes = {}, []
    with tempfile.TemporaryDirectory() as byte_code:  # so that nobody's folder is written to
        for backend in ("cpp", "numba") if options.backend == "both" else (options.backend,):
            sides = [Side(python, path, backend, byte_code) for python, path in pairs]
            notes += [f"{name}: {side.about()}" for name, side in zip(("old", "new"), sides, strict=False)]
            rows = [row for row in sides[0].rows() if any(word in row for word in options.only or [""])]
            tables[backend] = measure(sides, rows, starts, rounds)

    print(f"{cpu()}, one thread, CPU time; {starts} starts of {rounds} rounds.")
    print("\n".join(f"- {note}" for note in notes), end="\n\n")
    header = [
        "call",
        "backend",
        *(["old", "new", "new / old", "best / best", ""] if len(pairs) == 2 else ["cost"]),
    ]
    lines = [header, ["---"] * len(header)]
    lines += [
        spell_row(row, backend, times) for backend, found in tables.items() for row, times in found.items()
    ]
    print("\n".join(f"| {' | '.join(cells)} |" for cells in lines))
    if options.json:
        options.json.write_text(json.dumps({"notes": notes, "times": tables}))
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        sys.exit(main())
