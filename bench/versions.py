"""Compare two installed versions of equipoise in one run.

Run ``python bench/versions.py OLD_PYTHON [NEW_PYTHON] [--old-path DIR] [--new-path DIR]``. A side is a
Python interpreter, with a folder for its ``PYTHONPATH`` if equipoise is not installed in it. With one side,
only its costs are printed. The file needs no other file, so a copy of it works anywhere.

Every side measures in a process of its own. The rounds alternate, so that disturbances of the machine
affect both sides. The processes are started several times, since the addresses of memory can make one process
faster than another. Times are CPU times of one thread. A ratio is new / old within one round;
"best / best" compares the fastest rounds, which suffer least from other work on the machine. Rows that are
bound by memory differ by a tenth from run to run even for equal versions, so repeat a run that says "slower".
"""

from __future__ import annotations

import argparse
import functools
import gc
import itertools
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

SERVES = sys.argv[1:] == ["--serve"]
if SERVES:  # the process that asks needs neither of these
    import numpy as np

    import equipoise

SAMPLE = 0.03  # seconds; shorter calls are repeated for so long
CHUNK = 1 << 20
ITEMS, USERS, EACH = 1_000_000, 100_000, 50
NOISE = 1.05  # a side counts as slower when both ratios are above this, and no start says otherwise

Run = Callable[[], object]


# ---- the measured calls, which run in a side's own process -------------------------------------------------


