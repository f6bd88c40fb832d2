"""Rows in parts, their sample on one machine, and the engines that take samples of them."""

from __future__ import annotations

import contextlib
import importlib
import os
import time
from pathlib import Path
from unittest import mock

import numpy as np

import equipoise


def rows(n=3000, seed=0):
    """Return n rows: keys of all sizes and signs, and columns of several types, in random order."""
    rng = np.random.default_rng(seed)
    ids = np.unique(np.concatenate([rng.integers(-(2**63), 2**63, n), np.arange(-n, n)]))
    ids = rng.choice(ids, n, replace=False)
    ids[:2] = -(2**63), 2**63 - 1
    return {
        "id": ids,
        "w": np.where(rng.random(n) < 0.1, 0.0, rng.pareto(1.5, n)),
        "label": rng.choice(5, n, p=[0.6, 0.3, 0.07, 0.02, 0.01]) - 2,
        "word": np.array([f"é{i}" if i else "" for i in rng.integers(0, 4, n)], object),
        "text": np.array([f"row {i}" for i in ids.tolist()], object),
        "big": ids ^ 1,
        "flag": ids % 2 == 0,
        "small": (ids % 100).astype(np.int8),
    }


def cut(table, parts, seed=0):
    """Shuffle a table and cut it into parts of different sizes; of three or more, one is empty."""
    rng = np.random.default_rng(seed)
    n = len(table["id"])
    order = rng.permutation(n)
    at = np.sort(rng.integers(0, n, parts - 1))
    if parts > 2:
        at[1] = at[0]
    return [{name: column[some] for name, column in table.items()} for some in np.split(order, at)]


def on_one_machine(table, k, by=None, seed=0):
    """Return the sample of a reservoir that reads the whole table."""
    if by is None:
        reservoir = equipoise.Reservoir(k, seed=seed)
        reservoir.update(table["w"], ids=table["id"])
        return reservoir.sample()
    reservoir = equipoise.ClassReservoir(k, seed=seed)
    reservoir.update(table[by], table["w"], ids=table["id"])
    return reservoir.sample()


def check(got, table, k, by=None, seed=0):
    """Check the rows, their order, all of their columns, and every bit of their inclusion."""
    wanted = on_one_machine(table, k, by, seed)
    assert list(got) == [*table, "inclusion"]
    assert [int(i) for i in got["id"]] == wanted.ids.tolist()
    assert list(got["inclusion"]) == wanted.inclusion.tolist()
    where = {i: at for at, i in enumerate(table["id"].tolist())}
    at = [where[i] for i in wanted.ids.tolist()]
    for name, column in table.items():
        assert list(got[name]) == column[at].tolist(), name
        assert {isinstance(x, bool | np.bool_) for x in got[name]} <= {column.dtype == bool}, name


def children():
    """Return {pid: command} of the children of this process."""
    found = {}
    for path in Path("/proc/self/task").glob("*/children"):
        for pid in path.read_text().split():
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                # Dead processes do not count, nor does multiprocessing's tracker, which lives until the end.
                if command and "resource_tracker" not in command:
                    found[pid] = command
    return found


@contextlib.contextmanager
def nothing_left():
    """Check that no process and no environment variable is left. Dask sets some for threads and malloc."""
    before = children()
    with mock.patch.dict(os.environ):
        yield
    end = time.monotonic() + 30
    while set(children()) - set(before) and time.monotonic() < end:
        time.sleep(0.1)
    assert {pid: c for pid, c in children().items() if pid not in before} == {}


class Engine:
    """An engine that makes a data set of parts (dicts of columns) and returns its sample as columns.

    `before` runs in the task of each part.
    """

    def __init__(self, name):
        self.name = name
        self.adapter = importlib.import_module("equipoise.ray" if name == "ray" else "equipoise.dask")

    def data(self, parts, before=lambda: None):
        def touch(part):
            before()
            return part

        if self.name == "ray":
            import pyarrow
            import ray.data

            return ray.data.from_arrow([pyarrow.table(part) for part in parts]).map_batches(
                touch, batch_size=None, batch_format="pyarrow"
            )
        import dask.bag
        import dask.dataframe
        import pandas

        if self.name == "frame":
            frames = [pandas.DataFrame(part) for part in parts]
            return dask.dataframe.from_map(touch, frames, meta=frames[0].iloc[:0])
        lists = [
            [
                dict(zip(part, row, strict=True))
                for row in zip(*(c.tolist() for c in part.values()), strict=True)
            ]
            for part in parts
        ]
        return dask.bag.from_delayed([dask.delayed(part) for part in lists]).map_partitions(touch)

    def sample(self, data, k, **settings):
        got = self.adapter.weighted_sample(data, k, **{"weight": "w", "key": "id", **settings})
        if self.name != "bag":
            assert type(got).__module__.startswith("pandas")
            return got
        assert type(got) is list
        return {name: [row[name] for row in got] for name in got[0]} if got else {}


def with_nulls(engine):
    """Return a data set of one part, with nulls in every column but "one" and "two"."""
    columns = {"id": [2**53 + 1, None], "w": [1.0, None], "c": ["a", None], "one": [7, 8], "two": [1.0, 1e-9]}
    if engine.name == "ray":
        import pyarrow
        import ray.data

        return ray.data.from_arrow(pyarrow.table(columns))
    if engine.name == "bag":
        import dask.bag

        records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return dask.bag.from_sequence(records, npartitions=1)
    import dask.dataframe
    import pandas

    frame = pandas.DataFrame({**columns, "id": pandas.array(columns["id"], "Int64")})
    return dask.dataframe.from_pandas(frame, npartitions=1)
