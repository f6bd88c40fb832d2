"""The Numba twin against the C++ kernels: a process for each, asked in turn; compiling is not in the times.

With ``worker`` as its argument this file is such a process: it reads the name of a task and answers with its
seconds a call.
"""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from harness import Budget, Row, Timer, alternate, positives, spelled, timer, zipf
from neighbors import clustered

ITEMS, USERS, EACH = 1_000_000, 100_000, 50
DRAWS, REST, SEARCH = 3, 4, 6  # targets: at most so many times the C++ time
TASKS = {
    **{f"1M draws, n = {spelled(n)}": DRAWS for n in (10**4, 10**6, 10**7)},
    "1M uniform draws": DRAWS,
    "8192 x 16 negatives, 50 excluded": REST,
    "8192 x 16 negatives, 50 excluded, unique": REST,
    "8192 x 16 uniform negatives, 50 excluded": REST,
    "8192 shared negatives, unique": REST,
    "accidental hits, 1024 x 8192": REST,
    "table build, n = 1e6": REST,
    "reservoir, k = 1,000 of 1e7": REST,
    "reservoir, k = 100,000 of 1e7, by id": REST,
    "class reservoir, 1,000 x 100 of 1e7": REST,
    "65,536 synthetic rows x 16": REST,
    "65,536 synthetic rows x 16, 2 categorical": REST,
    "5-NN self-join, clustered float32, 20,000 x 16": SEARCH,
    "5-NN self-join, uniform float64, 5,000 x 32": SEARCH,
}


class Worker:
    """A process with one backend. A backend that is not there ends it, and the row says so."""

    def __init__(self, backend: str) -> None:
        command = [sys.executable, __file__, "worker"]
        environment = os.environ | {"EQUIPOISE_BACKEND": backend}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)
        self.here = self.ask("backend") == backend

    def ask(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return ""
        return self.process.stdout.readline().strip()

    def timer(self, task: str) -> Timer:
        """Warmed up. Where the task fails, reading its answer as a number does too."""
        float(self.ask(task))
        return lambda: float(self.ask(task))

    def close(self) -> None:
        self.process.stdin.close()  # type: ignore[union-attr]
        self.process.wait()


def run(budget: Budget) -> Iterator[Row]:
    workers = {backend: Worker(backend) for backend in ("cpp", "numba")}
    for task, target in TASKS.items():
        row = Row("twins", task, "Numba twin", measure="slowdown", target=target)
        if missing := [backend for backend, worker in workers.items() if not worker.here]:
            row.note = f"backend not installed: {', '.join(missing)}"
            yield row
            continue
        try:
            timers = {backend: worker.timer(task) for backend, worker in workers.items()}
        except ValueError:
            row.note = "failed"
            yield row
            continue
        yield alternate(timers, budget).fill(row, "cpp", "numba")
    for worker in workers.values():
        worker.close()


def make(task: str) -> Callable[[], object]:
    """The work behind a task's name, its inputs ready."""
    import equipoise

    rng = np.random.default_rng(1)
    if task == "1M uniform draws":
        uniform = equipoise.UniformTable(ITEMS)
        return lambda: uniform.sample(1_000_000, rng=rng)
    if "draws, n" in task:
        table = equipoise.AliasTable(zipf(int(float(task.rsplit(maxsplit=1)[-1]))), power=0.75)
        return lambda: table.sample(1_000_000, rng=rng)
    if "reservoir" in task:
        chunks = [slice(at, at + (1 << 20)) for at in range(0, 10_000_000, 1 << 20)]
        w, numbers = rng.random(10_000_000, dtype=np.float32), rng.permutation(10_000_000)
        if "class" in task:
            return lambda: read(equipoise.ClassReservoir(100), chunks, numbers % 1_000, w)
        if "id" in task:
            return lambda: read(equipoise.Reservoir(100_000), chunks, w, numbers)
        return lambda: read(equipoise.Reservoir(1_000), chunks, w)
    if "synthetic" in task:
        import smote

        X = smote.minority()
        X[:, :2] = np.round(X[:, :2])
        sampler = smote.sampler(X, categorical=[0, 1] if "categorical" in task else None)
        return lambda: sampler.sample(smote.BATCH)
    if "build" in task:
        weights = zipf(ITEMS)
        return lambda: equipoise.AliasTable(weights)
    if "uniform float64" in task:
        noise = rng.random((5_000, 32))
        return lambda: equipoise.nearest_neighbors(noise, 5)
    if "5-NN" in task:
        rows = clustered(20_000, 16)
        return lambda: equipoise.nearest_neighbors(rows, 5)
    exclude = (np.arange(0, USERS * EACH + 1, EACH), positives(USERS, ITEMS, EACH).ravel())
    items = ITEMS if "uniform" in task else equipoise.AliasTable(zipf(ITEMS), power=0.75)
    sampler = equipoise.NegativeSampler(items, exclude=exclude)
    users = rng.integers(0, USERS, 8192)
    if "hits" in task:
        candidates = sampler.sample_shared(8192).ids
        return lambda: sampler.accidental_hits(users[:1024], candidates)
    if "shared" in task:
        return lambda: sampler.sample_shared(8192)
    return lambda: sampler.sample(users, 16, unique="unique" in task)


def read(reservoir: Any, chunks: list[slice], *columns: np.ndarray) -> object:
    for part in chunks:
        reservoir.update(*(column[part] for column in columns))
    return reservoir.sample()


def serve() -> None:
    import equipoise

    timers: dict[str, Timer] = {}
    for line in sys.stdin:
        task = line.strip()
        if task == "backend":
            print(equipoise.backend(), flush=True)
            continue
        try:
            if task not in timers:
                timers[task] = timer(make(task))
            print(timers[task](), flush=True)
        except Exception:  # one broken task must not cost the others' results
            traceback.print_exc()
            print("failed", flush=True)


if __name__ == "__main__" and sys.argv[1:] == ["worker"]:
    serve()