class Case:
    """A measured call.

    ``prepare`` makes the state that a measurement starts from, untimed, and returns the call.
    ``calls`` is the number of calls of equipoise in one run. ``number`` fixes how often it is run in one
    measurement, if its cost depends on how often it was run before.
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


class Inputs:
    """The data of the cases, each made when it is first asked for and then kept."""

    @functools.cached_property
    def table(self) -> Any:
        return zipf_table(ITEMS)

    @functools.cached_property
    def exclude(self) -> tuple[Any, Any]:
        """Known positives of ``USERS`` rows, ``EACH`` of each, items log-uniform (popularity ~ 1 / rank)."""
        random = np.random.default_rng(20).random((USERS, EACH))
        ids = np.exp(random * np.log(ITEMS)).astype(np.int64).clip(1) - 1
        return np.arange(0, USERS * EACH + 1, EACH), ids.ravel()

    @functools.cached_property
    def sampler(self) -> Any:
        return equipoise.NegativeSampler(self.table, exclude=self.exclude)

    @functools.cached_property
    def weights(self) -> Any:
        return np.random.default_rng(0).random(CHUNK, dtype=np.float32)

    @functools.cached_property
    def points(self) -> Any:
        """float32 [20000, 16]: fifty clusters, centers uniform in [-10, 10]."""
        rng = np.random.default_rng(0)
        centers = rng.uniform(-10, 10, (50, 16))
        return (centers[rng.integers(0, 50, 20_000)] + rng.standard_normal((20_000, 16))).astype(np.float32)


def zipf_table(n: int) -> Any:
    return equipoise.AliasTable(1.0 / np.arange(1, n + 1), power=0.75)


def repeat(run: Run) -> Case:
    return Case(lambda: run)


def draw(table: Any, size: int) -> Case:
    rng = np.random.default_rng(1)

    def prepare() -> Run:
        out = np.full(size, 0, np.int64)  # new pages in each round, since their addresses matter, too
        return lambda: table.sample(size, rng=rng, out=out)

    return Case(prepare)


def draw_negatives(sampler: Any, rows: int, **options: Any) -> Case:
    """Draw for other rows in every call, so that their positives are not in the cache."""
    batches = itertools.cycle(np.random.default_rng(1).integers(0, USERS, (64, rows)))
    return repeat(lambda: sampler.sample(next(batches), 16, **options))


def find_hits(sampler: Any) -> Case:
    candidates, rows = sampler.sample_shared(8192).ids, np.arange(1024)
    return repeat(lambda: sampler.accidental_hits(rows, candidates))


def build(n: int) -> Case:
    weights = np.random.default_rng(3).permutation(1.0 / np.arange(1, n + 1))
    return repeat(lambda: equipoise.AliasTable(weights))


def read(make: Callable[[], Any], *columns: Any) -> Case:
    """Read eight chunks with a new reservoir each time."""

    def run() -> None:
        reservoir = make()
        for _ in range(8):
            reservoir.update(*columns)

    return Case(lambda: run, calls=8)


def read_by_id(k: int, weights: Any) -> Case:
    ids = np.random.default_rng(4).permutation(8 * CHUNK).reshape(8, CHUNK)

    def run() -> None:
        reservoir = equipoise.Reservoir(k)
        for some in ids:
            reservoir.update(weights, some)

    return Case(lambda: run, calls=8)


def read_classes(k: int, classes: int, weights: Any) -> Case:
    labels = np.random.default_rng(2).integers(0, classes, CHUNK)
    return read(lambda: equipoise.ClassReservoir(k), labels, weights)


def read_one(k: int, weights: Any) -> Case:
    """Read one row at a time with a reservoir that has read a chunk."""

    def prepare() -> Run:
        reservoir = equipoise.Reservoir(k)
        reservoir.update(weights)
        return lambda: reservoir.update(weights[:1])

    return Case(prepare, number=2_000)


def synthesize(x: Any, **options: Any) -> Case:
    sampler = equipoise.SmoteSampler(x, **options)

    def prepare() -> Run:
        out = np.full((65_536, x.shape[1]), 0, x.dtype)
        return lambda: sampler.sample(65_536, out=out)

    return Case(prepare)


def synthesize_codes(x: Any) -> Case:
    """Make synthetic rows of which two columns are categories."""
    coded = x.copy()
    coded[:, :2] = np.round(coded[:, :2])
    return synthesize(coded, categorical=[0, 1])


def search(x: Any) -> Case:
    return repeat(lambda: equipoise.nearest_neighbors(x, 5))


def cases(inputs: Inputs) -> dict[str, Callable[[], Case]]:
    """Return {name of a row: function that makes its case}."""
    return {
        "1 row x 16 negatives, 50 of 1M items excluded": lambda: draw_negatives(inputs.sampler, 1),
        "8192 rows x 16 negatives, 50 of 1M items excluded": lambda: draw_negatives(inputs.sampler, 8192),
        "8192 rows x 16 negatives, unique": lambda: draw_negatives(inputs.sampler, 8192, unique=True),
        "sample_shared, 8192 of 1M items": lambda: repeat(lambda: inputs.sampler.sample_shared(8192)),
        "AliasTable.sample, 16 of 1M items": lambda: draw(inputs.table, 16),
        "AliasTable.sample, 1M of 1M items": lambda: draw(inputs.table, 1_000_000),
        "AliasTable of 1M items": lambda: build(ITEMS),
        "Reservoir.update, k = 1,000, a chunk of 2^20 rows": lambda: read(
            lambda: equipoise.Reservoir(1_000), inputs.weights
        ),
        "Reservoir.update, k = 100,000, a chunk of 2^20 rows": lambda: read(
            lambda: equipoise.Reservoir(100_000), inputs.weights
        ),
        "Reservoir.update, k = 1,000, 1 row": lambda: read_one(1_000, inputs.weights),
        "ClassReservoir.update, k = 1,000, 100 classes, a chunk of 2^20 rows": lambda: read_classes(
            1_000, 100, inputs.weights
        ),
        "nearest_neighbors, 5 of clustered 20,000 x 16 float32": lambda: search(inputs.points),
        "SmoteSampler.sample, 65,536 rows x 16 float32": lambda: synthesize(inputs.points),
    }


def more_cases(inputs: Inputs) -> dict[str, Callable[[], Case]]:
    """Return the cases that are measured only with ``--all``."""
    return {
        "AliasTable.sample, 1M of 10,000 items": lambda: draw(zipf_table(10**4), 1_000_000),
        "AliasTable.sample, 1M of 10M items": lambda: draw(zipf_table(10**7), 1_000_000),
        "UniformTable.sample, 1M of 1M items": lambda: draw(equipoise.UniformTable(ITEMS), 1_000_000),
        "8192 rows x 16 uniform negatives, 50 of 1M items excluded": lambda: draw_negatives(
            equipoise.NegativeSampler(ITEMS, exclude=inputs.exclude), 8192
        ),
        "accidental_hits, 1024 rows x 8192 candidates": lambda: find_hits(inputs.sampler),
        "Reservoir.update, k = 100,000, a chunk of 2^20 rows with ids": lambda: read_by_id(
            100_000, inputs.weights
        ),
        "ClassReservoir.update, k = 100, 1,000 classes, a chunk of 2^20 rows": lambda: read_classes(
            100, 1_000, inputs.weights
        ),
        "SmoteSampler.sample, 65,536 rows x 16 float32, 2 categorical": lambda: synthesize_codes(
            inputs.points
        ),
        "nearest_neighbors, 5 of uniform 5,000 x 32 float64": lambda: search(
            np.random.default_rng(1).random((5_000, 32))
        ),
    }


def about() -> dict[str, str]:
    return {
        "equipoise": f"{equipoise.__version__} in {Path(equipoise.__file__).parent}",
        "backend": equipoise.backend(),
        "Python": platform.python_version(),
        "NumPy": np.__version__,
    }


def serve() -> None:
    """Answer each line of standard input with a line.

    ``[]`` asks for the versions, ``["rows", all]`` for the names of the rows, ``[row]`` for the number of
    runs in a round, and ``[row, number]`` for the seconds of a call over that many runs.
    """
    inputs = Inputs()
    usual, more = cases(inputs), more_cases(inputs)
    makers, made = usual | more, {}
    for line in sys.stdin:
        match json.loads(line):
            case []:
                answer: object = about()
            case ["rows", wants_all]:
                answer = list(makers if wants_all else usual)
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
        pools = ("OMP", "MKL", "OPENBLAS", "NUMBA", "EQUIPOISE")
        self.environment |= {f"{pool}_NUM_THREADS": "1" for pool in pools}
        self.environment["EQUIPOISE_BACKEND"] = backend
        if path:
            folders = [str(Path(folder).resolve()) for folder in path.split(os.pathsep)]
            self.environment["PYTHONPATH"] = os.pathsep.join(folders)
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
            raise RuntimeError(f"{self.python} ended with status {self.process.wait()}")
        return json.loads(line)

    def once(self, *question: Any) -> Any:
        self.start()
        answer = self.ask(*question)
        self.stop()
        return answer

    def about(self) -> str:
        return ", ".join(f"{key} {value}" for key, value in self.once().items())

    def rows(self, wants_all: bool = False) -> list[str]:
        return self.once("rows", wants_all)

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
    """Return ``[start][round][side]``, the seconds per call, for each row."""
    times: dict[str, list[list[list[float]]]] = {row: [] for row in rows}
    for start in range(starts):
        for side in sides if start % 2 == 0 else reversed(sides):
            side.start()
        for row in rows:
            if sys.stderr.isatty():
                print(f"\r{start + 1} of {starts}: {row:<70}", end="", file=sys.stderr, flush=True)
            number = 1 if row == IMPORT else sides[0].ask(row)
            for side in sides:  # warm up: compile, map memory, write byte code
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


def medians(starts: list[list[list[float]]]) -> tuple[list[float], float]:
    """Return the median time of each side, and the median over rounds of last side / first side."""
    rounds = [answers for start in starts for answers in start]
    return [median(side) for side in zip(*rounds, strict=True)], median(r[-1] / r[0] for r in rounds)


def spell(seconds: float) -> str:
    unit, scale = next(((u, s) for u, s in (("s", 1.0), ("ms", 1e3)) if seconds * s >= 1), ("µs", 1e6))
    return f"{seconds * scale:.3g} {unit}"


def spell_row(row: str, backend: str, starts: list[list[list[float]]]) -> list[str]:
    """Return the cells of a row: medians and, with two sides, ratios and whether the new side is slower."""
    times, ratio = medians(starts)
    cells = [row, backend, *(spell(seconds) for seconds in times)]
    if len(times) == 1:
        return cells
    by_start = [median(new / old for old, new in start) for start in starts]
    fastest = [min(answers[side] for start in starts for answers in start) for side in (0, 1)]
    best = fastest[1] / fastest[0]
    verdict = "**slower**" if min(ratio, best) > NOISE and min(by_start) > 1 else ""
    return [*cells, f"{ratio:.3f} ({min(by_start):.3f} .. {max(by_start):.3f})", f"{best:.3f}", verdict]


def cpu() -> str:
    """Return the CPU's name, family and model, and the wide instructions that it has."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    about = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    wide = [feature for feature in ("avx2", "avx512dq") if feature in about.get("flags", "").split()]
    family = f"family {about.get('cpu family', '?')}, model {about.get('model', '?')}"
    return f"{about.get('model name', platform.machine())} ({'; '.join([family, *wide])})"


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("old", help="the Python interpreter of the old version")
    parser.add_argument("new", nargs="?", help="of the new one (default: the old one's, given --new-path)")
    parser.add_argument("--old-path", metavar="DIR", help="PYTHONPATH of the old version")
    parser.add_argument("--new-path", metavar="DIR", help="PYTHONPATH of the new version")
    parser.add_argument("--backend", choices=("cpp", "numba", "both"), default="both")
    parser.add_argument("--all", action="store_true", help="more rows, which matter less")
    parser.add_argument("--only", metavar="WORD", action="append", help="rows that contain WORD; repeatable")
    parser.add_argument("--starts", type=int, default=3, help="how often processes are started anew")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each start")
    parser.add_argument("--quick", action="store_true", help="one start of three rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all times there")
    return parser.parse_args()


def main() -> int:
    options = read_options()
    starts, rounds = (1, 3) if options.quick else (options.starts, options.rounds)
    pairs = [(options.old, options.old_path)]
    if options.new or options.new_path:
        pairs.append((options.new or options.old, options.new_path))

    tables, notes = {}, []
    with tempfile.TemporaryDirectory() as byte_code:  # so that no user's folder is written to
        for backend in ("cpp", "numba") if options.backend == "both" else (options.backend,):
            sides = [Side(python, path, backend, byte_code) for python, path in pairs]
            notes += [f"{name}: {side.about()}" for name, side in zip(("old", "new"), sides, strict=False)]
            rows = sides[0].rows(options.all)
            if backend != "numba":  # it is the same for both backends
                rows.append(IMPORT)
            rows = [row for row in rows if any(word in row for word in options.only or [""])]
            tables[backend] = measure(sides, rows, starts, rounds)

    print(f"{cpu()}, one thread, CPU time; {starts} starts of {rounds} rounds.")
    print("\n".join(f"- {note}" for note in notes), end="\n\n")
    header = ["call", "backend", "cost"]
    if len(pairs) == 2:
        header[2:] = ["old", "new", "new / old (by start)", "best / best", ""]
    lines = [header, ["---"] * len(header)]
    for backend, found in tables.items():
        lines += [spell_row(row, backend, times) for row, times in found.items()]
    print("\n".join(f"| {' | '.join(cells)} |" for cells in lines))
    if options.json:
        options.json.write_text(json.dumps({"notes": notes, "times": tables}))
    return 0


if __name__ == "__main__":
    if SERVES:
        serve()
    else:
        sys.exit(main())
